//! The list a person has of what they were told: unread, read, put away.

mod api;
mod mutation;
mod service;
mod store;
mod subscription;

pub use self::api::{
    DeliveryChannel, Loaders, Notification, NotificationCategory, NotificationPriority,
    NotificationQuery, NotificationType, find_notifications,
};
pub use self::mutation::NotificationMutation;
pub use self::store::{NewNotification, find_many, insert, prune};
pub use self::subscription::NotificationSubscription;

/// The name of the stream of what a user is told.
pub fn notified_stream(user: entity::UserId) -> String {
    format!("notified:{}", user.0)
}
