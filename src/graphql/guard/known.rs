//! Documents that were found valid before. What variables cannot change about a document is found out once: that it
//! is within the limits, what it parses to, and that the library finds it valid. What they can change is looked at
//! each time.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use lru::LruCache;

use crate::crypto::sha256;

/// The most bytes of all documents that are kept. Parsed they take some twenty times as much.
const MOST_BYTES: usize = 2 << 20;

/// The name of a document and of the operation that is to run of it.
type Key = [u8; 32];

/// A document within the limits.
#[derive(Debug)]
pub struct Document {
    /// As it was written, for what looks at variables.
    pub(super) written: ExecutableDocument,
    /// As the library takes it.
    pub(super) settled: ExecutableDocument,
    /// Which of its operations was asked for.
    pub(super) asked_for: Option<String>,
    /// The name of the one that runs.
    pub(super) operation_name: Option<String>,
    pub(super) operation_type: OperationType,
    pub(super) root_fields: usize,
    /// Whether variables may have a part in what it costs and asks for.
    pub(super) takes_variables: bool,
    /// What it costs, with the variables it came with first.
    pub(super) cost: usize,
    pub(super) key: Key,
    /// How many bytes its text has.
    pub(super) bytes: usize,
    /// Whether texts are written into it: they may be secrets, and are others next time.
    pub(super) has_texts: bool,
}

/// The name of a document and what was asked for: no other has the same.
pub(super) fn key(query: &str, asked_for: Option<&str>) -> Key {
    let mut text = Vec::with_capacity(query.len() + 64);
    text.extend_from_slice(&query.len().to_le_bytes());
    text.extend_from_slice(query.as_bytes());
    if let Some(name) = asked_for {
        text.push(1);
        text.extend_from_slice(name.as_bytes());
    }
    sha256(text)
}

/// The documents that were asked for last.
#[derive(Debug)]
pub struct KnownDocuments(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    documents: LruCache<Key, Arc<Document>>,
    bytes: usize,
}

impl Default for KnownDocuments {
    fn default() -> Self {
        Self(Mutex::new(Kept {
            // Bounded by their bytes.
            documents: LruCache::unbounded(),
            bytes: 0,
        }))
    }
}

impl KnownDocuments {
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Document>> {
        self.kept().documents.get(key).cloned()
    }

    /// Keeps a document that the library has found valid. Not one with texts in it: a password must not stay in
    /// memory because somebody did without variables.
    pub fn keep(&self, document: &Arc<Document>) {
        if document.has_texts {
            return;
        }
        let mut kept = self.kept();
        let before = kept.documents.put(document.key, document.clone());
        kept.bytes += document.bytes;
        kept.bytes -= before.map_or(0, |before| before.bytes);
        while kept.bytes > MOST_BYTES {
            let Some((_, oldest)) = kept.documents.pop_lru() else {
                break;
            };
            kept.bytes -= oldest.bytes;
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
