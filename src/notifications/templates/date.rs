//! Points in time and days, as people read them.

use chrono::{DateTime, Datelike, NaiveDate, Offset, Timelike};
use chrono_tz::{OffsetName, Tz};

use crate::settings::Locale;

const EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DE: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// A point in time (RFC 3339) as a clock in the zone shows it, or a day (`YYYY-MM-DD`), which is the
/// same everywhere. None when the text is neither.
pub(super) fn in_words(text: &str, locale: Locale, zone: Tz) -> Option<String> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day_in_words(day, locale));
    }
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    let there = at.with_timezone(&zone);
    let day = day_in_words(there.date_naive(), locale);
    let (hour, minute) = (there.hour(), there.minute());
    let short = there.offset().abbreviation().unwrap_or_default();
    let zone = match (locale, short) {
        (Locale::De, "CET") => "MEZ".to_owned(),
        (Locale::De, "CEST") => "MESZ".to_owned(),
        // Where people have no letters for their time, the name is its distance, as `+0545`.
        (_, name) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => name.to_owned(),
        _ => from_utc(there.offset().fix().local_minus_utc()),
    };
    Some(match locale {
        Locale::En => format!("{day}, {hour:02}:{minute:02} {zone}"),
        Locale::De => format!("{day}, {hour:02}:{minute:02} Uhr ({zone})"),
    })
}

fn day_in_words(day: NaiveDate, locale: Locale) -> String {
    let month = usize::try_from(day.month0()).unwrap_or_default();
    let name = |months: &[&'static str; 12]| months.get(month).copied().unwrap_or_default();
    match locale {
        Locale::En => format!("{} {} {}", day.day(), name(&EN), day.year()),
        Locale::De => format!("{}. {} {}", day.day(), name(&DE), day.year()),
    }
}

/// `UTC+05:45`, of seconds.
fn from_utc(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, zone: &str) -> [Option<String>; 2] {
        let zone = zone.parse().unwrap();
        Locale::ALL.map(|locale| in_words(text, locale, zone))
    }

    #[test]
    fn summer_winter_and_where_clocks_are_off_by_minutes() {
        for (text, zone, en, de) in [
            (
                "2026-01-05T09:05:00Z",
                "UTC",
                "5 January 2026, 09:05 UTC",
                "5. Januar 2026, 09:05 Uhr (UTC)",
            ),
            (
                "2026-12-01T12:00:00Z",
                "Europe/Berlin",
                "1 December 2026, 13:00 CET",
                "1. Dezember 2026, 13:00 Uhr (MEZ)",
            ),
            (
                "2026-07-01T12:00:00.123456Z",
                "Europe/Berlin",
                "1 July 2026, 14:00 CEST",
                "1. Juli 2026, 14:00 Uhr (MESZ)",
            ),
            // Another day there, and a text with its own distance.
            (
                "2026-03-31T20:30:00+02:00",
                "Asia/Kathmandu",
                "1 April 2026, 00:15 UTC+05:45",
                "1. April 2026, 00:15 Uhr (UTC+05:45)",
            ),
            (
                "2026-03-01T00:00:00Z",
                "America/Sao_Paulo",
                "28 February 2026, 21:00 UTC-03:00",
                "28. Februar 2026, 21:00 Uhr (UTC-03:00)",
            ),
        ] {
            let expected = [Some(en.to_owned()), Some(de.to_owned())];
            assert_eq!(told(text, zone), expected, "{text} in {zone}");
        }
    }

    #[test]
    fn a_day_is_the_same_everywhere() {
        for zone in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
            let expected = ["24 March 2026", "24. März 2026"].map(|text| Some(text.to_owned()));
            assert_eq!(told("2026-03-24", zone), expected);
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "tomorrow",
            "2026-02-30",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00:00",
            "+12026-01-01T00:00:00Z",
            "<b>",
        ] {
            assert_eq!(told(text, "Europe/Berlin"), [None, None], "{text}");
        }
        // The ends of what a text can say.
        for text in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
                assert!(told(text, zone).iter().all(Option::is_some), "{text}");
            }
        }
    }
}
