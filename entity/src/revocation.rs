//! What access tokens are good no more before their end. Few rows: each is needed only as long as a
//! token from before it could live.

use sea_orm::entity::prelude::*;

use crate::{RevocationId, SessionId, Timestamp, UserId};

/// A row of `revocations`: of one session, or of all tokens of a user below an epoch.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revocations")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RevocationId,
    /// Whose tokens.
    pub user_id: UserId,
    /// Of this session.
    pub session_id: Option<SessionId>,
    /// Those with a lower epoch.
    pub epoch: Option<i32>,
    /// When the last such token is over by itself.
    pub until: Timestamp,
}

/// It refers to nothing, so that it outlives whom it is about.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
