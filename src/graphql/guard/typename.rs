//! `__typename`, as the library needs it. Its validation passes over this field altogether: the
//! directives on it are not looked at, and a variable that stands only there counts as unused. So a
//! directive moves to a fragment around the field, where it means the same and is looked at.

use async_graphql::Positioned;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, InlineFragment, Selection, SelectionSet,
};

use crate::graphql::{ApiError, ErrorCode};

/// Goes through the document, as it is written.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` when a `__typename` has arguments or a selection.
pub fn settle(document: &mut ExecutableDocument, steps: &mut usize) -> Result<(), ApiError> {
    match &mut document.operations {
        DocumentOperations::Single(operation) => {
            settle_set(&mut operation.node.selection_set.node, steps)?;
        }
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                settle_set(&mut operation.node.selection_set.node, steps)?;
            }
        }
    }
    for fragment in document.fragments.values_mut() {
        settle_set(&mut fragment.node.selection_set.node, steps)?;
    }
    Ok(())
}

fn settle_set(set: &mut SelectionSet, steps: &mut usize) -> Result<(), ApiError> {
    for selection in &mut set.items {
        *steps += 1;
        let pos = selection.pos;
        match &mut selection.node {
            Selection::Field(field) if field.node.name.node == "__typename" => {
                if !field.node.arguments.is_empty()
                    || !field.node.selection_set.node.items.is_empty()
                {
                    return Err(ApiError::new(
                        ErrorCode::GraphqlValidationFailed,
                        "`__typename` has no arguments and nothing to select.",
                    ));
                }
                if field.node.directives.is_empty() {
                    continue;
                }
                let directives = std::mem::take(&mut field.node.directives);
                let field = Positioned::new(Selection::Field(field.clone()), pos);
                let around = InlineFragment {
                    type_condition: None,
                    directives,
                    selection_set: Positioned::new(SelectionSet { items: vec![field] }, pos),
                };
                selection.node = Selection::InlineFragment(Positioned::new(around, pos));
            }
            Selection::Field(field) => settle_set(&mut field.node.selection_set.node, steps)?,
            Selection::InlineFragment(fragment) => {
                settle_set(&mut fragment.node.selection_set.node, steps)?;
            }
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}
