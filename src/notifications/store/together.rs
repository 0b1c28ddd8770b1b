//! The statements about many deliveries that are tried at the same time.

use std::collections::HashSet;

use entity::delivery::{Column, Entity, State};
use entity::{AttemptId, DeliveryId, Timestamp, attempt};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, SimpleExpr, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryTrait,
};

use crate::db::{DbError, Sql, Tx, new_id, padded};

/// Keeps mails for the tries to come, where none is kept yet, and notes that they are being sent. Answers of which
/// deliveries: a late worker keeps nothing of what another has kept or sent.
pub async fn keep_messages(
    tx: &Tx,
    mails: &[(DeliveryId, Option<Vec<u8>>)],
) -> Result<HashSet<DeliveryId>, DbError> {
    let mails = padded(mails.iter().collect());
    let sealed = mails.iter().map(|(id, sealed)| (*id, sealed.clone()));
    let mut update = Entity::update_many()
        .col_expr(Column::Message, by_id(sealed))
        .col_expr(Column::State, Expr::value(State::Sending))
        .filter(Column::Id.is_in(mails.iter().map(|(id, _)| *id)))
        .filter(Column::Message.is_null())
        .filter(Column::State.is_in(State::OPEN))
        .into_query();
    let kept = tx
        .conn()
        .query_all(update.returning_col(Column::Id))
        .await?;
    let ids = kept.iter().map(|row| row.try_get_by_index(0));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What the next system has taken over.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The delivery.
    pub id: DeliveryId,
    /// Which driver took it.
    pub driver: &'static str,
    /// What the next system calls it.
    pub provider_id: Option<String>,
    /// What it said.
    pub detail: Option<String>,
    /// When the try began.
    pub started_at: Timestamp,
}

/// Notes that the next system has taken these deliveries over, which ends them, and the tries that did it.
pub async fn note_sent(tx: &Tx, taken: &[&Taken]) -> Result<(), DbError> {
    if taken.is_empty() {
        return Ok(());
    }
    let now = tx.clock().now();
    let tries = taken.iter().map(|taken| {
        let row = attempt::Model {
            id: AttemptId(new_id(tx.clock())),
            delivery_id: taken.id,
            outcome: attempt::Outcome::Sent,
            detail: taken.detail.clone(),
            status_code: None,
            response: None,
            is_manual: false,
            started_at: taken.started_at,
            finished_at: now,
        };
        row.into_active_model()
    });
    let insert = Sql::insert(tx.backend(), tries);
    tx.conn()
        .execute_raw(insert.statement(tx.backend()))
        .await?;
    let taken = padded(taken.to_vec());
    let driver = taken.iter().map(|taken| (taken.id, taken.driver));
    let name = taken
        .iter()
        .map(|taken| (taken.id, taken.provider_id.clone()));
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Sent))
        .col_expr(Column::Reason, Expr::value(None::<String>))
        .col_expr(Column::Message, Expr::value(None::<Vec<u8>>))
        .col_expr(Column::Driver, by_id(driver))
        .col_expr(Column::ProviderId, by_id(name))
        .col_expr(Column::SentAt, Expr::value(now))
        .col_expr(Column::FinishedAt, Expr::value(now))
        .filter(Column::Id.is_in(taken.iter().map(|taken| taken.id)))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// To each row what is its own.
fn by_id<V: Into<Value>>(values: impl Iterator<Item = (DeliveryId, V)>) -> SimpleExpr {
    let case = values.fold(CaseStatement::new(), |case, (id, value)| {
        case.case(Expr::col(Column::Id).eq(id), Expr::value(value))
    });
    case.into()
}
