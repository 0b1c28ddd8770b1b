//! Counts what a document would be with every fragment written out, visiting each once.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;

use super::{Limits, too_complex};
use crate::graphql::{ApiError, DEFAULT_PAGE, ErrorCode, MOST_PAGE};
use crate::settings::GraphqlSettings;

/// How deep introspection may go: `GraphiQL` asks for 15 levels.
const MAX_INTROSPECTION_DEPTH: usize = 20;
/// How many selections it may have: `GraphiQL` asks for some 150.
const MAX_INTROSPECTION_SELECTIONS: usize = 500;
/// How many lists it may have inside each other: each multiplies by the size of the schema.
/// `GraphiQL` asks for one.
const MAX_INTROSPECTION_LISTS: usize = 2;
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// What a selection set amounts to, written out. Saturating: a document can be made to expand to
/// more than a number holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub selections: usize,
    pub depth: usize,
    pub cost: usize,
    pub introspection_depth: usize,
    pub introspection_selections: usize,
    pub introspection_lists: usize,
    /// Lists of the introspection below this point, whether it is one or not.
    lists: usize,
    pub aliases: usize,
    /// As written, not written out.
    pub directives: usize,
    /// How many selections were looked at, for the test of linear time.
    pub visits: usize,
}

impl Counts {
    fn beside(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.cost = self.cost.saturating_add(other.cost);
        self.introspection_selections = self
            .introspection_selections
            .saturating_add(other.introspection_selections);
        self.introspection_lists = self.introspection_lists.max(other.introspection_lists);
        self.lists = self.lists.max(other.lists);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
    }
}

/// Counts the whole document: all its operations together, and its fragments, since the library
/// validates those that are not used too.
pub fn count(
    document: &ExecutableDocument,
    list_fields: &[&str],
    variables: &serde_json::Value,
) -> Result<Counts, ApiError> {
    let mut walk = Walk {
        document,
        list_fields,
        variables,
        done: HashMap::new(),
        open: HashSet::new(),
        visits: 0,
        directives: 0,
    };
    let mut most = Counts::default();
    let mut largest_fragment = 0;
    for name in document.fragments.keys() {
        largest_fragment = walk.fragment(name)?.selections.max(largest_fragment);
    }
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        walk.directives += operation.directives.len();
        most.beside(walk.set(&operation.selection_set.node)?);
    }
    most.selections = most.selections.max(largest_fragment);
    most.directives = walk.directives;
    most.visits = walk.visits;
    Ok(most)
}

pub fn check(counts: &Counts, limits: &GraphqlSettings) -> Result<(), ApiError> {
    let rules = [
        (
            counts.selections,
            limits.max_selections,
            "selections with its fragments written out",
        ),
        (counts.depth, limits.max_depth, "levels of fields"),
        (
            counts.introspection_depth,
            MAX_INTROSPECTION_DEPTH,
            "levels of introspection",
        ),
        (
            counts.cost,
            limits.max_cost,
            "points of cost (a list costs its page size times its items)",
        ),
        (
            counts.introspection_selections,
            MAX_INTROSPECTION_SELECTIONS,
            "selections of introspection",
        ),
        (
            counts.introspection_lists,
            MAX_INTROSPECTION_LISTS,
            "lists of introspection inside each other",
        ),
        (counts.aliases, limits.max_aliases, "aliases"),
        (counts.directives, limits.max_directives, "directives"),
    ];
    match rules.into_iter().find(|(count, limit, _)| count > limit) {
        Some((_, limit, what)) => Err(too_complex(what, limit)),
        None => Ok(()),
    }
}

/// The rules about the fields an operation begins with. Answers how many there are.
pub fn check_root(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    limits: &Limits,
) -> Result<usize, ApiError> {
    // The selections are within bounds by now, so writing the root out is too.
    let mut fields = Vec::new();
    root_fields(document, &operation.selection_set.node, &mut fields);
    let most = limits.settings.max_root_fields;
    if fields.len() > most {
        return Err(too_complex("fields at the root", most));
    }
    let is_auth = |field: &&&Field| limits.auth_fields.contains(&field.name.node.as_str());
    if fields.iter().filter(is_auth).count() > 1 {
        return Err(ApiError::new(
            ErrorCode::QueryTooComplex,
            "An operation may sign in, register or refresh once. Send one operation for each.",
        ));
    }
    if operation.ty == OperationType::Subscription && fields.len() != 1 {
        return Err(ApiError::new(
            ErrorCode::GraphqlValidationFailed,
            "A subscription must have exactly one field at its root.",
        ));
    }
    if operation.ty == OperationType::Mutation {
        // By the specification equal response keys are one field; the library would run each.
        let mut keys = HashSet::new();
        if let Some(twice) = fields
            .iter()
            .find(|field| !keys.insert(&field.response_key().node))
        {
            return Err(ApiError::new(
                ErrorCode::GraphqlValidationFailed,
                format!(
                    "`{}` stands twice at the root of this mutation. Merge the two, or give one an alias.",
                    twice.response_key().node
                ),
            ));
        }
    }
    Ok(fields.len())
}

