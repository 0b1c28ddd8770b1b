//! The rules about the fields an operation begins with, and what the library needs done there.

use std::collections::HashSet;

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType,
    Selection, SelectionSet,
};
use async_graphql::{Name, Positioned};

use super::{Limits, clip, too_complex};
use crate::graphql::{ApiError, ErrorCode};

/// A field at the root, written out.
struct RootField<'a> {
    field: &'a Field,
    /// Whether it or a fragment it comes through has `@skip` or `@include`.
    conditional: bool,
}

/// Checks the fields at the root. The selections are within bounds by now, so writing the root out
/// is too. Answers how many there are.
pub fn check(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    limits: &Limits,
    steps: &mut usize,
) -> Result<usize, ApiError> {
    let mut fields = Vec::new();
    let set = &operation.selection_set.node;
    collect(document, set, false, &mut fields, steps);
    let most = limits.settings.max_root_fields;
    if fields.len() > most {
        return Err(too_complex("fields at the root", most));
    }
    let named = |names: &[&str]| {
        fields
            .iter()
            .filter(|root| names.contains(&root.field.name.node.as_str()))
            .count()
    };
    if named(limits.auth_fields) > 1 {
        return Err(ApiError::new(
            ErrorCode::QueryTooComplex,
            "An operation may check one secret: log in, register, refresh, use the token of a mail and the like. Send one operation for each.",
        ));
    }
    if !limits.introspection && named(&["__schema", "__type"]) > 0 {
        return Err(refused("Introspection is off on this server."));
    }
    match operation.ty {
        OperationType::Query => {}
        OperationType::Mutation => check_mutation(&fields)?,
        OperationType::Subscription => check_subscription(&fields)?,
    }
    Ok(fields.len())
}

fn check_mutation(fields: &[RootField<'_>]) -> Result<(), ApiError> {
    // By the specification equal response keys are one field; the library would run each.
    let mut keys = HashSet::new();
    let twice = fields
        .iter()
        .map(|root| &root.field.response_key().node)
        .find(|key| !keys.insert(*key));
    match twice {
        Some(key) => Err(refused(&format!(
            "`{}` stands twice at the root of this mutation. Merge the two, or give one an alias.",
            clip(key)
        ))),
        None => Ok(()),
    }
}

fn check_subscription(fields: &[RootField<'_>]) -> Result<(), ApiError> {
    let [only] = fields else {
        return Err(refused(
            "A subscription must have exactly one field at its root.",
        ));
    };
    // Names that begin so are GraphQL's own.
    if only.field.name.node.starts_with("__") {
        return Err(refused(
            "A subscription must have a field of the schema at its root; `__typename` is none.",
        ));
    }
    if only.conditional {
        return Err(refused(
            "The field at the root of a subscription cannot be skipped: @skip and @include may not stand there.",
        ));
    }
    Ok(())
}

fn refused(message: &str) -> ApiError {
    ApiError::new(ErrorCode::GraphqlValidationFailed, message)
}

fn collect<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    conditional: bool,
    fields: &mut Vec<RootField<'a>>,
    steps: &mut usize,
) {
    for selection in &set.items {
        *steps += 1;
        let conditional = conditional || is_conditional(selection.node.directives());
        match &selection.node {
            Selection::Field(field) => fields.push(RootField {
                field: &field.node,
                conditional,
            }),
            Selection::InlineFragment(fragment) => {
                let set = &fragment.node.selection_set.node;
                collect(document, set, conditional, fields, steps);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    let set = &fragment.node.selection_set.node;
                    collect(document, set, conditional, fields, steps);
                }
            }
        }
    }
}

fn is_conditional(directives: &[Positioned<Directive>]) -> bool {
    directives
        .iter()
        .any(|directive| matches!(directive.node.name.node.as_str(), "skip" | "include"))
}

/// Writes the one field of a subscription beside the fragments it comes through: the library runs
/// only the fields that stand at the root themselves. The fragments stay, so that none is unused.
pub fn write_out(document: &mut ExecutableDocument, name: Option<&str>) {
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
    collect(document, &set.node, false, &mut fields, &mut 0);
    let written: Vec<_> = fields
        .into_iter()
        .map(|root| Positioned::new(root.field.clone(), set.pos))
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
