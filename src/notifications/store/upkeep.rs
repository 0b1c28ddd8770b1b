//! The same for whoever looks after the jobs.

use std::collections::HashMap;

use entity::delivery::{Column, Entity, Model, State};
use entity::{DeliveryId, attempt};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::db::{DbError, Tx};

/// Ends a delivery that waits.
pub async fn settle_queued(
    tx: &Tx,
    id: DeliveryId,
    state: State,
    reason: Option<&str>,
) -> Result<(), DbError> {
    super::ended(tx, id, state, reason)
        .filter(Column::State.is_in(State::OPEN))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Lets deliveries wait again that were given up. What was sent or not wanted stays so.
pub async fn queue_failed(tx: &Tx, ids: Vec<DeliveryId>) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Queued))
        .col_expr(Column::Reason, Expr::value(None::<String>))
        .col_expr(Column::FinishedAt, Expr::value(None::<entity::Timestamp>))
        .filter(Column::Id.is_in(ids))
        .filter(Column::State.eq(State::Failed))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Deliveries by id.
///
/// # Errors
/// The database's failure.
pub async fn deliveries(
    db: &impl ConnectionTrait,
    ids: Vec<DeliveryId>,
) -> Result<HashMap<DeliveryId, Model>, DbError> {
    let rows = Entity::find().filter(Column::Id.is_in(ids)).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The last attempts of deliveries, the newest first, at most so many of each.
///
/// # Errors
/// The database's failure.
pub async fn attempts_of(
    db: &impl ConnectionTrait,
    ids: Vec<DeliveryId>,
    most: i64,
) -> Result<HashMap<DeliveryId, Vec<attempt::Model>>, DbError> {
    let place = "ROW_NUMBER() OVER (PARTITION BY delivery_id ORDER BY id DESC)";
    let ranked = Query::select()
        .column(attempt::Column::Id)
        .expr_as(Expr::cust(place), "place")
        .from(attempt::Entity)
        .and_where(attempt::Column::DeliveryId.is_in(ids))
        .take();
    let last = Query::select()
        .column("id")
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(most))
        .take();
    let rows = attempt::Entity::find()
        .filter(attempt::Column::Id.in_subquery(last))
        .order_by_desc(attempt::Column::Id)
        .all(db)
        .await?;
    let mut attempts: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        attempts.entry(row.delivery_id).or_default().push(row);
    }
    Ok(attempts)
}
