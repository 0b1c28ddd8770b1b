//! The texts of messages. Templates are part of the executable; what users write only ever fills
//! their blanks.

use handlebars::{Handlebars, RenderError, TemplateError, no_escape};
use serde::Serialize;

/// A message out of its folder.
macro_rules! message {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../templates/", $name, "/subject.txt")),
            include_str!(concat!("../../templates/", $name, "/body.txt")),
            include_str!(concat!("../../templates/", $name, "/body.html")),
        )
    };
}

/// The built-in messages: name, subject, text, HTML.
const MESSAGES: &[(&str, &str, &str, &str)] = &[
    message!("change_email"),
    message!("email_changed"),
    message!("first_password"),
    message!("invitation"),
    message!("login_code"),
    message!("password_changed"),
    message!("reset_password"),
    message!("session_reused"),
    message!("task_assigned"),
    message!("unlock"),
    message!("verify_email"),
];

/// What the HTML of all messages is made of: the page around it, and a link one is to follow.
const PARTS: [(&str, &str); 2] = [
    ("layout", include_str!("../../templates/layout.html")),
    ("button", include_str!("../../templates/button.html")),
];

/// The messages of this server.
#[derive(Debug)]
pub struct Templates {
    /// For subjects and plain text: nothing is escaped.
    text: Handlebars<'static>,
    /// Everything is escaped.
    html: Handlebars<'static>,
}

/// A message with its blanks filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For those who read plain text.
    pub text: String,
    /// For the others.
    pub html: String,
}

impl Templates {
    /// Reads the templates.
    ///
    /// # Errors
    /// When one is broken.
    pub fn new() -> Result<Self, TemplateError> {
        let mut text = Handlebars::new();
        text.set_strict_mode(true);
        text.register_escape_fn(no_escape);
        let mut html = Handlebars::new();
        html.set_strict_mode(true);
        for (name, part) in PARTS {
            html.register_partial(name, part)?;
        }
        for (name, subject, plain, rich) in MESSAGES {
            text.register_template_string(&format!("{name}/subject"), subject.trim_end())?;
            let body = format!("{name}/body");
            text.register_template_string(&body, plain)?;
            html.register_template_string(&body, rich)?;
        }
        Ok(Self { text, html })
    }

    /// Fills the blanks of a message.
    pub fn render(
        &self,
        message: &str,
        data: &impl Serialize,
    ) -> Result<Rendered, Box<RenderError>> {
        let body = format!("{message}/body");
        Ok(Rendered {
            subject: self
                .text
                .render(&format!("{message}/subject"), data)
                .map_err(Box::new)?,
            text: self.text.render(&body, data).map_err(Box::new)?,
            html: self.html.render(&body, data).map_err(Box::new)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::{Value, json};

    use super::*;

    /// Everything any message has a blank for, with what must be escaped in it.
    fn blanks() -> Value {
        json!({
            "recipient": "Ada <b> Lovelace",
            "assigned_by": "Bob & Co",
            "inviter": "Bob & Co",
            "title": "Write <the> notes",
            "description": "Two lines\nof text",
            "priority": "high",
            "due": "1 December 2026, 12:00 UTC",
            "task_id": "task_01h455vb4pex5vsknk084sn02q",
            "public_url": "https://tasks.example.org",
            "address": "ada@example.org",
            "link": "https://tasks.example.org/account#reset-password=TOKEN",
            "until": "22 November 2026, 10:00 UTC",
            "network": "192.0.2.0/24",
            "code": "ABCDE-FGHJK",
            "reset": false,
        })
    }

    /// The mails as they are read, in files that are kept. `TASKFLOW_KEEP_MAILS=1` writes them anew:
    /// look at them before they are committed.
    #[test]
    fn every_message_reads_as_it_is_kept() {
        let templates = Templates::new().unwrap();
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"));
        for (name, ..) in MESSAGES {
            let rendered = templates.render(name, &blanks()).unwrap();
            let plain = format!("Subject: {}\n\n{}", rendered.subject, rendered.text);
            for (file, now) in [("expected.txt", plain), ("expected.html", rendered.html)] {
                let path = folder.join(name).join(file);
                if std::env::var_os("TASKFLOW_KEEP_MAILS").is_some() {
                    std::fs::write(&path, &now).unwrap();
                }
                let kept = std::fs::read_to_string(&path).unwrap();
                assert!(now == kept, "{} is another now:\n{now}", path.display());
            }
        }
    }

    #[test]
    fn what_users_write_is_text_in_every_message() {
        let templates = Templates::new().unwrap();
        for (name, ..) in MESSAGES {
            let rendered = templates.render(name, &blanks()).unwrap();
            assert_eq!(rendered.subject.lines().count(), 1, "{name}");
            for raw in ["<b>", "<the>", "Bob & Co"] {
                assert!(!rendered.html.contains(raw), "{name}: {raw}");
            }
            assert!(rendered.html.ends_with("</html>\n"), "{name}");
        }
    }

    #[test]
    fn a_password_that_was_reset_is_told_so() {
        let templates = Templates::new().unwrap();
        let mut blanks = blanks();
        blanks["reset"] = json!(true);
        let rendered = templates.render("password_changed", &blanks).unwrap();
        assert!(rendered.text.contains("with a link from a mail"));
        assert!(rendered.html.contains("All sessions were ended"));
    }
}
