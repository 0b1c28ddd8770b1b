//! The statements about webhooks, their messages and their deliveries.

use std::collections::HashMap;

use entity::delivery::{self, State};
use entity::webhook_endpoint::{Column, Entity, Model};
use entity::{
    AttemptId, DeliveryId, EventId, ProjectId, Timestamp, UserId, WebhookId, attempt,
    webhook_message,
};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::policy::Owner;
use super::prepare::Prepared;
use crate::db::{DbError, Tx, least_id_at};
use crate::graphql::Page;

/// The enabled webhooks of a project, and those of some people.
pub async fn listening(
    db: &impl ConnectionTrait,
    project: Option<ProjectId>,
    people: &[UserId],
) -> Result<Vec<Model>, DbError> {
    let mut owners = Condition::any();
    if let Some(project) = project {
        owners = owners.add(Column::ProjectId.eq(project));
    }
    if !people.is_empty() {
        owners = owners.add(Column::UserId.is_in(people.iter().copied()));
    }
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    Ok(Entity::find()
        .filter(owners)
        .filter(Column::Enabled.eq(true))
        .order_by_asc(Column::Id)
        .all(db)
        .await?)
}

/// Writes a new webhook.
pub async fn insert(tx: &Tx, webhook: Model) -> Result<(), DbError> {
    Entity::insert(webhook.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// A webhook.
pub async fn find(db: &impl ConnectionTrait, id: WebhookId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Webhooks by id.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = WebhookId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

/// A webhook and nobody else's hands on it until the end of the transaction.
pub async fn lock(tx: &Tx, id: WebhookId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.conn())
        .await?)
}

/// Writes a webhook that was locked before.
pub async fn save(tx: &Tx, webhook: Model) -> Result<(), DbError> {
    let row = webhook.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes a webhook. What was told to it stays until its event goes.
pub async fn delete(tx: &Tx, id: WebhookId) -> Result<(), DbError> {
    Entity::delete_by_id(id).exec(tx.conn()).await?;
    Ok(())
}

/// Notes that a webhook works, if it was noted that it does not.
pub async fn note_success(tx: &Tx, id: WebhookId) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::FirstFailureAt, Expr::value(None::<Timestamp>))
        .filter(Column::Id.eq(id))
        .filter(Column::FirstFailureAt.is_not_null())
        .exec(tx.conn())
        .await?;
    Ok(())
}

fn of_owner(owner: Owner) -> Select<Entity> {
    Entity::find().filter(match owner {
        Owner::Person(person) => Column::UserId.eq(person),
        Owner::Project(project) => Column::ProjectId.eq(project),
    })
}

/// A page of the webhooks of an owner, the newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    owner: Owner,
    page: &Page<WebhookId>,
) -> Result<Vec<Model>, DbError> {
    let mut query = of_owner(owner).order_by_desc(Column::Id);
    if let Some(after) = page.after {
        query = query.filter(Column::Id.lt(after));
    }
    Ok(query.limit(page.limit()).all(db).await?)
}

/// How many webhooks an owner has.
pub async fn count(db: &impl ConnectionTrait, owner: Owner) -> Result<u64, DbError> {
    Ok(of_owner(owner).count(db).await?)
}

