//! `[notifications]`: what people are told, and in which language.

use serde::{Deserialize, Serialize};

use super::at_least;
use super::problem::Problem;

/// A language that every message exists in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English.
    En,
    /// German.
    De,
}

impl Locale {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// Its tag (RFC 5646): `en`, `de`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The one with this tag, in any case.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|locale| locale.tag().eq_ignore_ascii_case(tag))
    }
}

/// The section `[notifications]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationsSettings {
    /// The language of messages to people who chose none that there is.
    pub default_locale: Locale,
    /// After how many days what people were told is deleted, read or not.
    pub keep_days: u32,
}

impl NotificationsSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        at_least(errors, "notifications.keep_days", self.keep_days, 1);
    }
}
