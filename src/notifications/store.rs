//! The statements about deliveries and attempts.

pub mod upkeep;

use entity::delivery::{self, Channel, State};
use entity::{AttemptId, DeliveryId, EventId, Timestamp, UserId, attempt, event, suppression};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, UpdateMany,
};

use crate::db::{DbError, Tx, new_id, was_inserted};
use crate::events;
use crate::graphql::Page;

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
        message: None,
        held_at: None,
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
    ended(tx, id, state, reason).exec(tx.conn()).await?;
    Ok(())
}

fn ended(
    tx: &Tx,
    id: DeliveryId,
    state: State,
    reason: Option<&str>,
) -> UpdateMany<delivery::Entity> {
    let update = delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(state))
        .col_expr(delivery::Column::Reason, Expr::value(reason))
        .col_expr(delivery::Column::FinishedAt, Expr::value(tx.clock().now()))
        .filter(delivery::Column::Id.eq(id));
    // A mail that was given up may be tried again, and may have arrived: it stays the same one.
    if state == State::Failed {
        return update;
    }
    update.col_expr(delivery::Column::Message, Expr::value(None::<Vec<u8>>))
}

/// Notes that a delivery waits because the mail server refuses everybody.
pub async fn note_held(tx: &Tx, id: DeliveryId) -> Result<(), DbError> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::HeldAt, Expr::value(tx.clock().now()))
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

/// Keeps a mail for the tries to come. False when another stands there than `before`.
pub async fn keep_message(
    tx: &Tx,
    id: DeliveryId,
    before: Option<&[u8]>,
    sealed: Option<Vec<u8>>,
) -> Result<bool, DbError> {
    let update = delivery::Entity::update_many()
        .col_expr(delivery::Column::Message, Expr::value(sealed))
        .filter(delivery::Column::Id.eq(id))
        // A late worker keeps nothing of what another has sent.
        .filter(delivery::Column::State.eq(State::Queued));
    let update = match before {
        Some(before) => update.filter(delivery::Column::Message.eq(before)),
        None => update.filter(delivery::Column::Message.is_null()),
    };
    Ok(update.exec(tx.conn()).await?.rows_affected > 0)
}

/// When a delivery was tried first.
pub async fn first_attempt_at(
    db: &impl ConnectionTrait,
    id: DeliveryId,
) -> Result<Option<Timestamp>, DbError> {
    let first = attempt::Entity::find()
        .filter(attempt::Column::DeliveryId.eq(id))
        .order_by_asc(attempt::Column::Id)
        .one(db)
        .await?;
    Ok(first.map(|attempt| attempt.started_at))
}

/// Whether an address takes no mail.
pub async fn is_suppressed(db: &impl ConnectionTrait, address: &str) -> Result<bool, DbError> {
    let key = (Channel::Email, address.to_owned());
    let row = suppression::Entity::find_by_id(key).one(db).await?;
    Ok(row.is_some())
}

/// Notes that an address takes no mail, and what was said of it last.
pub async fn suppress(tx: &Tx, address: String, reason: &str) -> Result<(), DbError> {
    let row = suppression::Model {
        channel: Channel::Email,
        address,
        reason: reason.to_owned(),
        created_at: tx.clock().now(),
    };
    let again = OnConflict::columns([suppression::Column::Channel, suppression::Column::Address])
        .update_columns([suppression::Column::Reason, suppression::Column::CreatedAt])
        .to_owned();
    suppression::Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Forgets that an address takes no mail. Answers what stood there.
pub async fn unsuppress(tx: &Tx, address: &str) -> Result<Option<suppression::Model>, DbError> {
    let key = (Channel::Email, address.to_owned());
    let row = suppression::Entity::find_by_id(key.clone())
        .one(tx.conn())
        .await?;
    if row.is_some() {
        suppression::Entity::delete_by_id(key)
            .exec(tx.conn())
            .await?;
    }
    Ok(row)
}

/// The same for all that were noted since then. Answers how many.
pub async fn unsuppress_since(tx: &Tx, since: Timestamp) -> Result<u64, DbError> {
    let deleted = suppression::Entity::delete_many()
        .filter(suppression::Column::Channel.eq(Channel::Email))
        .filter(suppression::Column::CreatedAt.gte(since))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected)
}

/// How many addresses take no mail.
pub async fn count_suppressions(db: &impl ConnectionTrait) -> Result<u64, DbError> {
    let query = suppression::Entity::find();
    let query = query.filter(suppression::Column::Channel.eq(Channel::Email));
    Ok(query.count(db).await?)
}

/// A page of the addresses that take no mail, by address.
pub async fn list_suppressions(
    db: &impl ConnectionTrait,
    page: &Page<String>,
) -> Result<Vec<suppression::Model>, DbError> {
    let mut query = suppression::Entity::find()
        .filter(suppression::Column::Channel.eq(Channel::Email))
        .order_by_asc(suppression::Column::Address)
        .limit(page.limit());
    if let Some(after) = &page.after {
        query = query.filter(suppression::Column::Address.gt(after));
    }
    Ok(query.all(db).await?)
}
