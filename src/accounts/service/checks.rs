//! What texts about people have to look like.

use chrono_tz::Tz;
use url::Url;

use crate::graphql::{UserError, UserErrorCode};

/// The longest URL.
pub const URL_CHARS: usize = 2_048;
/// The longest name of a person.
pub const NAME_CHARS: usize = 100;

/// A problem at a field of the input.
pub fn invalid(message: impl Into<String>, path: &[&str]) -> UserError {
    let mut field = vec!["input"];
    field.extend(path);
    UserError::new(UserErrorCode::Invalid, message, &field)
}

/// Takes blanks off the ends, and what is then empty as not there.
pub fn tidy(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The address of a page or a picture, as browsers read it. `plain` lets `http` pass, too.
pub fn web_address(text: &str, plain: bool) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let good = (url.scheme() == "https" || (plain && url.scheme() == "http"))
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.as_str().chars().count() <= URL_CHARS;
    good.then(|| url.into())
}

/// Whether a text is a language tag (RFC 5646, section 2.1). The tags of before 1994 that do not
/// follow the rule are not taken.
pub fn is_language(tag: &str) -> bool {
    let alpha = |part: &str, n: std::ops::RangeInclusive<usize>| {
        n.contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphabetic())
    };
    let alnum = |part: &str, n: std::ops::RangeInclusive<usize>| {
        n.contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric())
    };
    let digits = |part: &str| part.len() == 3 && part.bytes().all(|c| c.is_ascii_digit());
    if tag.len() > 35 {
        return false;
    }
    let mut parts = tag.split('-').peekable();
    let language = parts.next().unwrap_or_default();
    if !alpha(language, 2..=8) {
        return false;
    }
    if language.len() <= 3 {
        for _ in 0..3 {
            parts.next_if(|part| alpha(part, 3..=3));
        }
    }
    parts.next_if(|part| alpha(part, 4..=4));
    parts.next_if(|part| alpha(part, 2..=2) || digits(part));
    let variant = |part: &&str| {
        alnum(part, 5..=8) || (alnum(part, 4..=4) && part.starts_with(|c: char| c.is_ascii_digit()))
    };
    while parts.next_if(variant).is_some() {}
    // Extensions, and last what people agreed on among themselves.
    while let Some(single) = parts.next_if(|part| alnum(part, 1..=1)) {
        let least = if single.eq_ignore_ascii_case("x") {
            1
        } else {
            2
        };
        if parts.next_if(|part| alnum(part, least..=8)).is_none() {
            return false;
        }
        while parts.next_if(|part| alnum(part, least..=8)).is_some() {}
    }
    parts.next().is_none()
}

/// Whether a text is the name of a time zone in the IANA database.
pub fn is_timezone(name: &str) -> bool {
    name.parse::<Tz>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_tag_follows_the_rule() {
        for good in [
            "de",
            "en-GB",
            "zh-Hant-TW",
            "sr-Latn",
            "es-419",
            "de-CH-1996",
            "sl-rozaj-biske",
            "zh-cmn-Hans-CN",
            "en-a-bbb-x-a-ccc",
            "ast",
        ] {
            assert!(is_language(good), "{good}");
        }
        for bad in [
            "",
            "d",
            "x-a",
            "de_DE",
            "de-",
            "-de",
            "de--CH",
            "en-GB-oed-",
            "deutschland",
            "e1",
            "de-CH-x",
            "de-a",
            "de\n",
            "de-ä",
        ] {
            assert!(!is_language(bad), "{bad}");
        }
    }

    #[test]
    fn a_time_zone_is_one_of_the_database() {
        for (name, good) in [
            ("Europe/Berlin", true),
            ("UTC", true),
            ("America/Argentina/Buenos_Aires", true),
            ("Mars/Olympus", false),
            ("+02:00", false),
            ("", false),
        ] {
            assert_eq!(is_timezone(name), good, "{name}");
        }
    }

    #[test]
    fn an_address_of_the_web_is_https_and_has_no_password() {
        let read = |text: &str| web_address(text, false);
        assert_eq!(
            read("https://EXAMPLE.org/a b").as_deref(),
            Some("https://example.org/a%20b")
        );
        for bad in [
            "http://example.org/",
            "javascript:alert(1)",
            "data:image/png;base64,AA==",
            "https://ada:secret@example.org/",
            "//example.org/a",
            "/a.png",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(web_address("http://localhost:8080/a", true).is_some());
        assert!(read(&format!("https://example.org/{}", "a".repeat(URL_CHARS))).is_none());
    }
}