/// Writes the message of an event, once.
pub async fn insert_message(tx: &Tx, message: &Prepared) -> Result<(), DbError> {
    let row = webhook_message::Model {
        event_id: message.event_id,
        kind: message.kind.clone(),
        payload: message.body.clone(),
        created_at: tx.clock().now(),
    };
    webhook_message::Entity::insert(row.into_active_model())
        .on_conflict_do_nothing_on([webhook_message::Column::EventId])
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// The message of an event.
pub async fn find_message(
    db: &impl ConnectionTrait,
    event: EventId,
) -> Result<Option<webhook_message::Model>, DbError> {
    Ok(webhook_message::Entity::find_by_id(event).one(db).await?)
}

/// The types of the messages of events.
pub async fn message_kinds(
    db: &impl ConnectionTrait,
    events: Vec<EventId>,
) -> Result<HashMap<EventId, String>, DbError> {
    let rows: Vec<(EventId, String)> = webhook_message::Entity::find()
        .select_only()
        .column(webhook_message::Column::EventId)
        .column(webhook_message::Column::Kind)
        .filter(webhook_message::Column::EventId.is_in(events))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Deliveries to webhooks. The channel is a literal, which the partial index has as well.
fn deliveries() -> Select<delivery::Entity> {
    delivery::Entity::find().filter(Expr::cust("channel = 'webhook'"))
}

fn deliveries_of(webhook: WebhookId, state: Option<State>) -> Select<delivery::Entity> {
    let query = deliveries().filter(delivery::Column::Target.eq(webhook.0.to_string()));
    match state {
        Some(state) => query.filter(delivery::Column::State.eq(state)),
        None => query,
    }
}

/// A page of the deliveries to a webhook, the newest first.
pub async fn list_deliveries(
    db: &impl ConnectionTrait,
    webhook: WebhookId,
    state: Option<State>,
    page: &Page<DeliveryId>,
) -> Result<Vec<delivery::Model>, DbError> {
    let mut query = deliveries_of(webhook, state).order_by_desc(delivery::Column::Id);
    if let Some(after) = page.after {
        query = query.filter(delivery::Column::Id.lt(after));
    }
    Ok(query.limit(page.limit()).all(db).await?)
}

/// How many deliveries to a webhook there are.
pub async fn count_deliveries(
    db: &impl ConnectionTrait,
    webhook: WebhookId,
    state: Option<State>,
) -> Result<u64, DbError> {
    Ok(deliveries_of(webhook, state).count(db).await?)
}

/// Deliveries to webhooks, by id.
pub async fn find_deliveries(
    db: &impl ConnectionTrait,
    ids: Vec<DeliveryId>,
) -> Result<Vec<delivery::Model>, DbError> {
    let query = deliveries().filter(delivery::Column::Id.is_in(ids));
    Ok(query.all(db).await?)
}

/// A delivery to a webhook and nobody else's hands on it until the end of the transaction.
pub async fn lock_delivery(tx: &Tx, id: DeliveryId) -> Result<Option<delivery::Model>, DbError> {
    let query = deliveries().filter(delivery::Column::Id.eq(id));
    Ok(query.lock_exclusive().one(tx.conn()).await?)
}

/// The newest deliveries to a webhook that were given up and were made since then.
pub async fn lock_failed(
    tx: &Tx,
    webhook: WebhookId,
    since: Timestamp,
    most: u64,
) -> Result<Vec<DeliveryId>, DbError> {
    Ok(deliveries_of(webhook, Some(State::Failed))
        .select_only()
        .column(delivery::Column::Id)
        .filter(delivery::Column::Id.gte(DeliveryId(least_id_at(since))))
        .filter(delivery::Column::CreatedAt.gte(since))
        .order_by_desc(delivery::Column::Id)
        .limit(most)
        .lock_exclusive()
        .into_tuple()
        .all(tx.conn())
        .await?)
}

/// Lets deliveries wait again, however they ended.
pub async fn queue_deliveries(tx: &Tx, ids: Vec<DeliveryId>) -> Result<(), DbError> {
    let none = || Expr::value(None::<Timestamp>);
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(State::Queued))
        .col_expr(delivery::Column::Reason, Expr::value(None::<String>))
        .col_expr(delivery::Column::SentAt, none())
        .col_expr(delivery::Column::DeliveredAt, none())
        .col_expr(delivery::Column::FinishedAt, none())
        .filter(delivery::Column::Id.is_in(ids))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Ends a delivery that was acknowledged.
pub async fn settle_delivered(tx: &Tx, id: DeliveryId) -> Result<(), DbError> {
    let now = || Expr::value(tx.clock().now());
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(State::Delivered))
        .col_expr(delivery::Column::Reason, Expr::value(None::<String>))
        .col_expr(delivery::Column::SentAt, now())
        .col_expr(delivery::Column::DeliveredAt, now())
        .col_expr(delivery::Column::FinishedAt, now())
        .filter(delivery::Column::Id.eq(id))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Notes a try.
pub async fn insert_attempt(tx: &Tx, attempt: attempt::Model) -> Result<(), DbError> {
    attempt::Entity::insert(attempt.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// A try without what was answered, which may be long.
#[derive(Clone, Debug, FromQueryResult)]
pub struct AttemptRow {
    pub id: AttemptId,
    pub delivery_id: DeliveryId,
    /// Its place among those of the delivery, from 1.
    pub number: i64,
    pub detail: Option<String>,
    pub status_code: Option<i32>,
    pub is_manual: bool,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

/// The last attempts of deliveries, the newest first, at most so many of each.
pub async fn attempts_of(
    db: &impl ConnectionTrait,
    deliveries: Vec<DeliveryId>,
    most: i64,
) -> Result<HashMap<DeliveryId, Vec<AttemptRow>>, DbError> {
    let columns = [
        attempt::Column::Id,
        attempt::Column::DeliveryId,
        attempt::Column::Detail,
        attempt::Column::StatusCode,
        attempt::Column::IsManual,
        attempt::Column::StartedAt,
        attempt::Column::FinishedAt,
    ];
    let number = "ROW_NUMBER() OVER (PARTITION BY delivery_id ORDER BY id)";
    let place = "ROW_NUMBER() OVER (PARTITION BY delivery_id ORDER BY id DESC)";
    let ranked = Query::select()
        .columns(columns)
        .expr_as(Expr::cust(number), "number")
        .expr_as(Expr::cust(place), "place")
        .from(attempt::Entity)
        .and_where(attempt::Column::DeliveryId.is_in(deliveries))
        .take();
    let last = Query::select()
        .columns(columns)
        .column("number")
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(most))
        .order_by(attempt::Column::Id, sea_orm::Order::Desc)
        .take();
    let statement = db.get_database_backend().build(&last);
    let rows = AttemptRow::find_by_statement(statement).all(db).await?;
    let mut attempts: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        attempts.entry(row.delivery_id).or_default().push(row);
    }
    Ok(attempts)
}

/// What was answered to attempts.
pub async fn responses(
    db: &impl ConnectionTrait,
    attempts: Vec<AttemptId>,
) -> Result<HashMap<AttemptId, String>, DbError> {
    let rows: Vec<(AttemptId, String)> = attempt::Entity::find()
        .select_only()
        .column(attempt::Column::Id)
        .column(attempt::Column::Response)
        .filter(attempt::Column::Id.is_in(attempts))
        .filter(attempt::Column::Response.is_not_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}
