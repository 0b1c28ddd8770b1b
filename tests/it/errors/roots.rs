//! The smallest operation for every field at a root.

/// Ids that are well-formed and of nothing.
pub const NO_TASK: &str = "task_01h455vb4pex5vsknk084sn02q";
pub const NO_PROJECT: &str = "project_01h455vb4pex5vsknk084sn02q";
pub const NO_USER: &str = "user_01h455vb4pex5vsknk084sn02q";
pub const NO_SESSION: &str = "session_01h455vb4pex5vsknk084sn02q";
pub const NO_ARTIST: &str = "artist_01h455vb4pex5vsknk084sn02q";
pub const NO_COMMENT: &str = "comment_01h455vb4pex5vsknk084sn02q";
pub const NO_LABEL: &str = "label_01h455vb4pex5vsknk084sn02q";
pub const NO_WEBHOOK: &str = "webhook_01h455vb4pex5vsknk084sn02q";
pub const NO_DELIVERY: &str = "delivery_01h455vb4pex5vsknk084sn02q";

/// Who may use a field at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Anybody,
    SignedIn,
}
use Who::{Anybody, SignedIn};

/// The smallest operation for every field at a root. A new field needs a row here.
#[rustfmt::skip]
pub const ROOTS: &[(&str, &str, Who, &str)] = &[
    ("query", "artist", SignedIn, "artist(id: $artist) { id }"),
    ("query", "artists", SignedIn, "artists { totalCount }"),
    ("query", "job", SignedIn, "job(id: \"job_01h455vb4pex5vsknk084sn02q\") { id }"),
    ("query", "jobStatistics", SignedIn, "jobStatistics { queues { readyCount } }"),
    ("query", "jobs", SignedIn, "jobs { totalCount }"),
    ("query", "labels", SignedIn, "labels { totalCount }"),
    ("query", "node", SignedIn, "node(id: $task) { id }"),
    ("query", "nodes", SignedIn, "nodes(ids: [$task]) { id }"),
    ("query", "notification", SignedIn, "notification(id: \"notification_01h455vb4pex5vsknk084sn02q\") { id }"),
    ("query", "notificationSettings", SignedIn, "notificationSettings { timezone }"),
    ("query", "notificationStats", SignedIn, "notificationStats { inAppCount }"),
    ("query", "notifications", SignedIn, "notifications { totalCount }"),
    ("query", "passwordPolicy", Anybody, "passwordPolicy { minLength }"),
    ("query", "project", SignedIn, "project(id: $project) { id }"),
    ("query", "projects", SignedIn, "projects { totalCount }"),
    ("query", "sessions", SignedIn, "sessions { totalCount }"),
    ("query", "suppressions", SignedIn, "suppressions { nodes { address } }"),
    ("query", "task", SignedIn, "task(id: $task) { id }"),
    ("query", "tasks", SignedIn, "tasks { totalCount }"),
    ("query", "unreadCount", SignedIn, "unreadCount"),
    ("query", "user", SignedIn, "user(id: $user) { id }"),
    ("query", "users", SignedIn, "users { totalCount }"),
    ("query", "validateToken", Anybody, "validateToken(token: \"x\") { isValid }"),
    ("query", "viewer", SignedIn, "viewer { eventCursor }"),
    ("query", "webhook", SignedIn, "webhook(id: $webhook) { id }"),
    ("query", "webhooks", SignedIn, "webhooks { totalCount }"),
    ("mutation", "addProjectMember", SignedIn, "addProjectMember(input: {projectId: $project, userId: $user, role: VIEWER}) { member { role } }"),
    ("mutation", "archiveNotifications", SignedIn, "archiveNotifications(input: {ids: [\"notification_01h455vb4pex5vsknk084sn02q\"]}) { userErrors { code } }"),
    ("mutation", "archiveProject", SignedIn, "archiveProject(input: {id: $project}) { project { id } }"),
    ("mutation", "assignTask", SignedIn, "assignTask(input: {taskId: $task, assigneeId: $user}) { task { id } }"),
    ("mutation", "changePassword", SignedIn, "changePassword(input: {currentPassword: \"x\", newPassword: \"x\"}) { userErrors { code } }"),
    ("mutation", "confirmEmailChange", Anybody, "confirmEmailChange(input: {token: \"x\"}) { userErrors { code } }"),
    ("mutation", "confirmPhoneNumber", SignedIn, "confirmPhoneNumber(input: {code: \"000000\"}) { userErrors { code } }"),
    ("mutation", "createComment", SignedIn, "createComment(input: {taskId: $task, body: \"x\"}) { comment { id } }"),
    ("mutation", "createLabel", SignedIn, "createLabel(input: {name: \"x\"}) { label { id } }"),
    ("mutation", "createProject", SignedIn, "createProject(input: {key: \"X1\", name: \"x\"}) { project { id } }"),
    ("mutation", "createTask", SignedIn, "createTask(input: {title: \"x\"}) { task { id } }"),
    ("mutation", "createTasks", SignedIn, "createTasks(input: {tasks: [{title: \"x\"}]}) { tasks { id } }"),
    ("mutation", "createUser", SignedIn, "createUser(input: {username: \"x\", name: \"x\"}) { user { id } }"),
    ("mutation", "deleteComment", SignedIn, "deleteComment(input: {id: $comment}) { deletedCommentId }"),
    ("mutation", "deleteLabel", SignedIn, "deleteLabel(input: {id: $label}) { deletedLabelId }"),
    ("mutation", "deleteTask", SignedIn, "deleteTask(input: {id: $task}) { deletedTaskId }"),
    ("mutation", "deleteWebhook", SignedIn, "deleteWebhook(input: {id: $webhook}) { deletedWebhookId }"),
    ("mutation", "disableTask", SignedIn, "disableTask(input: {id: $task}) { task { id } }"),
    ("mutation", "disableUser", SignedIn, "disableUser(input: {id: $user}) { user { id } }"),
    ("mutation", "discardJob", SignedIn, "discardJob(input: {id: \"job_01h455vb4pex5vsknk084sn02q\", reason: \"x\"}) { userErrors { code } }"),
    ("mutation", "enableTask", SignedIn, "enableTask(input: {id: $task}) { task { id } }"),
    ("mutation", "enableUser", SignedIn, "enableUser(input: {id: $user}) { user { id } }"),
    ("mutation", "inviteUser", SignedIn, "inviteUser(input: {email: \"x@example.org\"}) { userErrors { code } }"),
    ("mutation", "login", Anybody, "login(input: {identifier: \"nobody\", password: \"x\"}) { userErrors { code } }"),
    ("mutation", "logout", SignedIn, "logout { endedSessions }"),
    ("mutation", "markAllNotificationsRead", SignedIn, "markAllNotificationsRead(input: {}) { markedCount }"),
    ("mutation", "markNotificationRead", SignedIn, "markNotificationRead(input: {ids: [\"notification_01h455vb4pex5vsknk084sn02q\"]}) { userErrors { code } }"),
    ("mutation", "muteTask", SignedIn, "muteTask(input: {taskId: $task}) { task { id } }"),
    ("mutation", "pauseQueue", SignedIn, "pauseQueue(input: {queue: \"x\"}) { userErrors { code } }"),
    ("mutation", "recoverWebhook", SignedIn, "recoverWebhook(input: {id: $webhook, since: \"2026-01-01T00:00:00Z\"}) { queuedCount }"),
    ("mutation", "redeliverWebhook", SignedIn, "redeliverWebhook(input: {deliveryId: $delivery}) { delivery { id } }"),
    ("mutation", "refreshToken", Anybody, "refreshToken(input: {refreshToken: \"x\"}) { userErrors { code } }"),
    ("mutation", "register", Anybody, "register(input: {username: \"x\", name: \"x\", password: \"x\"}) { userErrors { code } }"),
    ("mutation", "registerArtist", Anybody, "registerArtist(input: {username: \"x\", name: \"x\", password: \"x\", stageName: \"x\"}) {
           userErrors { code } }"),
    ("mutation", "registerDevice", SignedIn, "registerDevice(input: {platform: FCM, token: \"x\"}) { userErrors { code } }"),
    ("mutation", "registerWebhook", SignedIn, "registerWebhook(input: {url: \"https://hooks.example.org/\"}) { webhook { id } }"),
    ("mutation", "removeDevice", SignedIn, "removeDevice(input: {id: \"device_01h455vb4pex5vsknk084sn02q\"}) { userErrors { code } }"),
    ("mutation", "removePhoneNumber", SignedIn, "removePhoneNumber { userErrors { code } }"),
    ("mutation", "removeProjectMember", SignedIn, "removeProjectMember(input: {projectId: $project, userId: $user}) { removedUserId }"),
    ("mutation", "removeSuppression", SignedIn, "removeSuppression(input: {address: \"x@example.org\"}) { userErrors { code } }"),
    ("mutation", "requestEmailChange", SignedIn, "requestEmailChange(input: {newEmail: \"x@example.org\", password: \"x\"}) { userErrors { code } }"),
    ("mutation", "requestPasswordReset", Anybody, "requestPasswordReset(input: {identifier: \"nobody\"}) { userErrors { code } }"),
    ("mutation", "resendVerification", SignedIn, "resendVerification { userErrors { code } }"),
    ("mutation", "resetPassword", Anybody, "resetPassword(input: {token: \"x\", newPassword: \"x\"}) { userErrors { code } }"),
    ("mutation", "restoreTask", SignedIn, "restoreTask(input: {id: $task}) { task { id } }"),
    ("mutation", "resumeQueue", SignedIn, "resumeQueue(input: {queue: \"x\"}) { userErrors { code } }"),
    ("mutation", "retryJob", SignedIn, "retryJob(input: {id: \"job_01h455vb4pex5vsknk084sn02q\"}) { userErrors { code } }"),
    ("mutation", "retryJobs", SignedIn, "retryJobs(input: {}) { userErrors { code } }"),
    ("mutation", "revokeOtherSessions", SignedIn, "revokeOtherSessions { endedSessions }"),
    ("mutation", "revokeSession", SignedIn, "revokeSession(input: {id: $session}) { revokedSessionId }"),
    ("mutation", "rotateWebhookSecret", SignedIn, "rotateWebhookSecret(input: {id: $webhook}) { secret }"),
    ("mutation", "sendNotification", SignedIn, "sendNotification(input: {userIds: [$user], title: \"x\", body: \"x\"}) { userErrors { code } }"),
    ("mutation", "sendTestWebhook", SignedIn, "sendTestWebhook(input: {id: $webhook}) { delivery { id } }"),
    ("mutation", "setPhoneNumber", SignedIn, "setPhoneNumber(input: {number: \"+4915123456789\"}) { userErrors { code } }"),
    ("mutation", "setUserRoles", SignedIn, "setUserRoles(input: {id: $user, roles: []}) { user { id } }"),
    ("mutation", "unarchiveProject", SignedIn, "unarchiveProject(input: {id: $project}) { project { id } }"),
    ("mutation", "unassignTask", SignedIn, "unassignTask(input: {taskId: $task}) { task { id } }"),
    ("mutation", "unlockAccount", Anybody, "unlockAccount(input: {token: \"x\"}) { userErrors { code } }"),
    ("mutation", "unlockUser", SignedIn, "unlockUser(input: {id: $user}) { user { id } }"),
    ("mutation", "unwatchTask", SignedIn, "unwatchTask(input: {taskId: $task}) { task { id } }"),
    ("mutation", "updateArtist", SignedIn, "updateArtist(input: {stageName: \"x\"}) { artist { id } }"),
    ("mutation", "updateComment", SignedIn, "updateComment(input: {id: $comment, body: \"x\"}) { comment { id } }"),
    ("mutation", "updateLabel", SignedIn, "updateLabel(input: {id: $label, name: \"x\"}) { label { id } }"),
    ("mutation", "updateNotificationSettings", SignedIn, "updateNotificationSettings(input: {preferences: []}) { userErrors { code } }"),
    ("mutation", "updateProfile", SignedIn, "updateProfile(input: {name: \"x\"}) { user { id } }"),
    ("mutation", "updateProject", SignedIn, "updateProject(input: {id: $project, name: \"x\"}) { project { id } }"),
    ("mutation", "updateProjectMember", SignedIn, "updateProjectMember(input: {projectId: $project, userId: $user, role: VIEWER}) { member { role } }"),
    ("mutation", "updateTask", SignedIn, "updateTask(input: {id: $task, title: \"x\"}) { task { id } }"),
    ("mutation", "updateTasks", SignedIn, "updateTasks(input: {tasks: [{id: $task, title: \"x\"}]}) { tasks { id } }"),
    ("mutation", "updateUser", SignedIn, "updateUser(input: {id: $user, name: \"x\"}) { user { id } }"),
    ("mutation", "updateWebhook", SignedIn, "updateWebhook(input: {id: $webhook, enabled: true}) { webhook { id } }"),
    ("mutation", "verifyEmail", Anybody, "verifyEmail(input: {token: \"x\"}) { userErrors { code } }"),
    ("mutation", "watchTask", SignedIn, "watchTask(input: {taskId: $task}) { task { id } }"),
];

/// The same for what a socket is needed for.
pub const SUBSCRIPTIONS: [(&str, &str); 3] = [
    ("notificationReceived", "notificationReceived { cursor }"),
    ("taskAssigned", "taskAssigned { cursor }"),
    ("taskChanged", "taskChanged(taskId: $task) { cursor }"),
];

pub fn document(operation: &str, selection: &str) -> String {
    let selection = selection
        .replace("$task", &format!("\"{NO_TASK}\""))
        .replace("$user", &format!("\"{NO_USER}\""))
        .replace("$project", &format!("\"{NO_PROJECT}\""))
        .replace("$session", &format!("\"{NO_SESSION}\""))
        .replace("$artist", &format!("\"{NO_ARTIST}\""))
        .replace("$comment", &format!("\"{NO_COMMENT}\""))
        .replace("$label", &format!("\"{NO_LABEL}\""))
        .replace("$webhook", &format!("\"{NO_WEBHOOK}\""))
        .replace("$delivery", &format!("\"{NO_DELIVERY}\""));
    format!("{operation} {{ {selection} }}")
}
