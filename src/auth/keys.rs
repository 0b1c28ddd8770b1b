//! The key that signs access tokens, and the public keys that check them.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::ExposeSecret;

use crate::settings::AuthSettings;

/// The signing key of this server and what checks its signatures.
pub struct Keys {
    /// Which algorithm the key is for; tokens of any other are refused.
    pub algorithm: Algorithm,
    /// Names the key in the header of a token.
    pub kid: String,
    /// Signs.
    pub encoding: EncodingKey,
    /// Checks.
    pub decoding: DecodingKey,
    /// What others may check with, for `/.well-known/jwks.json`. Empty for a shared secret.
    pub public: JwkSet,
}

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot use the signing key {path}: {source}")]
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
    /// The key could not be made or described.
    #[error("cannot make a signing key: {0}")]
    Make(String),
}

impl Keys {
    /// The key the settings name: the shared secret when there is one (HS256), else the Ed25519
    /// key of the file, which is made when it does not exist and `create` allows it.
    ///
    /// # Errors
    /// [`KeyError`] says what to do.
    pub fn load(settings: &AuthSettings, create: bool) -> Result<Self, KeyError> {
        if let Some(secret) = &settings.jwt_secret {
            let secret = secret.expose_secret().as_bytes();
            return Ok(Self {
                algorithm: Algorithm::HS256,
                kid: "hs256".to_owned(),
                encoding: EncodingKey::from_secret(secret),
                decoding: DecodingKey::from_secret(secret),
                public: JwkSet { keys: Vec::new() },
            });
        }
        let path = &settings.jwt_private_key_file;
        let pem = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && create => make(path)?,
            read => read.map_err(|source| KeyError::Io {
                path: path.clone(),
                source,
            })?,
        };
        Self::from_ed25519_pem(&pem).ok_or_else(|| KeyError::NotAKey { path: path.clone() })
    }

    fn from_ed25519_pem(pem: &[u8]) -> Option<Self> {
        let encoding = EncodingKey::from_ed_pem(pem).ok()?;
        let mut jwk = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).ok()?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self {
            algorithm: Algorithm::EdDSA,
            kid,
            encoding,
            decoding,
            public: JwkSet { keys: vec![jwk] },
        })
    }
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
