//! One type an id, so that a user's id cannot be given where a task's is wanted. All are UUID
//! version 7 (RFC 9562): they sort by the time of creation.

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        // sea-orm asks for this of every primary key; ours never come from a counter.
        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )+};
}

id! {
    /// A row of `users`.
    UserId,
    /// A row of `sessions`: one signed-in device.
    SessionId,
    /// A row of `revocations`.
    RevocationId,
    /// A row of `one_time_tokens`.
    OneTimeTokenId,
    /// A row of `tasks`.
    TaskId,
    /// A row of `task_history`: one change of one field.
    TaskChangeId,
    /// A row of `projects`.
    ProjectId,
    /// A row of `labels`.
    LabelId,
    /// A row of `comments`.
    CommentId,
    /// A row of `events`: something that happened.
    EventId,
    /// A row of `jobs`: work to be done.
    JobId,
    /// A row of `deliveries`: one message to one person on one channel.
    DeliveryId,
    /// A row of `delivery_attempts`: one try of a delivery.
    AttemptId,
    /// A row of `notifications`: what one person is told of one event.
    NotificationId,
    /// A row of `devices`: something that takes push messages.
    DeviceId,
    /// A row of `announcements`: what an administrator says to people.
    AnnouncementId,
    /// A row of `webhook_endpoints`: an address of another system that is told of events.
    WebhookId,
}
