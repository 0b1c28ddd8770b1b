//! What a transaction tells of its changes to tasks: the history, the events, the work they cause
//! and, last, their places in streams. Gathered while it works, written at its end by a handful of
//! statements, however many tasks it changes.

use std::collections::HashMap;

use chrono::NaiveDate;
use entity::task::{Model, Priority, Status};
use entity::task_history::{self, Field};
use entity::{EventId, TaskChangeId, TaskId, Timestamp, UserId, Viewer, task_words};
use sea_orm::Set;

use super::events::{
    TaskAssigned, TaskCompleted, TaskCreated, TaskDeleted, TaskRestored, TaskUnassigned,
    TaskUpdated,
};
use super::store;
use crate::app::App;
use crate::db::{DbError, Tx, new_id};
use crate::events::{self, Event, Log};
use crate::graphql::Kind;
use crate::tasks::watcher;
use crate::{notifications, sink};

/// One task, before and after.
#[derive(Debug)]
pub struct Changed {
    /// None when it was made.
    pub before: Option<Model>,
    /// As it is now.
    pub after: Model,
    /// Fields that are kept elsewhere, as its labels: from what to what.
    pub beside: Vec<Difference>,
}

impl Changed {
    /// Whether anything is another than before.
    pub fn is_one(&self) -> bool {
        let before = self.before.as_ref();
        !self.beside.is_empty()
            || before.is_none_or(|before| !differences(before, &self.after).is_empty())
    }

    /// Whether the search must look at it again.
    fn has_other_texts(&self) -> bool {
        let same = |before: &Model| {
            before.title == self.after.title && before.description == self.after.description
        };
        !self.before.as_ref().is_some_and(same)
    }
}

/// A field that has another value: which, from what, to what, as clients see it.
pub type Difference = (Field, Option<String>, Option<String>);

/// Writes what happened to these tasks. Must be the last that the transaction does.
///
/// # Errors
/// The database's failure.
pub async fn write(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    changes: &[Changed],
) -> Result<(), DbError> {
    let (mut made, mut others) = (Vec::new(), Vec::new());
    for Changed { before, after, .. } in changes {
        match before {
            None => made.push(after),
            Some(_) => others.push(after),
        }
    }
    let creators = made.iter().map(|task| (task.id, task.creator_id));
    watcher::start_later(tx, creators);
    let mut recipients = watcher::recipients(tx, &others, viewer.user_id).await?;
    recipients.extend(
        made.iter()
            .map(|task| (task.id, watcher::recipients_of_new(task, viewer.user_id))),
    );
    let mut record = Record {
        tx,
        actor: viewer.user_id,
        recipients,
        log: Log::default(),
        history: Vec::new(),
        told: Vec::new(),
    };
    for changed in changes {
        record.note(changed)?;
    }
    store::insert_history(tx, record.history);
    let reworded = changes.iter().filter(|changed| changed.has_other_texts());
    let words = reworded.map(|changed| task_words::Model::of(&changed.after));
    store::index_words(tx, words.collect());
    notifications::enqueue_dispatch(app, tx, record.told);
    sink::enqueue(app, tx, record.log.ids());
    record.log.write(tx, &app.bus).await
}

struct Record<'a> {
    tx: &'a Tx,
    actor: UserId,
    recipients: HashMap<TaskId, Vec<UserId>>,
    log: Log,
    history: Vec<task_history::ActiveModel>,
    /// The events that somebody is to be told of, or some other system that follows a project.
    told: Vec<EventId>,
}

