//! Staying signed in, and signing out.

use chrono::TimeDelta;
use entity::session::{self, RevokeReason};
use entity::user::Status;
use entity::{SessionId, Timestamp, UserId, Viewer};

use super::{Device, Fresh, SignedIn, open_session, signed_in};
use crate::accounts;
use crate::app::App;
use crate::auth::events::{SessionReused, SessionsRevoked, tell};
use crate::auth::{AuthError, revocations, store};
use crate::crypto::{self, SealError};
use crate::db::{DbError, Tx};
use crate::events;
use crate::graphql::Client;

/// Gives a new pair of tokens for a refresh token, which is then used up.
///
/// Clients renew twice at once: two tabs do, and so does one whose answer was lost. So whoever comes
/// with the token that was just replaced is given the same new one. Who comes later than that, or
/// with an older one, has a copy or was copied: then the session ends.
///
/// Statements: 3 when the token is replaced (replace it, the user, the roles), 4 for who comes at the
/// same time, 2 for a token that leads nowhere, 6 when the session is ended.
pub async fn refresh(
    app: &App,
    refresh_token: &str,
    client: &Client,
) -> Result<SignedIn, AuthError> {
    let family = Fresh::family(refresh_token).ok_or(AuthError::RefreshRefused)?;
    let (fresh, hash) = (&Fresh::new(app, family), crypto::sha256(refresh_token));
    let sealed = Successor::of(refresh_token, fresh).seal(&fresh.token)?;
    let rotation = &store::Rotation {
        family_hash: &fresh.family_hash,
        old_hash: &hash,
        new_hash: &fresh.hash,
        sealed: &sealed,
        expires_at: fresh.expires_at,
        address: &client.address.to_string(),
    };
    let renewed = app.db.write(|tx| async move {
        if let Some(session) = store::rotate(&tx, rotation).await? {
            let renewed = renew(app, &tx, &session, &fresh.token).await;
            return renewed.map(Some);
        }
        let found = store::find_by_family(&tx, &fresh.family_hash).await?;
        let session = found.ok_or(AuthError::RefreshRefused)?;
        let grace = app.settings.auth.refresh_grace_seconds;
        let grace = TimeDelta::seconds(i64::try_from(grace).unwrap_or_default());
        match judge(&session, &hash, tx.clock().now(), grace) {
            Verdict::Over => Err(AuthError::RefreshRefused),
            Verdict::JustReplaced(sealed) => {
                let token = Successor::of(refresh_token, fresh).open(sealed)?;
                renew(app, &tx, &session, &token).await.map(Some)
            }
            Verdict::Reused => {
                reused(app, &tx, &session).await?;
                Ok(None)
            }
        }
    });
    renewed.await?.ok_or(AuthError::RefreshRefused)
}

/// A refresh token on its way to those who come with the one before it. Only they can read it: the
/// key is made of the token they have, of which the database has no more than a hash.
struct Successor {
    key: [u8; 32],
    place: String,
}

impl Successor {
    fn of(previous: &str, fresh: &Fresh) -> Self {
        // The family is what the row is known by before it is read.
        let row = crypto::hex(&fresh.family_hash);
        Self {
            key: crypto::derive_key(previous.as_bytes(), "taskflow successor of a refresh token"),
            place: format!("sessions.successor:{row}"),
        }
    }

    fn seal(&self, token: &str) -> Result<Vec<u8>, AuthError> {
        crypto::seal(&self.key, &self.place, token.as_bytes()).map_err(unsealed)
    }

    fn open(&self, sealed: &[u8]) -> Result<String, AuthError> {
        let token = crypto::open(&self.key, &self.place, sealed).map_err(unsealed)?;
        String::from_utf8(token).map_err(|_| unsealed(SealError))
    }
}

fn unsealed(error: SealError) -> AuthError {
    AuthError::Internal(format!("the successor of a refresh token: {error}"))
}

/// What a refresh token is that is of a session and was not replaced.
#[derive(Debug, PartialEq, Eq)]
enum Verdict<'a> {
    /// The session is, whatever the token.
    Over,
    /// Replaced a moment ago by this one.
    JustReplaced(&'a [u8]),
    /// Replaced before that, or never given to anybody.
    Reused,
}

fn judge<'a>(
    session: &'a session::Model,
    presented: &[u8],
    now: Timestamp,
    grace: TimeDelta,
) -> Verdict<'a> {
    // The current token is not replaced for no other reason than that the session is over.
    let is_current = session.refresh_hash == presented;
    if session.revoked_at.is_some() || session.expires_at <= now || is_current {
        return Verdict::Over;
    }
    let in_time = session.rotated_at.is_some_and(|at| now - at <= grace);
    match &session.successor {
        Some(sealed) if in_time && session.previous_hash.as_deref() == Some(presented) => {
            Verdict::JustReplaced(sealed)
        }
        _ => Verdict::Reused,
    }
}

/// Makes tokens for a session that goes on, if its user does. The epoch is read before the roles:
/// whoever takes a role away raises it, so a token with roles from before has an epoch from before.
async fn renew(
    app: &App,
    tx: &Tx,
    session: &session::Model,
    refresh_token: &str,
) -> Result<SignedIn, AuthError> {
    let user = accounts::find(tx.conn(), session.user_id)
        .await?
        .filter(|user| user.status == Status::Active)
        .ok_or(AuthError::RefreshRefused)?;
    let roles = accounts::roles(tx.conn(), user.id).await?;
    let expires_at = session.expires_at;
    signed_in(app, user, session.id, roles, refresh_token, expires_at)
}

