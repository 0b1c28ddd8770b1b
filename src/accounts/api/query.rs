//! Looking for people, in GraphQL.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, Object};
use entity::{UserId, user};

use super::loaders::load_user;
use super::user::{User, UserRole, UserStatus, Viewer};
use crate::accounts::{Actor, DirectoryFilter, policy, service, store};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, ErrorCode, Kind, OpaqueCursor, PageArgs, search_text};

/// The order of the directory, for its cursors.
const DIRECTORY: &str = "name";

/// Counts the people of a list.
#[async_trait::async_trait]
pub trait CountPeople: std::fmt::Debug + Send + Sync + 'static {
    /// How many there are.
    async fn count(&self, ctx: &Context<'_>) -> Result<u64, ApiError>;
}

/// The number of all people a list would go through, whatever it lists them by.
#[derive(Debug)]
pub struct UserConnectionFields(Box<dyn CountPeople>);

impl UserConnectionFields {
    /// Of a list that is counted so.
    pub fn new(count: impl CountPeople) -> Self {
        Self(Box::new(count))
    }
}

#[Object]
impl UserConnectionFields {
    /// How many people there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        self.0.count(ctx).await
    }
}

#[async_trait::async_trait]
impl CountPeople for DirectoryFilter {
    async fn count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, filter) = (ctx.app(), self);
        Ok(app
            .db
            .read(|db| async move { store::count_directory(&db, filter).await })
            .await?)
    }
}

/// A text of a list to search for, as it is compared.
pub fn search(text: Option<String>) -> Result<Option<String>, ApiError> {
    let text = text
        .map(|text| search_text(&text.trim().to_lowercase()))
        .transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The people of the server.
#[derive(Debug, Default)]
pub struct AccountsQuery;

#[Object]
impl AccountsQuery {
    /// What is the signed-in person's own.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer, ApiError> {
        Ok(Viewer::new(ctx.viewer()?.clone()))
    }

    /// One person.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id.")] id: ID,
    ) -> Option<Result<User, ApiError>> {
        find_user(ctx, &id).await.transpose()
    }

    /// The people of this server, by name. Needed to find somebody to assign a task to.
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(
            desc = "Only people whose name or user name contains this text, in any case; for administrators also those whose e-mail address does."
        )]
        search: Option<String>,
        #[graphql(
            desc = "Whether their accounts may be used: `ACTIVE` when not given. Any other is for administrators."
        )]
        status: Option<UserStatus>,
        #[graphql(desc = "Only people with this role. For administrators.")] role: Option<UserRole>,
    ) -> Result<Connection<OpaqueCursor, User, UserConnectionFields, EmptyFields>, ApiError> {
        let viewer = ctx.viewer()?;
        let mut filter = DirectoryFilter {
            search: self::search(search)?,
            by_address: false,
            status: status.map_or(user::Status::Active, Into::into),
            role: role.and_then(UserRole::stored),
        };
        let actor = Actor::Viewer(viewer);
        if role.is_some() {
            // Also for the role that everyone has.
            policy::says_admin(actor)?;
        }
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(DIRECTORY)?;
        let mut users = service::list_users(ctx.app(), actor, &mut filter, &page).await?;
        let has_next = page.cut(&mut users);
        let fields = UserConnectionFields::new(filter);
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(users.into_iter().map(|user| {
            let cursor = OpaqueCursor::new(DIRECTORY, (user.name_norm.clone(), user.id));
            Edge::new(cursor, User::new(user))
        }));
        Ok(connection)
    }
}

async fn find_user(ctx: &Context<'_>, id: &str) -> Result<Option<User>, ApiError> {
    ctx.viewer()?;
    let id = UserId(Kind::User.decode(id)?);
    match load_user(ctx, id).await? {
        Some(user) => Ok(Some(User::new(user))),
        None => Err(ApiError::new(ErrorCode::NotFound, "There is no such user.")),
    }
}
