//! Artists: people with a page about what they play.

use std::collections::BTreeSet;

use async_graphql::MaybeUndefined;
use entity::artist_profile::{Genres, Link, Links, Model};
use entity::user_role::Role;
use entity::{UserId, Viewer};

use super::checks::{URL_CHARS, invalid, tidy, web_address};
use super::profile::{refuse, tidied};
use crate::accounts::events::{ArtistCreated, ArtistUpdated};
use crate::accounts::{AccountError, policy, store};
use crate::app::App;
use crate::db::Tx;
use crate::events;
use crate::graphql::UserError;
use crate::sink;
use crate::text::{is_line, is_text};

const STAGE_NAME_CHARS: usize = 100;
const BIO_CHARS: usize = 2_000;
const MOST_GENRES: usize = 10;
const GENRE_CHARS: usize = 40;
const MOST_LINKS: usize = 10;
const LABEL_CHARS: usize = 40;

/// A link as it was typed.
#[derive(Clone, Debug)]
pub struct LinkText {
    pub label: String,
    pub url: String,
}

/// What an artist says of themselves, as it was typed; absent keeps, null clears.
#[derive(Clone, Debug, Default)]
pub struct ArtistDetails {
    /// The name on the poster.
    pub stage_name: Option<String>,
    /// About the artist.
    pub bio: MaybeUndefined<String>,
    /// What the artist plays.
    pub genres: Option<Vec<String>>,
    /// The artist's own page.
    pub website: MaybeUndefined<String>,
    /// Other pages.
    pub links: Option<Vec<LinkText>>,
}

impl ArtistDetails {
    /// What an administrator can say of somebody who is made an artist.
    pub fn named(name: &str) -> Self {
        Self {
            stage_name: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// Brings the texts into the form that is kept. With everything that is wrong, at once.
    pub fn checked(mut self, app: &App) -> (Self, Vec<UserError>) {
        let mut problems = Vec::new();
        self.stage_name = self.stage_name.map(|name| name.trim().to_owned());
        if let Some(name) = &self.stage_name
            && !is_line(name, STAGE_NAME_CHARS)
        {
            let rule = "A stage name has 1 to 100 characters, in one line.";
            problems.push(invalid(rule, &["stageName"]));
        }
        self.bio = tidied(self.bio);
        if let MaybeUndefined::Value(bio) = &self.bio
            && !is_text(bio, BIO_CHARS)
        {
            let rule = format!("The text has at most {BIO_CHARS} characters, none of them hidden.");
            problems.push(invalid(rule, &["bio"]));
        }
        self.genres = self.genres.map(|genres| folded(&genres));
        let bad = |genre: &String| !is_line(genre, GENRE_CHARS);
        if let Some(genres) = &self.genres
            && (genres.len() > MOST_GENRES || genres.iter().any(bad))
        {
            let rule = format!("At most {MOST_GENRES} genres of 1 to {GENRE_CHARS} characters.");
            problems.push(invalid(rule, &["genres"]));
        }
        let plain = !app.settings.is_production();
        let rule = format!("This is not an https URL of at most {URL_CHARS} characters.");
        self.website = tidied(self.website);
        if let MaybeUndefined::Value(website) = &mut self.website {
            match web_address(website, plain) {
                Some(read) => *website = read,
                None => problems.push(invalid(&rule, &["website"])),
            }
        }
        let links = self.links.as_deref_mut().unwrap_or_default();
        if links.len() > MOST_LINKS {
            problems.push(invalid(format!("At most {MOST_LINKS} links."), &["links"]));
        }
        for (i, link) in links.iter_mut().take(MOST_LINKS).enumerate() {
            let place = i.to_string();
            link.label = link.label.trim().to_owned();
            if !is_line(&link.label, LABEL_CHARS) {
                let rule = format!("A label has 1 to {LABEL_CHARS} characters, in one line.");
                problems.push(invalid(rule, &["links", &place, "label"]));
            }
            match web_address(link.url.trim(), plain) {
                Some(read) => link.url = read,
                None => problems.push(invalid(&rule, &["links", &place, "url"])),
            }
        }
        (self, problems)
    }

    /// Puts the new values in, and answers the names of the fields that changed.
    fn apply(&self, profile: &mut Model) -> Vec<&'static str> {
        let before = profile.clone();
        if let Some(name) = &self.stage_name {
            profile.stage_name.clone_from(name);
            profile.stage_name_norm = name.to_lowercase();
        }
        self.bio.clone().update_to(&mut profile.bio);
        if let Some(genres) = &self.genres {
            profile.genres = Genres(genres.clone());
        }
        self.website.clone().update_to(&mut profile.website);
        if let Some(links) = &self.links {
            let link = |link: &LinkText| Link {
                label: link.label.clone(),
                url: link.url.clone(),
            };
            profile.links = Links(links.iter().map(link).collect());
        }
        [
            ("stage_name", before.stage_name != profile.stage_name),
            ("bio", before.bio != profile.bio),
            ("genres", before.genres != profile.genres),
            ("website", before.website != profile.website),
            ("links", before.links != profile.links),
        ]
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .collect()
    }
}

/// One form of each genre, each once, in the order they came.
fn folded(genres: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    genres
        .iter()
        .map(|genre| tidy(&genre.to_lowercase()).unwrap_or_default())
        .filter(|genre| seen.insert(genre.clone()))
        .collect()
}

/// Makes somebody an artist: the role, and a profile when they have none from before. `details` were
/// checked before.
///
/// # Errors
/// The database's failure.
pub async fn create_artist(
    app: &App,
    tx: &Tx,
    id: UserId,
    details: &ArtistDetails,
    actor: Option<UserId>,
) -> Result<(), AccountError> {
    let now = tx.clock().now();
    store::grant(tx, id, Role::Artist, now).await?;
    if store::artists::lock(tx, id).await?.is_some() {
        return Ok(());
    }
    let mut profile = Model {
        user_id: id,
        stage_name: String::new(),
        stage_name_norm: String::new(),
        bio: None,
        genres: Genres::default(),
        website: None,
        links: Links::default(),
        created_at: now,
        updated_at: now,
    };
    details.apply(&mut profile);
    store::artists::insert(tx, profile).await?;
    let event = events::append(tx, &ArtistCreated { user_id: id }, actor).await?;
    sink::enqueue(app, tx, [event]);
    Ok(())
}

/// Changes the viewer's own artist profile.
pub async fn update_artist(
    app: &App,
    viewer: &Viewer,
    details: ArtistDetails,
) -> Result<Model, AccountError> {
    let (details, problems) = details.checked(app);
    let (details, problems) = (&details, &problems);
    let id = viewer.user_id;
    app.db
        .write(|tx| async move {
            let user = store::lock(&tx, id).await?;
            policy::is_active_now(user)?;
            let roles = store::roles(tx.conn(), id).await?;
            let profile = store::artists::lock(&tx, id).await?;
            let profile = profile.filter(|_| roles.contains(&Role::Artist));
            let mut profile = profile.ok_or(AccountError::NotAnArtist)?;
            refuse(problems)?;
            let fields = details.apply(&mut profile);
            if fields.is_empty() {
                return Ok(profile);
            }
            profile.updated_at = tx.clock().now();
            store::artists::save(&tx, profile.clone()).await?;
            events::append(
                &tx,
                &ArtistUpdated {
                    user_id: id,
                    fields,
                },
                Some(id),
            )
            .await?;
            Ok(profile)
        })
        .await
}
