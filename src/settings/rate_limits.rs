//! `[limits]`: how often who may do what.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::problem::Problem;
use super::{Settings, at_least, between};

/// What is counted together: one kind of thing, by one kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Fields at the root of operations, of everybody together.
    Global,
    /// Fields at the root, of a signed-in person.
    User,
    /// Fields at the root, from an address, whoever asks.
    Address,
    /// Fields at the root, from an address, of those who are not signed in.
    Anonymous,
    /// Fields at the root, from an address, over a longer time.
    General,
    /// `login`, from an address.
    LoginAddress,
    /// `login`, by the name that was typed and the network it came from.
    LoginAccount,
    /// `register`, from an address.
    RegisterAddress,
    /// `register`, by the e-mail address and by the user name that were typed.
    RegisterAccount,
    /// Mails that somebody asks for about an account, from an address.
    AccountMailAddress,
    /// Mails that somebody asks for about an account, by the name that was typed.
    AccountMailAccount,
    /// `createTask`, of a person.
    CreateTask,
    /// Each task of `createTasks`, of a person.
    CreateTasks,
    /// `updateTask`, and each task of `updateTasks`, of a person.
    UpdateTask,
    /// `assignTask`, and `createTask` and `updateTask` with an assignee, of a person.
    AssignTask,
    /// Each assignment of `createTasks` and `updateTasks`, of a person.
    AssignTasks,
    /// `createComment`, of a person.
    CreateComment,
    /// Documents to be known by their hash, of a person, or from an address.
    RegisterDocument,
    /// Links that turn mails off, from an address.
    Unsubscribe,
    /// `sendTestWebhook`, `redeliverWebhook` and `recoverWebhook`, of a person.
    CallWebhook,
    /// Requests to a webhook. Its limit stands with the webhook, not in the settings.
    WebhookEndpoint,
}

impl Bucket {
    /// Every bucket with a limit in the settings, in their order.
    pub const ALL: [Self; 20] = [
        Self::Global,
        Self::User,
        Self::Address,
        Self::Anonymous,
        Self::General,
        Self::LoginAddress,
        Self::LoginAccount,
        Self::RegisterAddress,
        Self::RegisterAccount,
        Self::AccountMailAddress,
        Self::AccountMailAccount,
        Self::CreateTask,
        Self::CreateTasks,
        Self::UpdateTask,
        Self::AssignTask,
        Self::AssignTasks,
        Self::CreateComment,
        Self::RegisterDocument,
        Self::Unsubscribe,
        Self::CallWebhook,
    ];

    /// Its name in the settings, the metrics, the headers and Redis.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::User => "user",
            Self::Address => "address",
            Self::Anonymous => "anonymous",
            Self::General => "general",
            Self::LoginAddress => "login_address",
            Self::LoginAccount => "login_account",
            Self::RegisterAddress => "register_address",
            Self::RegisterAccount => "register_account",
            Self::AccountMailAddress => "account_mail_address",
            Self::AccountMailAccount => "account_mail_account",
            Self::CreateTask => "create_task",
            Self::CreateTasks => "create_tasks",
            Self::UpdateTask => "update_task",
            Self::AssignTask => "assign_task",
            Self::AssignTasks => "assign_tasks",
            Self::CreateComment => "create_comment",
            Self::RegisterDocument => "register_document",
            Self::Unsubscribe => "unsubscribe",
            Self::CallWebhook => "call_webhook",
            Self::WebhookEndpoint => "webhook_endpoint",
        }
    }

    /// The table of the profiles.
    fn usual(self, profile: LimitsProfile) -> Option<Rate> {
        let (development, production, sources) = match self {
            Self::Global => (None, None, minutes(1_000, 1)),
            Self::User => (minutes(600_000, 1), minutes(600, 1), minutes(100, 1)),
            Self::Address => (None, None, minutes(60, 1)),
            Self::Anonymous => (minutes(600_000, 1), minutes(60, 1), None),
            Self::General => (None, None, minutes(100, 15)),
            Self::LoginAddress => (minutes(5_000, 15), minutes(50, 15), minutes(5, 15)),
            Self::LoginAccount => (minutes(2_000, 15), minutes(20, 15), None),
            Self::RegisterAddress => (minutes(1_000, 60), minutes(10, 60), minutes(3, 60)),
            Self::RegisterAccount | Self::AccountMailAccount => {
                (minutes(1_000, 60), minutes(3, 60), None)
            }
            Self::AccountMailAddress => (minutes(1_000, 60), minutes(10, 60), None),
            Self::CreateTask => (minutes(10_000, 1), minutes(20, 1), minutes(20, 1)),
            Self::CreateTasks => (minutes(20_000, 1), minutes(200, 1), minutes(100, 15)),
            Self::UpdateTask => (minutes(60_000, 1), minutes(600, 1), minutes(100, 15)),
            Self::AssignTask => (minutes(10_000, 1), minutes(30, 1), None),
            Self::AssignTasks => (minutes(20_000, 1), minutes(200, 1), None),
            Self::CreateComment | Self::CallWebhook => (minutes(10_000, 1), minutes(20, 1), None),
            Self::RegisterDocument => (minutes(20_000, 60), minutes(200, 60), None),
            // A provider of mail asks for all its people from few addresses.
            Self::Unsubscribe => (minutes(6_000, 1), minutes(60, 1), None),
            Self::WebhookEndpoint => (None, None, None),
        };
        match profile {
            LimitsProfile::Development => development,
            LimitsProfile::Production => production,
            LimitsProfile::Sources => sources,
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the table reads better with none beside it"
)]
fn minutes(limit: u32, minutes: u32) -> Option<Rate> {
    Some(Rate {
        limit,
        seconds: minutes * 60,
    })
}

