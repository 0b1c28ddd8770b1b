//! What a notification is about, what it tells, how urgent it is, and the ways it takes.

use sea_orm::entity::prelude::*;

/// What a notification is about, for people to choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Category {
    /// The server itself.
    #[sea_orm(string_value = "system")]
    System,
    /// Tasks and projects.
    #[sea_orm(string_value = "workflow")]
    Workflow,
    /// Other systems that are connected.
    #[sea_orm(string_value = "integration")]
    Integration,
    /// What somebody agreed to.
    #[sea_orm(string_value = "consent")]
    Consent,
    /// Sign-ins, passwords, addresses. Always told.
    #[sea_orm(string_value = "security")]
    Security,
    /// Told only to those who asked for it.
    #[sea_orm(string_value = "marketing")]
    Marketing,
}

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Priority {
    /// It can wait.
    #[sea_orm(string_value = "low")]
    Low,
    /// As most are.
    #[sea_orm(string_value = "normal")]
    Normal,
    /// Somebody waits for it.
    #[sea_orm(string_value = "high")]
    High,
    /// Told at any hour, whatever was turned off.
    #[sea_orm(string_value = "critical")]
    Critical,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Type {
    /// A task is theirs now.
    #[sea_orm(string_value = "task_assigned")]
    TaskAssigned,
    /// A task is not theirs any more.
    #[sea_orm(string_value = "task_unassigned")]
    TaskUnassigned,
    /// A task they follow is another.
    #[sea_orm(string_value = "task_updated")]
    TaskUpdated,
    /// A task they follow is done.
    #[sea_orm(string_value = "task_completed")]
    TaskCompleted,
    /// A task they follow is gone.
    #[sea_orm(string_value = "task_deleted")]
    TaskDeleted,
    /// A task they follow is back.
    #[sea_orm(string_value = "task_restored")]
    TaskRestored,
    /// Something was said about a task they follow.
    #[sea_orm(string_value = "comment_added")]
    CommentAdded,
    /// They were mentioned in a comment.
    #[sea_orm(string_value = "mentioned")]
    Mentioned,
    /// They are a member of a project now.
    #[sea_orm(string_value = "project_member_added")]
    ProjectMemberAdded,
    /// Their account has another password.
    #[sea_orm(string_value = "password_changed")]
    PasswordChanged,
    /// Their account has another address.
    #[sea_orm(string_value = "email_changed")]
    EmailChanged,
    /// Somebody may have a copy of their session.
    #[sea_orm(string_value = "session_reused")]
    SessionReused,
    /// A webhook of theirs was turned off.
    #[sea_orm(string_value = "webhook_disabled")]
    WebhookDisabled,
    /// An administrator says something.
    #[sea_orm(string_value = "announcement")]
    Announcement,
}

/// The way a notification takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Channel {
    /// The list in the application.
    #[sea_orm(string_value = "in_app")]
    InApp,
    /// E-mail.
    #[sea_orm(string_value = "email")]
    Email,
    /// A text to a phone number.
    #[sea_orm(string_value = "sms")]
    Sms,
    /// A message to a device.
    #[sea_orm(string_value = "push")]
    Push,
}

impl Type {
    /// Every type.
    pub const ALL: [Self; 14] = [
        Self::TaskAssigned,
        Self::TaskUnassigned,
        Self::TaskUpdated,
        Self::TaskCompleted,
        Self::TaskDeleted,
        Self::TaskRestored,
        Self::CommentAdded,
        Self::Mentioned,
        Self::ProjectMemberAdded,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::SessionReused,
        Self::WebhookDisabled,
        Self::Announcement,
    ];

    /// Its name, as `TASK_ASSIGNED`.
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskAssigned => "TASK_ASSIGNED",
            Self::TaskUnassigned => "TASK_UNASSIGNED",
            Self::TaskUpdated => "TASK_UPDATED",
            Self::TaskCompleted => "TASK_COMPLETED",
            Self::TaskDeleted => "TASK_DELETED",
            Self::TaskRestored => "TASK_RESTORED",
            Self::CommentAdded => "COMMENT_ADDED",
            Self::Mentioned => "MENTIONED",
            Self::ProjectMemberAdded => "PROJECT_MEMBER_ADDED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::EmailChanged => "EMAIL_CHANGED",
            Self::SessionReused => "SESSION_REUSED",
            Self::WebhookDisabled => "WEBHOOK_DISABLED",
            Self::Announcement => "ANNOUNCEMENT",
        }
    }

    /// The category it always has; none where the sender chooses.
    pub fn category(self) -> Option<Category> {
        match self {
            Self::TaskAssigned
            | Self::TaskUnassigned
            | Self::TaskUpdated
            | Self::TaskCompleted
            | Self::TaskDeleted
            | Self::TaskRestored
            | Self::CommentAdded
            | Self::Mentioned
            | Self::ProjectMemberAdded => Some(Category::Workflow),
            Self::PasswordChanged | Self::EmailChanged | Self::SessionReused => {
                Some(Category::Security)
            }
            Self::WebhookDisabled => Some(Category::Integration),
            Self::Announcement => None,
        }
    }
}
