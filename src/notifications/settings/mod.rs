//! What a person wants to be told, how, and when. `decide` and `quiet` are pure rules, without a
//! database and without a clock.

mod api;
mod decide;
mod kinds;
mod mutation;
mod quiet;
mod service;
mod store;

use entity::Timestamp;

pub use self::api::{NotificationChannel, NotificationSettingsQuery};

pub use self::decide::{
    Answer, Notice, Preference, Reason, Recipient, decide, holds, is_on_by_default,
};
pub use self::kinds::{CATEGORIES, CHANNELS, Subject, Type, UnknownSubject};
pub use self::mutation::NotificationSettingsMutation;
pub use self::quiet::{MAX_QUIET_RULES, QuietError, QuietRule, QuietRules, Wrong, quiet_until};
pub use self::service::{look_again, zone_of};
pub use self::store::{forget_enabled, prefer, wishes};

/// How one person wants to be told.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// When nothing is to make a noise.
    pub quiet: QuietRules,
    /// Until when nothing is sent but what must be.
    pub paused_until: Option<Timestamp>,
    /// What to be told of where.
    pub preferences: Vec<Preference>,
    /// When any of it was changed last.
    pub updated_at: Option<Timestamp>,
}
