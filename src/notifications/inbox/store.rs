//! The statements about notifications.

use entity::notification::{Column, Entity, Model};
use entity::notified::{Category, Priority, Type};
use entity::{CommentId, EventId, NotificationId, ProjectId, TaskId, Timestamp, UserId, delivery};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Set,
};

use crate::db::{DbError, Sql, Tx, new_id, padded};
use crate::graphql::Page;

/// What one person is to be told.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// Who.
    pub user_id: UserId,
    /// Of which event.
    pub event_id: EventId,
    /// What makes a second one the same.
    pub dedupe_key: String,
    /// What.
    pub kind: Type,
    /// What it is about.
    pub category: Category,
    /// How urgent it is.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub body: String,
    /// Where more is said.
    pub url: Option<String>,
    /// Who did it.
    pub actor_id: Option<UserId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// The comment it is about.
    pub comment_id: Option<CommentId>,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// Whether it stands in the list.
    pub in_app: bool,
    /// When it is of no use any more.
    pub expires_at: Option<Timestamp>,
}

/// Writes notifications. Answers those that were not there before: an event that is dispatched twice
/// tells nobody twice.
pub async fn insert(tx: &Tx, new: Vec<NewNotification>) -> Result<Vec<Model>, DbError> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let now = tx.clock().now();
    let rows = new
        .into_iter()
        .map(|new| entity::notification::ActiveModel {
            id: Set(NotificationId(new_id(tx.clock()))),
            user_id: Set(new.user_id),
            event_id: Set(new.event_id),
            dedupe_key: Set(new.dedupe_key),
            kind: Set(new.kind),
            category: Set(new.category),
            priority: Set(new.priority),
            title: Set(new.title),
            body: Set(new.body),
            url: Set(new.url),
            actor_id: Set(new.actor_id),
            task_id: Set(new.task_id),
            comment_id: Set(new.comment_id),
            project_id: Set(new.project_id),
            in_app: Set(new.in_app),
            created_at: Set(now),
            read_at: Set(None),
            archived_at: Set(None),
            expires_at: Set(new.expires_at),
        });
    let once = " ON CONFLICT (user_id, dedupe_key) DO NOTHING";
    let insert = Sql::insert(tx.backend(), rows).and(once, []);
    let insert = insert.returning::<Entity>();
    let inserted = Entity::find().from_raw_sql(insert.statement(tx.backend()));
    Ok(inserted.all(tx.conn()).await?)
}

/// Notifications by id, in no order.
///
/// # Errors
/// The database's failure.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<NotificationId>,
) -> Result<Vec<Model>, DbError> {
    let query = Entity::find().filter(Column::Id.is_in(padded(ids)));
    Ok(query.all(db).await?)
}

/// What a person was told of an event.
pub async fn find_of_event(
    db: &impl ConnectionTrait,
    event: EventId,
    user: UserId,
) -> Result<Option<Model>, DbError> {
    let query = mine(user).filter(Column::EventId.eq(event));
    Ok(query.one(db).await?)
}

/// Those of these that stand in the person's list.
pub async fn find_mine(
    db: &impl ConnectionTrait,
    user: UserId,
    ids: Vec<NotificationId>,
) -> Result<Vec<Model>, DbError> {
    Ok(mine(user).filter(Column::Id.is_in(ids)).all(db).await?)
}

/// Which part of the list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what is read, or is not.
    pub is_read: Option<bool>,
    /// What was put away instead of the rest.
    pub is_archived: bool,
    /// Only about this.
    pub category: Option<Category>,
}

/// A page of the list, the newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    user: UserId,
    filter: &Filter,
    page: &Page<NotificationId>,
) -> Result<Vec<Model>, DbError> {
    let mut query = filtered(user, filter)
        .order_by_desc(Column::Id)
        .limit(page.limit());
    if let Some(after) = page.after {
        query = query.filter(Column::Id.lt(after));
    }
    Ok(query.all(db).await?)
}

/// How many there are in all pages.
pub async fn count(
    db: &impl ConnectionTrait,
    user: UserId,
    filter: &Filter,
) -> Result<u64, DbError> {
    Ok(filtered(user, filter).count(db).await?)
}

fn mine(user: UserId) -> Select<Entity> {
    Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Expr::cust("in_app"))
}

fn filtered(user: UserId, filter: &Filter) -> Select<Entity> {
    // Literals, which the partial indexes have as well.
    let mut query = mine(user).filter(Expr::cust(if filter.is_archived {
        "archived_at IS NOT NULL"
    } else {
        "archived_at IS NULL"
    }));
    if let Some(is_read) = filter.is_read {
        query = query.filter(Expr::cust(if is_read {
            "read_at IS NOT NULL"
        } else {
            "read_at IS NULL"
        }));
    }
    match filter.category {
        Some(category) => query.filter(Column::Category.eq(category)),
        None => query,
    }
}

/// Notes that these were read.
pub async fn read(tx: &Tx, user: UserId, ids: Vec<NotificationId>) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::ReadAt, Expr::value(tx.clock().now()))
        .filter(Column::UserId.eq(user))
        .filter(Column::Id.is_in(ids))
        .filter(Expr::cust("read_at IS NULL"))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Notes that all of the list up to this one were read. Answers how many were not before.
pub async fn read_all(
    tx: &Tx,
    user: UserId,
    category: Option<Category>,
    up_to: Option<NotificationId>,
) -> Result<u64, DbError> {
    let mut update = Entity::update_many()
        .col_expr(Column::ReadAt, Expr::value(tx.clock().now()))
        .filter(Column::UserId.eq(user))
        .filter(Expr::cust(
            "in_app AND archived_at IS NULL AND read_at IS NULL",
        ));
    if let Some(category) = category {
        update = update.filter(Column::Category.eq(category));
    }
    if let Some(up_to) = up_to {
        update = update.filter(Column::Id.lte(up_to));
    }
    Ok(update.exec(tx.conn()).await?.rows_affected)
}

/// Puts these away. What was not read then is.
pub async fn archive(tx: &Tx, user: UserId, ids: Vec<NotificationId>) -> Result<(), DbError> {
    let now = tx.clock().now();
    Entity::update_many()
        .col_expr(Column::ArchivedAt, Expr::value(now))
        .col_expr(
            Column::ReadAt,
            Func::coalesce([Expr::col(Column::ReadAt), Expr::value(now)]).into(),
        )
        .filter(Column::UserId.eq(user))
        .filter(Column::Id.is_in(ids))
        .filter(Expr::cust("archived_at IS NULL"))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The deliveries of notifications, in the order they were made.
pub async fn deliveries_of(
    db: &impl ConnectionTrait,
    ids: Vec<NotificationId>,
) -> Result<Vec<delivery::Model>, DbError> {
    Ok(delivery::Entity::find()
        .filter(delivery::Column::NotificationId.is_in(ids))
        .order_by_asc(delivery::Column::Id)
        .all(db)
        .await?)
}

/// Deletes what was told before then, at most so many. Answers how many.
///
/// # Errors
/// The database's failure.
pub async fn prune(tx: &Tx, before: NotificationId, most: u64) -> Result<u64, DbError> {
    let ids: Vec<NotificationId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.lt(before))
        .order_by_asc(Column::Id)
        .limit(most)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let deleted = Entity::delete_many()
        .filter(Column::Id.is_in(ids))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected)
}