fn root_fields<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    fields: &mut Vec<&'a Field>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => fields.push(&field.node),
            Selection::InlineFragment(fragment) => {
                root_fields(document, &fragment.node.selection_set.node, fields);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    root_fields(document, &fragment.node.selection_set.node, fields);
                }
            }
        }
    }
}

/// Writes the one field of a subscription beside the fragments it comes through: the library runs
/// only the fields that stand at the root themselves. The fragments stay, so that none is unused.
pub fn write_root_out(document: &mut ExecutableDocument, name: Option<&str>) {
    let Some((_, operation)) = document
        .operations
        .iter()
        .find(|(known, _)| name.is_none() || known.map(Name::as_str) == name)
    else {
        return;
    };
    let set = &operation.node.selection_set;
    let is_plain = |selection: &Positioned<_>| matches!(selection.node, Selection::Field(_));
    if set.node.items.iter().any(is_plain) {
        return;
    }
    let mut fields = Vec::new();
    root_fields(document, &set.node, &mut fields);
    let written: Vec<_> = fields
        .into_iter()
        .map(|field| Positioned::new(field.clone(), set.pos))
        .map(|field| Positioned::new(Selection::Field(field), set.pos))
        .collect();
    let operation = match (&mut document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get_mut(name),
        (DocumentOperations::Multiple(operations), None) => operations.values_mut().next(),
    };
    if let Some(operation) = operation {
        operation.node.selection_set.node.items.extend(written);
    }
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    list_fields: &'a [&'a str],
    variables: &'a serde_json::Value,
    done: HashMap<&'a str, Counts>,
    open: HashSet<&'a str>,
    visits: usize,
    directives: usize,
}

impl<'a> Walk<'a> {
    fn fragment(&mut self, name: &'a str) -> Result<Counts, ApiError> {
        if let Some(counts) = self.done.get(name) {
            return Ok(*counts);
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Err(ApiError::new(
                ErrorCode::GraphqlValidationFailed,
                format!("There is no fragment `{}` in the document.", clip(name)),
            ));
        };
        if !self.open.insert(name) {
            return Err(ApiError::new(
                ErrorCode::GraphqlValidationFailed,
                format!("The fragment `{}` contains itself.", clip(name)),
            ));
        }
        self.directives += fragment.node.directives.len();
        let counts = self.set(&fragment.node.selection_set.node)?;
        self.open.remove(name);
        self.done.insert(name, counts);
        Ok(counts)
    }

    fn set(&mut self, set: &'a SelectionSet) -> Result<Counts, ApiError> {
        let mut counts = Counts::default();
        for selection in &set.items {
            self.visits += 1;
            counts.beside(match &selection.node {
                Selection::Field(field) => self.field(&field.node)?,
                Selection::InlineFragment(fragment) => {
                    self.directives += fragment.node.directives.len();
                    let mut inner = self.set(&fragment.node.selection_set.node)?;
                    inner.selections = inner.selections.saturating_add(1);
                    inner
                }
                Selection::FragmentSpread(spread) => {
                    self.directives += spread.node.directives.len();
                    let mut inner = self.fragment(&spread.node.fragment_name.node)?;
                    inner.selections = inner.selections.saturating_add(1);
                    inner
                }
            });
        }
        Ok(counts)
    }

    fn field(&mut self, field: &'a Field) -> Result<Counts, ApiError> {
        self.directives += field.directives.len();
        let mut counts = self.set(&field.selection_set.node)?;
        counts.selections = counts.selections.saturating_add(1);
        counts.aliases = counts
            .aliases
            .saturating_add(usize::from(field.alias.is_some()));
        let name = field.name.node.as_str();
        if matches!(name, "__schema" | "__type") {
            counts.introspection_depth = counts.depth + 1;
            counts.introspection_selections = counts.selections;
            counts.introspection_lists = counts.lists;
            counts.depth = 1;
            counts.cost = 1;
        } else {
            counts.depth += 1;
            counts.lists += usize::from(INTROSPECTION_LISTS.contains(&name));
            counts.cost = counts
                .cost
                .saturating_mul(self.page(field))
                .saturating_add(1);
        }
        Ok(counts)
    }

    /// How often what is below a field is asked for: the page size of a list, else once.
    fn page(&self, field: &Field) -> usize {
        if !self.list_fields.contains(&field.name.node.as_str()) {
            return 1;
        }
        let most = MOST_PAGE;
        let size = match field.get_argument("first").map(|value| &value.node) {
            None | Some(Value::Null) => DEFAULT_PAGE,
            Some(Value::Number(number)) => number.as_u64().unwrap_or(most),
            // A default of the variable may stand in the operation: count the most.
            Some(Value::Variable(name)) => self
                .variables
                .get(name.as_str())
                .map_or(most, |value| value.as_u64().unwrap_or(most)),
            Some(_) => most,
        };
        // What is larger is refused by the field itself.
        usize::try_from(size.min(most)).unwrap_or(usize::MAX)
    }
}

/// A name is the client's to choose; an answer repeats only so much of it.
fn clip(name: &str) -> String {
    name.chars().take(64).collect()
}