/// Whose numbers hold where none is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitsProfile {
    /// So high that only a program out of control meets them.
    Development,
    /// For real users.
    Production,
    /// The numbers of the systems that Taskflow replaces.
    Sources,
}

/// So much in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How much: at once, and again in every window.
    pub limit: u32,
    /// The window, in seconds.
    pub seconds: u32,
}

/// A rate that somebody set, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateSetting {
    /// No limit.
    Off,
    /// This one.
    Rate(Rate),
}

const UNITS: [(char, u32); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
const MOST: u32 = 1_000_000;
const LONGEST: u32 = 31 * 86_400;

impl FromStr for RateSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = || {
            format!(
                "must be a number and a time, as `20/1m` (s, m, h or d), or `off`, not `{text}`"
            )
        };
        let (limit, window) = text.split_once('/').ok_or_else(wrong)?;
        let limit: u32 = limit.trim().parse().map_err(|_| wrong())?;
        let window = window.trim();
        let (factor, count) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((factor, window.strip_suffix(*unit)?)))
            .ok_or_else(wrong)?;
        let count: u32 = count.trim().parse().map_err(|_| wrong())?;
        let seconds = count.saturating_mul(*factor);
        if !(1..=MOST).contains(&limit) || !(1..=LONGEST).contains(&seconds) {
            return Err(format!(
                "must be 1 to {MOST} in 1s to 31d, or `off`, not `{text}`"
            ));
        }
        Ok(Self::Rate(Rate { limit, seconds }))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, seconds } = self;
        // The largest unit that leaves no rest; seconds always do.
        let (unit, factor) = UNITS
            .into_iter()
            .rev()
            .find(|(_, factor)| seconds.is_multiple_of(*factor))
            .unwrap_or(('s', 1));
        write!(out, "{limit}/{}{unit}", seconds / factor)
    }
}

impl fmt::Display for RateSetting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => out.write_str("off"),
            Self::Rate(rate) => rate.fmt(out),
        }
    }
}

