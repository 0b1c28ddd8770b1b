//! The statements about users.

pub mod artists;
pub mod credentials;

use std::collections::{HashMap, HashSet};

use entity::user::{self, Column, Entity, Model};
use entity::user_role::{self, Role};
use entity::{Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait, Order};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Set,
};

use crate::db::keyset::{self, Key};
use crate::db::{DbError, Tx, padded};
use crate::graphql::Page;

/// Where a page of the directory ended: the name it is sorted by, and the id.
pub type DirectoryKeys = (String, UserId);

/// Writes a new user.
pub async fn insert(tx: &Tx, user: Model) -> Result<(), DbError> {
    Entity::insert(user.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// A user by id.
///
/// # Errors
/// The database's failure.
pub async fn find(db: &impl ConnectionTrait, id: UserId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Users by id, in no order.
///
/// # Errors
/// The database's failure.
pub async fn find_many(db: &impl ConnectionTrait, ids: Vec<UserId>) -> Result<Vec<Model>, DbError> {
    let query = Entity::find().filter(Column::Id.is_in(padded(ids)));
    let rows = db.query_all(&query.into_query()).await?;
    Ok(rows.iter().map(Model::of_row).collect::<Result<_, _>>()?)
}

/// The user with this address or user name, which must be in lower case.
pub async fn find_by_login_name(
    db: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<Model>, DbError> {
    let column = if name.contains('@') {
        Column::EmailNorm
    } else {
        Column::UsernameNorm
    };
    Ok(Entity::find().filter(column.eq(name)).one(db).await?)
}

/// The users with these user names, which must be in lower case, in no order.
///
/// # Errors
/// The database's failure.
pub async fn find_by_usernames(
    db: &impl ConnectionTrait,
    names: Vec<String>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::UsernameNorm.is_in(names))
        .all(db)
        .await?)
}

/// Those of these users whose accounts may be used.
///
/// # Errors
/// The database's failure.
pub async fn active_among(
    db: &impl ConnectionTrait,
    ids: Vec<UserId>,
) -> Result<HashSet<UserId>, DbError> {
    let active: Vec<UserId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(padded(ids)))
        .filter(Column::Status.eq(user::Status::Active))
        .into_tuple()
        .all(db)
        .await?;
    Ok(active.into_iter().collect())
}

/// Which of these addresses and user names are somebody's. They must be in lower case.
///
/// # Errors
/// The database's failure.
pub async fn taken_names(
    db: &impl ConnectionTrait,
    names: Vec<String>,
) -> Result<HashSet<String>, DbError> {
    let rows: Vec<(Option<String>, Option<String>)> = Entity::find()
        .select_only()
        .columns([Column::EmailNorm, Column::UsernameNorm])
        .filter(
            Condition::any()
                .add(Column::EmailNorm.is_in(names.clone()))
                .add(Column::UsernameNorm.is_in(names)),
        )
        .into_tuple()
        .all(db)
        .await?;
    let names = rows.into_iter().flat_map(|(email, name)| [email, name]);
    Ok(names.flatten().collect())
}

/// Which people a list has.
#[derive(Clone, Debug)]
pub struct DirectoryFilter {
    /// A text in lower case.
    pub search: Option<String>,
    /// Whether the text may be in the address, too.
    pub by_address: bool,
    /// Whether their accounts may be used.
    pub status: user::Status,
    /// Only who has this role.
    pub role: Option<Role>,
}

impl DirectoryFilter {
    fn select(&self) -> Select<Entity> {
        let mut query = Entity::directory(self.status);
        if let Some(text) = &self.search {
            query = query.filter(if self.by_address {
                user::matches_with_address(text)
            } else {
                user::matches(text)
            });
        }
        if let Some(role) = self.role {
            query = query.filter(Column::Id.in_subquery(user_role::find_holders(role)));
        }
        query
    }
}

/// A page of the directory.
pub async fn directory(
    db: &impl ConnectionTrait,
    filter: &DirectoryFilter,
    page: &Page<DirectoryKeys>,
) -> Result<Vec<Model>, DbError> {
    let mut query = filter.select();
    if let Some((name, id)) = &page.after {
        query = query.filter(keyset::after(&[
            Key {
                expr: Expr::col(Column::NameNorm),
                order: Order::Asc,
                last: name.clone().into(),
            },
            Key {
                expr: Expr::col(Column::Id),
                order: Order::Asc,
                last: (*id).into(),
            },
        ]));
    }
    Ok(query.limit(page.limit()).all(db).await?)
}

/// How many people the directory has.
pub async fn count_directory(
    db: &impl ConnectionTrait,
    filter: &DirectoryFilter,
) -> Result<u64, DbError> {
    Ok(filter.select().count(db).await?)
}

/// A user and nobody else's hands on it until the end of the transaction.
///
/// # Errors
/// The database's failure.
pub async fn lock(tx: &Tx, id: UserId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.conn())
        .await?)
}

