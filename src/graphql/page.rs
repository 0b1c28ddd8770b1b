//! Paging: the only way to list. Relay's connections
//! (<https://relay.dev/graphql/connections.htm>), forward, with opaque cursors that are bound to
//! their order.

use async_graphql::connection::CursorType;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApiError, ErrorCode};

/// The size of a page when none is asked for.
pub const DEFAULT_PAGE: u64 = 20;
/// The largest page.
pub const MOST_PAGE: u64 = 100;

/// The arguments of a list, as they came.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// How many.
    pub first: Option<i32>,
    /// After which place.
    pub after: Option<String>,
}

/// A page that was asked for: how many rows, after which.
#[derive(Clone, Debug)]
pub struct Page<K> {
    /// How many rows to answer.
    pub size: u64,
    /// The keys of the last row seen.
    pub after: Option<K>,
}

/// What a cursor holds: the order it belongs to, and the keys of the row.
#[derive(Serialize, Deserialize)]
struct Contents<O, K> {
    #[serde(rename = "o")]
    order: O,
    #[serde(rename = "k")]
    keys: K,
}

impl PageArgs {
    /// Reads the arguments. `order` names the order of the list: a cursor of another is refused.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a size out of range and a cursor that is not one of this list.
    pub fn read<K: DeserializeOwned>(&self, order: &str) -> Result<Page<K>, ApiError> {
        let size = match self.first {
            None => DEFAULT_PAGE,
            Some(first) => u64::try_from(first)
                .ok()
                .filter(|size| (1..=MOST_PAGE).contains(size))
                .ok_or_else(|| {
                    ApiError::new(
                        ErrorCode::BadUserInput,
                        format!("`first` must be from 1 to {MOST_PAGE}."),
                    )
                })?,
        };
        let after = match &self.after {
            None => None,
            Some(cursor) => Some(decode(cursor, order).ok_or_else(|| {
                ApiError::new(
                    ErrorCode::BadUserInput,
                    "`after` is not a cursor of this list in this order. Start again without it.",
                )
            })?),
        };
        Ok(Page { size, after })
    }
}

/// The longest text to search for, in characters: databases give up on long patterns.
const SEARCH_CHARS: usize = 200;

/// A text to search for.
///
/// # Errors
/// `BAD_USER_INPUT` when it is too long.
pub fn search_text(text: &str) -> Result<String, ApiError> {
    if text.chars().count() > SEARCH_CHARS {
        return Err(ApiError::new(
            ErrorCode::BadUserInput,
            format!("A text to search for has at most {SEARCH_CHARS} characters."),
        ));
    }
    // SQLite would stop reading there, PostgreSQL refuse.
    if text.contains('\0') {
        return Err(ApiError::new(
            ErrorCode::BadUserInput,
            "A text to search for has no NUL character.",
        ));
    }
    Ok(text.to_owned())
}

fn decode<K: DeserializeOwned>(cursor: &str, order: &str) -> Option<K> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let contents: Contents<String, Value> = serde_json::from_slice(&bytes).ok()?;
    (contents.order == order && !has_nul(&contents.keys))
        .then(|| serde_json::from_value(contents.keys).ok())
        .flatten()
}

/// Whether there is a character that PostgreSQL takes in no text: a cursor may be anything that a
/// client makes up.
fn has_nul(keys: &Value) -> bool {
    match keys {
        Value::String(text) => text.contains('\0'),
        Value::Array(keys) => keys.iter().any(has_nul),
        Value::Object(keys) => keys.values().any(has_nul),
        _ => false,
    }
}

/// A point in time in a cursor: one of a year that both databases can compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "DateTime<Utc>")]
pub struct CursorTime(DateTime<Utc>);

impl CursorTime {
    /// A point in time of a row.
    pub fn of(stored: DateTime<Utc>) -> Self {
        Self(stored)
    }
}

impl TryFrom<DateTime<Utc>> for CursorTime {
    type Error = &'static str;

    fn try_from(at: DateTime<Utc>) -> Result<Self, Self::Error> {
        let is_storable = (1..=9_999).contains(&at.year());
        is_storable
            .then_some(Self(at))
            .ok_or("a year of four digits")
    }
}

impl From<CursorTime> for sea_orm::Value {
    fn from(CursorTime(at): CursorTime) -> Self {
        at.into()
    }
}

impl<K> Page<K> {
    /// How many rows to read: one more than to answer, to know whether there are more.
    pub fn limit(&self) -> u64 {
        self.size + 1
    }

    /// Cuts the extra row off and says whether it was there.
    pub fn cut<T>(&self, rows: &mut Vec<T>) -> bool {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        more
    }
}

/// A cursor on its way out. It is written when it is asked for: most lists are read without.
pub struct OpaqueCursor(Box<dyn Fn() -> String + Send + Sync>);

impl OpaqueCursor {
    /// The cursor of a row with these keys in this order.
    pub fn new<K: Serialize + Send + Sync + 'static>(
        order: impl AsRef<str> + Send + Sync + 'static,
        keys: K,
    ) -> Self {
        Self(Box::new(move || {
            // Keys are numbers, texts and times, which always have a JSON form.
            let (order, keys) = (order.as_ref(), &keys);
            let json = serde_json::to_vec(&Contents { order, keys }).unwrap_or_default();
            URL_SAFE_NO_PAD.encode(json)
        }))
    }
}

impl CursorType for OpaqueCursor {
    type Error = std::convert::Infallible;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let text = text.to_owned();
        Ok(Self(Box::new(move || text.clone())))
    }

    fn encode_cursor(&self) -> String {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::connection::CursorType;
    use serde_json::json;

    use super::{CursorTime, OpaqueCursor, PageArgs};

    #[test]
    fn a_cursor_with_what_no_database_takes_is_none() {
        let read = |keys| {
            let after = OpaqueCursor::new("o", keys).encode_cursor();
            let args = PageArgs {
                first: None,
                after: Some(after),
            };
            args.read::<(String, CursorTime)>("o").is_ok()
        };
        assert!(read(json!(["a", "2026-11-22T00:00:00Z"])));
        assert!(read(json!(["Ann 10000", "9999-12-31T23:59:59Z"])));
        let name = "0000-01-01 00:00:00z";
        assert!(
            read(json!([name, "2026-11-22T00:00:00Z"])),
            "a text is no date"
        );
        for bad in [
            json!(["a\0", "2026-11-22T00:00:00Z"]),
            json!(["a", "+10000-01-01T00:00:00Z"]),
            json!(["a", "0000-12-31T00:00:00Z"]),
            json!(["a", "-0001-01-01T00:00:00Z"]),
            json!(["a", "9999-12-31T23:59:59-01:00"]),
            json!(["a"]),
        ] {
            assert!(!read(bad.clone()), "{bad}");
        }
    }
}
