//! Users in GraphQL.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::{UserId, user};

use super::{policy, store};
use crate::app::AppExt;
use crate::db::DbError;
use crate::events;
use crate::graphql::{
    ApiError, ContextExt, ErrorCode, Kind, Loader, OpaqueCursor, PageArgs, search_text,
};

/// The order of the directory, for its cursors.
const DIRECTORY: &str = "name";

/// Loads the users of one answer together.
pub type UserLoader = Loader<UserId, user::Model, ApiError>;

/// A person with an account on this server.
#[derive(Clone, Debug)]
pub struct User {
    row: user::Model,
    /// Whether the person signed in with this very request, and so may see all of it.
    just_signed_in: bool,
}

impl User {
    /// Somebody, as the viewer may see them.
    pub fn new(row: user::Model) -> Self {
        Self {
            row,
            just_signed_in: false,
        }
    }

    /// The person who signed in with this request.
    pub fn just_signed_in(row: user::Model) -> Self {
        Self {
            row,
            just_signed_in: true,
        }
    }
}

/// A person with an account on this server.
#[Object]
impl User {
    /// The id, as `user_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::User.encode(self.row.id.0)
    }

    /// The display name.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The user name, if the person has one.
    async fn username(&self) -> Option<&str> {
        self.row.username.as_deref()
    }

    /// The e-mail address. Visible to the person and to administrators; null for everyone else.
    async fn email(&self, ctx: &Context<'_>) -> Option<&str> {
        let allowed = self.just_signed_in
            || ctx
                .viewer()
                .is_ok_and(|viewer| policy::may_see_email(viewer, self.row.id));
        self.row.email.as_deref().filter(|_| allowed)
    }

    /// When the account was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
}

/// What is the signed-in person's own.
#[derive(Debug)]
pub struct Viewer(entity::Viewer);

/// What is the signed-in person's own.
#[Object]
impl Viewer {
    /// The signed-in person.
    async fn user(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        load_user(ctx, self.0.user_id).await?.map(User::new).ok_or_else(|| {
            ApiError::new(
                ErrorCode::Unauthenticated,
                "The account of this access token does not exist on this server. Register or log in again.",
            )
        })
    }

    /// The place of the newest event in the stream that `taskAssigned` follows. Read it before a
    /// list of tasks and subscribe with `after`: then nothing is missed in between.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        let stream = events::assigned_stream(self.0.user_id);
        Ok(ctx.app().feed.latest(&stream).await?.encode())
    }
}

/// The number of all people a list would go through.
#[derive(Debug)]
pub struct DirectoryFields {
    search: Option<String>,
}

#[Object]
impl DirectoryFields {
    /// How many people there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let search = self.search.as_deref();
        let app = ctx.app();
        Ok(app
            .db
            .read(|db| async move { store::count_directory(&db, search).await })
            .await?)
    }
}

/// The people of the server.
#[derive(Debug, Default)]
pub struct AccountsQuery;

#[Object]
impl AccountsQuery {
    /// What is the signed-in person's own.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer, ApiError> {
        Ok(Viewer(ctx.viewer()?.clone()))
    }

    /// One person.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id.")] id: ID,
    ) -> Option<Result<User, ApiError>> {
        user(ctx, &id).await.transpose()
    }

    /// The people of this server, by name. Needed to find somebody to assign a task to.
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Only people whose name or user name contains this text, in any case.")]
        search: Option<String>,
    ) -> Result<Connection<OpaqueCursor, User, DirectoryFields, EmptyFields>, ApiError> {
        ctx.viewer()?;
        let search = search
            .map(|text| search_text(&text.trim().to_lowercase()))
            .transpose()?
            .filter(|text| !text.is_empty());
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(DIRECTORY)?;
        let (by, place) = (search.as_deref(), &page);
        let mut users = ctx
            .app()
            .db
            .read(|db| async move { store::directory(&db, by, place).await })
            .await?;
        let has_next = page.cut(&mut users);
        let mut connection =
            Connection::with_additional_fields(has_previous, has_next, DirectoryFields { search });
        connection.edges.extend(users.into_iter().map(|user| {
            let cursor = OpaqueCursor::new(DIRECTORY, (&user.name_norm, user.id));
            Edge::new(cursor, User::new(user))
        }));
        Ok(connection)
    }
}

async fn user(ctx: &Context<'_>, id: &str) -> Result<Option<User>, ApiError> {
    ctx.viewer()?;
    let id = UserId(Kind::User.decode(id)?);
    match load_user(ctx, id).await? {
        Some(user) => Ok(Some(User::new(user))),
        None => Err(ApiError::new(ErrorCode::NotFound, "There is no such user.")),
    }
}

/// A user by id, fetched together with the others this answer needs.
///
/// # Errors
/// The database's failure.
pub async fn load_user(ctx: &Context<'_>, id: UserId) -> Result<Option<user::Model>, ApiError> {
    let loader = ctx
        .data_opt::<UserLoader>()
        .ok_or_else(|| ApiError::internal("a request without a user loader"))?;
    let app = ctx.app();
    loader
        .load(id, |ids: Vec<UserId>| async move {
            let ids = &ids;
            let users = app
                .db
                .read(|db| async move { store::find_many(&db, ids.clone()).await })
                .await
                .map_err(|error: DbError| ApiError::from(error))?;
            Ok(users
                .into_iter()
                .map(|user| (user.id, user))
                .collect::<HashMap<_, _>>())
        })
        .await
}
