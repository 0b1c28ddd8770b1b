//! Tasks: what somebody is to do.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{Condition, DatabaseBackend, QueryResult};
use serde::Serialize;

use crate::row::{read_row, word};
use crate::{ProjectId, TaskId, Timestamp, UserId, Viewer, project_member};

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    /// Not begun.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// Begun.
    #[sea_orm(string_value = "in_progress")]
    InProgress,
    /// Done.
    #[sea_orm(string_value = "completed")]
    Completed,
}

/// How much a task matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Priority {
    /// Can wait.
    #[sea_orm(string_value = "low")]
    Low,
    /// The ordinary case.
    #[sea_orm(string_value = "medium")]
    Medium,
    /// Comes first.
    #[sea_orm(string_value = "high")]
    High,
}

/// A row of `tasks`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TaskId,
    /// 1 to 200 characters.
    pub title: String,
    /// 1 to 2,000 characters, or none.
    pub description: Option<String>,
    /// How far it has come.
    pub status: Status,
    /// How much it matters.
    pub priority: Priority,
    /// A disabled task is set aside.
    pub enabled: bool,
    /// The project it belongs to.
    pub project_id: Option<ProjectId>,
    /// Its number in the project; there exactly if the project is.
    pub number: Option<i32>,
    /// What it is a part of.
    pub parent_id: Option<TaskId>,
    /// When it should begin, if that is a point in time.
    pub start_at: Option<Timestamp>,
    /// When it should begin, if that is a day.
    pub start_on: Option<Date>,
    /// When it should be done, if that is a point in time.
    pub due_at: Option<Timestamp>,
    /// When it should be done, if that is a day, wherever the reader is.
    pub due_on: Option<Date>,
    /// Follows from the two before, for the order: see [`due_order`].
    pub due_order: Timestamp,
    /// Who made it.
    pub creator_id: UserId,
    /// Who is to do it.
    pub assignee_id: Option<UserId>,
    /// Whether they were told of it: not while it is disabled.
    pub assignee_told: bool,
    /// When it was finished; there exactly if the status says so.
    pub completed_at: Option<Timestamp>,
    /// When it was deleted; it can be restored for 30 days.
    pub deleted_at: Option<Timestamp>,
    /// Starts at 1 and is raised by every change.
    pub version: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Model {
    /// How many columns it has.
    pub const COLUMNS: usize = 22;

    /// Reads a row that begins with the columns of the table, in their order.
    ///
    /// # Errors
    /// When it does not.
    pub fn of_row(row: &QueryResult) -> Result<Self, DbErr> {
        read_row!(row, |row| Self {
            id: TaskId(row.try_get_unchecked(0)?),
            title: row.try_get_unchecked(1)?,
            description: row.try_get_unchecked(2)?,
            status: word(row.try_get_unchecked(3)?)?,
            priority: word(row.try_get_unchecked(4)?)?,
            enabled: row.try_get_unchecked(5)?,
            project_id: row.try_get_unchecked::<Option<Uuid>, _>(6)?.map(ProjectId),
            number: row.try_get_unchecked(7)?,
            parent_id: row.try_get_unchecked::<Option<Uuid>, _>(8)?.map(TaskId),
            start_at: row.try_get_unchecked(9)?,
            start_on: row.try_get_unchecked(10)?,
            due_at: row.try_get_unchecked(11)?,
            due_on: row.try_get_unchecked(12)?,
            due_order: row.try_get_unchecked(13)?,
            creator_id: UserId(row.try_get_unchecked(14)?),
            assignee_id: row.try_get_unchecked::<Option<Uuid>, _>(15)?.map(UserId),
            assignee_told: row.try_get_unchecked(16)?,
            completed_at: row.try_get_unchecked(17)?,
            deleted_at: row.try_get_unchecked(18)?,
            version: row.try_get_unchecked(19)?,
            created_at: row.try_get_unchecked(20)?,
            updated_at: row.try_get_unchecked(21)?,
        })
    }
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a task stands in the order of due dates: at its point in time, or at the end of its day in
/// UTC, or after all others.
pub fn due_order(at: Option<Timestamp>, on: Option<Date>) -> Timestamp {
    let end = on.and_then(|day| day.and_hms_micro_opt(23, 59, 59, 999_999));
    at.or(end.map(|end| end.and_utc())).unwrap_or_else(never)
}

/// How much a task matters as a number, in SQL. The same text as in the index, without values, so
/// that the databases know it again.
pub const PRIORITY_RANK: &str = "CASE priority WHEN 'low' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END";

/// When a task was finished, and after all others if it was not, in SQL; likewise.
pub const COMPLETED_ORDER: &str = "COALESCE(completed_at, '9999-12-31T23:59:59+00:00')";

/// Where a task stands in the order of when it was finished.
pub fn completed_order(at: Option<Timestamp>) -> Timestamp {
    at.unwrap_or_else(never)
}

/// Stands for "no date" in the order: a NULL would compare with nothing.
fn never() -> Timestamp {
    Timestamp::from_timestamp(253_402_300_799, 0).unwrap_or_default()
}

impl Entity {
    /// The tasks a viewer may see that are not deleted: those assigned to them, those they made
    /// outside projects, those of their projects; all for admins. Every read starts here.
    pub fn visible_to(viewer: &Viewer, backend: DatabaseBackend) -> Select<Self> {
        Self::find()
            .filter(Column::DeletedAt.is_null())
            .filter(seen_by(viewer, backend))
    }

    /// The tasks a viewer may see that were deleted after a point in time.
    pub fn trash_of(viewer: &Viewer, backend: DatabaseBackend, since: Timestamp) -> Select<Self> {
        Self::find()
            .filter(Column::DeletedAt.gt(since))
            .filter(seen_by(viewer, backend))
    }
}

/// Whether a viewer may see a task, deleted or not.
pub fn seen_by(viewer: &Viewer, backend: DatabaseBackend) -> Condition {
    seen_as("tasks", viewer, backend)
}

/// Whether a viewer may see the task that a task is a part of, which is not deleted. Never NULL.
pub fn parent_seen_by(viewer: &Viewer, backend: DatabaseBackend) -> Expr {
    let parent = "parent";
    let own = Expr::col((parent, Column::Id)).equals((Entity, Column::ParentId));
    let parents = Query::select()
        .expr(Expr::value(1))
        .from_as(Entity, parent)
        .and_where(own)
        .and_where(Expr::col((parent, Column::DeletedAt)).is_null())
        .cond_where(seen_as(parent, viewer, backend))
        .take();
    // A value in place of EXISTS: PostgreSQL would read all parents there are before the first task.
    Expr::from(parents).is_not_null()
}

/// Whether a task is of a project that a viewer is a member of. NULL outside projects.
pub fn in_project_of(viewer: &Viewer, backend: DatabaseBackend) -> Expr {
    member_as("tasks", viewer, backend)
}

/// Of the tasks that have this name in the query.
fn seen_as(table: &'static str, viewer: &Viewer, backend: DatabaseBackend) -> Condition {
    if viewer.is_admin() {
        return Condition::all();
    }
    let own = |column: Column| Expr::col((table, column));
    Condition::any()
        .add(own(Column::AssigneeId).eq(viewer.user_id))
        .add(
            Condition::all()
                .add(own(Column::CreatorId).eq(viewer.user_id))
                .add(own(Column::ProjectId).is_null()),
        )
        .add(member_as(table, viewer, backend))
}

fn member_as(table: &'static str, viewer: &Viewer, backend: DatabaseBackend) -> Expr {
    // PostgreSQL uses an index inside an OR for an array, and not for a sub-query; SQLite has no
    // arrays, and does so for the sub-query.
    if backend == DatabaseBackend::Postgres {
        return Expr::cust_with_values(
            format!(
                "{table}.project_id = ANY(ARRAY(SELECT project_id FROM project_members WHERE user_id = $1))"
            ),
            [viewer.user_id],
        );
    }
    let projects = Query::select()
        .column(project_member::Column::ProjectId)
        .from(project_member::Entity)
        .and_where(project_member::Column::UserId.eq(viewer.user_id))
        .take();
    Expr::col((table, Column::ProjectId)).in_subquery(projects)
}
