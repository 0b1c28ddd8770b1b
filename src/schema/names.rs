//! Fields by name, for the guard.

/// Fields that check a secret. The guard lets one of them into an operation.
pub const AUTH_FIELDS: &[&str] = &[
    "changePassword",
    "confirmEmailChange",
    "confirmPhoneNumber",
    "login",
    "refreshToken",
    "register",
    "registerArtist",
    "requestEmailChange",
    "requestPasswordReset",
    "resetPassword",
    "unlockAccount",
    "validateToken",
    "verifyEmail",
];

/// Fields that answer a page of a list, by name; a test compares them with the schema.
pub const LIST_FIELDS: &[&str] = &[
    "artists",
    "comments",
    "deliveries",
    "history",
    "jobs",
    "labels",
    "members",
    "notifications",
    "projects",
    "sessions",
    "subtasks",
    "suppressions",
    "tasks",
    "users",
    "watchers",
    "webhooks",
];

/// Fields that answer something for each of their `ids`.
pub const BY_ID_FIELDS: &[&str] = &["nodes"];

/// Names that make the database look at every row of a list, or at every one that fits.
pub const SCANS: &[&str] = &[
    "contains",
    "notificationStats",
    "search",
    "totalCount",
    "unreadCount",
];
