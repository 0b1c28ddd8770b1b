//! Documents that clients name by their hash instead of sending them.
//!
//! Two kinds. *Trusted* documents come from manifests that the operator put into a folder; they are
//! read once at start, and in the mode `only` nothing else is executed. *Automatic* ones are
//! registered by clients as they go (automatic persisted queries, APQ,
//! <https://www.apollographql.com/docs/apollo-server/performance/apq>): a client sends the hash; when
//! it is told `PERSISTED_QUERY_NOT_FOUND`, it sends hash and document once.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use redis::AsyncTypedCommands;
use serde::Deserialize;
use serde_json::Value;

use super::guard::Params;
use super::{ApiError, Caller, ErrorCode, RequestContext};
use crate::crypto::{self, hex};
use crate::kv::Kv;
use crate::limits::{Bucket, Charge, Key, Limiter};
use crate::settings::PersistedDocumentsSettings;

type Hash = [u8; 32];

/// A client can always send the document again, so Redis gets little time.
const PATIENCE: Duration = Duration::from_millis(50);

/// The documents this server knows by name.
#[derive(Debug)]
pub struct Documents {
    settings: PersistedDocumentsSettings,
    /// By the id of their manifest, and by their hash in hexadecimal.
    trusted: HashMap<String, String>,
    automatic: Mutex<LruCache<Hash, String>>,
    kv: Kv,
    limiter: Limiter,
}

/// A request with its document.
#[derive(Debug)]
pub struct Found {
    /// The request; its `query` is there.
    pub params: Params,
    /// What is to be kept if the document turns out to be good.
    pub registration: Option<Registration>,
}

/// A document that a client wants to name by its hash from now on.
#[derive(Debug)]
pub struct Registration {
    hash: Hash,
    text: String,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The folder or a file.
    #[error("persisted_documents.folder: cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is in a file.
    #[error(
        "persisted_documents.folder: {path} is not a manifest: it must be a JSON object of ids and documents, or Apollo's format"
    )]
    Format {
        /// Which.
        path: String,
    },
    /// Nothing could be executed.
    #[error(
        "persisted_documents.folder: there is no document in it, and persisted_documents.only executes nothing else"
    )]
    Empty,
    /// Two files disagree.
    #[error("persisted_documents.folder: {path} has another document for the id {id}")]
    Twice {
        /// The later file.
        path: String,
        /// The id.
        id: String,
    },
}

/// Reads the manifests and forgets them, to see whether that can be done.
///
/// # Errors
/// [`ManifestError`] names the file.
pub fn check_manifests(settings: &PersistedDocumentsSettings) -> Result<(), ManifestError> {
    let Some(folder) = &settings.folder else {
        return Ok(());
    };
    match read_folder(folder, &mut HashMap::new())? {
        0 if settings.only => Err(ManifestError::Empty),
        _ => Ok(()),
    }
}

/// What is in a manifest file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    /// `apollo-persisted-query-manifest`.
    Apollo { operations: Vec<ApolloOperation> },
    /// As the Relay compiler and graphql-codegen write it.
    Plain(HashMap<String, String>),
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

