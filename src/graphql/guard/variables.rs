//! How large the variables are, before anything is done with them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Limits, too_complex};
use crate::graphql::ApiError;

/// What an item of a list or a field of an object adds to the size of a value, whatever it is: each is
/// made anew wherever the value is used, and the smallest has two bytes.
pub const ITEM: usize = 256;

/// How large a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Its bytes, and [`ITEM`] for each of its items.
    pub bytes: usize,
    /// How often one of the names of [`Limits::scans`] has a value in it.
    pub scans: usize,
    /// Whether there is a value, and not null.
    pub is_given: bool,
}

/// Checks the variables and answers the size of each. A loop, no recursion.
pub fn check<'a>(
    variables: &'a Map<String, Value>,
    limits: &Limits,
    steps: &mut usize,
) -> Result<HashMap<&'a str, Size>, ApiError> {
    let settings = &limits.settings;
    let mut total = 2;
    let mut sizes = HashMap::new();
    for (name, value) in variables {
        let mut bytes = name.len() + 4;
        let (mut items, mut scans) = (0, 0);
        let mut open = vec![(value, 1)];
        while let Some((value, depth)) = open.pop() {
            *steps += 1;
            if depth > settings.max_variables_depth {
                return Err(too_complex(
                    "levels of variables",
                    settings.max_variables_depth,
                ));
            }
            bytes += match value {
                Value::String(text) => text.len() + 2,
                Value::Array(all) => {
                    items += all.len();
                    open.extend(all.iter().map(|item| (item, depth + 1)));
                    all.len() + 2
                }
                Value::Object(fields) => {
                    items += fields.len();
                    open.extend(fields.values().map(|field| (field, depth + 1)));
                    scans += fields
                        .iter()
                        .filter(|(key, value)| limits.scans(key) && !value.is_null())
                        .count();
                    fields.keys().map(|key| key.len() + 4).sum::<usize>() + 2
                }
                _ => 4,
            };
            if total + bytes > settings.max_variables_bytes {
                return Err(too_complex(
                    "bytes of variables",
                    settings.max_variables_bytes,
                ));
            }
        }
        total += bytes;
        let size = Size {
            bytes: bytes + items * ITEM,
            scans,
            is_given: !value.is_null(),
        };
        sizes.insert(name.as_str(), size);
    }
    Ok(sizes)
}
