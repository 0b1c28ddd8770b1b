//! Guessing passwords. What is locked is an account for a network: five wrong passwords lock the
//! guesser out and leave the owner, who is somewhere else, alone. Guesses from very many networks
//! make an account ask for a code that is sent by mail.
//!
//! A try takes its place in the count before the password is looked at: so of fifty tries at once
//! no more than five are looked at, at however many replicas. What nobody has is counted like an
//! account, and with the same statements: nobody learns from here which names exist.

use std::net::IpAddr;

use chrono::TimeDelta;
use entity::UserId;
use entity::one_time_token::Purpose;
use uuid::Uuid;

use super::events::{AccountLocked, AccountUnlocked, TokenIssued, tell};
use super::one_time::{self, NewToken};
use super::store::failures::{self, Times};
use super::store::{self, tokens};
use crate::app::App;
use crate::crypto::sha256;
use crate::db::{Clock, Db, DbError, Tx};
use crate::events;
use crate::limits::network;
use crate::settings::LockoutSettings;

/// How long the failures of an account from everywhere are counted together.
const HOUR: TimeDelta = TimeDelta::hours(1);
/// How long a code is asked for after the last failure that was too many.
const UNDER_ATTACK: TimeDelta = TimeDelta::minutes(30);
/// A mail about the same matter is not sent again so soon.
const MAIL_AGAIN: TimeDelta = TimeDelta::minutes(15);
/// Longer than any password is looked at.
const LOOKING: TimeDelta = TimeDelta::minutes(1);
/// From where somebody signed in so lately, no code is asked for.
const KNOWN_FOR: TimeDelta = TimeDelta::days(30);

/// A try to log in.
#[derive(Clone, Debug)]
pub struct Try {
    /// Whose account, if it is anybody's.
    pub user: Option<UserId>,
    account: Uuid,
    network: String,
}

/// What may become of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password may be looked at.
    Look,
    /// The account is locked for this network.
    Locked,
    /// As many tries as are allowed to fail are being looked at in this moment.
    Busy,
    /// So many fail from everywhere that a code has to come with the password, but from where its owner is known.
    UnderAttack,
}

impl Try {
    /// A try to be `user`, or whoever has this name, from an address.
    pub fn new(user: Option<UserId>, folded_name: &str, address: IpAddr) -> Self {
        let account = user.map_or_else(|| nobody(folded_name), |user| user.0);
        Self {
            user,
            account,
            network: network_of(address),
        }
    }

    /// Takes a place in the count, and says whether the password may be looked at. A try that
    /// has a place is followed by [`Self::failed`], [`Self::succeeded`] or [`Self::forget`].
    ///
    /// # Errors
    /// The database's failure.
    pub async fn begin(&self, settings: &LockoutSettings, db: &Db) -> Result<Verdict, DbError> {
        let times = times(settings, db.clock());
        let (here, everywhere) =
            failures::take_place(db, self.key(), settings.failures, &times).await?;
        let now = times.now;
        let under_attack = everywhere.is_some_and(|until| until > now);
        Ok(if here.locked_until.is_some() {
            Verdict::Locked
        } else if here.failures > settings.failures {
            Verdict::Busy
        } else if under_attack {
            Verdict::UnderAttack
        } else {
            Verdict::Look
        })
    }

