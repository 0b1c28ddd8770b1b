//! Stored password hashes: ours, and those of the systems people come from. Only Argon2id is made
//! here; the others are read, and replaced when their owner logs in.
//!
//! | Begins with | Is | From |
//! |---|---|---|
//! | `$argon2id$`, `$argon2i$`, `$argon2d$` | Argon2 (RFC 9106), PHC string | Taskflow and others |
//! | `$2a$`, `$2b$`, `$2x$`, `$2y$` | bcrypt | Go, Node, PHP, Python |
//! | `scrypt:N:r:p$` | scrypt (RFC 7914) | Werkzeug 2.3 and later |
//! | `pbkdf2:sha256:n$` | PBKDF2 (RFC 8018); `sha1` and `sha512` as well | Werkzeug before |

use std::cell::RefCell;
use std::num::NonZeroU32;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2;

/// Parameters beyond these are refused: whoever can write a hash into the database, or into a file
/// to import, must not be able to make a login take all memory or minutes.
const MOST_ARGON2_KIB: u32 = 1 << 18;
const MOST_ARGON2_WORK: u64 = 1 << 22;
const MOST_BCRYPT_COST: u32 = 16;
const MOST_SCRYPT_BYTES: u64 = 1 << 28;
const MOST_SCRYPT_LANES: u32 = 16;
const MOST_PBKDF2_ROUNDS: u32 = 5_000_000;

/// A thread keeps no more memory for the next hash; a block is 1 KiB.
const MOST_KEPT_KIB: usize = 1 << 16;

/// A hash that can be checked.
pub enum Stored<'a> {
    /// Argon2, of whatever strength.
    Argon2(Box<PasswordHash>),
    /// bcrypt.
    Bcrypt(&'a str),
    /// scrypt as Werkzeug writes it.
    Scrypt {
        /// Memory and time.
        params: scrypt::Params,
        /// As it is written.
        salt: &'a str,
        /// What should come out.
        hash: Vec<u8>,
    },
    /// PBKDF2 as Werkzeug writes it.
    Pbkdf2 {
        /// With which hash.
        algorithm: pbkdf2::Algorithm,
        /// How often.
        rounds: NonZeroU32,
        /// As it is written.
        salt: &'a str,
        /// What should come out.
        hash: Vec<u8>,
    },
}

impl<'a> Stored<'a> {
    /// Reads a hash. None when it is of no kind that is known, or its parameters are absurd.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.starts_with("$argon2") {
            return argon2(text);
        }
        if text.starts_with("$2") {
            return bcrypt(text);
        }
        let (method, rest) = text.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let hash = from_hex(hash)?;
        let mut parts = method.split(':');
        let stored = match parts.next()? {
            "scrypt" => {
                let n: u64 = parts.next()?.parse().ok()?;
                let (r, p) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
                Self::Scrypt {
                    params: scrypt_params(n, r, p)?,
                    salt,
                    hash,
                }
            }
            "pbkdf2" => {
                let algorithm = match parts.next()? {
                    "sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
                    "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
                    "sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
                    _ => return None,
                };
                let rounds: u32 = parts.next()?.parse().ok()?;
                Self::Pbkdf2 {
                    algorithm,
                    rounds: NonZeroU32::new(rounds).filter(|_| rounds <= MOST_PBKDF2_ROUNDS)?,
                    salt,
                    hash,
                }
            }
            _ => return None,
        };
        parts.next().is_none().then_some(stored)
    }

    /// Whether the password is the one that was hashed. Takes as long as hashing it.
    pub fn fits(&self, password: &str) -> bool {
        match self {
            Self::Argon2(hash) => argon2_fits(hash, password).unwrap_or(false),
            // It reads 72 bytes of the password and no more, as those did who made the hash.
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Scrypt { params, salt, hash } => {
                let mut found = vec![0; hash.len()];
                scrypt::scrypt(password.as_bytes(), salt.as_bytes(), params, &mut found).is_ok()
                    && verify_slices_are_equal(&found, hash).is_ok()
            }
            Self::Pbkdf2 {
                algorithm,
                rounds,
                salt,
                hash,
            } => pbkdf2::verify(
                *algorithm,
                *rounds,
                salt.as_bytes(),
                password.as_bytes(),
                hash,
            )
            .is_ok(),
        }
    }

    /// Whether a hash made today would be just as strong, or less: then it may stay.
    pub fn is_as_strong_as(&self, today: &Params) -> bool {
        let Self::Argon2(hash) = self else {
            return false;
        };
        let is_argon2id = Algorithm::new(hash.algorithm).is_ok_and(|it| it == Algorithm::Argon2id);
        Params::try_from(&**hash).is_ok_and(|params| {
            is_argon2id
                && params.m_cost() >= today.m_cost()
                && params.t_cost() >= today.t_cost()
                && params.p_cost() >= today.p_cost()
        })
    }
}

