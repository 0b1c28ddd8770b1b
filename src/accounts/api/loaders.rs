//! What the resolvers of one answer need of people, fetched together.

use std::collections::HashMap;

use async_graphql::Context;
use entity::user_role::Role;
use entity::{UserId, artist_profile, user};

use super::super::store;
use crate::app::AppExt;
use crate::graphql::{ApiError, Loader};

/// Loads the people of one answer together. New for each operation.
#[derive(Debug, Default)]
pub struct Loaders {
    users: Loader<UserId, user::Model, ApiError>,
    roles: Loader<UserId, Vec<Role>, ApiError>,
    artists: Loader<UserId, artist_profile::Model, ApiError>,
}

fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, ApiError> {
    ctx.data_opt()
        .ok_or_else(|| ApiError::internal("a request without loaders"))
}

/// A user by id, fetched together with the others this answer needs.
///
/// # Errors
/// The database's failure.
pub async fn load_user(ctx: &Context<'_>, id: UserId) -> Result<Option<user::Model>, ApiError> {
    let app = ctx.app();
    let fetch = |ids: Vec<UserId>| async move {
        let ids = &ids;
        let users = app
            .db
            .read(|db| async move { store::find_many(&db, ids.clone()).await })
            .await?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    };
    loaders(ctx)?.users.load(id, fetch).await
}

/// The roles of a user beyond what everyone may, likewise.
///
/// # Errors
/// The database's failure.
pub async fn load_roles(ctx: &Context<'_>, id: UserId) -> Result<Vec<Role>, ApiError> {
    let app = ctx.app();
    let fetch = |ids: Vec<UserId>| async move {
        let ids = &ids;
        let roles: HashMap<UserId, Vec<Role>> = app
            .db
            .read(|db| async move { store::roles_of_many(&db, ids.clone()).await })
            .await?;
        Ok(roles)
    };
    let roles = loaders(ctx)?.roles.load(id, fetch).await?;
    Ok(roles.unwrap_or_default())
}

/// The profile of a user who is an artist, likewise.
///
/// # Errors
/// The database's failure.
pub async fn load_artist(
    ctx: &Context<'_>,
    id: UserId,
) -> Result<Option<artist_profile::Model>, ApiError> {
    let app = ctx.app();
    let fetch = |ids: Vec<UserId>| async move {
        let ids = &ids;
        let profiles = app
            .db
            .read(|db| async move { store::artists::find_many(&db, ids.clone()).await })
            .await?;
        Ok(profiles
            .into_iter()
            .map(|profile| (profile.user_id, profile))
            .collect())
    };
    loaders(ctx)?.artists.load(id, fetch).await
}
