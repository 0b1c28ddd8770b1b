//! The texts of messages. Templates are part of the executable; what users write only ever fills
//! their blanks.
//!
//! `catalog` is the list of messages, `helpers` what a template can do with a value, `locale` whom it is
//! put for.

mod catalog;
mod date;
mod helpers;
mod locale;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::io;

use handlebars::{Context, Handlebars, TemplateError, html_escape};
use serde::Serialize;
use serde_json::Value;

pub use self::locale::Reader;
use crate::settings::Locale;
use crate::text;

/// The most a part of a message may be, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// The longest subject and short text, in characters.
const SUBJECT_CHARS: usize = 250;
const SHORT_CHARS: usize = 300;

/// The messages of this server.
#[derive(Debug)]
pub struct Templates {
    en: Language,
    de: Language,
}

/// The messages in one language.
#[derive(Debug)]
struct Language {
    /// For subjects and plain text: nothing is escaped.
    text: Handlebars<'static>,
    /// Everything is escaped.
    html: Handlebars<'static>,
}

/// A message with its blanks filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line, of 250 characters at most.
    pub subject: String,
    /// For those who read plain text.
    pub text: String,
    /// For the others.
    pub html: String,
    /// One or two sentences in one line, of 300 characters at most: for SMS, push messages and lists.
    pub short: String,
}

/// A message as it stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// One line, of 250 characters at most.
    pub subject: String,
    /// One or two sentences in one line, of 300 characters at most.
    pub body: String,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagePart {
    /// The subject.
    Subject,
    /// The plain text.
    Text,
    /// The HTML.
    Html,
    /// The short text.
    Short,
}

impl fmt::Display for MessagePart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "HTML",
            Self::Short => "short text",
        })
    }
}

/// Why a message could not be rendered. No text of it has anything that fills a blank.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// There is no message of this name.
    #[error("there is no message {0}")]
    NoMessage(String),
    /// What is to fill the blanks has no names.
    #[error("the blanks of {0} are filled with what is no object")]
    NoNames(String),
    /// What came out is more than 64 KiB.
    #[error("the {part} of {message} is too long")]
    TooLong {
        /// The message.
        message: String,
        /// Which part of it.
        part: MessagePart,
    },
    /// A blank is missing, or a helper was given what it is not for.
    #[error("the {part} of {message}: {reason}")]
    Broken {
        /// The message.
        message: String,
        /// Which part of it.
        part: MessagePart,
        /// What is wrong.
        reason: Box<handlebars::RenderError>,
    },
}

impl Templates {
    /// Reads the templates.
    ///
    /// # Errors
    /// When one is broken.
    pub fn new() -> Result<Self, TemplateError> {
        Ok(Self {
            en: Language::new(Locale::En)?,
            de: Language::new(Locale::De)?,
        })
    }

    /// Fills the blanks of a message, in the language and the time zone of who reads it. `data` is a
    /// struct or a map; points in time are given as they are, and become words here.
    ///
    /// # Errors
    /// [`RenderError`]: nothing that another try could change.
    pub fn render(
        &self,
        message: &str,
        reader: &Reader,
        data: &impl Serialize,
    ) -> Result<Rendered, RenderError> {
        let blanks = blanks(message, *reader, data)?;
        let language = self.language(reader.locale);
        let part = |part: MessagePart| language.render(message, part, &blanks);
        Ok(Rendered {
            subject: text::one_line(&part(MessagePart::Subject)?, SUBJECT_CHARS),
            text: part(MessagePart::Text)?,
            html: part(MessagePart::Html)?,
            short: text::one_line(&part(MessagePart::Short)?, SHORT_CHARS),
        })
    }

    /// The subject and the short text of a message alone, for a list.
    ///
    /// # Errors
    /// The same.
    pub fn short(
        &self,
        message: &str,
        reader: &Reader,
        data: &impl Serialize,
    ) -> Result<Short, RenderError> {
        let blanks = blanks(message, *reader, data)?;
        let language = self.language(reader.locale);
        let subject = language.render(message, MessagePart::Subject, &blanks)?;
        let body = language.render(message, MessagePart::Short, &blanks)?;
        Ok(Short {
            subject: text::one_line(&subject, SUBJECT_CHARS),
            body: text::one_line(&body, SHORT_CHARS),
        })
    }

    fn language(&self, locale: Locale) -> &Language {
        match locale {
            Locale::En => &self.en,
            Locale::De => &self.de,
        }
    }
}

/// What fills the blanks, and the zone that helpers tell points in time in.
fn blanks(message: &str, reader: Reader, data: &impl Serialize) -> Result<Context, RenderError> {
    match serde_json::to_value(data) {
        Ok(Value::Object(mut blanks)) => {
            blanks.insert(helpers::ZONE.to_owned(), reader.zone.name().into());
            Ok(Context::from(Value::Object(blanks)))
        }
        _ => Err(RenderError::NoNames(message.to_owned())),
    }
}

impl Language {
    fn new(locale: Locale) -> Result<Self, TemplateError> {
        let mut text = Handlebars::new();
        let mut html = Handlebars::new();
        text.register_escape_fn(in_line);
        html.register_escape_fn(|value| html_escape(&in_line(value)));
        for (registry, is_html) in [(&mut text, false), (&mut html, true)] {
            registry.set_strict_mode(true);
            helpers::register(registry, locale, is_html);
        }
        for (name, plain, rich) in catalog::parts(locale) {
            text.register_partial(name, plain)?;
            html.register_partial(name, rich)?;
        }
        for message in catalog::MESSAGES {
            let texts = message.texts(locale);
            let name = |part| template_name(message.name, part);
            text.register_template_string(&name(MessagePart::Subject), texts.subject.trim_end())?;
            text.register_template_string(&name(MessagePart::Short), texts.short.trim_end())?;
            text.register_template_string(&name(MessagePart::Text), texts.text)?;
            let page = catalog::LAYOUT.replace(catalog::BODY, texts.html);
            html.register_template_string(&name(MessagePart::Html), page)?;
        }
        Ok(Self { text, html })
    }

    fn render(
        &self,
        message: &str,
        part: MessagePart,
        blanks: &Context,
    ) -> Result<String, RenderError> {
        let registry = match part {
            MessagePart::Html => &self.html,
            MessagePart::Subject | MessagePart::Text | MessagePart::Short => &self.text,
        };
        let name = template_name(message, part);
        let message = message.to_owned();
        if !registry.has_template(&name) {
            return Err(RenderError::NoMessage(message));
        }
        let mut out = Limited::default();
        let rendered = registry.render_with_context_to_write(&name, blanks, &mut out);
        match (rendered, out) {
            (_, Limited { is_full: true, .. }) => Err(RenderError::TooLong { message, part }),
            (Err(reason), _) => Err(RenderError::Broken {
                message,
                part,
                reason: Box::new(reason),
            }),
            // Only whole texts are written, so nothing is replaced.
            (Ok(()), Limited { bytes, .. }) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

/// No partial can be named like this.
fn template_name(message: &str, part: MessagePart) -> String {
    format!("{message}/{part:?}")
}

/// A value as it stands in a line: nobody's text ends it and begins one that looks like ours, or
/// turns the direction of what comes after it. Where line breaks are wanted, `lines` keeps them.
fn in_line(value: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    value
        .chars()
        .filter(|c| !text::is_unseen(*c))
        .map(|c| if breaks(c) { ' ' } else { c })
        .collect()
}

/// What is rendered, up to the limit. The write that goes beyond it is refused, which ends the rendering.
#[derive(Default)]
struct Limited {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MOST_BYTES {
            self.is_full = true;
            return Err(io::Error::other("the output is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
