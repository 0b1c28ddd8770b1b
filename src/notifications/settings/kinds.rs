//! What people are told of, in the words of settings and of the database.

use std::fmt;
use std::str::FromStr;

pub use entity::notified::Type;
use entity::notified::{Category, Channel};

/// The channels, the one that reaches everybody first, then as they stand in for each other.
pub const CHANNELS: [Channel; 4] = [Channel::InApp, Channel::Email, Channel::Push, Channel::Sms];

/// The categories.
pub const CATEGORIES: [Category; 6] = [
    Category::System,
    Category::Workflow,
    Category::Integration,
    Category::Consent,
    Category::Security,
    Category::Marketing,
];

/// What a preference is about. As text `category:WORKFLOW` or `type:TASK_ASSIGNED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Everything of a category.
    Category(Category),
    /// One type alone, which then counts more than its category.
    Type(Type),
}

impl Subject {
    /// Every subject: the categories, and the types.
    pub fn all() -> impl Iterator<Item = Self> {
        let categories = CATEGORIES.into_iter().map(Self::Category);
        categories.chain(Type::ALL.into_iter().map(Self::Type))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Category(category) => write!(out, "category:{}", category_name(*category)),
            Self::Type(kind) => write!(out, "type:{}", kind.name()),
        }
    }
}

impl FromStr for Subject {
    type Err = UnknownSubject;

    fn from_str(text: &str) -> Result<Self, UnknownSubject> {
        let mut all = Self::all();
        all.find(|known| known.to_string() == text)
            .ok_or(UnknownSubject)
    }
}

/// There is no such subject of preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such category or type of notifications")]
pub struct UnknownSubject;

fn category_name(category: Category) -> &'static str {
    match category {
        Category::System => "SYSTEM",
        Category::Workflow => "WORKFLOW",
        Category::Integration => "INTEGRATION",
        Category::Consent => "CONSENT",
        Category::Security => "SECURITY",
        Category::Marketing => "MARKETING",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_subject_is_there_once_and_is_read_as_it_is_written() {
        let texts: HashSet<String> = Subject::all().map(|subject| subject.to_string()).collect();
        assert_eq!(texts.len(), CATEGORIES.len() + Type::ALL.len());
        for subject in Subject::all() {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert!(texts.contains("category:WORKFLOW") && texts.contains("type:TASK_ASSIGNED"));
        for wrong in [
            "",
            "WORKFLOW",
            "category:TASK_ASSIGNED",
            "type:task_assigned",
            "type:",
        ] {
            assert_eq!(wrong.parse::<Subject>(), Err(UnknownSubject), "{wrong}");
        }
    }
}
