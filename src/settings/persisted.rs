//! `[persisted_documents]`: documents that clients name by their hash.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::at_least;
use super::problem::Problem;

/// The section `[persisted_documents]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PersistedDocumentsSettings {
    /// Whether clients may register documents by their hash as they go.
    pub automatic: bool,
    /// How many of those one process remembers.
    pub automatic_entries: usize,
    /// How long Redis remembers them, in seconds.
    pub automatic_seconds: u64,
    /// The folder with the manifests of trusted documents.
    pub folder: Option<PathBuf>,
    /// Whether nothing but trusted documents is executed.
    pub only: bool,
}

impl PersistedDocumentsSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        at_least(
            errors,
            "persisted_documents.automatic_entries",
            self.automatic_entries,
            1,
        );
        at_least(
            errors,
            "persisted_documents.automatic_seconds",
            self.automatic_seconds,
            1,
        );
        if self.only && self.folder.is_none() {
            errors.push(Problem::of(
                "persisted_documents.only",
                "needs persisted_documents.folder: without manifests nothing could be executed",
            ));
        }
    }
}
