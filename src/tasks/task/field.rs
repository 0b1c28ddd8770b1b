//! The fields of a task whose changes are told and remembered.

use async_graphql::Enum;
use entity::task_history::Field;

/// A field of a task that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Field")]
pub enum TaskField {
    /// The title.
    Title,
    /// The description.
    Description,
    /// How far it has come.
    Status,
    /// How much it matters.
    Priority,
    /// Whether it counts.
    Enabled,
    /// When it should begin, a point in time or a day.
    Start,
    /// When it should be done, a point in time or a day.
    Due,
    /// Who is to do it.
    Assignee,
    /// The task it is a part of.
    Parent,
    /// Its labels.
    Labels,
    /// Whether it is deleted.
    Deleted,
}
