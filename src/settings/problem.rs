//! What can be wrong with the settings, told so that the operator knows where to look. No message ever holds a secret.

use std::fmt;

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, as `server.port`; empty when the message names its subject itself.
    pub(super) setting: String,
    /// Where the value came from, as `in taskflow.toml` or `from PORT`; empty for a default.
    pub(super) place: String,
    /// What is wrong and what to do.
    pub(super) message: String,
}

impl Problem {
    /// A problem of the setting `key`. The loader adds the place its value came from.
    pub(super) fn of(key: &str, message: impl Into<String>) -> Self {
        Self {
            setting: key.to_owned(),
            place: String::new(),
            message: message.into(),
        }
    }

    /// A problem whose message says everything: of a file, of a variable, of an unknown name.
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Self::of("", message)
    }

    /// The same problem, with the place of its value.
    pub(super) fn at(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.setting.is_empty() {
            return out.write_str(&self.message);
        }
        write!(out, "`{}`", self.setting)?;
        if !self.place.is_empty() {
            write!(out, " ({})", self.place)?;
        }
        write!(out, ": {}", self.message)
    }
}

/// The settings cannot be used. Displays every problem, one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", one_a_line(.problems))]
pub struct SettingsError {
    /// Everything that is wrong: at least one problem.
    pub problems: Vec<Problem>,
}

fn one_a_line(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
