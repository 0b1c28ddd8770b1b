//! The scalar `Date`: a day of the calendar, without a time and without a zone.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::NaiveDate;

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
    use super::Date;

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
}
