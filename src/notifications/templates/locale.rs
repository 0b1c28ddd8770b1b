//! In which language and zone somebody reads.

use chrono_tz::Tz;
use entity::user;

use crate::settings::Locale;

/// How a message is put for one person: the language, and the zone that points in time are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    /// The language.
    pub locale: Locale,
    /// The time zone.
    pub zone: Tz,
}

impl Reader {
    /// As the person's account says: the locale, or its language, or else `default`; the time zone, or
    /// else UTC.
    pub fn of(user: &user::Model, default: Locale) -> Self {
        let zone = user.timezone.as_deref().and_then(|name| name.parse().ok());
        Self {
            locale: locale_of(user.locale.as_deref(), default),
            zone: zone.unwrap_or(Tz::UTC),
        }
    }
}

/// The locale we have that is nearest to a tag such as `de-AT` (RFC 4647 section 3.4, lookup): parts are
/// taken off its end until there is one. Also takes `de_AT`, which is no tag but common.
pub(super) fn locale_of(tag: Option<&str>, default: Locale) -> Locale {
    let mut rest = tag.map(str::trim);
    while let Some(tag) = rest {
        if let Some(locale) = Locale::of_tag(tag) {
            return locale;
        }
        rest = tag.rfind(['-', '_']).and_then(|end| tag.get(..end));
    }
    default
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_locale_to_its_language_to_the_default() {
        for (tag, found) in [
            ("de", Some(Locale::De)),
            ("DE", Some(Locale::De)),
            ("de-AT", Some(Locale::De)),
            ("dE_aT", Some(Locale::De)),
            (" de-Latn-CH-1996 ", Some(Locale::De)),
            ("en-GB", Some(Locale::En)),
            ("fr", None),
            ("fr-DE", None),
            ("deu", None),
            ("den", None),
            ("", None),
            ("-", None),
            ("--de", None),
            ("äö-ü", None),
            ("../../de", None),
        ] {
            for default in Locale::ALL {
                let expected = found.unwrap_or(default);
                assert_eq!(locale_of(Some(tag), default), expected, "{tag}");
            }
        }
        for default in Locale::ALL {
            assert_eq!(locale_of(None, default), default);
        }
    }
}
