//! Lifting a lockout.

use entity::one_time_token::Purpose;

use crate::app::App;
use crate::auth::{AuthError, lockout, one_time};

/// Lifts a lockout with the token of the mail. Answers whether the token was good.
pub async fn unlock(app: &App, token: &str) -> Result<bool, AuthError> {
    app.db
        .write(|tx| async move {
            let found = one_time::redeem(&tx, token, Purpose::Unlock, None).await?;
            let Some((user, network)) = found.and_then(|row| row.user_id.zip(row.network)) else {
                return Ok(false);
            };
            lockout::lift(&tx, user, Some(network), Some(user)).await?;
            Ok(true)
        })
        .await
}
