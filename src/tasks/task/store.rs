//! The statements about tasks.

use entity::task::{Column, Entity, Model, seen_by};
use entity::user::Face;
use entity::{ProjectId, TaskId, Timestamp, UserId, Viewer, project, task_history, task_words};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, Iterable, JoinType, PaginatorTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, QueryTrait, Select, Statement, Value,
};
use std::collections::HashMap;

use super::order::Sort;
use crate::db::line::{self, Line};
use crate::db::{DbError, Sql, Tx, keyset, padded};
use crate::graphql::CursorTime;

/// Which tasks a list has.
#[derive(Clone, Copy, Debug)]
pub enum Shelf {
    /// Those that are there.
    Live,
    /// Those that were deleted after this point in time.
    Trash(Timestamp),
}

/// The people of a task.
#[derive(Clone, Debug)]
pub struct People {
    /// Whose it is.
    pub assignee: Option<Face>,
    /// Who made it.
    pub creator: Face,
}

/// Somebody who is read with a task.
const OTHER: &str = "other";

/// Where a page of sub-tasks ended.
pub type SubtaskKeys = (CursorTime, TaskId);

/// Writes new tasks, at least one, at the end of the transaction.
pub fn insert(tx: &Tx, tasks: Vec<Model>) {
    let rows = tasks.into_iter().map(IntoActiveModel::into_active_model);
    tx.later(Sql::insert(tx.backend(), rows));
}

/// A task and nobody else's hands on it until the end of the transaction.
pub async fn lock(tx: &Tx, id: TaskId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.conn())
        .await?)
}

/// Those of some tasks that there are, in the order of their ids, and nobody else's hands on them.
pub async fn lock_many(tx: &Tx, ids: Vec<TaskId>) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::Id.is_in(ids))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(tx.conn())
        .await?)
}

/// What is a part of what in these projects, or outside projects, is changed by nobody else until the
/// end of the transaction; if it is shared, others may make new parts meanwhile. Call it after the
/// tasks are locked.
pub async fn keep_trees(
    tx: &Tx,
    projects: impl Iterator<Item = Option<ProjectId>>,
    shared: bool,
) -> Result<(), DbError> {
    let lines = projects.map(|id| Line::of("trees", id.map(|id| id.0).unwrap_or_default()));
    if shared {
        line::share(tx, lines).await
    } else {
        line::have_alone(tx, lines).await
    }
}

/// These tasks and all that stand above them, each with what it is a part of.
pub async fn above(tx: &Tx, ids: &[TaskId]) -> Result<HashMap<TaskId, Option<TaskId>>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = format!(
        "WITH RECURSIVE above (id, parent_id) AS (
           SELECT id, parent_id FROM tasks WHERE id IN ({})
           UNION
           SELECT tasks.id, tasks.parent_id FROM above JOIN tasks ON tasks.id = above.parent_id
         )
         SELECT id, parent_id FROM above",
        places(ids)
    );
    let mut above = HashMap::new();
    for row in of_tasks(tx, query, ids).await? {
        above.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    }
    Ok(above)
}

/// `$1, $2, …`, one for each.
fn places(ids: &[TaskId]) -> String {
    let places: Vec<_> = (1..=ids.len()).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// What a query about these tasks answers.
async fn of_tasks(tx: &Tx, query: String, ids: &[TaskId]) -> Result<Vec<QueryResult>, DbError> {
    let conn = tx.conn();
    let values = ids.iter().map(|id| Value::from(*id));
    let query = Statement::from_sql_and_values(conn.get_database_backend(), query, values);
    Ok(conn.query_all_raw(query).await?)
}

/// How many levels of sub-tasks stand below each of these tasks, which are moved: what stands below
/// another of them goes with that. Counted as far as `most` and one more. Deleted ones count, for they
/// may be restored.
pub async fn heights(
    tx: &Tx,
    ids: &[TaskId],
    most: usize,
) -> Result<HashMap<TaskId, usize>, DbError> {
    let query = format!(
        "WITH RECURSIVE below (root, id, depth) AS (
           SELECT id, id, 0 FROM tasks WHERE id IN ({moved})
           UNION ALL
           SELECT below.root, tasks.id, below.depth + 1
           FROM below JOIN tasks ON tasks.parent_id = below.id
           WHERE below.depth <= {most} AND tasks.id NOT IN ({moved})
         )
         SELECT root, MAX(depth) FROM below GROUP BY root",
        moved = places(ids)
    );
    let mut heights = HashMap::new();
    for row in of_tasks(tx, query, ids).await? {
        let depth: i32 = row.try_get_by_index(1)?;
        heights.insert(
            row.try_get_by_index(0)?,
            usize::try_from(depth).unwrap_or_default(),
        );
    }
    Ok(heights)
}

/// Deletes for good at most so many of the tasks that were deleted at a point in time or before.
/// Answers how many there were.
pub async fn empty_trash(tx: &Tx, until: Timestamp, most: u64) -> Result<u64, DbError> {
    let ids: Vec<TaskId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::DeletedAt.lte(until))
        .order_by_asc(Column::Id)
        .limit(most)
        .lock_exclusive()
        .into_tuple()
        .all(tx.conn())
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let deleted = Entity::delete_many()
        .filter(Column::Id.is_in(ids))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected)
}

