//! The values and variables that stand in the document itself, compared with the places they stand
//! at.

use std::collections::HashSet;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;

use super::coerce::{Check, Given, Scope};
use super::types::{Definition, Inputs, Types};
use crate::graphql::ApiError;

/// Checks the whole document. Variables are compared where the chosen operation uses them; those of
/// the others have no values.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` for the first value that does not fit.
pub fn check(
    document: &ExecutableDocument,
    chosen: &OperationDefinition,
    types: &Types,
    scope: &Scope<'_>,
    steps: &mut usize,
) -> Result<(), ApiError> {
    let mut walk = Walk {
        document,
        types,
        scope: Some(scope),
        seen: HashSet::new(),
        steps,
    };
    walk.operation(chosen)?;
    // What only others reach.
    walk.scope = None;
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        if !std::ptr::eq(operation, chosen) {
            walk.operation(operation)?;
        }
    }
    Ok(())
}

struct Walk<'a, 's> {
    document: &'a ExecutableDocument,
    types: &'a Types,
    scope: Option<&'a Scope<'a>>,
    seen: HashSet<&'a str>,
    steps: &'s mut usize,
}

impl<'a> Walk<'a, '_> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<(), ApiError> {
        self.directives(&operation.directives)?;
        let root = self.types.root(operation.ty);
        self.set(&operation.selection_set.node, root)
    }

    /// A selection set of a type. What the schema does not know, the library refuses.
    fn set(&mut self, set: &'a SelectionSet, on: Option<&'a str>) -> Result<(), ApiError> {
        for selection in &set.items {
            *self.steps += 1;
            self.directives(selection.node.directives())?;
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, on)?,
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |on| Some(on.node.on.node.as_str()));
                    self.set(&fragment.node.selection_set.node, on)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    // Each once: it is the same wherever it is spread.
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.seen.insert(name.as_str())
                    {
                        self.directives(&fragment.node.directives)?;
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.set(&fragment.node.selection_set.node, Some(on))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, on: Option<&str>) -> Result<(), ApiError> {
        let known = match on.and_then(|name| self.types.get(name)) {
            Some(Definition::Output { fields, .. }) => fields.get(field.name.node.as_str()),
            _ => None,
        };
        if let Some(known) = known {
            self.arguments(&field.name.node, &field.arguments, &known.arguments)?;
        }
        let inside = known.map(|known| known.type_name.as_str());
        self.set(&field.selection_set.node, inside)
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), ApiError> {
        for directive in directives {
            let directive = &directive.node;
            if let Some(inputs) = self.types.directive(&directive.name.node) {
                let name = format!("@{}", directive.name.node);
                self.arguments(&name, &directive.arguments, inputs)?;
            }
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        of: &str,
        arguments: &[(Positioned<Name>, Positioned<Value>)],
        inputs: &Inputs,
    ) -> Result<(), ApiError> {
        for (name, value) in arguments {
            if let Some(input) = inputs.get(name.node.as_str()) {
                let path = format!("{of}({})", name.node);
                Check::of_argument(self.types, self.scope, path, self.steps)
                    .input(input, Given::Literal(&value.node))?;
            }
        }
        Ok(())
    }
}