/// The same of some users and of all administrators, in the order of their ids: two transactions
/// that ask for the same people cannot wait for each other.
pub async fn lock_with_admins(tx: &Tx, ids: &[UserId]) -> Result<Vec<Model>, DbError> {
    let wanted = Condition::any()
        .add(Column::Id.is_in(ids.iter().copied()))
        .add(Column::Id.in_subquery(user_role::find_holders(Role::Admin)));
    Ok(Entity::find()
        .filter(wanted)
        .order_by(Column::Id, Order::Asc)
        .lock_exclusive()
        .all(tx.conn())
        .await?)
}

/// Writes a user that was locked before.
pub async fn save(tx: &Tx, user: Model) -> Result<(), DbError> {
    let row = user.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// The roles of some users. Who has none is not among the keys.
pub async fn roles_of_many(
    db: &impl ConnectionTrait,
    users: Vec<UserId>,
) -> Result<HashMap<UserId, Vec<Role>>, DbError> {
    let rows = user_role::Entity::find()
        .filter(user_role::Column::UserId.is_in(padded(users)))
        .all(db)
        .await?;
    let mut roles: HashMap<UserId, Vec<Role>> = HashMap::new();
    for row in rows {
        roles.entry(row.user_id).or_default().push(row.role);
    }
    Ok(roles)
}

/// Takes roles from a user.
pub async fn take_roles(tx: &Tx, user: UserId, roles: &[Role]) -> Result<(), DbError> {
    user_role::Entity::delete_many()
        .filter(user_role::Column::UserId.eq(user))
        .filter(user_role::Column::Role.is_in(roles.iter().copied()))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The roles of a user.
///
/// # Errors
/// The database's failure.
pub async fn roles(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Role>, DbError> {
    Ok(user_role::Entity::find()
        .filter(user_role::Column::UserId.eq(user))
        .all(db)
        .await?
        .into_iter()
        .map(|row| row.role)
        .collect())
}

/// Gives a user a role.
pub async fn grant(tx: &Tx, user: UserId, role: Role, now: Timestamp) -> Result<(), DbError> {
    let row = user_role::ActiveModel {
        user_id: Set(user),
        role: Set(role),
        granted_at: Set(now),
    };
    user_role::Entity::insert(row)
        .on_conflict_do_nothing()
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Notes a successful login. None when the account was disabled, or its password changed, since it
/// was read.
///
/// # Errors
/// The database's failure.
pub async fn note_login(tx: &Tx, user: &Model) -> Result<Option<Model>, DbError> {
    let mut rows = Entity::update_many()
        .col_expr(Column::LastLoginAt, Expr::value(tx.clock().now()))
        .filter(Column::Id.eq(user.id))
        .filter(Column::Status.eq(user::Status::Active))
        .filter(Column::TokenEpoch.eq(user.token_epoch))
        .exec_with_returning(tx.conn())
        .await?;
    Ok(rows.pop())
}

/// Replaces the hash of a password by a better one of the same password.
///
/// # Errors
/// The database's failure.
pub async fn set_better_hash(tx: &Tx, user: UserId, hash: &str) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(hash))
        .filter(Column::Id.eq(user))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Raises the epoch of a user, and answers the new one. None when there is no such user.
///
/// # Errors
/// The database's failure.
pub async fn raise_epoch(tx: &Tx, user: UserId) -> Result<Option<i32>, DbError> {
    let rows = Entity::update_many()
        .col_expr(Column::TokenEpoch, Expr::col(Column::TokenEpoch).add(1))
        .filter(Column::Id.eq(user))
        .exec_with_returning(tx.conn())
        .await?;
    Ok(rows.first().map(|user| user.token_epoch))
}