/// Writes a task that was locked before.
pub async fn save(tx: &Tx, task: Model) -> Result<(), DbError> {
    let row = task.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Writes what was changed, at the end of the transaction.
pub fn insert_history(tx: &Tx, rows: Vec<task_history::ActiveModel>) {
    if !rows.is_empty() {
        tx.later(Sql::insert(tx.backend(), rows));
    }
}

/// Tells the search the words of tasks that are new or have other texts now, at the end of the transaction.
pub fn index_words(tx: &Tx, rows: Vec<task_words::Model>) {
    if rows.is_empty() {
        return;
    }
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    let again = " ON CONFLICT (task_id) DO UPDATE SET title_words = excluded.title_words,
        description_words = excluded.description_words";
    tx.later(Sql::insert(tx.backend(), rows).and(again, []));
}

/// The name of a field in events: the one it is stored by.
pub fn field_name(field: task_history::Field) -> String {
    field.to_value()
}

/// The field that is stored by this name; none when this server knows no such field.
pub fn field_by_name(name: &str) -> Option<task_history::Field> {
    task_history::Field::try_from_value(&name.to_owned()).ok()
}

/// A task, whoever asks, also a deleted one: for the server's own work.
///
/// # Errors
/// The database's failure.
pub async fn find(db: &impl ConnectionTrait, id: TaskId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Tasks by id, whoever asks, also deleted ones.
///
/// # Errors
/// The database's failure.
pub async fn find_many(db: &impl ConnectionTrait, ids: Vec<TaskId>) -> Result<Vec<Model>, DbError> {
    read(db, Entity::find().filter(Column::Id.is_in(padded(ids)))).await
}

/// A task, if the viewer may see it.
pub async fn find_visible(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    id: TaskId,
) -> Result<Option<Model>, DbError> {
    let query = Entity::visible_to(viewer, db.get_database_backend()).filter(Column::Id.eq(id));
    Ok(read(db, query).await?.pop())
}

/// The rows of a query, read by the places of their columns.
async fn read(db: &impl ConnectionTrait, query: Select<Entity>) -> Result<Vec<Model>, DbError> {
    let rows = db.query_all(&query.into_query()).await?;
    let tasks = rows.iter().map(Model::of_row);
    Ok(tasks.collect::<Result<_, _>>()?)
}

/// A task, if the viewer may see it or could while it was not deleted.
pub async fn find_seen(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    id: TaskId,
) -> Result<Option<Model>, DbError> {
    Ok(Entity::find()
        .filter(seen_by(viewer, db.get_database_backend()))
        .filter(Column::Id.eq(id))
        .one(db)
        .await?)
}

/// The task with this number in the project with this key, if the viewer may see it. The key must be
/// in upper case.
pub async fn find_visible_by_key(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    key: &str,
    number: i32,
) -> Result<Option<Model>, DbError> {
    let project = Query::select()
        .column(project::Column::Id)
        .from(project::Entity)
        .and_where(project::Column::Key.eq(key))
        .take();
    Ok(Entity::visible_to(viewer, db.get_database_backend())
        .filter(Column::ProjectId.in_subquery(project))
        .filter(Column::Number.eq(number))
        .one(db)
        .await?)
}

/// Those of some tasks that the viewer may see.
pub async fn find_all_visible(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    ids: Vec<TaskId>,
) -> Result<Vec<Model>, DbError> {
    let query = Entity::visible_to(viewer, db.get_database_backend()).filter(Column::Id.is_in(ids));
    read(db, query).await
}

fn shelved(db: &impl ConnectionTrait, viewer: &Viewer, among: Shelf) -> Select<Entity> {
    let backend = db.get_database_backend();
    match among {
        Shelf::Live => Entity::visible_to(viewer, backend),
        Shelf::Trash(since) => Entity::trash_of(viewer, backend, since),
    }
}

/// Which page of which list.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    pub among: Shelf,
    pub filter: &'a Condition,
    pub sort: &'a Sort,
    /// Where the page before ended.
    pub after: Option<&'a [keyset::Key]>,
    pub limit: u64,
}

impl List<'_> {
    fn select(self, db: &impl ConnectionTrait, viewer: &Viewer) -> Select<Entity> {
        let mut query = shelved(db, viewer, self.among).filter(self.filter.clone());
        if let Some(keys) = self.after {
            query = query.filter(keyset::after(keys));
        }
        for (expr, order) in self.sort.expressions() {
            query = query.order_by(expr, order);
        }
        query.limit(self.limit)
    }
}

/// A page of the tasks the viewer may see.
pub async fn list(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    list: List<'_>,
) -> Result<Vec<Model>, DbError> {
    read(db, list.select(db, viewer)).await
}

