//! The statements about who follows a task.

use std::collections::{BTreeSet, HashMap, HashSet};

use entity::task_watcher::{Column, Entity, Model};
use entity::{ProjectId, TaskId, UserId, project_member};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};

use crate::db::{DbError, Sql, Tx, padded};
use crate::tasks::slice::{Rows, Slices};

/// The rows of these tasks, also of those who want to hear nothing.
pub async fn of_tasks(
    db: &impl ConnectionTrait,
    tasks: Vec<TaskId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::TaskId.is_in(tasks))
        .all(db)
        .await?)
}

/// Lets people follow tasks. Who follows one already, or wants to hear nothing of it, is left as
/// they are.
///
/// # Errors
/// The database's failure.
pub async fn start(
    tx: &Tx,
    pairs: impl IntoIterator<Item = (TaskId, UserId)>,
) -> Result<(), DbError> {
    start_later(tx, pairs);
    tx.flush().await
}

/// The same, at the end of the transaction.
pub fn start_later(tx: &Tx, pairs: impl IntoIterator<Item = (TaskId, UserId)>) {
    let pairs: BTreeSet<(TaskId, UserId)> = pairs.into_iter().collect();
    if pairs.is_empty() {
        return;
    }
    let now = tx.clock().now();
    let rows = pairs.into_iter().map(|(task_id, user_id)| {
        let row = Model {
            task_id,
            user_id,
            muted: false,
            created_at: now,
        };
        row.into_active_model()
    });
    let once = " ON CONFLICT (task_id, user_id) DO NOTHING";
    tx.later(Sql::insert(tx.backend(), rows).and(once, []));
}

/// Writes whether somebody follows a task or wants to hear nothing of it.
pub async fn set(tx: &Tx, task_id: TaskId, user_id: UserId, muted: bool) -> Result<(), DbError> {
    let row = Model {
        task_id,
        user_id,
        muted,
        created_at: tx.clock().now(),
    };
    let both = OnConflict::columns([Column::TaskId, Column::UserId])
        .update_column(Column::Muted)
        .to_owned();
    Entity::insert(row.into_active_model())
        .on_conflict(both)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Forgets what somebody wanted to hear of a task.
pub async fn remove(tx: &Tx, task: TaskId, user: UserId) -> Result<(), DbError> {
    Entity::delete_by_id((task, user)).exec(tx.conn()).await?;
    Ok(())
}

/// Who wants to hear nothing of which of these tasks.
///
/// # Errors
/// The database's failure.
pub async fn who_muted(
    db: &impl ConnectionTrait,
    tasks: Vec<TaskId>,
) -> Result<HashSet<(TaskId, UserId)>, DbError> {
    let rows = Entity::find()
        .filter(Column::TaskId.is_in(padded(tasks)))
        .filter(Column::Muted.eq(true))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.task_id, row.user_id))
        .collect())
}

/// Whether somebody has muted those of these tasks that they follow or have muted.
pub async fn muted_by(
    db: &impl ConnectionTrait,
    user: UserId,
    tasks: Vec<TaskId>,
) -> Result<HashMap<TaskId, bool>, DbError> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::TaskId.is_in(tasks))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.task_id, row.muted))
        .collect())
}

const WATCHERS: Rows = Rows {
    table: "task_watchers",
    key: "user_id",
    descending: false,
    only: Some(follows),
};

/// Whether a row is of somebody who wants to hear of the task and can see it: the rule of
/// `entity::task::seen_by`, asked the other way round, of an account that is not disabled.
fn follows() -> Expr {
    let sees = Expr::cust(
        "EXISTS (SELECT 1 FROM tasks WHERE tasks.id = task_watchers.task_id AND (
           tasks.assignee_id = task_watchers.user_id
           OR (tasks.project_id IS NULL AND tasks.creator_id = task_watchers.user_id)
           OR EXISTS (SELECT 1 FROM project_members WHERE project_members.project_id = tasks.project_id
                AND project_members.user_id = task_watchers.user_id)
           OR EXISTS (SELECT 1 FROM user_roles
                WHERE user_roles.user_id = task_watchers.user_id AND user_roles.role = 'admin')))",
    );
    let is_active = Expr::cust(
        "EXISTS (SELECT 1 FROM users WHERE users.id = task_watchers.user_id AND users.status = 'active')",
    );
    Expr::col("muted").eq(false).and(is_active).and(sees)
}

/// A page of those who follow each of these tasks and can see it.
pub async fn list(
    db: &impl ConnectionTrait,
    page: &Slices<UserId>,
) -> Result<Vec<(TaskId, UserId)>, DbError> {
    let select = page
        .select(&WATCHERS, &["task_id", "user_id"])
        .order_by("user_id", Order::Asc)
        .take();
    let mut rows = Vec::new();
    for row in db.query_all(&select).await? {
        rows.push((row.try_get("", "task_id")?, row.try_get("", "user_id")?));
    }
    Ok(rows)
}

/// How many follow each of these tasks and can see it; a task that nobody follows is not among the keys.
pub async fn counts(
    db: &impl ConnectionTrait,
    tasks: Vec<TaskId>,
) -> Result<HashMap<TaskId, i64>, DbError> {
    let rows: Vec<(TaskId, i64)> = Entity::find()
        .select_only()
        .column(Column::TaskId)
        .column_as(Column::UserId.count(), "number")
        .filter(Column::TaskId.is_in(tasks))
        .filter(follows())
        .group_by(Column::TaskId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Which of these people belong to which of these projects.
pub async fn memberships(
    db: &impl ConnectionTrait,
    projects: BTreeSet<ProjectId>,
    users: Vec<UserId>,
) -> Result<HashSet<(ProjectId, UserId)>, DbError> {
    let members = project_member::Entity::find()
        .filter(project_member::Column::ProjectId.is_in(projects))
        .filter(project_member::Column::UserId.is_in(users))
        .all(db)
        .await?;
    Ok(members
        .into_iter()
        .map(|member| (member.project_id, member.user_id))
        .collect())
}
