//! What comes of every field at a root, for everybody who may ask.

/// What comes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answers, without user errors.
    Done,
    /// It answers with user errors: whoever asks gets so far.
    Told,
    Unauthenticated,
    Forbidden,
    NotFound,
}
use Outcome::{Done, Forbidden as No, NotFound as Unknown, Told, Unauthenticated as Unsigned};

/// Who asks, in the order of the columns.
pub const CALLERS: [&str; 6] = [
    "anonymous",
    "stranger",
    "artist",
    "service",
    "owner",
    "root",
];

/// Good for anybody, signed in or not.
pub const ANYBODY: [Outcome; 6] = [Done; 6];
/// Anybody gets to hear what is wrong with a secret or a name.
pub const ANYBODY_IS_TOLD: [Outcome; 6] = [Told; 6];
/// Anybody, and the secret is not good.
pub const NOBODY: [Outcome; 6] = [Unsigned; 6];
/// Whoever is signed in gets to hear what is wrong.
pub const TOLD_WHEN_SIGNED_IN: [Outcome; 6] = [Unsigned, Told, Told, Told, Told, Told];
/// A session is its owner's alone: not even administrators end it by its id.
pub const OWNS_SESSION: [Outcome; 6] = [Unsigned, Unknown, Unknown, Unknown, Done, Unknown];
/// What is everybody's, and what is one's own.
pub const SIGNED_IN: [Outcome; 6] = [Unsigned, Done, Done, Done, Done, Done];
/// The object is the owner's; for others it does not exist, but for administrators.
pub const OWNER: [Outcome; 6] = [Unsigned, Unknown, Unknown, Unknown, Done, Done];
/// One's own profile, which only the artist has.
pub const ARTIST: [Outcome; 6] = [Unsigned, Unknown, Done, Unknown, Unknown, Unknown];
/// Everybody sees it; the owner and administrators change it.
pub const OWNER_OF_WHAT_ALL_SEE: [Outcome; 6] = [Unsigned, No, No, No, Done, Done];
/// What the owner said: administrators see it, and change no words of others.
pub const AUTHOR: [Outcome; 6] = [Unsigned, Unknown, Unknown, Unknown, Done, No];
/// For all but administrators it does not exist.
pub const UNSEEN_BUT_BY_ADMINS: [Outcome; 6] = [Unsigned, Unknown, Unknown, Unknown, Unknown, Done];
/// It is nobody's.
pub const UNSEEN: [Outcome; 6] = [Unsigned, Unknown, Unknown, Unknown, Unknown, Unknown];
pub const ADMINS: [Outcome; 6] = [Unsigned, No, No, No, No, Done];

