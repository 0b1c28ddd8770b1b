//! People in GraphQL.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::UserId;
use entity::user::{self, Face};
use entity::user_role::Role;

use super::artist::Artist;
use super::loaders::{load_artist, load_roles, load_user};
use crate::accounts::policy;
use crate::app::AppExt;
use crate::events;
use crate::graphql::{ApiError, ContextExt, ErrorCode, HasAtHand, Kind};

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "user::Status")]
pub enum UserStatus {
    /// Its owner can sign in.
    Active,
    /// Signing in is refused, and no mail is sent. Tasks stay.
    Disabled,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enum)]
pub enum UserRole {
    /// Sees and edits everything, and looks after the accounts.
    Admin,
    /// What everyone may. Everyone has it.
    User,
    /// Has an artist profile.
    Artist,
    /// Is a program, not a person.
    Service,
}

impl From<Role> for UserRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Artist => Self::Artist,
            Role::Service => Self::Service,
        }
    }
}

impl UserRole {
    /// All roles of somebody who has these written down.
    pub fn all(stored: Vec<Role>) -> Vec<Self> {
        let mut roles: Vec<Self> = stored.into_iter().map(Into::into).collect();
        roles.push(Self::User);
        roles.sort_unstable();
        roles
    }

    /// The role that is written down; none for the one that everyone has.
    pub fn stored(self) -> Option<Role> {
        match self {
            Self::Admin => Some(Role::Admin),
            Self::User => None,
            Self::Artist => Some(Role::Artist),
            Self::Service => Some(Role::Service),
        }
    }
}

/// A person with an account on this server.
#[derive(Clone, Debug)]
pub struct User {
    row: Row,
    /// Whether the person signed in with this very request, and so may see all of it.
    just_signed_in: bool,
}

/// As much of a person as was read.
#[derive(Clone, Debug)]
enum Row {
    Whole(Box<user::Model>),
    Face(Box<Face>),
}

impl User {
    /// The fields of which [`User::of_face`] has the value.
    pub const FACE: [&'static str; 6] = [
        "__typename",
        "id",
        "name",
        "username",
        "avatarUrl",
        "createdAt",
    ];

    /// Somebody, as the viewer may see them.
    pub fn new(row: user::Model) -> Self {
        Self {
            row: Row::Whole(Box::new(row)),
            just_signed_in: false,
        }
    }

    /// Somebody of whom only what is in [`User::FACE`] is asked.
    pub fn of_face(face: Face) -> Self {
        Self {
            row: Row::Face(Box::new(face)),
            just_signed_in: false,
        }
    }

    /// The person who signed in with this request.
    pub fn just_signed_in(row: user::Model) -> Self {
        Self {
            row: Row::Whole(Box::new(row)),
            just_signed_in: true,
        }
    }

    fn user_id(&self) -> UserId {
        match &self.row {
            Row::Whole(row) => row.id,
            Row::Face(face) => face.id,
        }
    }

    /// The person, when the viewer may see what is not for everyone.
    fn private(&self, ctx: &Context<'_>) -> Option<&user::Model> {
        let Row::Whole(row) = &self.row else {
            return None;
        };
        let allowed = self.just_signed_in
            || ctx
                .viewer()
                .is_ok_and(|viewer| policy::may_see_private(viewer, row.id));
        allowed.then_some(row)
    }
}

impl HasAtHand for User {
    fn has_at_hand(&self, field: &str) -> bool {
        Self::FACE.contains(&field)
    }
}

/// A person with an account on this server. What says so is visible to the person and to
/// administrators, and null for everyone else.
// What waits is on the heap, as in a task.
#[Object]
impl User {
    /// The id, as `user_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::User.encode(self.user_id().0)
    }

    /// The display name.
    async fn name(&self) -> &str {
        match &self.row {
            Row::Whole(row) => &row.name,
            Row::Face(face) => &face.name,
        }
    }

    /// The user name, if the person has one.
    async fn username(&self) -> Option<&str> {
        match &self.row {
            Row::Whole(row) => row.username.as_deref(),
            Row::Face(face) => face.username.as_deref(),
        }
    }

    /// A picture of the person: the URL of it somewhere else.
    async fn avatar_url(&self) -> Option<&str> {
        match &self.row {
            Row::Whole(row) => row.avatar_url.as_deref(),
            Row::Face(face) => face.avatar_url.as_deref(),
        }
    }

    /// When the account was made.
    async fn created_at(&self) -> DateTime<Utc> {
        match &self.row {
            Row::Whole(row) => row.created_at,
            Row::Face(face) => face.created_at,
        }
    }

    /// The artist profile, if the person is an artist.
    async fn artist(&self, ctx: &Context<'_>) -> Option<Result<Artist, ApiError>> {
        let artist = Box::pin(load_artist(ctx, self.user_id())).await;
        let artist = artist.transpose()?;
        Some(artist.map(Artist))
    }

    /// The e-mail address. Visible to the person and to administrators.
    async fn email(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx)?.email.as_deref()
    }

    /// Whether the person showed that the address is theirs. Visible to the person and to
    /// administrators.
    async fn is_email_verified(&self, ctx: &Context<'_>) -> Option<bool> {
        Some(self.private(ctx)?.email_verified_at.is_some())
    }

    /// The given name. Visible to the person and to administrators.
    async fn first_name(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx)?.first_name.as_deref()
    }

    /// The family name. Visible to the person and to administrators.
    async fn last_name(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx)?.last_name.as_deref()
    }

    /// The language of mails, as a tag of BCP 47. Visible to the person and to administrators.
    async fn locale(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx)?.locale.as_deref()
    }

    /// The time zone, by its name in the IANA database. Visible to the person and to
    /// administrators.
    async fn timezone(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx)?.timezone.as_deref()
    }

    /// When the person last logged in. Visible to the person and to administrators.
    async fn last_login_at(&self, ctx: &Context<'_>) -> Option<DateTime<Utc>> {
        self.private(ctx)?.last_login_at
    }

    /// Whether the account may be used. Visible to the person and to administrators.
    async fn status(&self, ctx: &Context<'_>) -> Option<UserStatus> {
        Some(self.private(ctx)?.status.into())
    }

    /// What the person may do. Visible to the person and to administrators.
    async fn roles(&self, ctx: &Context<'_>) -> Option<Result<Vec<UserRole>, ApiError>> {
        let id = self.private(ctx)?.id;
        Some(Box::pin(load_roles(ctx, id)).await.map(UserRole::all))
    }
}

/// What is the signed-in person's own.
#[derive(Debug)]
pub struct Viewer(entity::Viewer);

impl Viewer {
    /// What is this person's own.
    pub fn new(viewer: entity::Viewer) -> Self {
        Self(viewer)
    }
}

/// What is the signed-in person's own.
#[Object]
impl Viewer {
    /// The signed-in person.
    async fn user(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        Box::pin(load_user(ctx, self.0.user_id)).await?.map(User::new).ok_or_else(|| {
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
        Ok(Box::pin(ctx.app().feed.latest(&stream)).await?.encode())
    }
}
