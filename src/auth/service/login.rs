//! Logging in.

use entity::one_time_token::Purpose;
use entity::user::{self, Status};

use super::{Device, SignedIn, may_be_mailed, open_session};
use crate::accounts;
use crate::app::App;
use crate::auth::lockout::{Try, Verdict};
use crate::auth::passwords::Fit;
use crate::auth::{AuthError, one_time};
use crate::db::DbError;
use crate::graphql::{UserError, UserErrorCode};
use crate::settings::LockoutSettings;
use crate::telemetry;

/// What somebody logs in with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The e-mail address or the user name.
    pub identifier: String,
    /// The password.
    pub password: String,
    /// The code that was sent by mail, if one was asked for.
    pub code: Option<String>,
}

/// Signs someone in. Unknown names, wrong passwords and locked accounts take the same statements,
/// the same hash and get the same answer.
///
/// It goes on to its end when the client goes away: the place it took in the count of failures is
/// given back or kept, and does not stay taken.
pub async fn login(
    app: &App,
    credentials: Credentials,
    device: Device,
) -> Result<SignedIn, AuthError> {
    let app = app.clone();
    let request_id = telemetry::request_id().unwrap_or_default();
    let login = async move { log_in(&app, credentials, &device).await };
    tokio::spawn(telemetry::with_request_id(request_id, login))
        .await
        .map_err(|error| AuthError::Internal(format!("a login: {error}")))?
}

async fn log_in(
    app: &App,
    credentials: Credentials,
    device: &Device,
) -> Result<SignedIn, AuthError> {
    let Credentials {
        identifier,
        password,
        code,
    } = credentials;
    let user = accounts::find_by_login_name(app, &identifier).await?;
    let name = accounts::folded(&identifier);
    let attempt = &Try::new(
        user.as_ref().map(|user| user.id),
        &name,
        device.client.address,
    );
    // Who gets no mail cannot be sent a code.
    let gets_mail = user.as_ref().is_none_or(|user| may_be_mailed(app, user));
    match begin(app, attempt, code.as_deref(), gets_mail).await? {
        Begun::Look => {}
        Begun::Refuse => {
            app.passwords.check(password, None).await?;
            return refuse(app, attempt, false).await;
        }
        Begun::Busy => return Err(AuthError::TooManyAtOnce),
        Begun::CodeSent => {
            count("failure");
            return Err(code_required(""));
        }
        Begun::WrongCode => {
            app.passwords.check(password, None).await?;
            fail(app, attempt, true).await?;
            return Err(code_required("This code is not good, or not any more. "));
        }
    }
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    let fit = match app.passwords.check(password, stored).await {
        Ok(fit) => fit,
        Err(error) => {
            give_back(app, attempt).await?;
            return Err(error);
        }
    };
    match (user, fit) {
        (Some(user), Fit::Right) => succeed(app, attempt, user, None, device).await,
        (Some(user), Fit::Weak(hash)) => succeed(app, attempt, user, Some(hash), device).await,
        _ => refuse(app, attempt, true).await,
    }
}

enum Begun {
    /// The password may be looked at.
    Look,
    /// The account is locked for this network.
    Refuse,
    /// Too many at once.
    Busy,
    /// A code was asked for, and sent.
    CodeSent,
    /// The code is wrong.
    WrongCode,
}

/// Counts the try, and settles what there is to settle about a code.
async fn begin(
    app: &App,
    attempt: &Try,
    code: Option<&str>,
    gets_mail: bool,
) -> Result<Begun, AuthError> {
    match attempt.begin(&app.settings.auth.lockout, &app.db).await? {
        Verdict::Locked => return Ok(Begun::Refuse),
        Verdict::Busy => return Ok(Begun::Busy),
        Verdict::Look => return Ok(Begun::Look),
        Verdict::UnderAttack => {}
    }
    let settled = app
        .db
        .write(|tx| async move {
            if !gets_mail || attempt.is_from_a_known_network(&tx).await? {
                return Ok::<_, AuthError>(Begun::Look);
            }
            let Some(code) = code else {
                // Nothing was guessed.
                attempt.forget(&tx).await?;
                attempt.send_code(app, &tx).await?;
                return Ok(Begun::CodeSent);
            };
            let purpose = Purpose::LoginCode;
            let redeemed = one_time::redeem(&tx, code, purpose, attempt.user).await?;
            Ok(redeemed.map_or(Begun::WrongCode, |_| Begun::Look))
        })
        .await;
    if settled.is_err() {
        give_back(app, attempt).await.ok();
    }
    settled
}

/// The try came to nothing, and nothing was guessed.
async fn give_back(app: &App, attempt: &Try) -> Result<(), DbError> {
    app.db
        .write(|tx| async move { attempt.forget(&tx).await })
        .await
}

async fn succeed(
    app: &App,
    attempt: &Try,
    user: user::Model,
    better_hash: Option<String>,
    device: &Device,
) -> Result<SignedIn, AuthError> {
    let (user, better_hash) = (&user, &better_hash);
    let signed_in = app
        .db
        .write(|tx| async move {
            attempt.succeeded(&tx);
            let roles = accounts::roles(&tx.peek(), user.id).await?;
            // Disabled, or changed its password, since it was read.
            let Some(noted) = accounts::note_login(&tx, user).await? else {
                return Ok::<_, AuthError>(None);
            };
            if let Some(hash) = better_hash {
                accounts::set_better_hash(&tx, user.id, hash).await?;
            }
            Ok(Some(open_session(app, &tx, noted, roles, device).await?))
        })
        .await?;
    match signed_in {
        Some(signed_in) => {
            count("success");
            Ok(signed_in)
        }
        None if user.status == Status::Disabled => {
            count("failure");
            Err(AuthError::Disabled)
        }
        None => {
            count("failure");
            Err(wrong(app))
        }
    }
}

async fn refuse<T>(app: &App, attempt: &Try, counts: bool) -> Result<T, AuthError> {
    fail(app, attempt, counts).await?;
    Err(wrong(app))
}

async fn fail(app: &App, attempt: &Try, counts: bool) -> Result<(), DbError> {
    count("failure");
    app.db
        .write(|tx| async move { attempt.failed(app, &tx, counts).await })
        .await
}

/// The one answer to all that is not to be told apart.
fn wrong(app: &App) -> AuthError {
    let LockoutSettings {
        failures,
        lock_minutes,
        ..
    } = app.settings.auth.lockout;
    AuthError::Refused(vec![UserError::new(
        UserErrorCode::WrongCredentials,
        format!(
            "The e-mail address or user name, or the password, is wrong. After {failures} wrong tries an account is locked for your network for {lock_minutes} minutes; its owner gets a mail with which to unlock it."
        ),
        &["input"],
    )])
}

fn code_required(before: &str) -> AuthError {
    AuthError::Refused(vec![UserError::new(
        UserErrorCode::CodeRequired,
        format!(
            "{before}Somebody is guessing the password of this account. A code was sent to its e-mail address: log in again with it as `code`."
        ),
        &["input", "code"],
    )])
}

fn count(status: &'static str) {
    metrics::counter!("auth_logins_total", "status" => status).increment(1);
}
