//! Whether people are still to be told what a notification says.

use std::collections::{BTreeSet, HashSet};

use entity::notified::Type;
use entity::{TaskId, UserId, task};
use sea_orm::ConnectionTrait;

use super::Skip;
use super::facts::Facts;
use crate::db::DbError;
use crate::tasks::watcher::{self, Audience};

/// What some people are to what events are about.
#[derive(Debug, Default)]
pub struct Standing {
    muted: HashSet<(TaskId, UserId)>,
    audience: Audience,
}

impl Standing {
    /// Looks these people up, for these tasks: a handful of statements, however many they are.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn read(
        db: &impl ConnectionTrait,
        tasks: &[&task::Model],
        people: &BTreeSet<UserId>,
    ) -> Result<Self, DbError> {
        if tasks.is_empty() {
            return Ok(Self::default());
        }
        let ids = tasks.iter().map(|task| task.id).collect();
        Ok(Self {
            muted: watcher::who_muted(db, ids).await?,
            audience: Audience::load(db, tasks, people).await?,
        })
    }

    /// Looks once more: what happened a moment or some days ago may be of no use to somebody by now, or
    /// none of their business. None when it is still to be told.
    pub fn stale(&self, facts: &Facts, kind: Type, user: UserId) -> Option<Skip> {
        if facts.payload.comment_id.is_some() && facts.comment.is_none() {
            return Some(Skip::CommentGone);
        }
        if kind == Type::Announcement && facts.announcement.is_none() {
            return Some(Skip::AnnouncementGone);
        }
        facts.payload.task_id?;
        let Some(task) = &facts.task else {
            return Some(Skip::TaskGone);
        };
        if task.deleted_at.is_some() != (kind == Type::TaskDeleted) {
            return Some(Skip::TaskGone);
        }
        if !task.enabled {
            return Some(Skip::TaskDisabled);
        }
        let is_theirs = task.assignee_id == Some(user);
        match kind {
            Type::TaskAssigned if !is_theirs => return Some(Skip::Reassigned),
            Type::TaskUnassigned if is_theirs => return Some(Skip::Reassigned),
            _ => {}
        }
        if self.muted.contains(&(task.id, user)) {
            return Some(Skip::Muted);
        }
        // Whose it was may not see it any more because it is not theirs any more.
        let sees = self.sees(facts, user) || kind == Type::TaskUnassigned;
        (!sees).then_some(Skip::Hidden)
    }

    /// Whether somebody may see the task there is, as it is now.
    pub fn sees(&self, facts: &Facts, user: UserId) -> bool {
        let task = facts.task.as_ref();
        task.is_none_or(|task| self.audience.sees(task, user))
    }
}