impl Record<'_> {
    fn note(
        &mut self,
        Changed {
            before,
            after,
            beside,
        }: &Changed,
    ) -> Result<(), DbError> {
        let (task_id, project_id) = (after.id, after.project_id);
        let told = || self.recipients.get(&task_id).cloned().unwrap_or_default();
        let Some(before) = before else {
            let event = TaskCreated {
                task_id,
                project_id,
                recipients: told(),
            };
            let stream = events::task_stream(task_id, project_id);
            let id = self.log.add(self.tx, &event, Some(self.actor), [stream])?;
            // Whose it is hears of it by being given it; nobody else follows it yet.
            self.told.extend(project_id.map(|_| id));
            return self.note_assignee(None, after);
        };
        let mut differences = differences(before, after);
        differences.extend(beside.iter().cloned());
        let recipients = told();
        match (before.deleted_at, after.deleted_at) {
            (None, Some(_)) => {
                self.add(
                    after,
                    &TaskDeleted {
                        task_id,
                        project_id,
                        recipients,
                    },
                )?;
            }
            (Some(_), None) => {
                self.add(
                    after,
                    &TaskRestored {
                        task_id,
                        project_id,
                        recipients,
                    },
                )?;
            }
            _ => {
                let fields = differences.iter().map(|(field, ..)| *field);
                // Whose it is has events of its own.
                let fields: Vec<_> = fields.filter(|field| *field != Field::Assignee).collect();
                if !fields.is_empty() {
                    let fields = fields.into_iter().map(store::field_name).collect();
                    self.add(
                        after,
                        &TaskUpdated {
                            task_id,
                            project_id,
                            fields,
                            recipients,
                        },
                    )?;
                }
                if before.completed_at.is_none() && after.completed_at.is_some() {
                    let recipients = self.recipients.get(&task_id).cloned().unwrap_or_default();
                    self.add(
                        after,
                        &TaskCompleted {
                            task_id,
                            project_id,
                            recipients,
                        },
                    )?;
                }
                self.note_assignee(Some(before), after)?;
            }
        }
        for (field, old_value, new_value) in differences {
            self.history.push(task_history::ActiveModel {
                id: Set(TaskChangeId(new_id(self.tx.clock()))),
                task_id: Set(task_id),
                actor_id: Set(self.actor),
                field: Set(field),
                old_value: Set(old_value),
                new_value: Set(new_value),
                // The moment the task says it was changed at.
                created_at: Set(after.updated_at),
            });
        }
        Ok(())
    }

    fn note_assignee(&mut self, before: Option<&Model>, after: &Model) -> Result<(), DbError> {
        let (task_id, project_id) = (after.id, after.project_id);
        let recipients = self.recipients.get(&task_id).cloned().unwrap_or_default();
        let had_it = before.and_then(|before| before.assignee_id);
        let is_given = had_it != after.assignee_id;
        // It was given to them while it was disabled.
        let is_due = after.enabled && before.is_some_and(|before| !before.assignee_told);
        match (had_it, after.assignee_id) {
            (_, Some(assignee_id)) if is_given || is_due => {
                let event = TaskAssigned {
                    task_id,
                    project_id,
                    assignee_id,
                    previous_assignee_id: had_it.filter(|before| *before != assignee_id),
                    recipients,
                };
                let mut streams = Vec::new();
                // Who follows the task knows already whose it is when it is only enabled.
                if is_given {
                    streams.push(events::task_stream(task_id, project_id));
                }
                // Nobody is told of a disabled task, whoever is to do it.
                if after.enabled {
                    streams.push(events::assigned_stream(assignee_id));
                }
                let id = self.log.add(self.tx, &event, Some(self.actor), streams)?;
                self.tell(after, id, event.previous_assignee_id);
            }
            (Some(assignee_id), None) => {
                let event = TaskUnassigned {
                    task_id,
                    project_id,
                    assignee_id,
                    recipients,
                };
                let id = self.add(after, &event)?;
                self.tell(after, id, Some(assignee_id));
            }
            _ => {}
        }
        Ok(())
    }

    /// Has people told of an event: its recipients, and whose the task was.
    fn tell(&mut self, task: &Model, event: EventId, loser: Option<UserId>) {
        let told = self.recipients.get(&task.id);
        let anybody = told.is_some_and(|told| !told.is_empty())
            || loser.is_some_and(|loser| loser != self.actor)
            || task.project_id.is_some();
        if anybody && !self.told.contains(&event) {
            self.told.push(event);
        }
    }

    fn add<E: Event>(&mut self, task: &Model, event: &E) -> Result<EventId, DbError> {
        let stream = events::task_stream(task.id, task.project_id);
        let id = self.log.add(self.tx, event, Some(self.actor), [stream])?;
        self.tell(task, id, None);
        Ok(id)
    }
}

/// The fields with another value.
pub fn differences(before: &Model, after: &Model) -> Vec<Difference> {
    let values = |task: &Model| {
        [
            (Field::Title, Some(task.title.clone())),
            (Field::Description, task.description.clone()),
            (Field::Status, Some(status(task.status).to_owned())),
            (Field::Priority, Some(priority(task.priority).to_owned())),
            (Field::Enabled, Some(task.enabled.to_string())),
            (Field::Start, moment(task.start_at, task.start_on)),
            (Field::Due, moment(task.due_at, task.due_on)),
            (
                Field::Assignee,
                task.assignee_id.map(|id| Kind::User.encode(id.0).0),
            ),
            (
                Field::Parent,
                task.parent_id.map(|id| Kind::Task.encode(id.0).0),
            ),
            (Field::Deleted, Some(task.deleted_at.is_some().to_string())),
        ]
    };
    let pairs = values(before).into_iter().zip(values(after));
    pairs
        .filter(|(old, new)| old.1 != new.1)
        .map(|((field, old), (_, new))| (field, old, new))
        .collect()
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Pending => "PENDING",
        Status::InProgress => "IN_PROGRESS",
        Status::Completed => "COMPLETED",
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "LOW",
        Priority::Medium => "MEDIUM",
        Priority::High => "HIGH",
    }
}

fn moment(at: Option<Timestamp>, on: Option<NaiveDate>) -> Option<String> {
    // Written like the scalar `DateTime`.
    let at = at.map(|at| at.to_rfc3339());
    at.or(on.map(|on| on.to_string()))
}
