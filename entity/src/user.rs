//! People who can sign in.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{Condition, Order, QueryOrder, QueryResult, QuerySelect, QueryTrait};

use crate::row::{read_row, word};
use crate::{Timestamp, UserId};

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    /// The owner can sign in.
    #[sea_orm(string_value = "active")]
    Active,
    /// Signing in is refused and no mail is sent; tasks stay.
    #[sea_orm(string_value = "disabled")]
    Disabled,
}

/// A row of `users`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// The address as its owner wrote it.
    pub email: Option<String>,
    /// The address in lower case: what is compared, and unique.
    pub email_norm: Option<String>,
    /// The user name as its owner wrote it.
    pub username: Option<String>,
    /// The user name in lower case: what is compared, and unique.
    pub username_norm: Option<String>,
    /// The display name.
    pub name: String,
    /// The display name in lower case: what lists are sorted and searched by.
    pub name_norm: String,
    /// A PHC string; none for accounts that cannot sign in by password.
    pub password_hash: Option<String>,
    /// Whether the account may be used.
    pub status: Status,
    /// Written into access tokens. Raised when all of them must end: those with a lower one are
    /// refused.
    pub token_epoch: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The last successful login.
    pub last_login_at: Option<Timestamp>,
    /// When its owner showed that the address is theirs.
    pub email_verified_at: Option<Timestamp>,
    /// When the password was last set.
    pub password_changed_at: Option<Timestamp>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// The language of mails: a tag of BCP 47.
    pub locale: Option<String>,
    /// A name of the IANA time zone database.
    pub timezone: Option<String>,
    /// When an admin disabled the account.
    pub disabled_at: Option<Timestamp>,
    /// Which admin.
    pub disabled_by: Option<UserId>,
}

impl Model {
    /// Reads a row that begins with the columns of the table, in their order.
    ///
    /// # Errors
    /// When it does not.
    pub fn of_row(row: &QueryResult) -> Result<Self, DbErr> {
        read_row!(row, |row| Self {
            id: UserId(row.try_get_unchecked(0)?),
            email: row.try_get_unchecked(1)?,
            email_norm: row.try_get_unchecked(2)?,
            username: row.try_get_unchecked(3)?,
            username_norm: row.try_get_unchecked(4)?,
            name: row.try_get_unchecked(5)?,
            name_norm: row.try_get_unchecked(6)?,
            password_hash: row.try_get_unchecked(7)?,
            status: word(row.try_get_unchecked(8)?)?,
            token_epoch: row.try_get_unchecked(9)?,
            created_at: row.try_get_unchecked(10)?,
            updated_at: row.try_get_unchecked(11)?,
            last_login_at: row.try_get_unchecked(12)?,
            email_verified_at: row.try_get_unchecked(13)?,
            password_changed_at: row.try_get_unchecked(14)?,
            first_name: row.try_get_unchecked(15)?,
            last_name: row.try_get_unchecked(16)?,
            avatar_url: row.try_get_unchecked(17)?,
            locale: row.try_get_unchecked(18)?,
            timezone: row.try_get_unchecked(19)?,
            disabled_at: row.try_get_unchecked(20)?,
            disabled_by: row.try_get_unchecked::<Option<Uuid>, _>(21)?.map(UserId),
        })
    }
}

/// What everybody may know of a person, as far as the table of users has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// Who it is.
    pub id: UserId,
    /// The display name.
    pub name: String,
    /// The user name as its owner wrote it.
    pub username: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl Face {
    /// How many columns it has.
    pub const COLUMNS: usize = 5;

    /// Everybody's, under names that no other table has: to be joined.
    pub fn select() -> SelectStatement {
        let columns = [
            (Column::Id, "face_id"),
            (Column::Name, "face_name"),
            (Column::Username, "face_username"),
            (Column::AvatarUrl, "face_avatar_url"),
            (Column::CreatedAt, "face_created_at"),
        ];
        let mut select = Query::select();
        select.from(Entity);
        for (column, name) in columns {
            select.expr_as(Expr::col(column), name);
        }
        select
    }

    /// Reads the columns of [`Face::select`], which stand in a row from this place on; none when nobody was
    /// joined.
    ///
    /// # Errors
    /// When they do not stand there.
    pub fn of_row(row: &QueryResult, from: usize) -> Result<Option<Self>, DbErr> {
        read_row!(
            row,
            |row| match row.try_get_unchecked::<Option<Uuid>, _>(from)? {
                None => None,
                Some(id) => Some(Self {
                    id: UserId(id),
                    name: row.try_get_unchecked(from + 1)?,
                    username: row.try_get_unchecked(from + 2)?,
                    avatar_url: row.try_get_unchecked(from + 3)?,
                    created_at: row.try_get_unchecked(from + 4)?,
                }),
            }
        )
    }
}

/// A user refers to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Every user with this status, by name.
    pub fn directory(status: Status) -> Select<Self> {
        Self::find()
            .filter(Column::Status.eq(status))
            .order_by(Column::NameNorm, Order::Asc)
            .order_by(Column::Id, Order::Asc)
    }

    /// The ids of active users, for the selectors of other tables.
    pub fn find_active_ids() -> SelectStatement {
        Self::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Status.eq(Status::Active))
            .into_query()
    }
}

/// Users whose name or user name contains the text, which must be in lower case.
pub fn matches(text: &str) -> Condition {
    let pattern =
        sea_orm::sea_query::LikeExpr::new(format!("%{}%", escape_like(text))).escape('\\');
    Condition::any()
        .add(Column::NameNorm.like(pattern.clone()))
        .add(Column::UsernameNorm.like(pattern))
}

/// The same, or whose e-mail address contains the text: for those who may see addresses.
pub fn matches_with_address(text: &str) -> Condition {
    let pattern =
        sea_orm::sea_query::LikeExpr::new(format!("%{}%", escape_like(text))).escape('\\');
    matches(text).add(Column::EmailNorm.like(pattern))
}

/// Takes the meaning out of `%`, `_` and `\` in a pattern of LIKE.
pub fn escape_like(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
