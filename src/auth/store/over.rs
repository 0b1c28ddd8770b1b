//! What nobody asks for any more.

use chrono::TimeDelta;
use entity::{Timestamp, login_failure, one_time_token, revocation, session};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use crate::db::{DbError, Tx};

/// A kind of row that is over at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// No token is left for it.
    Revocations,
    /// A week past its end.
    Tokens,
    /// Neither counted nor locked.
    Failures,
    /// Ended or ran out 30 days ago.
    Sessions,
}

impl Over {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Revocations,
        Self::Tokens,
        Self::Failures,
        Self::Sessions,
    ];
}

/// Deletes at most so many rows that are over. Answers how many there were.
pub async fn delete(tx: &Tx, what: Over, now: Timestamp, most: u64) -> Result<u64, DbError> {
    match what {
        Over::Revocations => {
            use revocation::{Column, Entity};
            some::<Entity>(tx, &[Column::Id], Column::Until.lte(now).into(), most).await
        }
        Over::Tokens => {
            use one_time_token::{Column, Entity};
            let over = Column::ExpiresAt.lt(now - TimeDelta::days(7));
            some::<Entity>(tx, &[Column::Id], over.into(), most).await
        }
        Over::Failures => {
            use login_failure::{Column, Entity};
            let unlocked = Column::LockedUntil;
            let over = Condition::all()
                .add(Column::WindowEndsAt.lte(now))
                .add(unlocked.is_null().or(unlocked.lte(now)));
            some::<Entity>(tx, &[Column::Account, Column::Network], over, most).await
        }
        Over::Sessions => {
            use session::{Column, Entity};
            let month = now - TimeDelta::days(30);
            let over = Condition::any()
                .add(Column::RevokedAt.lt(month))
                .add(Column::ExpiresAt.lt(month));
            some::<Entity>(tx, &[Column::Id], over, most).await
        }
    }
}

async fn some<E: EntityTrait>(
    tx: &Tx,
    key: &[E::Column],
    over: Condition,
    most: u64,
) -> Result<u64, DbError> {
    let some = Query::select()
        .columns(key.iter().copied())
        .from(E::default())
        .cond_where(over)
        .limit(most)
        .take();
    let row = Expr::tuple(key.iter().map(|column| Expr::col(*column)));
    let deleted = E::delete_many()
        .filter(row.in_subquery(some))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected)
}
