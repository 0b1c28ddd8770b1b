//! What is wrong with the input of who registers or changes a webhook.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::WebhookError;
use crate::app::App;
use crate::delivery::webhook::{HeaderRefused, check_header};
use crate::graphql::{UserError, UserErrorCode};
use crate::text::is_text;

/// What webhooks are told of. A task is told as it is by then; of a comment its task.
pub const TOPICS: [&str; 16] = [
    "task.created",
    "task.updated",
    "task.assigned",
    "task.unassigned",
    "task.completed",
    "task.deleted",
    "task.restored",
    "comment.created",
    "comment.updated",
    "comment.deleted",
    "project.updated",
    "project.archived",
    "project.unarchived",
    "project.member_added",
    "project.member_updated",
    "project.member_removed",
];

const DESCRIPTION_CHARS: usize = 500;
const MOST_TYPES: usize = 50;
const MOST_HEADERS: usize = 20;
const HEADER_NAME_CHARS: usize = 100;
const HEADER_VALUE_CHARS: usize = 1_000;
/// The most messages in a minute that can be asked for.
const MOST_RATE: i32 = 600;

/// Whether webhooks are told of events of this topic.
pub fn tells(topic: &str) -> bool {
    TOPICS.contains(&topic)
}

/// Whether a type, or the beginning of types with a `*`, means this topic.
pub fn means(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => topic.starts_with(beginning),
        None => pattern == topic,
    }
}

/// A problem at a field of the input.
pub fn problem(message: impl Into<String>, field: &str) -> UserError {
    UserError::new(UserErrorCode::Invalid, message, &["input", field])
}

/// Refuses when there are problems.
///
/// # Errors
/// `Refused` with all of them.
pub fn refuse(problems: Vec<UserError>) -> Result<(), WebhookError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(WebhookError::Refused(problems))
    }
}

/// Reads an address.
pub fn url(app: &App, text: &str) -> Result<Url, UserError> {
    let checked = app.outbound.check_url(text);
    checked.map_err(|refused| problem(format!("This cannot be called: {refused}."), "url"))
}

/// What is wrong with a description.
pub fn description(text: &str) -> Option<UserError> {
    let message = format!("A description has 1 to {DESCRIPTION_CHARS} characters.");
    (!is_text(text, DESCRIPTION_CHARS)).then(|| problem(message, "description"))
}

/// What is wrong with a list of types.
pub fn event_types(types: &[String]) -> Option<UserError> {
    let told = |message: String| Some(problem(message, "eventTypes"));
    if types.is_empty() {
        return told("Name at least one type, or give null for all.".to_owned());
    }
    if types.len() > MOST_TYPES {
        return told(format!("At most {MOST_TYPES} types can be named."));
    }
    let unknown = types
        .iter()
        .find(|pattern| !TOPICS.iter().any(|topic| means(pattern, topic)))?;
    // A text of the client's goes back cut.
    let unknown: String = unknown.chars().take(50).collect();
    told(format!(
        "Nothing is told of the type `{unknown}`. The types are {}; the beginning of some with a `*` means all of them, as `task.*`.",
        TOPICS.join(", ")
    ))
}

/// What is wrong with more headers.
pub fn headers(headers: &[(String, SecretString)]) -> Option<UserError> {
    let told = |message: String| Some(problem(message, "headers"));
    if headers.len() > MOST_HEADERS {
        return told(format!("At most {MOST_HEADERS} headers can be added."));
    }
    let mut seen = BTreeSet::new();
    for (name, value) in headers {
        let (folded, value) = (name.to_ascii_lowercase(), value.expose_secret());
        let is_name = folded.len() <= HEADER_NAME_CHARS;
        let checked = check_header(&folded, value);
        if !is_name || checked == Err(HeaderRefused::Name) {
            return told(format!(
                "The name of a header has 1 to {HEADER_NAME_CHARS} letters, digits and hyphens."
            ));
        }
        if checked == Err(HeaderRefused::Reserved) {
            return told(format!("The header `{folded}` is the server's own."));
        }
        let is_value = (1..=HEADER_VALUE_CHARS).contains(&value.len()) && value.trim() == value;
        if !is_value || checked.is_err() {
            return told(format!(
                "The value of `{folded}` has 1 to {HEADER_VALUE_CHARS} characters of ASCII that can be seen, and blanks in between."
            ));
        }
        if !seen.insert(folded.clone()) {
            return told(format!("The header `{folded}` stands there twice."));
        }
    }
    None
}

/// What is wrong with a rate.
pub fn rate(rate: i32) -> Option<UserError> {
    let message = format!("A rate is from 1 to {MOST_RATE} messages in a minute.");
    (!(1..=MOST_RATE).contains(&rate)).then(|| problem(message, "ratePerMinute"))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{event_types, headers, means};

    #[test]
    fn a_pattern_means_what_begins_like_it() {
        for (pattern, topic, wanted) in [
            ("task.assigned", "task.assigned", true),
            ("task.assigned", "task.assigned2", false),
            ("task.*", "task.assigned", true),
            ("task.*", "tasks.assigned", false),
            ("project.member_*", "project.member_added", true),
            ("project.member_*", "project.updated", false),
            ("*", "task.assigned", true),
        ] {
            assert_eq!(means(pattern, topic), wanted, "{pattern} {topic}");
        }
    }

    #[test]
    fn only_types_that_are_told_are_taken() {
        let problems = |types: &[&str]| {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            event_types(&types).is_some()
        };
        assert!(!problems(&["task.*", "comment.created", "*"]));
        for wrong in [
            "security.*",
            "webhook.test",
            "task",
            "task.",
            "",
            "**",
            "Task.*",
        ] {
            assert!(problems(&[wrong]), "{wrong}");
        }
        assert!(problems(&[]));
        assert!(problems(&["task.*"; 51]));
    }

    #[test]
    fn headers_that_are_none_or_ours_are_refused() {
        let problems = |list: &[(&str, &str)]| {
            let list: Vec<_> = list
                .iter()
                .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)))
                .collect();
            headers(&list).is_some()
        };
        assert!(!problems(&[]));
        assert!(!problems(&[
            ("Authorization", "Bearer a b"),
            ("X-Key", "1")
        ]));
        for name in [
            "",
            "a b",
            "a:",
            "ä",
            "a\r\n",
            "Host",
            "Webhook-Id",
            "webhook-x",
            "Content-Type",
            "content-length",
            "Connection",
            "Transfer-Encoding",
            "User-Agent",
        ] {
            assert!(problems(&[(name, "x")]), "{name}");
        }
        for value in ["", " x", "x\r\ny: z", "x\n", "x\0", "ä"] {
            assert!(problems(&[("x", value)]), "{value:?}");
        }
        assert!(problems(&[("x", "1"), ("X", "2")]));
        assert!(problems(&[("x", &"y".repeat(1_001))]));
    }
}
