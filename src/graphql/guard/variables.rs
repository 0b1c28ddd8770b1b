//! How large the variables are, before anything is done with them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::too_complex;
use crate::graphql::ApiError;
use crate::settings::GraphqlSettings;

/// What an item of a list or a field of an object adds to the size of a value, whatever it is: each is
/// made anew wherever the value is used, and the smallest has two bytes.
pub const ITEM: usize = 256;

/// Checks the variables and answers the size of each: its bytes, and [`ITEM`] for each of its items. A
/// loop, no recursion.
pub fn check<'a>(
    variables: &'a Map<String, Value>,
    limits: &GraphqlSettings,
    steps: &mut usize,
) -> Result<HashMap<&'a str, usize>, ApiError> {
    let mut total = 2;
    let mut sizes = HashMap::new();
    for (name, value) in variables {
        let mut bytes = name.len() + 4;
        let mut items = 0;
        let mut open = vec![(value, 1)];
        while let Some((value, depth)) = open.pop() {
            *steps += 1;
            if depth > limits.max_variables_depth {
                return Err(too_complex(
                    "levels of variables",
                    limits.max_variables_depth,
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
                    fields.keys().map(|key| key.len() + 4).sum::<usize>() + 2
                }
                _ => 4,
            };
            if total + bytes > limits.max_variables_bytes {
                return Err(too_complex(
                    "bytes of variables",
                    limits.max_variables_bytes,
                ));
            }
        }
        total += bytes;
        sizes.insert(name.as_str(), bytes + items * ITEM);
    }
    Ok(sizes)
}
