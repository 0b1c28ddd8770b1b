//! What people say of themselves.

use async_graphql::MaybeUndefined;
use entity::user::Model;
use entity::{UserId, Viewer};

use super::checks::{NAME_CHARS, URL_CHARS, invalid, is_language, is_timezone, tidy, web_address};
use super::{NAME_RULE, USERNAME_RULE, admin, is_username, taken};
use crate::accounts::events::UserUpdated;
use crate::accounts::{AccountError, Actor, policy, store};
use crate::app::App;
use crate::db::Tx;
use crate::events;
use crate::graphql::UserError;
use crate::notifications;
use crate::text::is_line;

/// What is to change in a profile; absent keeps, null clears.
#[derive(Clone, Debug, Default)]
pub struct ProfileChanges {
    pub name: Option<String>,
    pub username: MaybeUndefined<String>,
    pub first_name: MaybeUndefined<String>,
    pub last_name: MaybeUndefined<String>,
    pub avatar_url: MaybeUndefined<String>,
    pub locale: MaybeUndefined<String>,
    pub timezone: MaybeUndefined<String>,
}

impl ProfileChanges {
    /// Takes blanks off the ends; an empty text is null. With everything that is wrong, at once.
    fn checked(mut self, app: &App) -> (Self, Vec<UserError>) {
        let mut problems = Vec::new();
        self.name = self.name.map(|name| name.trim().to_owned());
        if self
            .name
            .as_deref()
            .is_some_and(|name| !is_line(name, NAME_CHARS))
        {
            problems.push(invalid(NAME_RULE, &["name"]));
        }
        let mut check = |text: &mut MaybeUndefined<String>,
                         field: &str,
                         rule: &str,
                         good: &dyn Fn(&str) -> bool| {
            *text = tidied(std::mem::take(text));
            if text.value().is_some_and(|text| !good(text)) {
                problems.push(invalid(rule, &[field]));
            }
        };
        check(&mut self.username, "username", USERNAME_RULE, &is_username);
        let is_name = |text: &str| is_line(text, NAME_CHARS);
        check(&mut self.first_name, "firstName", NAME_RULE, &is_name);
        check(&mut self.last_name, "lastName", NAME_RULE, &is_name);
        let plain = !app.settings.is_production();
        let rule = format!("This is not an https URL of at most {URL_CHARS} characters.");
        let is_picture = |text: &str| web_address(text, plain).is_some();
        check(&mut self.avatar_url, "avatarUrl", &rule, &is_picture);
        let rule = "This is not a language tag, as `de` or `en-GB`.";
        check(&mut self.locale, "locale", rule, &is_language);
        let rule = "This is not the name of a time zone, as `Europe/Berlin`.";
        check(&mut self.timezone, "timezone", rule, &is_timezone);
        if let MaybeUndefined::Value(url) = &mut self.avatar_url
            && let Some(read) = web_address(url, plain)
        {
            *url = read;
        }
        (self, problems)
    }

    /// Puts the new values in, and answers the names of the fields that changed.
    fn apply(&self, user: &mut Model) -> Vec<&'static str> {
        let before = user.clone();
        if let Some(name) = &self.name {
            user.name.clone_from(name);
            user.name_norm = name.to_lowercase();
        }
        self.username.clone().update_to(&mut user.username);
        user.username_norm = user.username.as_deref().map(str::to_lowercase);
        self.first_name.clone().update_to(&mut user.first_name);
        self.last_name.clone().update_to(&mut user.last_name);
        self.avatar_url.clone().update_to(&mut user.avatar_url);
        self.locale.clone().update_to(&mut user.locale);
        self.timezone.clone().update_to(&mut user.timezone);
        [
            ("name", before.name != user.name),
            ("username", before.username != user.username),
            ("first_name", before.first_name != user.first_name),
            ("last_name", before.last_name != user.last_name),
            ("avatar_url", before.avatar_url != user.avatar_url),
            ("locale", before.locale != user.locale),
            ("timezone", before.timezone != user.timezone),
        ]
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .collect()
    }
}

/// Takes blanks off the ends; what is then empty is null.
pub fn tidied(text: MaybeUndefined<String>) -> MaybeUndefined<String> {
    match text {
        MaybeUndefined::Value(text) => {
            tidy(&text).map_or(MaybeUndefined::Null, MaybeUndefined::Value)
        }
        other => other,
    }
}

/// Changes the viewer's own profile.
pub async fn update_profile(
    app: &App,
    viewer: &Viewer,
    changes: ProfileChanges,
) -> Result<Model, AccountError> {
    let (changes, problems) = changes.checked(app);
    let (changes, problems) = (&changes, &problems);
    app.db
        .write(|tx| async move {
            let user = store::lock(&tx, viewer.user_id).await?;
            let user = policy::is_active_now(user)?;
            refuse(problems)?;
            change(app, &tx, user, changes, Some(viewer.user_id)).await
        })
        .await
}

/// Changes the profile of anybody.
pub async fn update_user(
    app: &App,
    actor: Actor<'_>,
    id: UserId,
    changes: ProfileChanges,
) -> Result<Model, AccountError> {
    policy::says_admin(actor)?;
    let (changes, problems) = changes.checked(app);
    let (changes, problems) = (&changes, &problems);
    app.db
        .write(|tx| async move {
            let desk = admin::enter(&tx, actor, Some(id)).await?;
            let user = desk.user(id)?;
            refuse(problems)?;
            change(app, &tx, user, changes, actor.id()).await
        })
        .await
}

/// Who may comes before what is wrong: so this stands after the policy.
pub fn refuse(problems: &[UserError]) -> Result<(), AccountError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(AccountError::Refused(problems.to_vec()))
    }
}

async fn change(
    app: &App,
    tx: &Tx,
    mut user: Model,
    changes: &ProfileChanges,
    actor: Option<UserId>,
) -> Result<Model, AccountError> {
    let fields = changes.apply(&mut user);
    if fields.is_empty() {
        return Ok(user);
    }
    if user.username.is_none() && user.email.is_none() {
        let message = "Without an e-mail address an account needs its user name.";
        return Err(AccountError::Refused(vec![invalid(message, &["username"])]));
    }
    user.updated_at = tx.clock().now();
    store::save(tx, user.clone()).await.map_err(taken)?;
    let user_id = user.id;
    if fields.contains(&"timezone") {
        // Their quiet hours end at another moment.
        notifications::look_again(app, tx, user_id).await?;
    }
    events::append(tx, &UserUpdated { user_id, fields }, actor).await?;
    Ok(user)
}