thread_local! {
    /// The memory of the last hash of this thread. Taking it anew means clearing it, which is a twelfth of the work. It
    /// goes with the thread, soon after that has nothing to do.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// None when it has no salt or no hash, or nothing can be hashed with these parameters.
fn argon2_fits(stored: &PasswordHash, password: &str) -> Option<bool> {
    let algorithm = Algorithm::new(stored.algorithm).ok()?;
    let version = stored.version.map(Version::try_from).transpose().ok()?;
    let params = Params::try_from(stored).ok()?;
    let (salt, hash) = (stored.salt.as_ref()?, stored.hash.as_ref()?);
    let argon2 = Argon2::new(algorithm, version.unwrap_or_default(), params);
    let needed = argon2.params().block_count();
    let mut found = vec![0; hash.len()];
    BLOCKS
        .with_borrow_mut(|blocks| {
            if blocks.len() < needed {
                blocks.resize(needed, Block::new());
            }
            let (password, salt) = (password.as_bytes(), salt.as_ref());
            let hashed =
                argon2.hash_password_into_with_memory(password, salt, &mut found, &mut **blocks);
            if blocks.len() > MOST_KEPT_KIB {
                *blocks = Vec::new();
            }
            hashed
        })
        .ok()?;
    Some(verify_slices_are_equal(&found, hash.as_ref()).is_ok())
}

fn argon2(text: &str) -> Option<Stored<'_>> {
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    let is_sane = params.m_cost() <= MOST_ARGON2_KIB && work <= MOST_ARGON2_WORK;
    is_sane.then(|| Stored::Argon2(Box::new(hash)))
}

/// `$2b$12$` and 53 signs.
fn bcrypt(text: &str) -> Option<Stored<'_>> {
    let mut parts = text.split('$').skip(1);
    let (_version, cost, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let cost: u32 = cost.parse().ok()?;
    let is_sane = (4..=MOST_BCRYPT_COST).contains(&cost) && rest.len() == 53;
    (is_sane && parts.next().is_none()).then_some(Stored::Bcrypt(text))
}

fn scrypt_params(n: u64, r: u32, p: u32) -> Option<scrypt::Params> {
    let bytes = n.checked_mul(128)?.checked_mul(u64::from(r))?;
    let is_sane = n.is_power_of_two()
        && n > 1
        && bytes <= MOST_SCRYPT_BYTES
        && (1..=MOST_SCRYPT_LANES).contains(&p);
    let log_n = u8::try_from(n.trailing_zeros()).ok()?;
    scrypt::Params::new(log_n, r, p).ok().filter(|_| is_sane)
}

/// 16 to 64 bytes: shorter ones are no hashes, longer ones nobody writes.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !(32..=128).contains(&text.len()) || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher;
    use argon2::{Algorithm, Argon2, Params, Version};

    use super::{BLOCKS, MOST_KEPT_KIB, Stored};

    fn is_right(algorithm: Algorithm, version: Version, memory: u32) {
        let params = Params::new(memory, 2, 2, None).unwrap();
        let argon2 = Argon2::new(algorithm, version, params);
        let text = argon2.hash_password(b"right").unwrap().to_string();
        let stored = Stored::parse(&text).unwrap();
        assert!(stored.fits("right"), "{text}");
        assert!(!stored.fits("wrong"), "{text}");
    }

    /// Of every kind, and with more, less and the same memory than the one before.
    #[test]
    fn what_the_last_hash_left_in_memory_changes_nothing() {
        for memory in [64, 256, 64, 64, 16, 1_024, 32] {
            for algorithm in [Algorithm::Argon2id, Algorithm::Argon2i, Algorithm::Argon2d] {
                for version in [Version::V0x10, Version::V0x13] {
                    is_right(algorithm, version, memory);
                }
            }
        }
        assert!(BLOCKS.with_borrow(Vec::len) >= 1_024);
    }

    #[test]
    fn a_hash_that_takes_very_much_memory_leaves_none() {
        let much = u32::try_from(MOST_KEPT_KIB).unwrap() + 8;
        is_right(Algorithm::Argon2id, Version::V0x13, much);
        assert_eq!(BLOCKS.with_borrow(Vec::len), 0);
    }
}
