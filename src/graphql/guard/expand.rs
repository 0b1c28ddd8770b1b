//! Counts what a document would be with every fragment written out, visiting each once.

use std::collections::{HashMap, HashSet};

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql_value::{Name, Value};

use super::variables::{ITEM, Size};
use super::{Limits, clip, too_complex};
use crate::graphql::{ApiError, DEFAULT_PAGE, ErrorCode, MOST_PAGE};
use crate::settings::GraphqlSettings;

/// Each of these multiplies by the size of the schema. `GraphiQL` asks for one at a time.
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// An argument is copied wherever its field stands, so large ones cost: a point for so many bytes, where each
/// item of a value counts as [`ITEM`].
const BYTES_A_POINT: usize = 1024;

/// What it costs to look at every row of a list, once for each place in the document: what a list asks of
/// each of its items is loaded together.
const POINTS_A_SCAN: usize = 300;

/// What a selection set amounts to, written out. Saturating: a document can be made to expand to
/// more than a number holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub selections: usize,
    /// Levels of selection sets.
    pub nesting: usize,
    /// Levels of fields, without what is below an introspection.
    pub depth: usize,
    pub cost: usize,
    /// How often every row of a list is looked at; a part of the cost.
    pub scans: usize,
    pub aliases: usize,
    pub introspection_depth: usize,
    pub introspection_selections: usize,
    pub introspection_lists: usize,
    /// Levels of fields, and of lists of introspection, whether it is one or not.
    fields: usize,
    lists: usize,
    /// As written, not written out.
    pub directives: usize,
    pub operations: usize,
}

impl Counts {
    /// What stands beside this in the same selection set.
    fn beside(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.cost = self.cost.saturating_add(other.cost);
        self.scans = self.scans.saturating_add(other.scans);
        self.introspection_selections = self
            .introspection_selections
            .saturating_add(other.introspection_selections);
        self.introspection_lists = self.introspection_lists.max(other.introspection_lists);
        self.lists = self.lists.max(other.lists);
        self.nesting = self.nesting.max(other.nesting);
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.max(other.fields);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
    }

    /// Another operation: one of them runs, but the library validates all.
    fn or(&mut self, other: Self) {
        let (aliases, cost) = (self.aliases, self.cost);
        self.beside(other);
        self.aliases = aliases.max(other.aliases);
        self.cost = cost.max(other.cost);
    }
}

/// Counts the whole document.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` for fragments that are not there, not used or contain themselves;
/// `QUERY_TOO_COMPLEX` when it nests too deep to be walked.
pub fn count(
    document: &ExecutableDocument,
    limits: &Limits,
    variables: &serde_json::Map<String, serde_json::Value>,
    sizes: &HashMap<&str, Size>,
    steps: &mut usize,
) -> Result<Counts, ApiError> {
    let mut walk = Walk {
        document,
        limits,
        variables,
        sizes,
        done: HashMap::new(),
        open: HashSet::new(),
        steps,
        directives: 0,
    };
    let mut counts = Counts::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let definitions = &operation.variable_definitions;
        walk.directives += operation.directives.len()
            + definitions
                .iter()
                .map(|definition| definition.node.directives.len())
                .sum::<usize>();
        let mut own = walk.set(&operation.selection_set.node, 0)?;
        let scans = own.scans.saturating_mul(POINTS_A_SCAN);
        own.cost = own.cost.saturating_add(scans);
        counts.or(own);
        counts.operations += 1;
    }
    counts.directives = walk.directives;
    let unused = |name: &&Name| !walk.done.contains_key(name.as_str());
    match document.fragments.keys().filter(unused).min() {
        Some(name) => Err(in_document(format!(
            "The fragment `{}` is never used.",
            clip(name)
        ))),
        None => Ok(counts),
    }
}

