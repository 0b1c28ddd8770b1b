//! The keys of access tokens: one signs, and that one and its neighbours in time check.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm,
    OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::ExposeSecret;

use super::one_time::MailKeys;
use crate::settings::AuthSettings;

/// The keys of this server.
pub struct Keys {
    /// Which algorithm the signing key is for.
    pub algorithm: Algorithm,
    /// Names the signing key in the header of a token.
    pub kid: String,
    /// Signs.
    pub encoding: EncodingKey,
    /// Checks, by the name in the header. Each is for one algorithm only.
    pub checking: BTreeMap<String, (Algorithm, DecodingKey)>,
    /// What others may check with, for `/.well-known/jwks.json`. A shared secret is not in it.
    pub public: JwkSet,
    /// What is derived from the keys for the tokens that are sent by mail.
    pub mail: MailKeys,
}

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot use the key {path} (auth.jwt_private_key_file, auth.jwt_other_key_files)")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error(
        "{path} is not an Ed25519 private key in PEM (PKCS #8); make one with \
         `openssl genpkey -algorithm ed25519 -out {path}`"
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// One of the other files holds something else.
    #[error("auth.jwt_other_key_files: {path} is not an Ed25519 key in PEM, private or public")]
    NotAnotherKey {
        /// The file.
        path: PathBuf,
    },
    /// The key could not be made or described.
    #[error("cannot make a signing key: {0}")]
    Make(String),
}

/// An Ed25519 key out of a file.
struct FileKey {
    /// None of a public key.
    private: Option<Vec<u8>>,
    jwk: Jwk,
    kid: String,
}

/// A public key in DER (RFC 8410, section 4) is 12 bytes that say so, and the key.
const PUBLIC_DER: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

impl FileKey {
    /// Reads a key in PEM (RFC 7468).
    fn read(pem: &[u8]) -> Option<Self> {
        let pem = std::str::from_utf8(pem).ok()?;
        let (_, rest) = pem.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (body, _) = rest.split_once("-----END ")?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        let (private, public) = match label {
            "PRIVATE KEY" => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()?;
                (Some(der), pair.public_key().as_ref().to_vec())
            }
            "PUBLIC KEY" => (None, der.strip_prefix(&PUBLIC_DER)?.to_vec()),
            _ => return None,
        };
        let mut jwk = Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(KeyAlgorithm::EdDSA),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: URL_SAFE_NO_PAD.encode(public),
            }),
        };
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        jwk.common.key_id = Some(kid.clone());
        Some(Self { private, jwk, kid })
    }
}

impl Keys {
    /// The keys the settings name. The shared secret signs when there is one (HS256), else the
    /// Ed25519 key of the file, which is made when it does not exist and `create` allows it.
    ///
    /// # Errors
    /// [`KeyError`] says what to do.
    pub fn load(settings: &AuthSettings, create: bool) -> Result<Self, KeyError> {
        let others = others(settings)?;
        let mut keys = if let Some(secret) = &settings.jwt_secret {
            Self::of_secret(secret.expose_secret().as_bytes())
        } else {
            let path = &settings.jwt_private_key_file;
            let pem = match std::fs::read(path) {
                Err(error) if error.kind() == ErrorKind::NotFound && create => make(path)?,
                read => read.map_err(|source| KeyError::Io {
                    path: path.clone(),
                    source,
                })?,
            };
            Self::of_file(&pem).ok_or_else(|| KeyError::NotAKey { path: path.clone() })?
        };
        for other in others {
            if let Some(private) = &other.private {
                keys.mail.add(private);
            }
            keys.publish(other);
        }
        Ok(keys)
    }

    /// HS256: RFC 7518, section 3.2.
    fn of_secret(secret: &[u8]) -> Self {
        let kid = "hs256".to_owned();
        let check = (Algorithm::HS256, DecodingKey::from_secret(secret));
        Self {
            algorithm: Algorithm::HS256,
            encoding: EncodingKey::from_secret(secret),
            checking: [(kid.clone(), check)].into(),
            kid,
            public: JwkSet { keys: Vec::new() },
            mail: MailKeys::new(secret),
        }
    }

    fn of_file(pem: &[u8]) -> Option<Self> {
        let key = FileKey::read(pem)?;
        let private = key.private.as_deref()?;
        let mut keys = Self {
            algorithm: Algorithm::EdDSA,
            kid: key.kid.clone(),
            encoding: EncodingKey::from_ed_der(private),
            checking: BTreeMap::new(),
            public: JwkSet { keys: Vec::new() },
            mail: MailKeys::new(private),
        };
        keys.publish(key);
        Some(keys)
    }

    /// Takes tokens of this key, and says so. One that is there already is not there twice.
    fn publish(&mut self, key: FileKey) {
        let Ok(decoding) = DecodingKey::from_jwk(&key.jwk) else {
            return;
        };
        let check = (Algorithm::EdDSA, decoding);
        if self.checking.insert(key.kid, check).is_none() {
            self.public.keys.push(key.jwk);
        }
    }
}

/// Whether the files of the other keys can be used: what `taskflow config check` asks.
///
/// # Errors
/// [`KeyError`] with the file.
pub fn check_other_keys(settings: &AuthSettings) -> Result<(), KeyError> {
    others(settings).map(drop)
}

fn others(settings: &AuthSettings) -> Result<Vec<FileKey>, KeyError> {
    let mut others = Vec::new();
    for path in &settings.jwt_other_key_files {
        let pem = std::fs::read(path).map_err(|source| KeyError::Io {
            path: path.clone(),
            source,
        })?;
        let key = FileKey::read(&pem);
        others.push(key.ok_or_else(|| KeyError::NotAnotherKey { path: path.clone() })?);
    }
    Ok(others)
}

/// Makes a key and writes it for the owner only. The file is created exclusively: of two servers
/// that start at once one makes it, and the other reads it.
fn make(path: &Path) -> Result<Vec<u8>, KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let pair = Ed25519KeyPair::generate().map_err(|error| KeyError::Make(error.to_string()))?;
    let der = pair
        .to_pkcs8v1()
        .map_err(|error| KeyError::Make(error.to_string()))?;
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    // Written under another name first, so that nobody ever reads half a key.
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(pem.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| std::fs::hard_link(&draft, path));
    // The draft has done its work, or never existed.
    std::fs::remove_file(&draft).ok();
    match written {
        Ok(()) => {
            tracing::info!(path = %path.display(), "made a signing key");
            Ok(pem.into_bytes())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => std::fs::read(path).map_err(io),
        Err(error) => Err(io(error)),
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
