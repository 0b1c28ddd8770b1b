//! What can be done with webhooks: one function a command.

use async_graphql::MaybeUndefined;
use entity::webhook_endpoint::Model;
use entity::{ProjectId, Viewer, WebhookId};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::error::WebhookError;
use super::policy::{self, Owner};
use super::{checks, secrets, store};
use crate::app::App;
use crate::db::line::{self, Line};
use crate::db::{DbError, Tx, new_id};
use crate::delivery::webhook::new_secret;
use crate::graphql::{Kind, UserError};

/// The most messages in a minute when nothing is said.
const USUAL_RATE: i32 = 60;

/// More headers: names and values.
pub type Headers = Vec<(String, SecretString)>;

/// The webhook somebody wants.
#[derive(Debug)]
pub struct NewWebhook {
    pub url: String,
    pub project: Option<ProjectId>,
    pub description: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub headers: Headers,
    pub rate_per_minute: Option<i32>,
}

/// What is to change of a webhook; absent keeps, null clears.
#[derive(Debug)]
pub struct Changes {
    pub url: Option<String>,
    pub description: MaybeUndefined<String>,
    pub event_types: MaybeUndefined<Vec<String>>,
    pub headers: Option<Headers>,
    pub rate_per_minute: Option<i32>,
    pub enabled: Option<bool>,
}

/// Registers a webhook. Answers its secret, too, which is never told again.
pub async fn register(
    app: &App,
    viewer: &Viewer,
    new: NewWebhook,
) -> Result<(Model, SecretString), WebhookError> {
    let url = checks::url(app, &new.url);
    let mut problems = Vec::new();
    problems.extend(new.description.as_deref().and_then(checks::description));
    problems.extend(new.event_types.as_deref().and_then(checks::event_types));
    problems.extend(checks::headers(&new.headers));
    problems.extend(new.rate_per_minute.and_then(checks::rate));
    let url = match url {
        Ok(url) => url,
        Err(problem) => {
            problems.insert(0, problem);
            return Err(WebhookError::Refused(problems));
        }
    };
    checks::refuse(problems)?;
    let clock = app.db.clock();
    let (id, now) = (WebhookId(new_id(clock)), clock.now());
    let secret = new_secret();
    let owner = new
        .project
        .map_or(Owner::Person(viewer.user_id), Owner::Project);
    let webhook = &Model {
        id,
        user_id: new.project.is_none().then_some(viewer.user_id),
        project_id: new.project,
        created_by: viewer.user_id,
        url: url.into(),
        description: new.description,
        event_types: new.event_types.map(|types| json!(types)),
        secret: secrets::seal_secret(app, id, &secret)?,
        old_secrets: json!([]),
        headers: secrets::seal_headers(app, id, &new.headers)?,
        enabled: true,
        disabled_reason: None,
        rate_per_minute: new.rate_per_minute.unwrap_or(USUAL_RATE),
        first_failure_at: None,
        slow_until: None,
        created_at: now,
        updated_at: now,
    };
    app.db
        .write(|tx| async move {
            policy::enter(&tx, viewer, owner).await?;
            has_room(app, &tx, owner).await?;
            store::insert(&tx, webhook.clone())
                .await
                .map_err(no_account)
        })
        .await?;
    Ok((webhook.clone(), secret))
}

/// Refuses one more webhook than an owner may have.
async fn has_room(app: &App, tx: &Tx, owner: Owner) -> Result<(), WebhookError> {
    let id = match owner {
        Owner::Person(person) => person.0,
        Owner::Project(project) => project.0,
    };
    // One at a time, or two at once would not see each other's.
    line::have_alone(tx, [Line::of("webhooks", id)]).await?;
    let most = app.settings.webhooks.max_per_owner;
    if store::count(tx.conn(), owner).await? < most {
        return Ok(());
    }
    let (whose, field) = match owner {
        Owner::Person(_) => ("A person", None),
        Owner::Project(_) => ("A project", Some("projectId")),
    };
    let message = format!("{whose} has at most {most} webhooks. Delete one first.");
    Err(WebhookError::Refused(vec![checks::problem(
        message,
        field.unwrap_or("url"),
    )]))
}

