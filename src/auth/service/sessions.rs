//! Staying signed in, and signing out.

use entity::Viewer;
use entity::user::Status;

use super::{Fresh, SignedIn, signed_in};
use crate::accounts;
use crate::app::App;
use crate::auth::{AuthError, store};
use crate::crypto;
use crate::events::bus::Hint;

/// Gives a new pair of tokens for a refresh token, which is then used up.
pub async fn refresh(app: &App, refresh_token: &str) -> Result<SignedIn, AuthError> {
    let old_hash = crypto::sha256(refresh_token);
    let family = Fresh::family(refresh_token).ok_or(AuthError::RefreshRefused)?;
    let fresh = &Fresh::new(app, family);
    app.db
        .write(|tx| async move {
            let now = tx.clock().now();
            let session = store::rotate(&tx, &old_hash, &fresh.hash, now, fresh.expires_at)
                .await?
                .ok_or(AuthError::RefreshRefused)?;
            let user = accounts::find(tx.conn(), session.user_id)
                .await?
                .filter(|user| user.status == Status::Active)
                .ok_or(AuthError::RefreshRefused)?;
            let roles = accounts::roles(tx.conn(), user.id).await?;
            signed_in(app, user, session.id, roles, &fresh.token, fresh.expires_at)
        })
        .await
}

/// Ends the viewer's session, or all of the viewer's sessions. Answers how many were ended.
pub async fn logout(app: &App, viewer: &Viewer, all: bool) -> Result<u64, AuthError> {
    app.db
        .write(|tx| async move {
            let (user, session) = (viewer.user_id, (!all).then_some(viewer.session_id));
            let ended = store::revoke(&tx, user, session, tx.clock().now()).await?;
            let (revocations, bus) = (app.revocations.clone(), app.bus.clone());
            tx.after_commit(move || {
                revocations.end(user, session);
                bus.publish(Hint::SessionEnded { user, session });
            });
            Ok(ended)
        })
        .await
}