/// The operation, the field, what comes of it for each caller, and what is asked. `$task` is a new
/// task of the owner's, `$project` a new project of theirs, `$user` the owner, `$artist` the artist's profile, `$else` an account nobody
/// else is about, `$comment` a comment of the owner's on a task of theirs, `$change` a change of it,
/// `$label` a label of the owner's, `$webhook` a webhook of a project of theirs, `$delivery` a message to it that waits, `$job` a job that waits, `$new` a new name, `$session` a session of the owner's, `$refresh` a refresh token of the caller's.
pub type Row = (&'static str, &'static str, [Outcome; 6], &'static str);

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("query", "artist", SIGNED_IN, "artist(id: $artist) { id }"),
    ("query", "artists", SIGNED_IN, "artists { totalCount }"),
    ("query", "node", OWNER, "node(id: $task) { id }"),
    ("query", "node", SIGNED_IN, "node(id: $user) { id }"),
    ("query", "node", SIGNED_IN, "node(id: $artist) { id }"),
    ("query", "nodes", OWNER, "nodes(ids: [$task]) { id }"),
    ("query", "nodes", SIGNED_IN, "nodes(ids: [$user, $artist]) { id }"),
    ("query", "passwordPolicy", ANYBODY, "passwordPolicy { minLength }"),
    ("query", "node", OWNER, "node(id: $project) { id }"),
    ("query", "nodes", OWNER, "nodes(ids: [$project]) { id }"),
    ("query", "project", OWNER, "project(id: $project) { id }"),
    ("query", "projects", SIGNED_IN, "projects { totalCount }"),
    ("query", "sessions", SIGNED_IN, "sessions { totalCount }"),
    ("query", "suppressions", ADMINS, "suppressions { nodes { address } }"),
    ("query", "task", OWNER, "task(id: $task) { id }"),
    ("query", "tasks", SIGNED_IN, "tasks { totalCount }"),
    ("query", "user", SIGNED_IN, "user(id: $user) { id }"),
    ("query", "users", SIGNED_IN, "users { totalCount }"),
    ("query", "users", ADMINS, "users(status: DISABLED) { totalCount }"),
    ("query", "users", ADMINS, "users(role: ADMIN) { totalCount }"),
    ("query", "validateToken", ANYBODY, "validateToken(token: \"x\") { isValid }"),
    ("query", "viewer", SIGNED_IN, "viewer { eventCursor user { email } }"),
    ("mutation", "addProjectMember", OWNER, "addProjectMember(input: {projectId: $project, userId: $else, role: VIEWER}) { userErrors { code } }"),
    ("mutation", "archiveProject", OWNER, "archiveProject(input: {id: $project}) { userErrors { code } }"),
    ("mutation", "assignTask", OWNER, "assignTask(input: {taskId: $task, assigneeId: $user}) { userErrors { code } }"),
    ("mutation", "changePassword", TOLD_WHEN_SIGNED_IN, "changePassword(input: {currentPassword: \"x\", newPassword: \"x\"}) { userErrors { code } }"),
    ("mutation", "confirmEmailChange", ANYBODY_IS_TOLD, "confirmEmailChange(input: {token: \"x\"}) { userErrors { code } }"),
    ("mutation", "createProject", SIGNED_IN, "createProject(input: {key: $new, name: \"x\"}) { userErrors { code } }"),
    ("mutation", "createTask", OWNER, "createTask(input: {title: \"x\", projectId: $project}) { userErrors { code } }"),
    ("mutation", "createTask", SIGNED_IN, "createTask(input: {title: \"x\"}) { userErrors { code } }"),
    ("mutation", "createTasks", SIGNED_IN, "createTasks(input: {tasks: [{title: \"x\"}]}) { userErrors { code } }"),
    ("mutation", "createTask", OWNER, "createTask(input: {title: \"x\", parentId: $task}) { userErrors { code } }"),
    ("mutation", "createUser", ADMINS, "createUser(input: {username: $new, name: \"x\", password: $password}) { userErrors { code } }"),
    ("mutation", "deleteTask", OWNER, "deleteTask(input: {id: $task}) { userErrors { code } }"),
    ("mutation", "disableTask", OWNER, "disableTask(input: {id: $task}) { userErrors { code } }"),
    ("mutation", "disableUser", ADMINS, "disableUser(input: {id: $else}) { userErrors { code } }"),
    ("mutation", "enableTask", OWNER, "enableTask(input: {id: $task}) { userErrors { code } }"),
    ("mutation", "enableUser", ADMINS, "enableUser(input: {id: $else}) { userErrors { code } }"),
    ("mutation", "inviteUser", ADMINS, "inviteUser(input: {email: \"guest@example.org\"}) { userErrors { code } }"),
    ("mutation", "login", ANYBODY_IS_TOLD, "login(input: {identifier: \"nobody\", password: \"x\"}) { userErrors { code } }"),
    ("mutation", "login", ANYBODY, "login(input: {identifier: \"owner\", password: $password}) { userErrors { code } }"),
    ("mutation", "logout", SIGNED_IN, "logout { userErrors { code } }"),
    ("mutation", "refreshToken", NOBODY, "refreshToken(input: {refreshToken: \"x\"}) { userErrors { code } }"),
    ("mutation", "refreshToken", SIGNED_IN, "refreshToken(input: {refreshToken: $refresh}) { userErrors { code } }"),
    ("mutation", "register", ANYBODY_IS_TOLD, "register(input: {username: \"x\", name: \"x\", password: \"x\"}) { userErrors { code } }"),
    ("mutation", "registerArtist", ANYBODY_IS_TOLD, "registerArtist(input: {username: \"x\", name: \"x\", password: \"x\", stageName: \"x\"}) { userErrors { code } }"),
    ("mutation", "removeProjectMember", [Unsigned, Unknown, Unknown, Unknown, Told, Told], "removeProjectMember(input: {projectId: $project, userId: $user}) { userErrors { code } }"),
    ("mutation", "requestEmailChange", TOLD_WHEN_SIGNED_IN, "requestEmailChange(input: {newEmail: \"x@example.org\", password: \"x\"}) { userErrors { code } }"),
    ("mutation", "requestPasswordReset", ANYBODY, "requestPasswordReset(input: {identifier: \"owner\"}) { userErrors { code } }"),
    ("mutation", "removeSuppression", ADMINS, "removeSuppression(input: {address: \"x@example.org\"}) { userErrors { code } }"),
    ("mutation", "resendVerification", SIGNED_IN, "resendVerification { userErrors { code } }"),
    ("mutation", "resetPassword", ANYBODY_IS_TOLD, "resetPassword(input: {token: \"x\", newPassword: \"x\"}) { userErrors { code } }"),
    ("mutation", "restoreTask", OWNER, "restoreTask(input: {id: $task}) { userErrors { code } }"),
    ("mutation", "revokeOtherSessions", SIGNED_IN, "revokeOtherSessions { userErrors { code } }"),
    ("mutation", "revokeSession", OWNS_SESSION, "revokeSession(input: {id: $session}) { userErrors { code } }"),
    ("mutation", "setUserRoles", ADMINS, "setUserRoles(input: {id: $else, roles: []}) { userErrors { code } }"),
    ("mutation", "unarchiveProject", OWNER, "unarchiveProject(input: {id: $project}) { userErrors { code } }"),
    ("mutation", "unassignTask", OWNER, "unassignTask(input: {taskId: $task}) { userErrors { code } }"),
    ("mutation", "unlockAccount", ANYBODY_IS_TOLD, "unlockAccount(input: {token: \"x\"}) { userErrors { code } }"),
    ("mutation", "unlockUser", ADMINS, "unlockUser(input: {id: $else}) { userErrors { code } }"),
    ("mutation", "updateArtist", ARTIST, "updateArtist(input: {bio: \"x\"}) { userErrors { code } }"),
    ("mutation", "updateProfile", SIGNED_IN, "updateProfile(input: {firstName: \"x\"}) { userErrors { code } }"),
    ("mutation", "updateProject", OWNER, "updateProject(input: {id: $project, name: \"x\"}) { userErrors { code } }"),
    ("mutation", "updateProjectMember", OWNER, "updateProjectMember(input: {projectId: $project, userId: $user, role: OWNER}) { userErrors { code } }"),
    ("mutation", "updateTask", OWNER, "updateTask(input: {id: $task, title: \"x\"}) { userErrors { code } }"),
    ("mutation", "updateTasks", OWNER, "updateTasks(input: {tasks: [{id: $task, title: \"x\"}]}) { userErrors { code } }"),
    ("mutation", "updateUser", ADMINS, "updateUser(input: {id: $user, lastName: \"x\"}) { userErrors { code } }"),
    ("mutation", "verifyEmail", ANYBODY_IS_TOLD, "verifyEmail(input: {token: \"x\"}) { userErrors { code } }"),
    ("subscription", "taskChanged", OWNER, "taskChanged(taskId: $task) { kind task { id } }"),
    ("subscription", "taskChanged", OWNER, "taskChanged(projectId: $project) { kind task { id } }"),
    ("query", "labels", SIGNED_IN, "labels { totalCount }"),
    ("query", "node", OWNER, "node(id: $comment) { id }"),
    ("query", "node", OWNER, "node(id: $change) { id }"),
    ("query", "node", SIGNED_IN, "node(id: $label) { id }"),
    ("query", "nodes", OWNER, "nodes(ids: [$comment, $change]) { id }"),
    ("query", "task", OWNER, "task(id: $task) { comments { totalCount } history { totalCount } watchers { totalCount } labels { id } viewerIsWatching viewerHasMuted }"),
    ("mutation", "createComment", OWNER, "createComment(input: {taskId: $task, body: \"x\"}) { userErrors { code } }"),
    ("mutation", "createLabel", SIGNED_IN, "createLabel(input: {name: $new}) { userErrors { code } }"),
    ("mutation", "deleteComment", OWNER, "deleteComment(input: {id: $comment}) { userErrors { code } }"),
    ("mutation", "deleteLabel", OWNER_OF_WHAT_ALL_SEE, "deleteLabel(input: {id: $label}) { userErrors { code } }"),
    ("mutation", "muteTask", OWNER, "muteTask(input: {taskId: $task}) { userErrors { code } }"),
    ("mutation", "unwatchTask", OWNER, "unwatchTask(input: {taskId: $task}) { userErrors { code } }"),
    ("mutation", "updateComment", AUTHOR, "updateComment(input: {id: $comment, body: \"y\"}) { userErrors { code } }"),
    ("mutation", "updateLabel", OWNER_OF_WHAT_ALL_SEE, "updateLabel(input: {id: $label, color: \"#000000\"}) { userErrors { code } }"),
    ("mutation", "watchTask", OWNER, "watchTask(input: {taskId: $task}) { userErrors { code } }"),
    ("query", "job", ADMINS, "job(id: $job) { id delivery { state } }"),
    ("query", "jobStatistics", ADMINS, "jobStatistics { queues { readyCount } }"),
    ("query", "jobs", ADMINS, "jobs { totalCount nodes { id } }"),
    ("query", "node", UNSEEN_BUT_BY_ADMINS, "node(id: $job) { id }"),
    ("query", "nodes", UNSEEN_BUT_BY_ADMINS, "nodes(ids: [$job]) { id }"),
    ("mutation", "discardJob", ADMINS, "discardJob(input: {id: $job, reason: \"x\"}) { userErrors { code } }"),
    ("mutation", "pauseQueue", ADMINS, "pauseQueue(input: {queue: \"default\"}) { userErrors { code } }"),
    ("mutation", "resumeQueue", ADMINS, "resumeQueue(input: {queue: \"default\"}) { userErrors { code } }"),
    ("mutation", "retryJob", ADMINS, "retryJob(input: {id: $job}) { userErrors { code } }"),
    ("mutation", "retryJobs", ADMINS, "retryJobs(input: {}) { userErrors { code } }"),
    ("query", "webhook", OWNER, "webhook(id: $webhook) { id deliveries { totalCount } }"),
    ("query", "webhooks", SIGNED_IN, "webhooks { totalCount }"),
    ("query", "webhooks", OWNER, "webhooks(projectId: $project) { totalCount }"),
    ("query", "node", OWNER, "node(id: $webhook) { id }"),
    ("query", "node", OWNER, "node(id: $delivery) { id }"),
    ("query", "nodes", OWNER, "nodes(ids: [$webhook, $delivery]) { id }"),
    ("mutation", "deleteWebhook", OWNER, "deleteWebhook(input: {id: $webhook}) { userErrors { code } }"),
    ("mutation", "recoverWebhook", OWNER, "recoverWebhook(input: {id: $webhook, since: \"2026-01-01T00:00:00Z\"}) { userErrors { code } }"),
    ("mutation", "redeliverWebhook", [Unsigned, Unknown, Unknown, Unknown, Told, Told], "redeliverWebhook(input: {deliveryId: $delivery}) { userErrors { code } }"),
    ("mutation", "registerWebhook", SIGNED_IN, "registerWebhook(input: {url: \"https://hooks.example.org/\"}) { userErrors { code } }"),
    ("mutation", "registerWebhook", OWNER, "registerWebhook(input: {url: \"https://hooks.example.org/\", projectId: $project}) { userErrors { code } }"),
    ("mutation", "rotateWebhookSecret", OWNER, "rotateWebhookSecret(input: {id: $webhook}) { userErrors { code } }"),
    ("mutation", "sendTestWebhook", OWNER, "sendTestWebhook(input: {id: $webhook}) { userErrors { code } }"),
    ("mutation", "updateWebhook", OWNER, "updateWebhook(input: {id: $webhook, ratePerMinute: 10}) { userErrors { code } }"),
    ("subscription", "taskAssigned", SIGNED_IN, "taskAssigned { cursor task { title } }"),
    ("query", "notification", UNSEEN, "notification(id: \"notification_01h455vb4pex5vsknk084sn02q\") { id }"),
    ("query", "notificationSettings", SIGNED_IN, "notificationSettings { timezone types { type channels } devices { id } phoneNumber { number } }"),
    ("query", "notificationStats", ADMINS, "notificationStats { inAppCount channels { totalCount } }"),
    ("query", "notifications", SIGNED_IN, "notifications { totalCount eventCursor nodes { id } }"),
    ("query", "unreadCount", SIGNED_IN, "unreadCount"),
    ("mutation", "archiveNotifications", UNSEEN, "archiveNotifications(input: {ids: [\"notification_01h455vb4pex5vsknk084sn02q\"]}) { userErrors { code } }"),
    ("mutation", "confirmPhoneNumber", TOLD_WHEN_SIGNED_IN, "confirmPhoneNumber(input: {code: \"000000\"}) { userErrors { code } }"),
    ("mutation", "markAllNotificationsRead", SIGNED_IN, "markAllNotificationsRead(input: {}) { userErrors { code } }"),
    ("mutation", "markNotificationRead", UNSEEN, "markNotificationRead(input: {ids: [\"notification_01h455vb4pex5vsknk084sn02q\"]}) { userErrors { code } }"),
    ("mutation", "registerDevice", SIGNED_IN, "registerDevice(input: {platform: FCM, token: $new}) { userErrors { code } }"),
    ("mutation", "removeDevice", UNSEEN, "removeDevice(input: {id: \"device_01h455vb4pex5vsknk084sn02q\"}) { userErrors { code } }"),
    ("mutation", "removePhoneNumber", SIGNED_IN, "removePhoneNumber { userErrors { code } }"),
    ("mutation", "sendNotification", ADMINS, "sendNotification(input: {userIds: [$user], title: \"x\", body: \"x\"}) { userErrors { code } }"),
    ("mutation", "setPhoneNumber", SIGNED_IN, "setPhoneNumber(input: {number: \"+4915123456789\"}) { userErrors { code } }"),
    ("mutation", "updateNotificationSettings", SIGNED_IN, "updateNotificationSettings(input: {preferences: []}) { userErrors { code } }"),
    ("subscription", "notificationReceived", SIGNED_IN, "notificationReceived { cursor notification { title } }"),
];
