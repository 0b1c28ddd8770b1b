//! Looks at a document before the library does, in time linear in the document.
//!
//! The library's validation walks fragments where they are spread: 900 bytes of fragments that
//! each spread the next one twice keep it busy for seconds before any of its limits speaks. So the
//! text is counted before it is parsed, the parsed document is counted with every fragment visited
//! once, and the parsed document is handed on.

mod expand;
mod scan;
#[cfg(test)]
mod tests;
mod variables;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Request, Variables};
use serde_json::Value;

use super::{ApiError, ErrorCode};
use crate::settings::GraphqlSettings;

/// What a request may ask for at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The numbers.
    pub settings: GraphqlSettings,
    /// Fields that check a secret: one an operation, or a thousand aliases are a thousand guesses.
    pub auth_fields: &'static [&'static str],
    /// Fields that answer a page of a list: what is asked of an item is asked as often as the page
    /// is long.
    pub list_fields: &'static [&'static str],
}

/// What a client sent.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    /// The document; none when it is named by its hash or id.
    #[serde(default)]
    pub query: Option<String>,
    /// The id of a registered document.
    #[serde(default)]
    pub document_id: Option<String>,
    /// Which of its operations; needed when there are several.
    #[serde(default)]
    pub operation_name: Option<String>,
    /// The values of its variables.
    #[serde(default)]
    pub variables: Option<serde_json::Map<String, Value>>,
    /// For extensions of the protocol: `persistedQuery`.
    #[serde(default)]
    pub extensions: Option<serde_json::Map<String, Value>>,
}

impl Params {
    /// Whether there is a document, or the name of one.
    pub fn has_document(&self) -> bool {
        let names_one =
            |extensions: &serde_json::Map<_, _>| extensions.contains_key("persistedQuery");
        self.query.is_some()
            || self.document_id.is_some()
            || self.extensions.as_ref().is_some_and(names_one)
    }
}

/// A document within the limits, parsed once.
#[derive(Debug)]
pub struct Checked {
    document: ExecutableDocument,
    operation_name: Option<String>,
    variables: Variables,
    /// Query, mutation or subscription.
    pub operation_type: OperationType,
    /// What it costs: see `graphql.max_cost`.
    pub cost: usize,
    /// How many fields stand at its root, fragments written out.
    pub root_fields: usize,
}

impl Checked {
    /// The request for the library.
    pub fn into_request(self) -> Request {
        let mut request = Request::new("").variables(self.variables);
        request.operation_name = self.operation_name;
        request.set_parsed_query(self.document);
        request
    }

    /// The operation's name, for the log line, cut short: it is the client's to choose.
    pub fn name_for_log(&self) -> String {
        self.operation_name
            .as_deref()
            .unwrap_or("-")
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
            .take(64)
            .collect()
    }
}

/// Lets a document within the limits pass.
///
/// # Errors
/// `QUERY_TOO_COMPLEX` with the limit that was exceeded, `GRAPHQL_PARSE_FAILED`, or
/// `GRAPHQL_VALIDATION_FAILED`.
pub fn check(limits: &Limits, params: Params) -> Result<Checked, ApiError> {
    let settings = &limits.settings;
    let query = params.query.unwrap_or_default();
    scan::check(&query, settings)?;
    let variables = Value::Object(params.variables.unwrap_or_default());
    variables::check(&variables, settings)?;
    let mut document = parse_query(&query).map_err(|error| {
        // The parser repeats the line of the document; the place is enough.
        let place = error
            .positions()
            .next()
            .map(|pos| format!(" at line {}, column {}", pos.line, pos.column))
            .unwrap_or_default();
        ApiError::new(
            ErrorCode::GraphqlParseFailed,
            format!("The document is not GraphQL: syntax error{place}."),
        )
    })?;
    let counts = expand::count(&document, limits.list_fields, &variables)?;
    expand::check(&counts, settings)?;

    let operation = choose(&document, params.operation_name.as_deref())?;
    let root_fields = expand::check_root(&document, operation, limits)?;
    variables::check_required(operation, &variables)?;
    let operation_type = operation.ty;
    if operation_type == OperationType::Subscription {
        expand::write_root_out(&mut document, params.operation_name.as_deref());
    }
    let operation_name = params.operation_name.or_else(|| only_name(&document));
    Ok(Checked {
        document,
        operation_name,
        variables: Variables::from_json(variables),
        operation_type,
        cost: counts.cost,
        root_fields,
    })
}

fn choose<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, ApiError> {
    let mut operations = document.operations.iter();
    let chosen = match name {
        Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known == name)),
        None => operations.next().filter(|_| operations.next().is_none()),
    };
    chosen.map(|(_, operation)| &operation.node).ok_or_else(|| {
        ApiError::new(
            ErrorCode::GraphqlValidationFailed,
            match name {
                Some(_) => "The document has no operation with this `operationName`.",
                None => "The document has several operations: say which with `operationName`.",
            },
        )
    })
}

fn only_name(document: &ExecutableDocument) -> Option<String> {
    let (name, _) = document.operations.iter().next()?;
    name.map(ToString::to_string)
}

fn too_complex(what: &str, limit: usize) -> ApiError {
    ApiError::new(
        ErrorCode::QueryTooComplex,
        format!("The request has more than {limit} {what}, which is the most this server takes."),
    )
}