/// Changes a webhook. One that is enabled again begins without its failures.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: WebhookId,
    changes: Changes,
) -> Result<Model, WebhookError> {
    let mut problems = Vec::new();
    let url = changes.url.as_deref().map(|url| checks::url(app, url));
    let url = match url.transpose() {
        Ok(url) => url,
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    problems.extend(
        changes
            .description
            .value()
            .and_then(|it| checks::description(it)),
    );
    problems.extend(
        changes
            .event_types
            .value()
            .and_then(|it| checks::event_types(it)),
    );
    problems.extend(changes.headers.as_deref().and_then(checks::headers));
    problems.extend(changes.rate_per_minute.and_then(checks::rate));
    checks::refuse(problems)?;
    let headers = changes.headers.as_deref();
    let headers = headers.map(|headers| secrets::seal_headers(app, id, headers));
    let (headers, url, changes) = (&headers.transpose()?, &url, &changes);
    app.db
        .write(|tx| async move {
            let before = own(&tx, viewer, id).await?;
            let mut webhook = before.clone();
            if let Some(url) = url {
                moves(&before, url, headers.is_some())?;
                url.as_str().clone_into(&mut webhook.url);
            }
            match &changes.description {
                MaybeUndefined::Undefined => {}
                MaybeUndefined::Null => webhook.description = None,
                MaybeUndefined::Value(text) => webhook.description = Some(text.clone()),
            }
            match &changes.event_types {
                MaybeUndefined::Undefined => {}
                MaybeUndefined::Null => webhook.event_types = None,
                MaybeUndefined::Value(types) => webhook.event_types = Some(json!(types)),
            }
            if let Some(headers) = headers {
                webhook.headers.clone_from(headers);
            }
            webhook.rate_per_minute = changes.rate_per_minute.unwrap_or(before.rate_per_minute);
            let now = tx.clock().now();
            match changes.enabled {
                Some(true) if !before.enabled => {
                    if secrets::open_all(app, &webhook, now).is_none() {
                        return Err(unreadable());
                    }
                    webhook.enabled = true;
                    webhook.disabled_reason = None;
                    webhook.first_failure_at = None;
                    webhook.slow_until = None;
                }
                Some(false) => webhook.enabled = false,
                _ => {}
            }
            if webhook == before {
                return Ok(before);
            }
            webhook.updated_at = now;
            store::save(&tx, webhook.clone()).await?;
            Ok(webhook)
        })
        .await
}

/// What was meant for one host is not to be sent to another, which somebody else may have chosen.
fn moves(before: &Model, url: &Url, has_headers: bool) -> Result<(), WebhookError> {
    let is_same = Url::parse(&before.url).is_ok_and(|before| before.origin() == url.origin());
    if is_same || has_headers || secrets::header_names(before).next().is_none() {
        return Ok(());
    }
    let message = "The headers were given for another host. Give them anew, or an empty list.";
    Err(WebhookError::Refused(vec![checks::problem(
        message, "headers",
    )]))
}

fn unreadable() -> WebhookError {
    let message = "The secret of this webhook, or a header, was encrypted with a key that this server has no more. Use `rotateWebhookSecret` first, and give the headers anew.";
    WebhookError::Refused(vec![checks::problem(message, "enabled")])
}

/// Deletes a webhook. What waits for it is not sent any more.
pub async fn delete(app: &App, viewer: &Viewer, id: WebhookId) -> Result<(), WebhookError> {
    app.db
        .write(|tx| async move {
            own(&tx, viewer, id).await?;
            Ok(store::delete(&tx, id).await?)
        })
        .await
}

/// Gives a webhook a new secret; the old one signs beside it for a day.
pub async fn rotate(
    app: &App,
    viewer: &Viewer,
    id: WebhookId,
) -> Result<(Model, SecretString), WebhookError> {
    let secret = new_secret();
    let sealed = &secrets::seal_secret(app, id, &secret)?;
    let webhook = app
        .db
        .write(|tx| async move {
            let mut webhook = own(&tx, viewer, id).await?;
            let now = tx.clock().now();
            webhook.old_secrets = secrets::outdated(app, &webhook, now)?;
            webhook.secret.clone_from(sealed);
            webhook.updated_at = now;
            store::save(&tx, webhook.clone()).await?;
            Ok::<_, WebhookError>(webhook)
        })
        .await?;
    Ok((webhook, secret))
}

/// A locked webhook that the viewer may use.
///
/// # Errors
/// `NotFound`, whatever the reason.
pub async fn own(tx: &Tx, viewer: &Viewer, id: WebhookId) -> Result<Model, WebhookError> {
    let unknown = || WebhookError::NotFound(Kind::Webhook);
    // Whose it is never changes, and the line of the project comes before the row.
    let webhook = store::find(tx.conn(), id).await?.ok_or_else(unknown)?;
    match policy::enter(tx, viewer, Owner::of(&webhook)).await {
        Err(WebhookError::Project(_) | WebhookError::NotFound(_)) => return Err(unknown()),
        entered => entered?,
    }
    store::lock(tx, id).await?.ok_or_else(unknown)
}

/// Refuses what only a webhook can do that is enabled.
///
/// # Errors
/// `Refused`.
pub fn is_enabled(webhook: &Model, field: &str) -> Result<(), WebhookError> {
    if webhook.enabled {
        return Ok(());
    }
    let problem: UserError = checks::problem("This webhook is disabled. Enable it first.", field);
    Err(WebhookError::Refused(vec![problem]))
}

/// Nobody can register a webhook who has no account.
fn no_account(error: DbError) -> WebhookError {
    if error.is_foreign_key_violation() {
        WebhookError::UnknownViewer
    } else {
        error.into()
    }
}