/// Ends a session of which somebody has a copy, and tells its owner once.
async fn reused(app: &App, tx: &Tx, session: &session::Model) -> Result<(), DbError> {
    let (user_id, session_id) = (session.user_id, session.id);
    let reason = RevokeReason::Reuse;
    if !revocations::end_session(app, tx, user_id, session_id, reason).await? {
        return Ok(());
    }
    let event = SessionReused {
        user_id,
        session_id,
        recipients: vec![user_id],
    };
    tell(app, tx, &event, None).await?;
    Ok(())
}

/// Signs somebody in on the word of the operator, and answers the access token.
///
/// # Errors
/// [`AuthError::Disabled`] for an account that nobody may use.
pub async fn token_of(app: &App, user: UserId) -> Result<String, AuthError> {
    let client = Client {
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        user_agent: None,
    };
    let device = &Device::new(Some("taskflow admin token"), &client);
    app.db
        .write(|tx| async move {
            let user = accounts::find(tx.conn(), user).await?;
            let user = user.filter(|user| user.status == Status::Active);
            let user = user.ok_or(AuthError::Disabled)?;
            let roles = accounts::roles(tx.conn(), user.id).await?;
            let signed_in = open_session(app, &tx, user, roles, device).await?;
            Ok(signed_in.access_token)
        })
        .await
}

/// Ends the viewer's session, or all of the viewer's sessions. Answers how many were ended.
pub async fn logout(app: &App, viewer: &Viewer, all: bool) -> Result<u64, AuthError> {
    let (user, reason) = (viewer.user_id, RevokeReason::Logout);
    app.db
        .write(|tx| async move {
            if all {
                let ended = revocations::end_sessions_of(app, &tx, user, &[], reason).await?;
                return Ok(ended.len() as u64);
            }
            let session = viewer.session_id;
            let was_alive = revocations::end_session(app, &tx, user, session, reason).await?;
            Ok(u64::from(was_alive))
        })
        .await
}

/// Ends one of the viewer's sessions.
///
/// # Errors
/// [`AuthError::NoSuchSession`] when it is not alive, or somebody else's.
pub async fn revoke(app: &App, viewer: &Viewer, session: SessionId) -> Result<(), AuthError> {
    let (user, reason) = (viewer.user_id, RevokeReason::Revoked);
    app.db
        .write(|tx| async move {
            if !revocations::end_session(app, &tx, user, session, reason).await? {
                return Err(AuthError::NoSuchSession);
            }
            note_revoked(&tx, user, vec![session]).await
        })
        .await
}

/// Ends the viewer's sessions but the one of the access token, and those that are to go on. Answers
/// how many were ended.
pub async fn revoke_others(
    app: &App,
    viewer: &Viewer,
    mut keep: Vec<SessionId>,
) -> Result<u64, AuthError> {
    keep.push(viewer.session_id);
    let (user, keep, reason) = (viewer.user_id, &keep, RevokeReason::Revoked);
    app.db
        .write(|tx| async move {
            let ended = revocations::end_sessions_of(app, &tx, user, keep, reason).await?;
            let count = ended.len() as u64;
            if count > 0 {
                note_revoked(&tx, user, ended).await?;
            }
            Ok(count)
        })
        .await
}

async fn note_revoked(
    tx: &Tx,
    user_id: UserId,
    session_ids: Vec<SessionId>,
) -> Result<(), AuthError> {
    let event = SessionsRevoked {
        user_id,
        session_ids,
    };
    events::append(tx, &event, Some(user_id)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn at(second: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn judged(session: &session::Model, presented: &[u8], second: i64) -> &'static str {
        match judge(session, presented, at(second), TimeDelta::seconds(30)) {
            Verdict::Over => "over",
            Verdict::JustReplaced(sealed) => {
                assert_eq!(sealed, [3]);
                "just replaced"
            }
            Verdict::Reused => "reused",
        }
    }

    #[test]
    fn a_replaced_token_is_judged_by_its_age() {
        let (old, now) = (vec![1], vec![2]);
        let session = session::Model {
            id: SessionId(Uuid::nil()),
            user_id: UserId(Uuid::nil()),
            family_hash: vec![0],
            refresh_hash: now.clone(),
            previous_hash: Some(old.clone()),
            successor: Some(vec![3]),
            rotated_at: Some(at(100)),
            generation: 2,
            device_name: None,
            user_agent: None,
            address: String::new(),
            created_at: at(0),
            last_used_at: at(100),
            expires_at: at(1_000),
            revoked_at: None,
            revoke_reason: None,
        };
        assert_eq!(judged(&session, &old, 100), "just replaced");
        assert_eq!(judged(&session, &old, 130), "just replaced");
        // The clock of the replica that replaced it may be ahead.
        assert_eq!(judged(&session, &old, 99), "just replaced");
        assert_eq!(judged(&session, &old, 131), "reused");
        assert_eq!(judged(&session, &[9], 100), "reused");
        assert_eq!(judged(&session, &now, 100), "over");
        assert_eq!(judged(&session, &old, 1_000), "over");
        let first = session::Model {
            previous_hash: None,
            successor: None,
            rotated_at: None,
            ..session.clone()
        };
        assert_eq!(judged(&first, &old, 100), "reused");
        let ended = session::Model {
            revoked_at: Some(at(110)),
            ..session
        };
        assert_eq!(judged(&ended, &old, 111), "over");
        assert_eq!(judged(&ended, &[9], 111), "over");
    }
}
