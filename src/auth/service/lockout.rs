//! Lifting a lockout.

use entity::one_time_token::Purpose;

use crate::app::App;
use crate::auth::{AuthError, lockout, one_time};

/// Lifts a lockout with the token of the mail.
pub async fn unlock(app: &App, token: &str) -> Result<(), AuthError> {
    app.db
        .write(|tx| async move {
            let found = one_time::redeem(&tx, token, Purpose::Unlock, None).await?;
            let found = found.and_then(|row| row.user_id.zip(row.network));
            let (user, network) = found.ok_or_else(|| AuthError::invalid_token("token"))?;
            lockout::lift(&tx, user, Some(network), Some(user)).await?;
            Ok(())
        })
        .await
}
