//! The statements about deliveries and attempts.

pub mod reports;
pub mod together;
pub mod upkeep;

use entity::delivery::{self, Channel, State};
use entity::{
    AttemptId, DeliveryId, EventId, NotificationId, Timestamp, UserId, attempt, suppression,
};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Set, UpdateMany,
};

use crate::db::{DbError, Sql, Tx, new_id, padded};
use crate::graphql::Page;

/// Deliveries by id, in no order.
pub async fn find_deliveries(
    db: &impl ConnectionTrait,
    ids: Vec<DeliveryId>,
) -> Result<Vec<delivery::Model>, DbError> {
    let query = delivery::Entity::find().filter(delivery::Column::Id.is_in(padded(ids)));
    Ok(query.all(db).await?)
}

/// How many rows one statement writes.
const PIECE: usize = 500;

/// One message to one person, to be sent.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// The event it tells of.
    pub event_id: EventId,
    /// Whom it tells.
    pub recipient_id: UserId,
    /// How.
    pub channel: Channel,
    /// Which of the recipient's addresses; empty when there is but one.
    pub target: String,
    /// What it tells, if that is a notification.
    pub notification_id: Option<NotificationId>,
    /// Why it is not sent at all, for people to see.
    pub suppressed: Option<&'static str>,
}

impl NewDelivery {
    /// To the one address that a person has on a channel.
    pub fn new(event_id: EventId, recipient_id: UserId, channel: Channel) -> Self {
        Self {
            event_id,
            recipient_id,
            channel,
            target: String::new(),
            notification_id: None,
            suppressed: None,
        }
    }
}

/// Writes deliveries. Answers those that were not there before and are to be sent: a dispatch that runs
/// twice tells nobody twice.
///
/// # Errors
/// The database's failure.
pub async fn insert_deliveries(
    tx: &Tx,
    new: Vec<NewDelivery>,
) -> Result<Vec<(DeliveryId, Channel)>, DbError> {
    let mut made = Vec::new();
    // A statement has so many values and no more.
    for piece in new.chunks(PIECE) {
        made.extend(insert_piece(tx, piece).await?);
    }
    Ok(made)
}

async fn insert_piece(tx: &Tx, new: &[NewDelivery]) -> Result<Vec<(DeliveryId, Channel)>, DbError> {
    let now = tx.clock().now();
    let rows = new.iter().map(|new| delivery::ActiveModel {
        id: Set(DeliveryId(new_id(tx.clock()))),
        event_id: Set(new.event_id),
        recipient_id: Set(new.recipient_id),
        channel: Set(new.channel),
        target: Set(new.target.clone()),
        notification_id: Set(new.notification_id),
        state: Set(match new.suppressed {
            Some(_) => State::Suppressed,
            None => State::Queued,
        }),
        reason: Set(new.suppressed.map(str::to_owned)),
        message: Set(None),
        held_at: Set(None),
        held_until: Set(None),
        driver: Set(None),
        provider_id: Set(None),
        sent_at: Set(None),
        delivered_at: Set(None),
        created_at: Set(now),
        finished_at: Set(new.suppressed.map(|_| now)),
    });
    let once = " ON CONFLICT (event_id, recipient_id, channel, target) DO NOTHING
        RETURNING id, channel, state";
    let insert = Sql::insert(tx.backend(), rows).and(once, []);
    let rows = tx
        .conn()
        .query_all_raw(insert.statement(tx.backend()))
        .await?;
    let mut waiting = Vec::new();
    for row in rows {
        if row.try_get_by_index::<State>(2)? == State::Queued {
            waiting.push((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
        }
    }
    Ok(waiting)
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

/// Notes that a delivery is being given to the next system.
pub async fn note_sending(tx: &Tx, id: DeliveryId) -> Result<(), DbError> {
    note_open(tx, id, State::Sending).await
}

/// Notes that a delivery waits for another try.
pub async fn note_queued(tx: &Tx, id: DeliveryId) -> Result<(), DbError> {
    note_open(tx, id, State::Queued).await
}

async fn note_open(tx: &Tx, id: DeliveryId, state: State) -> Result<(), DbError> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(state))
        .filter(delivery::Column::Id.eq(id))
        .filter(delivery::Column::State.is_in(State::OPEN))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Notes that a delivery waits for the end of quiet hours.
pub async fn hold(tx: &Tx, id: DeliveryId, until: Timestamp) -> Result<(), DbError> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(State::Held))
        .col_expr(delivery::Column::HeldUntil, Expr::value(until))
        .filter(delivery::Column::Id.eq(id))
        .filter(delivery::Column::State.is_in(State::OPEN))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Notes that a delivery waits because the other side refuses everybody.
pub async fn note_held(tx: &Tx, id: DeliveryId) -> Result<(), DbError> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::HeldAt, Expr::value(tx.clock().now()))
        .col_expr(delivery::Column::State, Expr::value(State::Queued))
        .filter(delivery::Column::Id.eq(id))
        .filter(delivery::Column::State.is_in(State::OPEN))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Notes a try that was not the last, or came to nothing.
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
        status_code: None,
        response: None,
        is_manual: false,
        started_at,
        finished_at: tx.clock().now(),
    };
    attempt::Entity::insert(row.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Keeps a mail for the tries to come, instead of the one that was kept `before`. False when another stands there.
pub async fn keep_again(
    tx: &Tx,
    id: DeliveryId,
    before: &[u8],
    sealed: Option<Vec<u8>>,
) -> Result<bool, DbError> {
    let update = delivery::Entity::update_many()
        .col_expr(delivery::Column::Message, Expr::value(sealed))
        .col_expr(delivery::Column::State, Expr::value(State::Sending))
        .filter(delivery::Column::Id.eq(id))
        .filter(delivery::Column::Message.eq(before))
        // A late worker keeps nothing of what another has sent.
        .filter(delivery::Column::State.is_in(State::OPEN));
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

/// Whether an address takes nothing.
pub async fn is_suppressed(
    db: &impl ConnectionTrait,
    channel: Channel,
    address: &str,
) -> Result<bool, DbError> {
    let key = (channel, address.to_owned());
    let row = suppression::Entity::find_by_id(key).one(db).await?;
    Ok(row.is_some())
}

/// Which of these addresses take nothing.
pub async fn suppressed_among(
    db: &impl ConnectionTrait,
    channel: Channel,
    addresses: Vec<String>,
) -> Result<Vec<String>, DbError> {
    Ok(suppression::Entity::find()
        .select_only()
        .column(suppression::Column::Address)
        .filter(suppression::Column::Channel.eq(channel))
        .filter(suppression::Column::Address.is_in(padded(addresses)))
        .into_tuple()
        .all(db)
        .await?)
}

/// Notes that an address takes nothing, and what was said of it last.
pub async fn suppress(
    tx: &Tx,
    channel: Channel,
    address: String,
    reason: &str,
) -> Result<(), DbError> {
    let row = suppression::Model {
        channel,
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

/// Forgets that an address takes nothing. Answers what stood there.
pub async fn unsuppress(
    tx: &Tx,
    channel: Channel,
    address: &str,
) -> Result<Option<suppression::Model>, DbError> {
    let key = (channel, address.to_owned());
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
