//! The same for what vendors say later.

use entity::delivery::{Column, Entity, Model, State};
use entity::{DeliveryId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::db::{DbError, Tx};

/// The deliveries that vendors call so.
pub async fn find(db: &impl ConnectionTrait, ids: Vec<String>) -> Result<Vec<Model>, DbError> {
    let query = Entity::find().filter(Column::ProviderId.is_in(ids));
    Ok(query.all(db).await?)
}

/// Notes what became of a delivery.
pub async fn note(
    tx: &Tx,
    id: DeliveryId,
    before: State,
    state: State,
    reason: Option<&str>,
    at: Option<Timestamp>,
) -> Result<(), DbError> {
    let now = tx.clock().now();
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Reason, Expr::value(reason))
        .filter(Column::Id.eq(id))
        // Two calls at once do not undo each other.
        .filter(Column::State.eq(before));
    if state == State::Delivered {
        // A vendor's clock is not ours.
        let at = at.map_or(now, |at| at.min(now));
        update = update.col_expr(Column::DeliveredAt, Expr::value(at));
    }
    update.exec(tx.conn()).await?;
    Ok(())
}