impl Documents {
    /// Reads the manifests.
    ///
    /// # Errors
    /// [`ManifestError`] names the file.
    pub fn load(
        settings: &PersistedDocumentsSettings,
        kv: Kv,
        limiter: Limiter,
    ) -> Result<Self, ManifestError> {
        let mut trusted = HashMap::new();
        if let Some(folder) = &settings.folder {
            let documents = read_folder(folder, &mut trusted)?;
            if settings.only && documents == 0 {
                return Err(ManifestError::Empty);
            }
            tracing::info!(documents, "trusted documents are read");
        }
        if settings.only {
            trust_own(&mut trusted);
        }
        let entries = NonZeroUsize::new(settings.automatic_entries).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            settings: settings.clone(),
            trusted,
            automatic: Mutex::new(LruCache::new(entries)),
            kv,
            limiter,
        })
    }

    /// Puts the document into a request that names one.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND`, `PERSISTED_QUERY_NOT_SUPPORTED`, `FORBIDDEN` for a document that
    /// is not trusted in the mode `only`, and `BAD_USER_INPUT` for a request without a document.
    pub async fn find(&self, mut params: Params) -> Result<Found, ApiError> {
        let name = Name::of(&params)?;
        let mut registration = None;
        if let Some(text) = &params.query {
            let hash = || crypto::sha256(text);
            if let Some(Name::Hash(claimed)) = &name
                && *claimed != hash()
            {
                return Err(ApiError::new(
                    ErrorCode::BadUserInput,
                    "The `sha256Hash` is not the SHA-256 of the document.",
                ));
            }
            if self.settings.only && !self.trusted.contains_key(&hex(&hash())) {
                return Err(not_trusted());
            }
            if let Some(Name::Hash(hash)) = name
                && self.settings.automatic
                && !self.settings.only
            {
                registration = Some(Registration {
                    hash,
                    text: text.clone(),
                });
            }
        } else {
            let name = name.ok_or_else(|| {
                ApiError::new(
                    ErrorCode::BadUserInput,
                    "The request must be a JSON object with the document in `query`, and perhaps `operationName` and `variables`.",
                )
            })?;
            params.query = Some(self.look_up(&name).await?);
        }
        Ok(Found {
            params,
            registration,
        })
    }

    /// Keeps a document that was executed. Everybody gets a place in the memory of this process,
    /// which is bounded; only who is signed in gets one in the Redis that all replicas share. Who
    /// registers too many is served all the same, and has to go on sending the text.
    pub async fn register(&self, registration: Registration, context: &RequestContext) {
        let Registration { hash, text } = registration;
        if self.automatic().get(&hash).is_some() {
            return;
        }
        let caller = &context.caller;
        let key = match caller {
            Caller::User(viewer) => Key::user(viewer.user_id),
            Caller::Anonymous | Caller::Refused(_) => Key::address(context.client.address),
        };
        let charge = Charge::one(Bucket::RegisterDocument, key);
        if self.limiter.take(&[charge]).await.is_err() {
            return;
        }
        self.automatic().put(hash, text.clone());
        if !matches!(caller, Caller::User(_)) {
            return;
        }
        let key = self.key(&hash);
        let seconds = self.settings.automatic_seconds;
        self.kv
            .run(PATIENCE, async move |mut redis| {
                redis.set_ex(key, text, seconds).await
            })
            .await;
    }

    async fn look_up(&self, name: &Name) -> Result<String, ApiError> {
        let hash = match name {
            Name::Id(id) => {
                if let Some(text) = self.trusted.get(id) {
                    return Ok(text.clone());
                }
                None
            }
            Name::Hash(hash) => Some(hash),
        };
        if let Some(hash) = hash {
            if let Some(text) = self.trusted.get(&hex(hash)) {
                return Ok(text.clone());
            }
            if self.settings.automatic && !self.settings.only {
                if let Some(text) = self.remembered(hash).await {
                    return Ok(text);
                }
            } else if self.trusted.is_empty() {
                // The message is what clients look for.
                return Err(ApiError::new(
                    ErrorCode::PersistedQueryNotSupported,
                    "PersistedQueryNotSupported",
                ));
            }
        }
        if self.settings.only {
            return Err(not_trusted());
        }
        // The message is what clients look for.
        Err(ApiError::new(
            ErrorCode::PersistedQueryNotFound,
            "PersistedQueryNotFound",
        ))
    }

    async fn remembered(&self, hash: &Hash) -> Option<String> {
        if let Some(text) = self.automatic().get(hash) {
            return Some(text.clone());
        }
        let key = self.key(hash);
        let text = self
            .kv
            .run(PATIENCE, async move |mut redis| redis.get(key).await)
            .await
            .flatten()
            // What else may write to that Redis is not known here.
            .filter(|text| crypto::sha256(text) == *hash)?;
        self.automatic().put(*hash, text.clone());
        Some(text)
    }

    fn automatic(&self) -> std::sync::MutexGuard<'_, LruCache<Hash, String>> {
        self.automatic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, hash: &Hash) -> String {
        self.kv.key(&format!("document:{}", hex(hash)))
    }
}

/// What our own page for the links in mails executes, which must work whatever the operator trusts.
fn trust_own(trusted: &mut HashMap<String, String>) {
    let own = include_str!("../../web/account/documents.json");
    let own: HashMap<String, String> = serde_json::from_str(own).unwrap_or_default();
    for text in own.into_values() {
        trusted.insert(hex(&crypto::sha256(&text)), text);
    }
}

fn not_trusted() -> ApiError {
    ApiError::new(
        ErrorCode::Forbidden,
        "This server executes registered documents only, and this is none of them.",
    )
}

/// How a request names its document.
enum Name {
    /// By the id of a manifest.
    Id(String),
    /// By its SHA-256.
    Hash(Hash),
}

impl Name {
    fn of(params: &Params) -> Result<Option<Self>, ApiError> {
        if let Some(id) = &params.document_id {
            // As the appendix "Persisted Documents" of GraphQL over HTTP writes a hash.
            let hash = id.strip_prefix("sha256:").and_then(unhex);
            return Ok(Some(hash.map_or_else(|| Self::Id(id.clone()), Self::Hash)));
        }
        let Some(extension) = params
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.get("persistedQuery"))
            .filter(|extension| !extension.is_null())
        else {
            return Ok(None);
        };
        let hash = extension.get("sha256Hash").and_then(Value::as_str);
        let hash = hash
            .and_then(unhex)
            .filter(|_| extension.get("version").and_then(Value::as_u64) == Some(1));
        match hash {
            Some(hash) => Ok(Some(Self::Hash(hash))),
            None => Err(ApiError::new(
                ErrorCode::BadUserInput,
                "`extensions.persistedQuery` must have `version` 1 and a `sha256Hash` of 64 hexadecimal digits.",
            )),
        }
    }
}

/// Answers how many documents there are.
fn read_folder(
    folder: &Path,
    trusted: &mut HashMap<String, String>,
) -> Result<usize, ManifestError> {
    let mut documents = 0;
    let read_error = |path: &Path| {
        let path = path.display().to_string();
        move |source| ManifestError::Read { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(read_error(folder))? {
        let path = entry.map_err(read_error(folder))?.path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let text = std::fs::read(&path).map_err(read_error(&path))?;
        let name = path.display().to_string();
        let manifest = serde_json::from_slice(&text)
            .map_err(|_| ManifestError::Format { path: name.clone() })?;
        let entries: Vec<(String, String)> = match manifest {
            Manifest::Plain(documents) => documents.into_iter().collect(),
            Manifest::Apollo { operations } => operations
                .into_iter()
                .map(|operation| (operation.id, operation.body))
                .collect(),
        };
        documents += entries.len();
        for (id, document) in entries {
            let hash = hex(&crypto::sha256(&document));
            trusted.insert(hash, document.clone());
            if let Some(other) = trusted.insert(id.clone(), document.clone())
                && other != document
            {
                return Err(ManifestError::Twice { path: name, id });
            }
        }
    }
    Ok(documents)
}

fn unhex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}