pub fn check(counts: &Counts, limits: &GraphqlSettings) -> Result<(), ApiError> {
    let rules = [
        (counts.operations, limits.max_operations, "operations"),
        (
            counts.selections,
            limits.max_selections,
            "selections with its fragments written out",
        ),
        (counts.depth, limits.max_depth, "levels of fields"),
        (
            counts.introspection_depth,
            limits.max_introspection_depth,
            "levels of introspection",
        ),
        (
            counts.introspection_selections,
            limits.max_introspection_selections,
            "selections of introspection",
        ),
        (
            counts.introspection_lists,
            limits.max_introspection_lists,
            "lists of introspection inside each other",
        ),
        (counts.aliases, limits.max_aliases, "aliases"),
        (counts.directives, limits.max_directives, "directives"),
        (
            counts.cost,
            limits.max_cost,
            "points of cost (a list costs its page size times its items, and a count, a search or a `contains` 300)",
        ),
    ];
    match rules.into_iter().find(|(count, limit, _)| count > limit) {
        Some((_, limit, what)) => Err(too_complex(what, limit)),
        None => Ok(()),
    }
}

struct Walk<'a, 's> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    variables: &'a serde_json::Map<String, serde_json::Value>,
    sizes: &'a HashMap<&'a str, Size>,
    done: HashMap<&'a str, Counts>,
    open: HashSet<&'a str>,
    steps: &'s mut usize,
    directives: usize,
}

