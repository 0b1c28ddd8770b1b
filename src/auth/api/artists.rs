//! Registering as an artist, in GraphQL.

use async_graphql::{Context, InputObject, Object};

use super::AuthPayload;
use super::sign_in::{RegisterInput, register};
use crate::accounts::{ArtistDetails, ArtistLinkInput};
use crate::graphql::ApiError;

/// The account to make, and its artist profile. Give an e-mail address, a user name, or both.
#[derive(InputObject)]
pub struct RegisterArtistInput {
    #[graphql(flatten)]
    account: RegisterInput,
    /// The name on the poster, 1 to 100 characters in one line.
    stage_name: String,
    /// About the artist, at most 2,000 characters.
    bio: Option<String>,
    /// What the artist plays: at most 10 words of 1 to 40 characters, kept in lower case and each
    /// once.
    #[graphql(default)]
    genres: Vec<String>,
    /// The artist's own page: an https URL of at most 2,048 characters (in development http, too).
    website: Option<String>,
    /// Other pages, at most 10.
    #[graphql(default)]
    links: Vec<ArtistLinkInput>,
}

/// Registering as an artist.
#[derive(Debug, Default)]
pub struct ArtistSignInMutation;

#[Object]
impl ArtistSignInMutation {
    /// Makes an account with an artist profile and signs its owner in.
    async fn register_artist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to make, and its artist profile.")]
        input: RegisterArtistInput,
    ) -> Result<AuthPayload, ApiError> {
        let details = ArtistDetails {
            stage_name: Some(input.stage_name),
            bio: Some(input.bio).into(),
            genres: Some(input.genres),
            website: Some(input.website).into(),
            links: Some(input.links.into_iter().map(Into::into).collect()),
        };
        register(ctx, input.account, Some(details)).await
    }
}
