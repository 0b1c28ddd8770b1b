//! Random bytes, hashes, and what is derived from a secret.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use sha2::{Digest, Sha256};

/// SHA-256.
pub fn sha256(data: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Bytes as hexadecimal digits, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String does not fail.
            write!(text, "{byte:02x}").ok();
            text
        })
}

/// Bytes nobody can guess, from the operating system.
///
/// # Panics
/// When the operating system has no randomness, which leaves nothing safe to do.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness every secret would be guessable; stopping is the only safe answer"
    )]
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

/// A secret of 256 bits, as text for URLs and headers.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// A key for one use out of a secret for many (HKDF-SHA256, RFC 5869): keys of different labels know
/// nothing of each other.
///
/// # Panics
/// Never: 32 bytes are within what HKDF gives.
pub fn derive_key(secret: &[u8], label: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
    #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8,160 bytes")]
    extracted
        .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|out| out.fill(&mut key))
        .expect("32 bytes can be derived");
    key
}

/// HMAC-SHA256 (RFC 2104).
pub fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// Encrypts (AES-256-GCM with a random nonce, which stands before the rest). `place` says where the
/// result is kept, as `table.column:row`: moved elsewhere it cannot be opened.
///
/// # Errors
/// When the library refuses, which for texts of this size it does not.
pub fn seal(key: &[u8; 32], place: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError)?;
    let mut text = secret.to_vec();
    let nonce = key
        .seal_in_place_append_tag(Aad::from(place), &mut text)
        .map_err(|_| SealError)?;
    let mut sealed = nonce.as_ref().to_vec();
    sealed.append(&mut text);
    Ok(sealed)
}

/// Decrypts what [`seal`] made.
///
/// # Errors
/// When it was made with another key, for another place, or was changed.
pub fn open(key: &[u8; 32], place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError)?;
    let mut text = text.to_vec();
    let secret = key
        .open_in_place(nonce.into(), Aad::from(place), &mut text)
        .map_err(|_| SealError)?;
    Ok(secret.to_vec())
}

/// Something could not be encrypted or decrypted; that is all anybody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be encrypted or decrypted")]
pub struct SealError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_at_its_place_and_nowhere_else() {
        let (key, other) = (derive_key(b"secret", "a"), derive_key(b"secret", "b"));
        assert_ne!(key, other);
        let sealed = seal(&key, "sessions.successor:1", b"token").unwrap();
        assert_ne!(
            sealed,
            seal(&key, "sessions.successor:1", b"token").unwrap()
        );
        assert_eq!(
            open(&key, "sessions.successor:1", &sealed).unwrap(),
            b"token"
        );
        assert_eq!(
            open(&other, "sessions.successor:1", &sealed),
            Err(SealError)
        );
        assert_eq!(open(&key, "sessions.successor:2", &sealed), Err(SealError));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(open(&key, "sessions.successor:1", &changed), Err(SealError));
        }
        for length in 0..sealed.len() {
            assert!(open(&key, "sessions.successor:1", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn the_test_vector_of_rfc_4231_holds() {
        let tag = hex(&mac(&[0x0b; 20], b"Hi There"));
        assert_eq!(
            tag,
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
