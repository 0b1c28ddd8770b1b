//! Looks at a document before the library does, in time linear in the document.
//!
//! The library's validation walks fragments where they are spread: 900 bytes of fragments that
//! each spread the next one twice keep it busy for seconds before any of its limits speaks. So the
//! text is counted before it is parsed, the parsed document is counted with every fragment visited
//! once, what is left is small enough to be written out, the values are compared with the schema,
//! and the parsed document is handed on.

mod coerce;
mod expand;
mod known;
mod literals;
mod merge;
mod root;
mod scan;
#[cfg(test)]
mod tests;
mod typename;
mod types;
mod variables;

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::parser::{Error as ParseError, parse_query};
use async_graphql::{Request, Variables};
use serde_json::Value;

pub use self::known::{Document, KnownDocuments};
pub use self::types::Types;
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
    /// Fields that answer something for each of their `ids`.
    pub by_id_fields: &'static [&'static str],
    /// Names that make the database look at every row of a list, or at every one that fits: of
    /// fields, of arguments, and of fields of objects that are sent.
    pub scans: &'static [&'static str],
    /// Whether clients may ask for the schema.
    pub introspection: bool,
    /// What the schema takes.
    pub types: Arc<Types>,
    /// The documents of before.
    pub known: Arc<KnownDocuments>,
}

impl Limits {
    /// Whether this is the name of something that looks at every row.
    fn scans(&self, name: &str) -> bool {
        self.scans.contains(&name)
    }
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

/// An operation within the limits.
#[derive(Debug)]
pub struct Checked {
    document: Arc<Document>,
    variables: Variables,
    /// Query, mutation or subscription.
    pub operation_type: OperationType,
    /// What it costs: see `graphql.max_cost`.
    pub cost: usize,
    /// How many fields stand at its root, fragments written out.
    pub root_fields: usize,
    /// Whether the library has validated the document before. What of that depends on variables is the
    /// guard's to say, so it need not be done again.
    pub is_known: bool,
}

impl Checked {
    fn new(document: Arc<Document>, variables: Variables, cost: usize, is_known: bool) -> Self {
        Self {
            operation_type: document.operation_type,
            root_fields: document.root_fields,
            document,
            variables,
            cost,
            is_known,
        }
    }

    /// The document, to be kept once it is found valid.
    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// The request for the library.
    pub fn into_request(self) -> Request {
        let mut request = Request::new("").variables(self.variables);
        request
            .operation_name
            .clone_from(&self.document.operation_name);
        // The library takes skipped fields out of it.
        request.set_parsed_query(self.document.settled.clone());
        request
    }

    /// The operation's name, for the log line, cut short: it is the client's to choose.
    pub fn name_for_log(&self) -> String {
        self.document
            .operation_name
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
    check_counting(limits, params, &mut 0)
}

/// The same, counting what is looked at, for the tests that say that it is linear.
fn check_counting(limits: &Limits, params: Params, steps: &mut usize) -> Result<Checked, ApiError> {
    let query = params.query.unwrap_or_default();
    let variables = params.variables.unwrap_or_default();
    let key = known::key(&query, params.operation_name.as_deref());
    if let Some(document) = limits.known.get(&key) {
        return check_known(limits, document, variables, steps);
    }
    let new = (key, query, params.operation_name);
    check_new(limits, new, variables, steps)
}

/// What of a document depends on variables: its cost, and whether values fit where they are used.
fn check_known(
    limits: &Limits,
    document: Arc<Document>,
    variables: serde_json::Map<String, Value>,
    steps: &mut usize,
) -> Result<Checked, ApiError> {
    let mut sizes = variables::check(&variables, limits, steps)?;
    let (written, types) = (&document.written, &limits.types);
    let mut cost = document.cost;
    if document.takes_variables {
        expand::add_defaults(written, limits, &mut sizes, steps);
        let counts = expand::count(written, limits, &variables, &sizes, steps)?;
        expand::check(&counts, &limits.settings)?;
        cost = counts.cost;
    }
    let operation = choose(written, document.asked_for.as_deref())?;
    let variables = coerce::variables(written, operation, types, variables, steps)?;
    if document.takes_variables {
        let scope = coerce::Scope::new(operation, &variables);
        literals::check(written, operation, types, &scope, steps)?;
    }
    Ok(Checked::new(document, variables, cost, true))
}

/// Everything about a document. A new one is given as its name, its text and the operation asked for.
fn check_new(
    limits: &Limits,
    (key, query, asked_for): ([u8; 32], String, Option<String>),
    variables: serde_json::Map<String, Value>,
    steps: &mut usize,
) -> Result<Checked, ApiError> {
    let settings = &limits.settings;
    scan::check(&query, settings, steps)?;
    let mut sizes = variables::check(&variables, limits, steps)?;
    let written = parse(&query)?;
    expand::add_defaults(&written, limits, &mut sizes, steps);
    let counts = expand::count(&written, limits, &variables, &sizes, steps)?;
    expand::check(&counts, settings)?;
    merge::check(&written, limits, steps)?;

    let name = asked_for.as_deref();
    let operation = choose(&written, name)?;
    let operation_type = operation.ty;
    let root_fields = root::check(&written, operation, limits, steps)?;
    let types = &limits.types;
    let variables = coerce::variables(&written, operation, types, variables, steps)?;
    let scope = coerce::Scope::new(operation, &variables);
    literals::check(&written, operation, types, &scope, steps)?;
    let mut settled = written.clone();
    typename::settle(&mut settled, steps)?;
    if operation_type == OperationType::Subscription {
        root::write_out(&mut settled, name);
    }
    let mut operations = written.operations.iter();
    let takes_variables =
        operations.any(|(_, operation)| !operation.node.variable_definitions.is_empty());
    let document = Document {
        operation_name: asked_for.clone().or_else(|| only_name(&settled)),
        written,
        settled,
        asked_for,
        operation_type,
        root_fields,
        takes_variables,
        cost: counts.cost,
        key,
        bytes: query.len(),
        has_texts: query.contains('"'),
    };
    let cost = document.cost;
    Ok(Checked::new(Arc::new(document), variables, cost, false))
}

fn parse(query: &str) -> Result<ExecutableDocument, ApiError> {
    parse_query(query).map_err(|error| {
        if matches!(error, ParseError::MultipleOperations { .. }) {
            return ApiError::new(
                ErrorCode::GraphqlParseFailed,
                "There are several operations in the document, and one has no name. Send each by itself, or give \
                 all of them names, and say in `operationName` which is to run.",
            );
        }
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

/// A name is the client's to choose; an answer repeats only so much of it.
fn clip(name: &str) -> String {
    name.chars().take(64).collect()
}
