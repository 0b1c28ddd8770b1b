//! The statements about wrong passwords.

use entity::login_failure::{Column, EVERYWHERE, Entity};
use entity::{Timestamp, UserId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, Statement,
};
use uuid::Uuid;

use crate::db::{Db, DbError, Sql, Tx};

/// How an account stands for a network.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// How many failed, those included that are being looked at.
    pub failures: i32,
    /// Until when it is locked.
    pub locked_until: Option<Timestamp>,
}

/// The points in time a count is made with.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// This moment.
    pub now: Timestamp,
    /// When a window that begins now ends.
    pub window_ends_at: Timestamp,
    /// Whoever began before this is not heard of any more.
    pub given_up: Timestamp,
    /// Until when a lock that begins now lasts.
    pub locked_until: Timestamp,
}

/// Takes a place in the count of an account for a network. A row whose time is over begins anew. Above
/// `most` nothing is added: those tries are not looked at. When the last of those that are has been
/// given up, one more has its place. Answers also until when the account is locked from everywhere, or was.
pub async fn take_place(
    db: &Db,
    (account, network): (Uuid, &str),
    most: i32,
    times: &Times,
) -> Result<(Count, Option<Timestamp>), DbError> {
    let statement = Statement::from_sql_and_values(
        db.backend(),
        "INSERT INTO login_failures (account, network, failures, window_ends_at, last_at)
         VALUES ($1, $2, 1, $3, $4)
         ON CONFLICT (account, network) DO UPDATE SET
           failures = CASE
             WHEN login_failures.locked_until > $4 THEN login_failures.failures
             WHEN login_failures.locked_until IS NOT NULL THEN 1
             WHEN login_failures.window_ends_at <= $4 THEN 1
             WHEN login_failures.failures < $5 THEN login_failures.failures + 1
             WHEN login_failures.last_at <= $6 THEN $5
             ELSE $5 + 1 END,
           last_at = CASE
             WHEN login_failures.locked_until > $4 THEN login_failures.last_at
             WHEN login_failures.locked_until IS NOT NULL THEN $4
             WHEN login_failures.window_ends_at <= $4 THEN $4
             WHEN login_failures.failures < $5 THEN $4
             WHEN login_failures.last_at <= $6 THEN $4
             ELSE login_failures.last_at END,
           window_ends_at = CASE
             WHEN login_failures.locked_until > $4 THEN login_failures.window_ends_at
             WHEN login_failures.locked_until IS NOT NULL THEN $3
             WHEN login_failures.window_ends_at <= $4 THEN $3
             ELSE login_failures.window_ends_at END,
           locked_until = CASE
             WHEN login_failures.locked_until > $4 THEN login_failures.locked_until
             ELSE NULL END
         RETURNING failures, locked_until, (
           SELECT everywhere.locked_until FROM login_failures everywhere
           WHERE everywhere.account = $1 AND everywhere.network = $7)",
        [
            account.into(),
            network.into(),
            times.window_ends_at.into(),
            times.now.into(),
            most.into(),
            times.given_up.into(),
            EVERYWHERE.into(),
        ],
    );
    let row = db.write_one(statement).await?.ok_or_else(no_count)?;
    Ok((counted(&row)?, row.try_get_by_index(2)?))
}

/// Locks an account for a network when `most` of its tries failed.
pub async fn lock(
    tx: &Tx,
    (account, network): (Uuid, &str),
    most: i32,
    times: &Times,
) -> Result<Count, DbError> {
    count(
        tx,
        "INSERT INTO login_failures (account, network, failures, window_ends_at, last_at)
         VALUES ($1, $2, 1, $3, $6)
         ON CONFLICT (account, network) DO UPDATE SET
           locked_until = CASE
             WHEN login_failures.locked_until IS NULL AND login_failures.failures >= $4 THEN $5
             ELSE login_failures.locked_until END
         RETURNING failures, locked_until",
        [
            account.into(),
            network.into(),
            times.window_ends_at.into(),
            most.into(),
            times.locked_until.into(),
            times.now.into(),
        ],
    )
    .await
}

/// Adds `more` failures to those of an account from everywhere, and locks it, or goes on doing so, when
/// there are `most`.
pub async fn add_everywhere(
    tx: &Tx,
    account: Uuid,
    more: i32,
    most: i32,
    times: &Times,
) -> Result<Count, DbError> {
    count(
        tx,
        "INSERT INTO login_failures (account, network, failures, window_ends_at, last_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (account, network) DO UPDATE SET
           failures = CASE
             WHEN login_failures.window_ends_at <= $5 THEN $3
             ELSE login_failures.failures + $3 END,
           window_ends_at = CASE
             WHEN login_failures.window_ends_at <= $5 THEN $4
             ELSE login_failures.window_ends_at END,
           locked_until = CASE
             WHEN $3 > 0 AND login_failures.window_ends_at > $5
               AND login_failures.failures + $3 >= $6 THEN $7
             ELSE login_failures.locked_until END
         RETURNING failures, locked_until",
        [
            account.into(),
            EVERYWHERE.into(),
            more.into(),
            times.window_ends_at.into(),
            times.now.into(),
            most.into(),
            times.locked_until.into(),
        ],
    )
    .await
}

/// Gives a place back.
pub async fn give_back(tx: &Tx, (account, network): (Uuid, &str)) -> Result<(), DbError> {
    let back = Statement::from_sql_and_values(
        tx.conn().get_database_backend(),
        "UPDATE login_failures SET failures = failures - 1
         WHERE account = $1 AND network = $2 AND failures > 0",
        [account.into(), network.into()],
    );
    tx.conn().execute_raw(back).await?;
    Ok(())
}

/// Forgets the failures of an account from a network, at the end of the transaction.
pub fn forget(tx: &Tx, (account, network): (Uuid, &str)) {
    let delete = "DELETE FROM login_failures WHERE account = $ AND network = $";
    tx.later(Sql::new(delete, [account.into(), network.into()]));
}

/// Forgets the failures of an account from a network and those that are counted from everywhere, or all
/// of them. Answers whether there were any.
pub async fn forget_of(tx: &Tx, user: UserId, network: Option<&str>) -> Result<bool, DbError> {
    let mut delete = Entity::delete_many().filter(Column::Account.eq(user.0));
    if let Some(network) = network {
        delete = delete.filter(Column::Network.is_in([network, EVERYWHERE]));
    }
    Ok(delete.exec(tx.conn()).await?.rows_affected > 0)
}

async fn count<const N: usize>(
    tx: &Tx,
    sql: &str,
    values: [sea_orm::Value; N],
) -> Result<Count, DbError> {
    let conn = tx.conn();
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let row = conn.query_one_raw(statement).await?.ok_or_else(no_count)?;
    counted(&row)
}

fn counted(row: &QueryResult) -> Result<Count, DbError> {
    Ok(Count {
        failures: row.try_get_by_index(0)?,
        locked_until: row.try_get_by_index(1)?,
    })
}

fn no_count() -> DbErr {
    DbErr::RecordNotFound("a count of failures".to_owned())
}
