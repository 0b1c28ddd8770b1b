//! Who of some people can see which of some tasks: the rule of `entity::task::seen_by`, asked the
//! other way round.

use std::collections::{BTreeSet, HashSet};

use entity::task::Model;
use entity::user_role::Role;
use entity::{ProjectId, UserId};
use sea_orm::ConnectionTrait;

use super::store;
use crate::accounts;
use crate::db::DbError;

/// What is to be known of people to tell which tasks they see.
#[derive(Debug, Default)]
pub struct Audience {
    active: HashSet<UserId>,
    admins: HashSet<UserId>,
    members: HashSet<(ProjectId, UserId)>,
}

impl Audience {
    /// Looks these people up, for these tasks: three statements at most.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn load(
        db: &impl ConnectionTrait,
        tasks: &[&Model],
        people: &BTreeSet<UserId>,
    ) -> Result<Self, DbError> {
        if people.is_empty() {
            return Ok(Self::default());
        }
        let active = accounts::active_among(db, people.iter().copied().collect()).await?;
        let people: Vec<UserId> = active.iter().copied().collect();
        let roles = accounts::roles_of_many(db, people.clone()).await?;
        let is_admin = |roles: &[Role]| roles.contains(&Role::Admin);
        let admins = roles
            .into_iter()
            .filter_map(|(user, roles)| is_admin(&roles).then_some(user))
            .collect();
        let projects: BTreeSet<ProjectId> =
            tasks.iter().filter_map(|task| task.project_id).collect();
        let members = if projects.is_empty() {
            HashSet::new()
        } else {
            store::memberships(db, projects, people).await?
        };
        Ok(Self {
            active,
            admins,
            members,
        })
    }

    /// Whether somebody can see a task. Who cannot sign in sees none.
    pub fn sees(&self, task: &Model, user: UserId) -> bool {
        let belongs = match task.project_id {
            Some(project) => self.members.contains(&(project, user)),
            None => task.creator_id == user,
        };
        self.active.contains(&user)
            && (belongs || task.assignee_id == Some(user) || self.admins.contains(&user))
    }
}
