//! The statements about deliveries and attempts.

use entity::delivery::{self, Channel, State};
use entity::{AttemptId, DeliveryId, EventId, Timestamp, UserId, attempt, event};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::db::{DbError, Tx, new_id, was_inserted};
use crate::events;

/// A delivery and the event it tells of.
pub async fn find_delivery(
    db: &impl ConnectionTrait,
    id: DeliveryId,
) -> Result<Option<(delivery::Model, event::Model)>, DbError> {
    let Some(delivery) = delivery::Entity::find_by_id(id).one(db).await? else {
        return Ok(None);
    };
    let event = events::find(db, delivery.event_id).await?;
    Ok(event.map(|event| (delivery, event)))
}

/// Writes a delivery. None when there is one of this event for this person on this channel: a
/// dispatch that runs twice tells nobody twice.
pub async fn insert_delivery(
    tx: &Tx,
    event_id: EventId,
    recipient_id: UserId,
    channel: Channel,
) -> Result<Option<DeliveryId>, DbError> {
    let id = DeliveryId(new_id(tx.clock()));
    let row = delivery::Model {
        id,
        event_id,
        recipient_id,
        channel,
        state: State::Queued,
        reason: None,
        created_at: tx.clock().now(),
        finished_at: None,
    };
    let inserted = delivery::Entity::insert(row.into_active_model())
        .on_conflict_do_nothing_on([
            delivery::Column::EventId,
            delivery::Column::RecipientId,
            delivery::Column::Channel,
        ])
        .exec_without_returning(tx.conn())
        .await?;
    Ok(was_inserted(&inserted).then_some(id))
}

/// Ends a delivery.
pub async fn settle_delivery(
    tx: &Tx,
    id: DeliveryId,
    state: State,
    reason: Option<&str>,
) -> Result<(), DbError> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(state))
        .col_expr(delivery::Column::Reason, Expr::value(reason))
        .col_expr(delivery::Column::FinishedAt, Expr::value(tx.clock().now()))
        .filter(delivery::Column::Id.eq(id))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Notes a try.
pub async fn insert_attempt(
    tx: &Tx,
    delivery_id: DeliveryId,
    outcome: attempt::Outcome,
    detail: Option<String>,
    started_at: Timestamp,
) -> Result<(), DbError> {
    let row = attempt::Model {
        id: AttemptId(new_id(tx.clock())),
        delivery_id,
        outcome,
        detail,
        started_at,
        finished_at: tx.clock().now(),
    };
    attempt::Entity::insert(row.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}
