//! The values of the variables.

use async_graphql::parser::types::OperationDefinition;
use serde_json::Value;

use super::too_complex;
use crate::graphql::{ApiError, ErrorCode};
use crate::settings::GraphqlSettings;

pub fn check(variables: &Value, limits: &GraphqlSettings) -> Result<(), ApiError> {
    let mut bytes = 0;
    let mut open = vec![(variables, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > limits.max_variables_depth {
            return Err(too_complex(
                "levels of variables",
                limits.max_variables_depth,
            ));
        }
        bytes += match value {
            Value::String(text) => text.len() + 2,
            Value::Array(items) => {
                open.extend(items.iter().map(|item| (item, depth + 1)));
                items.len() + 2
            }
            Value::Object(fields) => {
                open.extend(fields.values().map(|field| (field, depth + 1)));
                fields.keys().map(|key| key.len() + 4).sum::<usize>() + 2
            }
            _ => 4,
        };
        if bytes > limits.max_variables_bytes {
            return Err(too_complex(
                "bytes of variables",
                limits.max_variables_bytes,
            ));
        }
    }
    Ok(())
}

/// Refuses an operation whose required variable has no value: the library notices only when a
/// field that uses it runs, which for a mutation is too late.
pub fn check_required(operation: &OperationDefinition, given: &Value) -> Result<(), ApiError> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let name = definition.name.node.as_str();
        let missing = match given.get(name) {
            None => definition.default_value.is_none(),
            Some(value) => value.is_null(),
        };
        if missing && !definition.var_type.node.nullable {
            return Err(ApiError::new(
                ErrorCode::GraphqlValidationFailed,
                format!(
                    "The variable ${name} of the type {} needs a value.",
                    definition.var_type.node
                ),
            ));
        }
    }
    Ok(())
}
