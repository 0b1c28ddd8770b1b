//! Artists in GraphQL.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{UserId, artist_profile};

use super::loaders::{load_artist, load_user};
use super::query::search;
use super::user::User;
use crate::accounts::service::{self, ArtistDetails, LinkText};
use crate::accounts::{AccountError, ArtistFilter, store};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, ErrorCode, Kind, OpaqueCursor, PageArgs, UserError};

/// The order of the list of artists, for its cursors.
const BY_STAGE_NAME: &str = "stageName";

/// A page about an artist somewhere else.
#[derive(Clone, Debug, SimpleObject)]
pub struct ArtistLink {
    /// What it is, as `Bandcamp`.
    label: String,
    /// Where it is.
    url: String,
}

/// A page about an artist somewhere else.
#[derive(Clone, Debug, InputObject)]
pub struct ArtistLinkInput {
    /// What it is, as `Bandcamp`: 1 to 40 characters in one line.
    label: String,
    /// Where it is: an https URL of at most 2,048 characters (in development http, too).
    url: String,
}

impl From<ArtistLinkInput> for LinkText {
    fn from(link: ArtistLinkInput) -> Self {
        Self {
            label: link.label,
            url: link.url,
        }
    }
}

/// What somebody is known by on a stage. Everybody who is signed in sees it.
#[derive(Clone, Debug)]
pub struct Artist(pub artist_profile::Model);

/// What somebody is known by on a stage. Everybody who is signed in sees it.
#[Object]
impl Artist {
    /// The id, as `artist_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Artist.encode(self.0.user_id.0)
    }

    /// Whose profile it is.
    async fn user(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        // A foreign key keeps this from being none.
        let user = load_user(ctx, self.0.user_id).await?;
        user.map(User::new)
            .ok_or_else(|| ApiError::internal("a profile of a user that does not exist"))
    }

    /// The name on the poster.
    async fn stage_name(&self) -> &str {
        &self.0.stage_name
    }

    /// About the artist.
    async fn bio(&self) -> Option<&str> {
        self.0.bio.as_deref()
    }

    /// What the artist plays, in lower case.
    async fn genres(&self) -> &[String] {
        &self.0.genres.0
    }

    /// The artist's own page.
    async fn website(&self) -> Option<&str> {
        self.0.website.as_deref()
    }

    /// Other pages about the artist.
    async fn links(&self) -> Vec<ArtistLink> {
        let link = |link: &artist_profile::Link| ArtistLink {
            label: link.label.clone(),
            url: link.url.clone(),
        };
        self.0.links.0.iter().map(link).collect()
    }

    /// When the profile was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the profile was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// What a connection of artists says beside its edges.
#[derive(Debug)]
pub struct ArtistConnectionFields {
    filter: ArtistFilter,
}

#[Object]
impl ArtistConnectionFields {
    /// How many artists there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, filter) = (ctx.app(), &self.filter);
        Ok(app
            .db
            .read(|db| async move { store::artists::count(&db, filter).await })
            .await?)
    }
}

/// An artist.
///
/// # Errors
/// `NOT_FOUND` for who is none.
pub async fn find_artist(ctx: &Context<'_>, id: UserId) -> Result<Artist, ApiError> {
    let artist = load_artist(ctx, id).await?;
    artist
        .map(Artist)
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "There is no such artist."))
}

/// Looking for artists.
#[derive(Debug, Default)]
pub struct ArtistQuery;

#[Object]
impl ArtistQuery {
    /// One artist.
    async fn artist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The artist's id.")] id: ID,
    ) -> Option<Result<Artist, ApiError>> {
        Some(artist_by_id(ctx, &id).await)
    }

    /// The artists whose accounts are active, by stage name.
    async fn artists(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Only artists whose stage name contains this text, in any case.")]
        search: Option<String>,
        #[graphql(desc = "Only artists who play this, in any case.")] genre: Option<String>,
    ) -> Result<Connection<OpaqueCursor, Artist, ArtistConnectionFields, EmptyFields>, ApiError>
    {
        ctx.viewer()?;
        let filter = ArtistFilter {
            search: self::search(search)?,
            genre: self::search(genre)?,
        };
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(BY_STAGE_NAME)?;
        let (by, place) = (&filter, &page);
        let mut profiles = ctx
            .app()
            .db
            .read(|db| async move { store::artists::list(&db, by, place).await })
            .await?;
        let has_next = page.cut(&mut profiles);
        let fields = ArtistConnectionFields { filter };
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(profiles.into_iter().map(|profile| {
            let keys = (profile.stage_name_norm.clone(), profile.user_id);
            Edge::new(OpaqueCursor::new(BY_STAGE_NAME, keys), Artist(profile))
        }));
        Ok(connection)
    }
}

async fn artist_by_id(ctx: &Context<'_>, id: &str) -> Result<Artist, ApiError> {
    ctx.viewer()?;
    find_artist(ctx, UserId(Kind::Artist.decode(id)?)).await
}

/// What is to change. A field that is absent keeps its value; null clears it where it may be empty.
#[derive(InputObject)]
pub struct UpdateArtistInput {
    /// The name on the poster, 1 to 100 characters in one line.
    stage_name: Option<String>,
    /// About the artist, at most 2,000 characters.
    bio: MaybeUndefined<String>,
    /// What the artist plays: at most 10 words of 1 to 40 characters, kept in lower case and each
    /// once. Replaces all.
    genres: Option<Vec<String>>,
    /// The artist's own page: an https URL of at most 2,048 characters (in development http, too).
    website: MaybeUndefined<String>,
    /// Other pages, at most 10. Replaces all.
    links: Option<Vec<ArtistLinkInput>>,
}

/// The artist, changed.
#[derive(Debug, SimpleObject)]
pub struct UpdateArtistPayload {
    /// The profile as it is now; null when there are user errors.
    artist: Option<Artist>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Changing artist profiles.
#[derive(Debug, Default)]
pub struct ArtistMutation;

#[Object]
impl ArtistMutation {
    /// Changes the signed-in person's artist profile. `NOT_FOUND` when they have none.
    async fn update_artist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateArtistInput,
    ) -> Result<UpdateArtistPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let links = |links: Vec<ArtistLinkInput>| links.into_iter().map(Into::into).collect();
        let details = ArtistDetails {
            stage_name: input.stage_name,
            bio: input.bio,
            genres: input.genres,
            website: input.website,
            links: input.links.map(links),
        };
        let (artist, user_errors) = match service::update_artist(ctx.app(), viewer, details).await {
            Ok(profile) => (Some(Artist(profile)), Vec::new()),
            Err(AccountError::Refused(errors)) => (None, errors),
            Err(error) => return Err(error.into()),
        };
        Ok(UpdateArtistPayload {
            artist,
            user_errors,
        })
    }
}
