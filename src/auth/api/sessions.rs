//! Staying signed in, signing out, and the sessions a person has, in GraphQL.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{SessionId, session};

use super::{AuthPayload, payload};
use crate::app::AppExt;
use crate::auth::{service, store};
use crate::graphql::{ApiError, ContextExt, ErrorCode, Kind, OpaqueCursor, PageArgs, UserError};

/// The order of the list, for its cursors.
const BY_USE: &str = "last_used_at";

/// The most sessions that are named to go on.
const MOST_KEPT: usize = 100;

/// A page of sessions.
pub type SessionConnection = Connection<OpaqueCursor, Session, SessionListFields, EmptyFields>;

/// A device on which the signed-in person is signed in. Only they see it.
#[derive(Clone, Debug)]
pub struct Session {
    row: session::Model,
    is_current: bool,
}

/// A device on which the signed-in person is signed in. Only they see it.
#[Object]
impl Session {
    /// The id, as `session_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Session.encode(self.row.id.0)
    }

    /// What the person called the device.
    async fn device_name(&self) -> Option<&str> {
        self.row.device_name.as_deref()
    }

    /// What the program on it called itself when the person signed in.
    async fn user_agent(&self) -> Option<&str> {
        self.row.user_agent.as_deref()
    }

    /// The address it was last used from.
    async fn address(&self) -> &str {
        &self.row.address
    }

    /// When the person signed in.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it was last renewed. Between renewals nothing is noted.
    async fn last_used_at(&self) -> DateTime<Utc> {
        self.row.last_used_at
    }

    /// When it ends, unless it is renewed before.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at
    }

    /// Whether it is the one of this request.
    async fn is_current(&self) -> bool {
        self.is_current
    }
}

/// The number of all sessions of the signed-in person.
#[derive(Debug)]
pub struct SessionListFields;

#[Object]
impl SessionListFields {
    /// How many sessions there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, user) = (ctx.app(), Some(ctx.viewer()?.user_id));
        let now = app.db.clock().now();
        Ok(app
            .db
            .read(|db| async move { store::count(&db, user, now).await })
            .await?)
    }
}

/// The sessions of the signed-in person.
#[derive(Debug, Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// The devices on which the signed-in person is signed in, the one used last first.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<SessionConnection, ApiError> {
        let viewer = ctx.viewer()?;
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(BY_USE)?;
        let (app, user, place) = (ctx.app(), viewer.user_id, &page);
        let now = app.db.clock().now();
        let mut rows = app
            .db
            .read(|db| async move { store::page(&db, user, now, place).await })
            .await?;
        let has_next = page.cut(&mut rows);
        let mut connection =
            Connection::with_additional_fields(has_previous, has_next, SessionListFields);
        connection.edges.extend(rows.into_iter().map(|row| {
            let cursor = OpaqueCursor::new(BY_USE, (row.last_used_at, row.id));
            let is_current = row.id == viewer.session_id;
            Edge::new(cursor, Session { row, is_current })
        }));
        Ok(connection)
    }
}

/// Those of these sessions that are the signed-in person's, by id.
///
/// # Errors
/// The database's failure.
pub async fn find_sessions(
    ctx: &Context<'_>,
    ids: Vec<SessionId>,
) -> Result<HashMap<SessionId, Session>, ApiError> {
    let viewer = ctx.viewer()?;
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (app, user, ids) = (ctx.app(), viewer.user_id, &ids);
    let now = app.db.clock().now();
    let rows = app
        .db
        .read(|db| async move { store::find_many(&db, user, now, ids.clone()).await })
        .await?;
    let session = |row: session::Model| {
        let is_current = row.id == viewer.session_id;
        (row.id, Session { row, is_current })
    };
    Ok(rows.into_iter().map(session).collect())
}

/// What renews the access.
#[derive(InputObject)]
pub struct RefreshTokenInput {
    /// The refresh token of the last answer. It is good once; for a moment longer it leads to the same
    /// new one.
    refresh_token: String,
}

/// What to end.
#[derive(InputObject)]
pub struct LogoutInput {
    /// End all sessions of the person, on all devices, not just this one.
    #[graphql(default = false)]
    all_sessions: bool,
}

/// What was ended.
#[derive(Debug, SimpleObject)]
pub struct LogoutPayload {
    /// How many sessions were ended.
    ended_sessions: u64,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Which session to end.
#[derive(InputObject)]
pub struct RevokeSessionInput {
    /// The session's id.
    id: ID,
}

/// Which session was ended.
#[derive(Debug, SimpleObject)]
pub struct RevokeSessionPayload {
    /// The id of the session that is no more.
    revoked_session_id: Option<ID>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Which sessions go on.
#[derive(InputObject)]
pub struct RevokeOtherSessionsInput {
    /// Sessions that go on beside the one of the access token, at most 100.
    #[graphql(default)]
    keep_ids: Vec<ID>,
}

/// What was ended.
#[derive(Debug, SimpleObject)]
pub struct RevokeOtherSessionsPayload {
    /// How many sessions were ended.
    ended_sessions: u64,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Staying signed in, and signing out.
#[derive(Debug, Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Gives a new pair of tokens for a refresh token, which is then used up. Fails with
    /// `UNAUTHENTICATED` when the refresh token is not good any more. One that was replaced longer
    /// ago than a moment ends its session: somebody has a copy.
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What renews the access.")] input: RefreshTokenInput,
    ) -> Result<AuthPayload, ApiError> {
        payload(service::refresh(ctx.app(), &input.refresh_token, ctx.client()).await)
    }

    /// Ends the session of the access token, which is good no more either, nor is its refresh token.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to end; this session when not given.")] input: Option<LogoutInput>,
    ) -> Result<LogoutPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let all = input.is_some_and(|input| input.all_sessions);
        Ok(LogoutPayload {
            ended_sessions: service::logout(ctx.app(), viewer, all).await?,
            user_errors: Vec::new(),
        })
    }

    /// Ends one session of the signed-in person: its tokens are good no more, and what is open for it
    /// is closed.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session to end.")] input: RevokeSessionInput,
    ) -> Result<RevokeSessionPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = SessionId(Kind::Session.decode(&input.id)?);
        service::revoke(ctx.app(), viewer, id).await?;
        Ok(RevokeSessionPayload {
            revoked_session_id: Some(Kind::Session.encode(id.0)),
            user_errors: Vec::new(),
        })
    }

    /// Ends all sessions of the signed-in person but that of the access token.
    async fn revoke_other_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which sessions go on; this one alone when not given.")] input: Option<
            RevokeOtherSessionsInput,
        >,
    ) -> Result<RevokeOtherSessionsPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let ids = input.map(|input| input.keep_ids).unwrap_or_default();
        if ids.len() > MOST_KEPT {
            return Err(ApiError::new(
                ErrorCode::BadUserInput,
                format!("`keepIds` takes at most {MOST_KEPT} ids."),
            ));
        }
        let ids = ids.iter().map(|id| Kind::Session.decode(id).map(SessionId));
        let keep = ids.collect::<Result<Vec<_>, _>>()?;
        Ok(RevokeOtherSessionsPayload {
            ended_sessions: service::revoke_others(ctx.app(), viewer, keep).await?,
            user_errors: Vec::new(),
        })
    }
}
