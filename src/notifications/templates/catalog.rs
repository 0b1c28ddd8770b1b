//! The list of messages. The files are part of the executable.

use crate::settings::Locale;

/// What a message says in one language.
pub(super) struct Texts {
    /// One line.
    pub(super) subject: &'static str,
    /// The text part of a mail.
    pub(super) text: &'static str,
    /// The HTML part of a mail, without the layout.
    pub(super) html: &'static str,
    /// One or two sentences.
    pub(super) short: &'static str,
}

/// A message in all languages.
pub(super) struct Message {
    /// The name of its folder.
    pub(super) name: &'static str,
    en: Texts,
    de: Texts,
}

impl Message {
    /// What it says in a language.
    pub(super) fn texts(&self, locale: Locale) -> &Texts {
        match locale {
            Locale::En => &self.en,
            Locale::De => &self.de,
        }
    }
}

/// The files of a message in one language. A path in the executable must be a literal.
macro_rules! texts {
    ($folder:expr) => {
        Texts {
            subject: include_str!(concat!("../../../templates/", $folder, "/subject.txt")),
            text: include_str!(concat!("../../../templates/", $folder, "/body.txt")),
            html: include_str!(concat!("../../../templates/", $folder, "/body.html")),
            short: include_str!(concat!("../../../templates/", $folder, "/short.txt")),
        }
    };
}

/// A message out of its folder.
macro_rules! message {
    ($name:literal) => {
        Message {
            name: $name,
            en: texts!($name),
            de: texts!(concat!($name, "/de")),
        }
    };
}

/// The built-in messages.
pub(super) const MESSAGES: &[Message] = &[
    message!("announcement"),
    message!("change_email"),
    message!("comment_added"),
    message!("email_changed"),
    message!("first_password"),
    message!("invitation"),
    message!("login_code"),
    message!("mentioned"),
    message!("password_changed"),
    message!("phone_code"),
    message!("project_member_added"),
    message!("reset_password"),
    message!("session_reused"),
    message!("task_assigned"),
    message!("task_completed"),
    message!("task_deleted"),
    message!("task_restored"),
    message!("task_unassigned"),
    message!("task_updated"),
    message!("unlock"),
    message!("verify_email"),
    message!("webhook_disabled"),
];

/// The HTML around every message: what stands before [`BODY`] comes before it, the rest after.
pub(super) const LAYOUT: &str = include_str!("../../../templates/layout.html");

/// Where the message stands in the layout. It is put there before anything is rendered: a partial with
/// a block would be rendered whole, beside the output and so beside its limit.
pub(super) const BODY: &str = "<!-- body -->\n";

/// What messages are made of in a language: name, text, HTML.
pub(super) type Part = (&'static str, &'static str, &'static str);

/// A link one is to follow, about a task, why one gets a message, and the same of one about an account.
const EN: [Part; 4] = [
    ("button", "", include_str!("../../../templates/button.html")),
    (
        "task",
        include_str!("../../../templates/task.txt"),
        include_str!("../../../templates/task.html"),
    ),
    (
        "footer",
        include_str!("../../../templates/footer.txt"),
        include_str!("../../../templates/footer.html"),
    ),
    (
        "account",
        include_str!("../../../templates/account.txt"),
        include_str!("../../../templates/account.html"),
    ),
];

const DE: [Part; 4] = [
    ("button", "", include_str!("../../../templates/button.html")),
    (
        "task",
        include_str!("../../../templates/de/task.txt"),
        include_str!("../../../templates/de/task.html"),
    ),
    (
        "footer",
        include_str!("../../../templates/de/footer.txt"),
        include_str!("../../../templates/de/footer.html"),
    ),
    (
        "account",
        include_str!("../../../templates/de/account.txt"),
        include_str!("../../../templates/de/account.html"),
    ),
];

/// What messages in a language are made of.
pub(super) fn parts(locale: Locale) -> &'static [Part] {
    match locale {
        Locale::En => &EN,
        Locale::De => &DE,
    }
}
