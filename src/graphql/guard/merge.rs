//! Fields with the same response key are one field. The library runs each and lays the answers over
//! each other, so the guard says how often a key may stand, and that its fields are the same.
//!
//! This writes the document out. It is called when the selections are counted and few, and takes
//! each of them up once.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};

use super::types::Types;
use super::{Limits, clip, too_complex};
use crate::graphql::{ApiError, ErrorCode};

/// The fields of one response key.
#[derive(Default)]
struct Group<'a> {
    count: usize,
    /// The first that may be of any type.
    general: Option<&'a Field>,
    /// The first of each object: two objects may have different fields under one key.
    special: Vec<(&'a str, &'a Field)>,
    /// What is selected of the fields, and of which object's.
    sets: Vec<Part<'a>>,
}

/// A selection set, and the object it is of, when it is of one only.
#[derive(Clone, Copy)]
struct Part<'a> {
    on: Option<&'a str>,
    set: &'a SelectionSet,
}

/// Checks all operations, and with them all fragments, since none is unused.
pub fn check(
    document: &ExecutableDocument,
    limits: &Limits,
    steps: &mut usize,
) -> Result<(), ApiError> {
    let mut merge = Merge {
        document,
        types: &limits.types,
        most: limits.settings.max_repeats,
        steps,
    };
    for (_, operation) in document.operations.iter() {
        let set = &operation.node.selection_set.node;
        merge.sets(vec![Part { on: None, set }])?;
    }
    Ok(())
}

struct Merge<'a, 's> {
    document: &'a ExecutableDocument,
    types: &'a Types,
    most: usize,
    steps: &'s mut usize,
}

impl<'a> Merge<'a, '_> {
    /// Sets that are one by the specification.
    fn sets(&mut self, parts: Vec<Part<'a>>) -> Result<(), ApiError> {
        let mut groups = HashMap::new();
        for part in parts {
            // Whose set it was mattered where it stood; inside, types begin anew.
            self.collect(Part { on: None, ..part }, &mut groups)?;
        }
        for group in groups.into_values() {
            for parts in Self::apart(group) {
                self.sets(parts)?;
            }
        }
        Ok(())
    }

    /// The sets of a group that are one: all, unless each is of an object of its own.
    fn apart(group: Group<'a>) -> Vec<Vec<Part<'a>>> {
        if group.general.is_some() || group.special.len() < 2 {
            return vec![group.sets];
        }
        let mut apart: HashMap<_, Vec<_>> = HashMap::new();
        for part in group.sets {
            apart.entry(part.on).or_default().push(part);
        }
        apart.into_values().collect()
    }

    fn collect(
        &mut self,
        part: Part<'a>,
        groups: &mut HashMap<&'a str, Group<'a>>,
    ) -> Result<(), ApiError> {
        for selection in &part.set.items {
            *self.steps += 1;
            match &selection.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    let group = groups.entry(key).or_default();
                    group.count += 1;
                    if group.count > self.most {
                        return Err(too_complex(
                            "repetitions of one response key in a selection set",
                            self.most,
                        ));
                    }
                    if !group.takes(&field.node, part.on, self.steps) {
                        return Err(differing(key));
                    }
                    let set = &field.node.selection_set.node;
                    if !set.items.is_empty() {
                        group.sets.push(Part { on: part.on, set });
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map(|condition| condition.node.on.node.as_str());
                    let set = &fragment.node.selection_set.node;
                    self.collect(self.narrowed(part, on, set), groups)?;
                }
                Selection::FragmentSpread(spread) => {
                    // It is there: the document was counted.
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name) {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        let set = &fragment.node.selection_set.node;
                        self.collect(self.narrowed(part, Some(on), set), groups)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The set of a fragment: only the condition on an object tells it from its neighbours.
    fn narrowed(&self, part: Part<'a>, on: Option<&'a str>, set: &'a SelectionSet) -> Part<'a> {
        let on = on.filter(|name| self.types.is_object(name)).or(part.on);
        Part { on, set }
    }
}

impl<'a> Group<'a> {
    /// Takes a field in, if it is the same as those that may stand for the same object.
    fn takes(&mut self, field: &'a Field, on: Option<&'a str>, steps: &mut usize) -> bool {
        if let Some(general) = self.general {
            return same(general, field, steps);
        }
        let Some(on) = on else {
            self.general = Some(field);
            let mut special = self.special.iter();
            return special.all(|(_, special)| same(special, field, steps));
        };
        if let Some((_, special)) = self.special.iter().find(|(known, _)| *known == on) {
            return same(special, field, steps);
        }
        self.special.push((on, field));
        true
    }
}

/// Whether two fields are one: the same name and the same arguments, in whatever order.
fn same(a: &Field, b: &Field, steps: &mut usize) -> bool {
    if std::ptr::eq(a, b) {
        return true;
    }
    *steps += 1;
    if a.name.node != b.name.node || a.arguments.len() != b.arguments.len() {
        return false;
    }
    *steps += a.arguments.len();
    let of_a: HashMap<_, _> = a
        .arguments
        .iter()
        .map(|(name, value)| (&name.node, &value.node))
        .collect();
    b.arguments
        .iter()
        .all(|(name, value)| of_a.get(&name.node) == Some(&&value.node))
}

fn differing(key: &str) -> ApiError {
    ApiError::new(
        ErrorCode::GraphqlValidationFailed,
        format!(
            "`{}` stands for different fields, or for one with different arguments. Give one of them an alias.",
            clip(key)
        ),
    )
}