/// The same with whose they are and who made them, in one statement. Not for the order of a search.
pub async fn list_with_people(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    list: List<'_>,
) -> Result<Vec<(Model, People)>, DbError> {
    let mut query = with_people(list.select(db, viewer));
    for (expr, order) in list.sort.expressions() {
        query.order_by_expr(expr, order);
    }
    let rows = db.query_all(&query).await?;
    let tasks = rows
        .iter()
        .map(|row| Ok::<_, DbErr>((Model::of_row(row)?, People::of_row(row)?)));
    Ok(tasks.collect::<Result<_, _>>()?)
}

/// A task with its people, if the viewer may see it, and somebody else, in one statement.
pub async fn find_visible_with_people(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    id: TaskId,
    other: UserId,
) -> Result<Option<(Model, People, Option<Face>)>, DbError> {
    let task = Entity::visible_to(viewer, db.get_database_backend()).filter(Column::Id.eq(id));
    let mut query = with_people(task);
    query.column((OTHER, Asterisk)).join_subquery(
        JoinType::LeftJoin,
        Face::select(),
        OTHER,
        Expr::col((OTHER, "face_id")).eq(other),
    );
    let row = db.query_one(&query).await?;
    let task = row.map(|row| {
        let other = Face::of_row(&row, People::FIRST + 2 * Face::COLUMNS)?;
        Ok::<_, DbErr>((Model::of_row(&row)?, People::of_row(&row)?, other))
    });
    Ok(task.transpose()?)
}

/// Tasks with their people. Joined to these tasks and not to all, of which the database may have to
/// sort much.
fn with_people(tasks: Select<Entity>) -> SelectStatement {
    let (page, assignee, creator) = ("page", "assignee", "creator");
    let is = |who: &'static str, column: Column| Expr::col((who, "face_id")).equals((page, column));
    let mut query = Query::select();
    query
        .columns(Column::iter().map(|column| (page, column)))
        .column((assignee, Asterisk))
        .column((creator, Asterisk))
        .from_subquery(tasks.into_query(), page)
        .join_subquery(
            JoinType::LeftJoin,
            Face::select(),
            assignee,
            is(assignee, Column::AssigneeId),
        )
        .join_subquery(
            JoinType::InnerJoin,
            Face::select(),
            creator,
            is(creator, Column::CreatorId),
        );
    query
}

impl People {
    /// Where they stand in a row of [`with_people`]: after the columns of the task.
    const FIRST: usize = Model::COLUMNS;

    fn of_row(row: &QueryResult) -> Result<Self, DbErr> {
        let creator = Face::of_row(row, Self::FIRST + Face::COLUMNS)?;
        Ok(Self {
            assignee: Face::of_row(row, Self::FIRST)?,
            creator: creator.ok_or_else(|| DbErr::RecordNotFound("a creator".to_owned()))?,
        })
    }
}

/// How many tasks the viewer may see.
pub async fn count(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    among: Shelf,
    filter: Condition,
) -> Result<u64, DbError> {
    Ok(shelved(db, viewer, among).filter(filter).count(db).await?)
}

/// The sub-tasks of these tasks that the viewer may see and that are not disabled.
fn parts_of(db: &impl ConnectionTrait, viewer: &Viewer, parents: Vec<TaskId>) -> Select<Entity> {
    Entity::visible_to(viewer, db.get_database_backend())
        .filter(Column::ParentId.is_in(parents))
        .filter(Column::Enabled.eq(true))
}

/// A page of the sub-tasks of each of these tasks, the oldest first.
pub async fn subtasks(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    parents: Vec<TaskId>,
    after: Option<SubtaskKeys>,
    limit: u64,
) -> Result<Vec<Model>, DbError> {
    let mut parts = parts_of(db, viewer, parents);
    if let Some((created_at, id)) = after {
        let key = |column: Column, last: Value| keyset::Key {
            expr: Expr::col(column),
            order: Order::Asc,
            last,
        };
        parts = parts.filter(keyset::after(&[
            key(Column::CreatedAt, created_at.into()),
            key(Column::Id, id.into()),
        ]));
    }
    let place = "ROW_NUMBER() OVER (PARTITION BY parent_id ORDER BY created_at, id)";
    let parts = parts
        .select_only()
        .column(Column::Id)
        .expr_as(Expr::cust(place), "place")
        .into_query();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let firsts = Query::select()
        .column("id")
        .from_subquery(parts, "parts")
        .and_where(Expr::col("place").lte(limit))
        .take();
    Ok(Entity::find()
        .filter(Column::Id.in_subquery(firsts))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await?)
}

/// How many sub-tasks each of these tasks has, of those that the pages have.
pub async fn count_subtasks(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    parents: Vec<TaskId>,
) -> Result<HashMap<TaskId, u64>, DbError> {
    let counts: Vec<(TaskId, i64)> = parts_of(db, viewer, parents)
        .select_only()
        .column(Column::ParentId)
        .column_as(Column::Id.count(), "parts")
        .group_by(Column::ParentId)
        .into_tuple()
        .all(db)
        .await?;
    let counts = counts.into_iter();
    Ok(counts
        .map(|(parent, count)| (parent, u64::try_from(count).unwrap_or_default()))
        .collect())
}
