//! Deletes what nobody asks for any more.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{login_failure, one_time_token, revocation, session};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db::{DbError, Tx};
use crate::lifecycle::pause;
use crate::telemetry;

/// How often it is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// How many rows a transaction deletes at most: it holds up other writers meanwhile.
const STEP: u64 = 1_000;

/// Deletes what is over: revocations that no token is left for, mailed tokens a week past their end,
/// counts of wrong passwords whose time is over, sessions that ended or ran out 30 days ago. Answers
/// how many rows that were.
///
/// # Errors
/// The database's failure; what was deleted before stays deleted.
pub async fn prune(app: &App) -> Result<u64, DbError> {
    let now = app.db.clock().now();
    let (week, month) = (now - TimeDelta::days(7), now - TimeDelta::days(30));
    let mut deleted = 0;
    let over = revocation::Column::Until.lte(now);
    deleted += delete::<revocation::Entity>(app, &[revocation::Column::Id], over.into()).await?;
    let over = one_time_token::Column::ExpiresAt.lt(week);
    let id = [one_time_token::Column::Id];
    deleted += delete::<one_time_token::Entity>(app, &id, over.into()).await?;
    let unlocked = login_failure::Column::LockedUntil;
    let over = Condition::all()
        .add(login_failure::Column::WindowEndsAt.lte(now))
        .add(unlocked.is_null().or(unlocked.lte(now)));
    let key = [
        login_failure::Column::Account,
        login_failure::Column::Network,
    ];
    deleted += delete::<login_failure::Entity>(app, &key, over).await?;
    let over = Condition::any()
        .add(session::Column::RevokedAt.lt(month))
        .add(session::Column::ExpiresAt.lt(month));
    deleted += delete::<session::Entity>(app, &[session::Column::Id], over).await?;
    Ok(deleted)
}

/// Does so every hour, until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        match prune(&app).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "deleted sessions and tokens that are long over"),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::error!(error, "cannot delete what is over; will try again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause(EVERY) => {}
        }
    }
}

/// Deletes the rows for which something holds, step by step.
async fn delete<E: EntityTrait>(
    app: &App,
    key: &[E::Column],
    over: Condition,
) -> Result<u64, DbError> {
    let mut deleted = 0;
    loop {
        let over = &over;
        let step = app
            .db
            .write(|tx| async move { delete_step::<E>(&tx, key, over).await })
            .await?;
        deleted += step;
        if step < STEP {
            return Ok(deleted);
        }
    }
}

async fn delete_step<E: EntityTrait>(
    tx: &Tx,
    key: &[E::Column],
    over: &Condition,
) -> Result<u64, DbError> {
    let some = Query::select()
        .columns(key.iter().copied())
        .from(E::default())
        .cond_where(over.clone())
        .limit(STEP)
        .take();
    let row = Expr::tuple(key.iter().map(|column| Expr::col(*column)));
    let deleted = E::delete_many()
        .filter(row.in_subquery(some))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected)
}
