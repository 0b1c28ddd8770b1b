//! The headers that let a reader turn such mails off (RFC 2369, RFC 8058).

use lettre::message::header::{Header, HeaderName, HeaderValue};
use url::Url;

/// The longest address of a page: it stays whole, on a line that must be under 998 bytes (RFC 5322 section 2.1.1).
pub(super) const MAX_URL: usize = 900;

/// What a POST has to say (RFC 8058 section 3.1).
pub(super) const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// Where such mails are turned off (RFC 2369 section 3.2).
#[derive(Clone)]
pub(super) struct ListUnsubscribe(Url);

impl ListUnsubscribe {
    /// Reads the page's address as the URL standard writes it, which is ASCII without blanks and `<`. None when it is not
    /// one of the web, or too long: the mail is worth more than its header.
    pub(super) fn new(text: &str) -> Option<Self> {
        let page = Url::parse(text).ok()?;
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"');
        let fits = page.as_str().len() <= MAX_URL && page.as_str().chars().all(is_plain);
        let is_web = matches!(page.scheme(), "http" | "https");
        (fits && is_web).then_some(Self(page))
    }

    /// What the header says.
    pub(super) fn value(&self) -> String {
        format!("<{}>", self.0)
    }
}

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let page = text.trim().trim_start_matches('<').trim_end_matches('>');
        Self::new(page).ok_or_else(|| "no address of a page".into())
    }

    /// One word: it is folded nowhere, and needs no encoding.
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.value())
    }
}

/// That a POST to that page turns them off at once, so that a mail program can do it (RFC 8058 section 3.1).
#[derive(Clone)]
pub(super) struct OneClick;

impl Header for OneClick {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe-Post")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), ONE_CLICK.to_owned())
    }
}