    /// Whether somebody signed in to the account from this network lately.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn is_from_a_known_network(&self, tx: &Tx) -> Result<bool, DbError> {
        let (user, since) = (UserId(self.account), tx.clock().now() - KNOWN_FOR);
        let addresses = store::addresses_since(&tx.peek(), user, since).await?;
        let mut networks = addresses
            .iter()
            .filter_map(|address| Some(network_of(address.parse().ok()?)));
        Ok(networks.any(|network| network == self.network))
    }

    /// The password was wrong, or could not be looked at because of a lock: `counts` says which.
    /// Whoever fails once too often is locked out, and the owner gets a mail about it.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn failed(&self, app: &App, tx: &Tx, counts: bool) -> Result<(), DbError> {
        let settings = &app.settings.auth.lockout;
        let times = times(settings, tx.clock());
        let here = failures::lock(tx, self.key(), settings.failures, &times).await?;
        let everywhere = Times {
            window_ends_at: times.now + HOUR,
            locked_until: times.now + UNDER_ATTACK,
            ..times
        };
        let (more, most) = (i32::from(counts), settings.code_after);
        failures::add_everywhere(tx, self.account, more, most, &everywhere).await?;
        // Only the try that locked sees the very moment it wrote.
        if counts && here.locked_until == Some(times.locked_until) {
            self.tell_of_lock(app, tx).await?;
        }
        Ok(())
    }

    async fn tell_of_lock(&self, app: &App, tx: &Tx) -> Result<(), DbError> {
        let locked = AccountLocked {
            user_id: self.user,
            network: self.network.clone(),
        };
        events::append(tx, &locked, None).await?;
        self.mail(app, tx, Purpose::Unlock).await
    }

    /// Sends the owner a code, to be given with the password.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn send_code(&self, app: &App, tx: &Tx) -> Result<(), DbError> {
        self.mail(app, tx, Purpose::LoginCode).await
    }

    /// Mails a token to the owner, unless that was done a short while ago: whoever guesses must not
    /// be able to fill a mailbox. For nobody the same is written, and nothing is sent.
    async fn mail(&self, app: &App, tx: &Tx, purpose: Purpose) -> Result<(), DbError> {
        let since = tx.clock().now() - MAIL_AGAIN;
        let lately = tokens::was_issued(tx.conn(), self.account, purpose, since).await?;
        let user_id = self.user.filter(|_| !lately);
        let new = NewToken {
            user_id,
            purpose,
            address: None,
            network: Some(self.network.clone()),
        };
        let token = one_time::issue(app.tokens.mail_keys(), tx, new).await?;
        let issued = TokenIssued {
            token_id: token.id,
            user_id,
            recipients: user_id.into_iter().collect(),
        };
        tell(app, tx, &issued, None).await?;
        Ok(())
    }

    /// The password was right: what failed before from this network is forgotten.
    pub fn succeeded(&self, tx: &Tx) {
        failures::forget(tx, self.key());
    }

    /// The try came to nothing: its place is given back.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn forget(&self, tx: &Tx) -> Result<(), DbError> {
        failures::give_back(tx, self.key()).await
    }

    fn key(&self) -> (Uuid, &str) {
        (self.account, &self.network)
    }
}

/// Lifts the locks of an account: for one network and what is counted from everywhere, or all.
///
/// # Errors
/// The database's failure.
pub async fn lift(
    tx: &Tx,
    user: UserId,
    only: Option<String>,
    actor: Option<UserId>,
) -> Result<(), DbError> {
    if failures::forget_of(tx, user, only.as_deref()).await? {
        let unlocked = AccountUnlocked {
            user_id: user,
            network: only,
        };
        events::append(tx, &unlocked, actor).await?;
    }
    Ok(())
}

fn times(settings: &LockoutSettings, clock: &Clock) -> Times {
    let now = clock.now();
    Times {
        now,
        window_ends_at: now + minutes(settings.window_minutes),
        given_up: now - LOOKING,
        locked_until: now + minutes(settings.lock_minutes),
    }
}

/// What stands for an account that does not exist.
fn nobody(folded_name: &str) -> Uuid {
    let hash = sha256(format!("name:{folded_name}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bytes)
}

/// Where an address belongs: of IPv4 the /24, of IPv6 the /64.
pub fn network_of(address: IpAddr) -> String {
    match network(address) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

fn minutes(count: u32) -> TimeDelta {
    TimeDelta::minutes(i64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network() {
        let of = |address: &str| network_of(address.parse().unwrap());
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn what_nobody_has_is_counted_by_its_name() {
        let of = |name| Try::new(None, name, IpAddr::from([192, 0, 2, 1])).account;
        assert_eq!(of("ada"), of("ada"));
        assert_ne!(of("ada"), of("bob"));
    }
}
