//! The statements about labels.

use std::collections::{BTreeSet, HashMap, HashSet};

use entity::label::{Column, Entity, Model};
use entity::task::seen_by;
use entity::{LabelId, TaskId, Viewer, task, task_label};
use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr, Order, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set,
};

use crate::db::keyset::{self, Key};
use crate::db::{DbError, Tx};
use crate::graphql::Page;

/// Where a page of labels ended: the name it is sorted by, and the id.
pub type LabelKeys = (String, LabelId);

/// Writes a new label.
pub async fn insert(tx: &Tx, label: Model) -> Result<(), DbError> {
    Entity::insert(label.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// A label and nobody else's hands on it until the end of the transaction.
pub async fn lock(tx: &Tx, id: LabelId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.conn())
        .await?)
}

/// Writes a label that was locked before.
pub async fn save(tx: &Tx, label: Model) -> Result<(), DbError> {
    let row = label.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes a label; tasks lose it.
pub async fn delete(tx: &Tx, id: LabelId) -> Result<(), DbError> {
    Entity::delete_by_id(id).exec(tx.conn()).await?;
    Ok(())
}

/// Labels by id, by name.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<LabelId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::Id.is_in(ids))
        .order_by(Column::NameNorm, Order::Asc)
        .all(db)
        .await?)
}

/// Those of these labels that there are, by name. They stay until the end of the transaction.
pub async fn keep(tx: &Tx, ids: Vec<LabelId>) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::Id.is_in(ids))
        .order_by(Column::NameNorm, Order::Asc)
        .lock_shared()
        .all(tx.conn())
        .await?)
}

/// Labels whose name contains the text, which must be folded like a name.
fn search(text: Option<&str>) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(text) = text {
        let pattern = format!("%{}%", entity::user::escape_like(text));
        query = query.filter(Column::NameNorm.like(LikeExpr::new(pattern).escape('\\')));
    }
    query
}

/// A page of the labels, by name.
pub async fn list(
    db: &impl ConnectionTrait,
    text: Option<&str>,
    page: &Page<LabelKeys>,
) -> Result<Vec<Model>, DbError> {
    let mut query = search(text)
        .order_by(Column::NameNorm, Order::Asc)
        .order_by(Column::Id, Order::Asc);
    if let Some((name, id)) = &page.after {
        query = query.filter(keyset::after(&[
            Key {
                expr: Expr::col(Column::NameNorm),
                order: Order::Asc,
                last: name.clone().into(),
            },
            Key {
                expr: Expr::col(Column::Id),
                order: Order::Asc,
                last: (*id).into(),
            },
        ]));
    }
    Ok(query.limit(page.limit()).all(db).await?)
}

/// How many labels there are.
pub async fn count(db: &impl ConnectionTrait, text: Option<&str>) -> Result<u64, DbError> {
    Ok(search(text).count(db).await?)
}

/// Which labels these tasks have.
pub async fn of_tasks(
    db: &impl ConnectionTrait,
    tasks: Vec<TaskId>,
) -> Result<HashMap<TaskId, BTreeSet<LabelId>>, DbError> {
    let rows = task_label::Entity::find()
        .filter(task_label::Column::TaskId.is_in(tasks))
        .all(db)
        .await?;
    let mut labels: HashMap<TaskId, BTreeSet<LabelId>> = HashMap::new();
    for row in rows {
        labels.entry(row.task_id).or_default().insert(row.label_id);
    }
    Ok(labels)
}

/// Those of these labels that stand on a task that the viewer may not see.
pub async fn on_unseen(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    labels: Vec<LabelId>,
) -> Result<HashSet<LabelId>, DbError> {
    if viewer.is_admin() {
        return Ok(HashSet::new());
    }
    let own = Expr::col((task::Entity, task::Column::Id))
        .equals((task_label::Entity, task_label::Column::TaskId));
    let seen = Query::select()
        .expr(Expr::value(1))
        .from(task::Entity)
        .and_where(own)
        .cond_where(seen_by(viewer, db.get_database_backend()))
        .take();
    let of_label =
        Expr::col((task_label::Entity, task_label::Column::LabelId)).equals((Entity, Column::Id));
    let unseen = Query::select()
        .expr(Expr::value(1))
        .from(task_label::Entity)
        .and_where(of_label)
        .and_where(Expr::from(seen).is_null())
        .limit(1)
        .take();
    // Values in place of EXISTS, of which PostgreSQL makes a join of all tasks: the first will do.
    let labels: Vec<LabelId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(labels))
        .filter(Expr::from(unseen).is_not_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(labels.into_iter().collect())
}

/// Gives tasks labels they have not.
pub async fn give(tx: &Tx, pairs: Vec<(TaskId, LabelId)>) -> Result<(), DbError> {
    if pairs.is_empty() {
        return Ok(());
    }
    let rows = pairs
        .into_iter()
        .map(|(task, label)| task_label::ActiveModel {
            task_id: Set(task),
            label_id: Set(label),
        });
    task_label::Entity::insert_many(rows)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Takes labels from tasks.
pub async fn take(tx: &Tx, pairs: Vec<(TaskId, LabelId)>) -> Result<(), DbError> {
    if pairs.is_empty() {
        return Ok(());
    }
    let mut by_task: HashMap<TaskId, Vec<LabelId>> = HashMap::new();
    for (task, label) in pairs {
        by_task.entry(task).or_default().push(label);
    }
    let mut any = Condition::any();
    for (task, labels) in by_task {
        any = any.add(
            task_label::Column::TaskId
                .eq(task)
                .and(task_label::Column::LabelId.is_in(labels)),
        );
    }
    task_label::Entity::delete_many()
        .filter(any)
        .exec(tx.conn())
        .await?;
    Ok(())
}
