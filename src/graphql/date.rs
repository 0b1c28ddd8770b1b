//! The scalar `Date`: a day of the calendar, without a time and without a zone; and which texts are
//! points in time.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, NaiveDate, Timelike};

/// A day as RFC 3339 (section 5.6, `full-date`) has it: `2026-11-22`. The same day wherever the
/// reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub NaiveDate);

impl Date {
    /// Reads the text form: exactly ten characters of a day that exists.
    pub fn parse(text: &str) -> Option<Self> {
        // chrono takes `2026-1-2` and signs, too.
        let shape = |(i, byte): (usize, u8)| match i {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        if text.len() != 10 || !text.bytes().enumerate().all(shape) {
            return None;
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self)
    }
}

/// Whether a text is a point in time as RFC 3339 has it. A leap second is none here: no database keeps
/// it apart from the second after it.
pub fn is_date_time(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok_and(|at| at.nanosecond() < 1_000_000_000)
}

/// A day as RFC 3339 has it (`full-date`): `2026-11-22`. The same day wherever the reader is.
#[Scalar(
    name = "Date",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339#section-5.6"
)]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Self::parse(text)
                .ok_or_else(|| InputValueError::custom("a day looks like 2026-11-22")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, NaiveTime};
    use proptest::prelude::*;

    use super::{Date, is_date_time};

    #[test]
    fn a_day_exists_or_is_refused() {
        for good in ["2026-11-22", "2024-02-29", "0001-01-01", "9998-12-31"] {
            assert_eq!(Date::parse(good).unwrap().0.to_string(), good);
        }
        for bad in [
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-2",
            "2026-11-22T00:00:00Z",
            "20261122",
            "+026-11-22",
            "2026-11-2\u{0663}",
            "",
        ] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_point_in_time_exists_or_is_refused() {
        for good in ["2026-11-22T23:59:59Z", "2024-02-29T00:00:00.000001+14:00"] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2026-11-22T12:34:60Z",
            "2026-11-22T12:34:56",
            "2026-11-22",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_the_calendar_has_is_taken_and_nothing_else(
            year in 0..=9_999_i32,
            (month, day) in (0..=14_u32, 0..=33_u32),
            (hour, minute, second) in (0..=25_u32, 0..=61_u32, 0..=61_u32),
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            let exists = NaiveDate::from_ymd_opt(year, month, day);
            prop_assert_eq!(Date::parse(&text).map(|day| day.0), exists, "{}", text);
            let text = format!("{text}T{hour:02}:{minute:02}:{second:02}Z");
            let time = NaiveTime::from_hms_opt(hour, minute, second);
            prop_assert_eq!(is_date_time(&text), exists.is_some() && time.is_some(), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[0-9T:.Z+-]{0,30}") {
            let day = Date::parse(&text);
            prop_assert!(day.is_none_or(|day| day.0.to_string() == text));
            let _refused = is_date_time(&text);
        }
    }
}
