//! What a task's fields may hold.

use chrono::Datelike;
use entity::Timestamp;

use crate::graphql::{UserError, UserErrorCode};
use crate::tasks::TaskError;
use crate::text::is_blank;

const TITLE_CHARS: usize = 200;
const DESCRIPTION_CHARS: usize = 2_000;
const KEY_CHARS: usize = 255;
/// How many tasks one input may have.
const MOST_TASKS: usize = 100;

/// Whether a task came alone in the input or in a list: it decides how problems name their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The input is the task.
    Alone,
    /// The input has a list of tasks.
    Listed,
}

impl Form {
    /// A problem of the task in this place: `["input", "title"]` or `["input", "tasks", "3", "title"]`.
    pub fn place(self, index: usize, mut error: UserError) -> UserError {
        if self == Self::Listed {
            let mut field = vec!["input".to_owned(), "tasks".to_owned(), index.to_string()];
            field.extend(error.field.into_iter().flatten().skip(1));
            error.field = Some(field);
        }
        error
    }
}

/// Whether a list of tasks has a good length.
pub fn check_size(tasks: usize) -> Result<(), TaskError> {
    if (1..=MOST_TASKS).contains(&tasks) {
        return Ok(());
    }
    let message = format!("A list of 1 to {MOST_TASKS} tasks; this one has {tasks}.");
    refuse(vec![problem(message, "tasks")])
}

/// A disabled task takes nothing but enabling.
pub fn is_disabled(field: &[&str]) -> UserError {
    UserError::new(
        UserErrorCode::Disabled,
        "The task is disabled. Enable it first.",
        field,
    )
}

pub fn title_problems(title: &str) -> Vec<UserError> {
    let length = title.chars().count();
    let message = if is_blank(title) {
        "A title needs at least one character that is not blank.".to_owned()
    } else if length > TITLE_CHARS {
        format!("The title has {length} characters; at most {TITLE_CHARS} fit.")
    } else if title.chars().any(char::is_control) {
        "A title is one line without control characters.".to_owned()
    } else {
        return Vec::new();
    };
    vec![problem(message, "title")]
}

pub fn description_problems(description: Option<&str>) -> Vec<UserError> {
    let length = description.map(|text| text.chars().count());
    match length {
        None | Some(1..=DESCRIPTION_CHARS) => match description {
            // PostgreSQL cannot store it, so no database takes it.
            Some(text) if text.contains('\0') => vec![problem(
                "The description contains a NUL character.".to_owned(),
                "description",
            )],
            _ => Vec::new(),
        },
        Some(0) => vec![problem(
            "An empty description: leave it out, or give null.".to_owned(),
            "description",
        )],
        Some(length) => vec![problem(
            format!("The description has {length} characters; at most {DESCRIPTION_CHARS} fit."),
            "description",
        )],
    }
}

/// Whether both databases can keep and sort a point in time: in SQLite it is a text with a year of
/// four digits, and the last of those years stands for "no date" in the order.
pub fn is_storable(at: Timestamp) -> bool {
    (1..=9_998).contains(&at.year())
}

pub fn key_problems(key: Option<&str>) -> Vec<UserError> {
    match key {
        Some(key) if !(1..=KEY_CHARS).contains(&key.chars().count()) || key.contains('\0') => {
            vec![problem(
                format!(
                    "An idempotencyKey has 1 to {KEY_CHARS} characters; a random UUID is a good one."
                ),
                "idempotencyKey",
            )]
        }
        _ => Vec::new(),
    }
}

/// A rule that a field breaks.
pub fn problem(message: impl Into<String>, field: &str) -> UserError {
    UserError::new(UserErrorCode::Invalid, message, &["input", field])
}

pub fn refuse(problems: Vec<UserError>) -> Result<(), TaskError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(TaskError::Refused(problems))
    }
}
