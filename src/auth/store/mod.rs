//! The statements about sessions, and about what ended before its time; in files of their own those
//! about mailed tokens, wrong passwords, and what is over.

pub mod failures;
pub mod over;
pub mod tokens;

use entity::revocation;
use entity::session::{Column, Entity, Model, RevokeReason};
use entity::{SessionId, Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait, Order};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use crate::db::keyset::{self, Key};
use crate::db::{DbError, Sql, Tx};
use crate::graphql::{CursorTime, Page};

/// Rows of one statement: well below what a database binds.
const ROWS: usize = 1_000;

/// Where a page of sessions ended: when the last one was used, and its id.
pub type SessionKeys = (CursorTime, SessionId);

/// Writes a new session, at the end of the transaction.
pub fn insert(tx: &Tx, session: Model) {
    tx.later(Sql::insert(tx.backend(), [session.into_active_model()]));
}

/// The replacement of a refresh token.
#[derive(Debug)]
pub struct Rotation<'a> {
    pub family_hash: &'a [u8],
    pub old_hash: &'a [u8],
    pub new_hash: &'a [u8],
    /// The new token, for those who come with the old one at the same time.
    pub sealed: &'a [u8],
    pub expires_at: Timestamp,
    /// Where it is asked for from.
    pub address: &'a str,
}

/// Replaces the refresh token in one statement, so that of many renewals at once one wins. None when
/// the token is not the current one of a living session.
pub async fn rotate(tx: &Tx, rotation: &Rotation<'_>) -> Result<Option<Model>, DbError> {
    let now = tx.clock().now();
    let mut rows = Entity::update_many()
        .col_expr(Column::PreviousHash, Expr::col(Column::RefreshHash))
        .col_expr(Column::RefreshHash, Expr::value(rotation.new_hash.to_vec()))
        .col_expr(Column::Successor, Expr::value(rotation.sealed.to_vec()))
        .col_expr(Column::RotatedAt, Expr::value(now))
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .col_expr(Column::ExpiresAt, Expr::value(rotation.expires_at))
        .col_expr(Column::Address, Expr::value(rotation.address))
        .filter(Column::FamilyHash.eq(rotation.family_hash.to_vec()))
        .filter(Column::RefreshHash.eq(rotation.old_hash.to_vec()))
        .filter(living(now))
        .exec_with_returning(tx.conn())
        .await?;
    Ok(rows.pop())
}

/// The session whose refresh tokens have this in common.
pub async fn find_by_family(tx: &Tx, family_hash: &[u8]) -> Result<Option<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::FamilyHash.eq(family_hash.to_vec()))
        .one(tx.conn())
        .await?)
}

/// Sessions that were neither ended nor ran out.
fn living(now: Timestamp) -> Condition {
    Condition::all()
        .add(Column::RevokedAt.is_null())
        .add(Column::ExpiresAt.gt(now))
}

/// Which of a user's sessions.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    Only(SessionId),
    AllBut(&'a [SessionId]),
}

/// Ends living sessions of a user. Answers which.
pub async fn end(
    tx: &Tx,
    user: UserId,
    which: Which<'_>,
    reason: RevokeReason,
) -> Result<Vec<SessionId>, DbError> {
    let now = tx.clock().now();
    let mut update = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now))
        .col_expr(Column::RevokeReason, Expr::value(reason))
        .filter(Column::UserId.eq(user))
        .filter(living(now));
    update = match which {
        Which::Only(session) => update.filter(Column::Id.eq(session)),
        Which::AllBut([]) => update,
        Which::AllBut(sessions) => update.filter(Column::Id.is_not_in(sessions.iter().copied())),
    };
    let ended = update.exec_with_returning(tx.conn()).await?;
    Ok(ended.into_iter().map(|session| session.id).collect())
}

/// A page of a user's living sessions, the one used last first.
pub async fn page(
    db: &impl ConnectionTrait,
    user: UserId,
    now: Timestamp,
    page: &Page<SessionKeys>,
) -> Result<Vec<Model>, DbError> {
    let mut query = Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(living(now));
    if let Some((used, id)) = page.after {
        query = query.filter(keyset::after(&[
            Key {
                expr: Expr::col(Column::LastUsedAt),
                order: Order::Desc,
                last: used.into(),
            },
            Key {
                expr: Expr::col(Column::Id),
                order: Order::Desc,
                last: id.into(),
            },
        ]));
    }
    Ok(query
        .order_by(Column::LastUsedAt, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(page.limit())
        .all(db)
        .await?)
}

/// Those of these that are a user's living sessions, in no order.
pub async fn find_many(
    db: &impl ConnectionTrait,
    user: UserId,
    now: Timestamp,
    ids: Vec<SessionId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::Id.is_in(ids))
        .filter(Column::UserId.eq(user))
        .filter(living(now))
        .all(db)
        .await?)
}

/// How many living sessions there are, of a user or in all.
pub async fn count(
    db: &impl ConnectionTrait,
    user: Option<UserId>,
    now: Timestamp,
) -> Result<u64, DbError> {
    let mut query = Entity::find().filter(living(now));
    if let Some(user) = user {
        query = query.filter(Column::UserId.eq(user));
    }
    Ok(query.count(db).await?)
}

/// Writes what ended before its time.
pub async fn insert_revocations(tx: &Tx, rows: &[revocation::Model]) -> Result<(), DbError> {
    for rows in rows.chunks(ROWS) {
        let rows = rows.iter().map(|row| row.clone().into_active_model());
        revocation::Entity::insert_many(rows)
            .exec_without_returning(tx.conn())
            .await?;
    }
    Ok(())
}

/// What ended before its time, as far as a token from before it may be left.
pub async fn live_revocations(
    db: &impl ConnectionTrait,
    now: Timestamp,
) -> Result<Vec<revocation::Model>, DbError> {
    Ok(revocation::Entity::find()
        .filter(revocation::Column::Until.gt(now))
        .all(db)
        .await?)
}

/// The addresses a user's sessions were used from since then; of the latest hundred.
pub async fn addresses_since(
    db: &impl ConnectionTrait,
    user: UserId,
    since: Timestamp,
) -> Result<Vec<String>, DbError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Address)
        .filter(Column::UserId.eq(user))
        .filter(Column::LastUsedAt.gt(since))
        .order_by_desc(Column::LastUsedAt)
        .limit(100)
        .into_tuple()
        .all(db)
        .await?)
}

/// Gives a living session a refresh token of another family: those it had are of no session any
/// more. False when the session has ended.
pub async fn replace_family(
    tx: &Tx,
    session: SessionId,
    family_hash: &[u8],
    refresh_hash: &[u8],
    expires_at: Timestamp,
) -> Result<bool, DbError> {
    let now = tx.clock().now();
    let nothing = || Expr::value(Option::<Vec<u8>>::None);
    let replaced = Entity::update_many()
        .col_expr(Column::FamilyHash, Expr::value(family_hash.to_vec()))
        .col_expr(Column::RefreshHash, Expr::value(refresh_hash.to_vec()))
        .col_expr(Column::PreviousHash, nothing())
        .col_expr(Column::Successor, nothing())
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::Id.eq(session))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(tx.conn())
        .await?;
    Ok(replaced.rows_affected > 0)
}