impl<'de> Deserialize<'de> for RateSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for RateSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The section `[limits]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSettings {
    /// Whose numbers hold where none is set; [`Settings::limits_profile`] knows the default.
    pub profile: Option<LimitsProfile>,
    /// How long an operation waits for Redis to count, in milliseconds.
    pub redis_timeout_ms: u64,
    /// How many counters one process keeps.
    pub local_counters: usize,
    /// See [`Bucket::Global`].
    pub global: Option<RateSetting>,
    /// See [`Bucket::User`].
    pub user: Option<RateSetting>,
    /// See [`Bucket::Address`].
    pub address: Option<RateSetting>,
    /// See [`Bucket::Anonymous`].
    pub anonymous: Option<RateSetting>,
    /// See [`Bucket::General`].
    pub general: Option<RateSetting>,
    /// See [`Bucket::LoginAddress`].
    pub login_address: Option<RateSetting>,
    /// See [`Bucket::LoginAccount`].
    pub login_account: Option<RateSetting>,
    /// See [`Bucket::RegisterAddress`].
    pub register_address: Option<RateSetting>,
    /// See [`Bucket::RegisterAccount`].
    pub register_account: Option<RateSetting>,
    /// See [`Bucket::AccountMailAddress`].
    pub account_mail_address: Option<RateSetting>,
    /// See [`Bucket::AccountMailAccount`].
    pub account_mail_account: Option<RateSetting>,
    /// See [`Bucket::CreateTask`].
    pub create_task: Option<RateSetting>,
    /// See [`Bucket::CreateTasks`].
    pub create_tasks: Option<RateSetting>,
    /// See [`Bucket::UpdateTask`].
    pub update_task: Option<RateSetting>,
    /// See [`Bucket::AssignTask`].
    pub assign_task: Option<RateSetting>,
    /// See [`Bucket::AssignTasks`].
    pub assign_tasks: Option<RateSetting>,
    /// See [`Bucket::CreateComment`].
    pub create_comment: Option<RateSetting>,
    /// See [`Bucket::RegisterDocument`].
    pub register_document: Option<RateSetting>,
    /// See [`Bucket::Unsubscribe`].
    pub unsubscribe: Option<RateSetting>,
    /// See [`Bucket::CallWebhook`].
    pub call_webhook: Option<RateSetting>,
}

impl LimitsSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        // Every operation of the server waits for this.
        between(
            errors,
            "limits.redis_timeout_ms",
            self.redis_timeout_ms,
            1,
            5_000,
        );
        at_least(errors, "limits.local_counters", self.local_counters, 1_000);
    }

    /// What is set for a bucket.
    fn set(&self, bucket: Bucket) -> Option<RateSetting> {
        match bucket {
            Bucket::Global => self.global,
            Bucket::User => self.user,
            Bucket::Address => self.address,
            Bucket::Anonymous => self.anonymous,
            Bucket::General => self.general,
            Bucket::LoginAddress => self.login_address,
            Bucket::LoginAccount => self.login_account,
            Bucket::RegisterAddress => self.register_address,
            Bucket::RegisterAccount => self.register_account,
            Bucket::AccountMailAddress => self.account_mail_address,
            Bucket::AccountMailAccount => self.account_mail_account,
            Bucket::CreateTask => self.create_task,
            Bucket::CreateTasks => self.create_tasks,
            Bucket::UpdateTask => self.update_task,
            Bucket::AssignTask => self.assign_task,
            Bucket::AssignTasks => self.assign_tasks,
            Bucket::CreateComment => self.create_comment,
            Bucket::RegisterDocument => self.register_document,
            Bucket::Unsubscribe => self.unsubscribe,
            Bucket::CallWebhook => self.call_webhook,
            Bucket::WebhookEndpoint => None,
        }
    }
}

impl Settings {
    /// Whose numbers hold where none is set: as set, or else those of `env`.
    pub fn limits_profile(&self) -> LimitsProfile {
        self.limits.profile.unwrap_or(if self.is_production() {
            LimitsProfile::Production
        } else {
            LimitsProfile::Development
        })
    }

    /// The rate of a bucket: as set, or else the profile's. None is no limit.
    pub fn rate(&self, bucket: Bucket) -> Option<Rate> {
        match self.limits.set(bucket) {
            Some(RateSetting::Off) => None,
            Some(RateSetting::Rate(rate)) => Some(rate),
            None => bucket.usual(self.limits_profile()),
        }
    }

    /// What `config print` shows for a key of the section that is not set.
    pub(super) fn derived_limit(&self, name: &str) -> Option<String> {
        let bucket = Bucket::ALL
            .into_iter()
            .find(|bucket| bucket.name() == name)?;
        let rate = self.rate(bucket);
        Some(rate.map_or(RateSetting::Off, RateSetting::Rate).to_string())
    }

    /// The buckets that protect real users and are off.
    pub(super) fn missing_limits(&self) -> impl Iterator<Item = Bucket> {
        Bucket::ALL.into_iter().filter(|bucket| {
            let usual = bucket.usual(LimitsProfile::Production);
            // Whoever counts everybody by address needs no bucket for those without a name.
            let is_covered = *bucket == Bucket::Anonymous && self.rate(Bucket::Address).is_some();
            usual.is_some() && self.rate(*bucket).is_none() && !is_covered
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_rate_is_a_bucket() {
        let defaults = crate::settings::document::known();
        let rates: Vec<&str> = defaults
            .iter()
            .filter_map(|known| known.key.strip_prefix("limits."))
            .filter(|name| !["profile", "redis_timeout_ms", "local_counters"].contains(name))
            .collect();
        let mut names = Bucket::ALL.map(Bucket::name).to_vec();
        let mut rates = rates;
        names.sort_unstable();
        rates.sort_unstable();
        assert_eq!(rates, names);
    }

    #[test]
    fn rates_are_a_number_and_a_time() {
        for (text, limit, seconds, shown) in [
            ("20/1m", 20, 60, "20/1m"),
            (" 5 / 15 m ", 5, 900, "5/15m"),
            ("3/60m", 3, 3_600, "3/1h"),
            ("7/90s", 7, 90, "7/90s"),
            ("1000000/31d", 1_000_000, 2_678_400, "1000000/31d"),
        ] {
            let rate = Rate { limit, seconds };
            assert_eq!(text.parse(), Ok(RateSetting::Rate(rate)), "{text}");
            assert_eq!(rate.to_string(), shown);
        }
        assert_eq!("off".parse(), Ok(RateSetting::Off));
        for wrong in [
            "",
            "20",
            "20/",
            "/1m",
            "20/m",
            "0/1m",
            "20/0m",
            "-1/1m",
            "1.5/1m",
            "20/1w",
            "20/1é",
            "1000001/1m",
            "20/32d",
            "20/4294967295d",
            "99999999999/1m",
            "Off",
        ] {
            assert!(wrong.parse::<RateSetting>().is_err(), "{wrong}");
        }
    }
}