impl<'a> Walk<'a, '_> {
    fn fragment(&mut self, name: &'a str, level: usize) -> Result<Counts, ApiError> {
        if let Some(counts) = self.done.get(name) {
            return self.within(level + counts.nesting).map(|()| *counts);
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Err(in_document(format!(
                "There is no fragment `{}` in the document.",
                clip(name)
            )));
        };
        if !self.open.insert(name) {
            return Err(in_document(format!(
                "The fragment `{}` contains itself.",
                clip(name)
            )));
        }
        self.directives += fragment.node.directives.len();
        let counts = self.set(&fragment.node.selection_set.node, level)?;
        self.open.remove(name);
        self.done.insert(name, counts);
        Ok(counts)
    }

    /// A set that stands inside of so many others.
    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Counts, ApiError> {
        let mut counts = Counts::default();
        if set.items.is_empty() {
            return Ok(counts);
        }
        let level = level + 1;
        self.within(level)?;
        for selection in &set.items {
            *self.steps += 1;
            self.directives += selection.node.directives().len();
            counts.beside(match &selection.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(fragment) => {
                    written_out(self.set(&fragment.node.selection_set.node, level)?)
                }
                Selection::FragmentSpread(spread) => {
                    written_out(self.fragment(&spread.node.fragment_name.node, level)?)
                }
            });
        }
        counts.nesting += 1;
        Ok(counts)
    }

    /// Everything that walks a document recurses, so how deep it is bounds the stack.
    fn within(&self, level: usize) -> Result<(), ApiError> {
        let most = self.limits.settings.max_nesting;
        if level > most {
            return Err(too_complex(
                "levels of brackets with its fragments written out",
                most,
            ));
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Counts, ApiError> {
        let mut counts = self.set(&field.selection_set.node, level)?;
        counts.selections = counts.selections.saturating_add(1);
        counts.aliases = counts
            .aliases
            .saturating_add(usize::from(field.alias.is_some()));
        counts.fields += 1;
        let name = field.name.node.as_str();
        if matches!(name, "__schema" | "__type") {
            counts.introspection_depth = counts.fields;
            counts.introspection_selections = counts.selections;
            counts.introspection_lists = counts.lists;
            counts.depth = 1;
            counts.cost = 1;
            counts.scans = 0;
        } else {
            counts.depth += 1;
            counts.lists += usize::from(INTROSPECTION_LISTS.contains(&name));
            let Size { bytes, scans, .. } = self.arguments(field);
            let scans = scans + usize::from(self.limits.scans(name));
            counts.scans = counts.scans.saturating_add(scans);
            let own = 1 + bytes / BYTES_A_POINT;
            counts.cost = counts
                .cost
                .saturating_mul(self.items(field))
                .saturating_add(own);
        }
        Ok(counts)
    }

    /// How often what is below a field is asked for: the page size of a list, the number of ids,
    /// else once.
    fn items(&self, field: &Field) -> usize {
        let name = field.name.node.as_str();
        let most = usize::try_from(MOST_PAGE).unwrap_or(usize::MAX);
        let number = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
        let items = if self.limits.list_fields.contains(&name) {
            match value(field, "first") {
                None | Some(Value::Null) => number(Some(DEFAULT_PAGE)),
                Some(Value::Number(first)) => number(first.as_u64()),
                // A default of the variable may stand in the operation: count the most.
                Some(Value::Variable(name)) => number(
                    self.variables
                        .get(name.as_str())
                        .and_then(serde_json::Value::as_u64),
                ),
                Some(_) => None,
            }
        } else if self.limits.by_id_fields.contains(&name) {
            match value(field, "ids") {
                Some(Value::List(ids)) => Some(ids.len()),
                Some(Value::Variable(name)) => match self.variables.get(name.as_str()) {
                    Some(serde_json::Value::Array(ids)) => Some(ids.len()),
                    _ => None,
                },
                _ => Some(1),
            }
        } else {
            return 1;
        };
        // What is larger is refused by the field itself.
        items.unwrap_or(most).min(most)
    }

    /// How much is copied to give the field its arguments, and what they make the database look at.
    fn arguments(&mut self, field: &Field) -> Size {
        let arguments = || {
            field
                .arguments
                .iter()
                .map(|(name, value)| (&name.node, &value.node))
        };
        let values = arguments().map(|(_, value)| value).collect();
        let mut all = size(values, self.limits, self.sizes, self.steps);
        let scans = |(name, value): &(&Name, &Value)| {
            self.limits.scans(name) && is_given(value, self.sizes)
        };
        all.scans += arguments().filter(scans).count();
        all
    }
}

/// The size of values as they are written, counted like that of variables.
fn size(
    mut open: Vec<&Value>,
    limits: &Limits,
    sizes: &HashMap<&str, Size>,
    steps: &mut usize,
) -> Size {
    let mut all = Size::default();
    while let Some(value) = open.pop() {
        *steps += 1;
        all.is_given |= is_given(value, sizes);
        let bytes = match value {
            Value::Variable(name) => {
                let size = sizes.get(name.as_str()).copied().unwrap_or_default();
                all.scans = all.scans.saturating_add(size.scans);
                size.bytes
            }
            Value::String(text) => text.len(),
            Value::Enum(name) => name.len(),
            Value::List(items) => {
                open.extend(items);
                items.len() * ITEM
            }
            Value::Object(fields) => {
                open.extend(fields.values());
                all.scans += fields
                    .iter()
                    .filter(|(name, value)| limits.scans(name) && is_given(value, sizes))
                    .count();
                fields.keys().map(|name| name.len() + ITEM).sum()
            }
            _ => 4,
        };
        all.bytes = all.bytes.saturating_add(bytes);
    }
    all
}

/// Whether a value is there, and not null.
fn is_given(value: &Value, sizes: &HashMap<&str, Size>) -> bool {
    match value {
        Value::Null => false,
        Value::Variable(name) => sizes.get(name.as_str()).is_some_and(|size| size.is_given),
        _ => true,
    }
}

/// Adds the sizes of the defaults that stand for variables without a value.
pub fn add_defaults<'a>(
    document: &'a ExecutableDocument,
    limits: &Limits,
    sizes: &mut HashMap<&'a str, Size>,
    steps: &mut usize,
) {
    let given: HashSet<&str> = sizes.keys().copied().collect();
    for (_, operation) in document.operations.iter() {
        for definition in &operation.node.variable_definitions {
            let name = definition.node.name.node.as_str();
            let Some(default) = &definition.node.default_value else {
                continue;
            };
            if given.contains(name) {
                continue;
            }
            let default = default.node.clone().into_value();
            let size = size(vec![&default], limits, &HashMap::new(), steps);
            let known = sizes.entry(name).or_default();
            *known = Size {
                bytes: size.bytes.max(known.bytes),
                scans: size.scans.max(known.scans),
                is_given: size.is_given || known.is_given,
            };
        }
    }
}

/// A fragment is one selection more than what is in it.
fn written_out(mut counts: Counts) -> Counts {
    counts.selections = counts.selections.saturating_add(1);
    counts
}

fn value<'a>(field: &'a Field, argument: &str) -> Option<&'a Value> {
    field
        .get_argument(argument)
        .map(|Positioned { node, .. }| node)
}

fn in_document(message: String) -> ApiError {
    ApiError::new(ErrorCode::GraphqlValidationFailed, message)
}
