//! The lists of names here fit the schema.

use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

use super::{builder, types};

#[test]
fn every_field_that_answers_a_list_costs_its_page() {
    let document = async_graphql::parser::parse_schema(super::sdl()).unwrap();
    let mut lists = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(ty) = definition else {
            continue;
        };
        let fields = match ty.node.kind {
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            _ => continue,
        };
        for field in fields {
            let name = field.node.ty.to_string();
            if name.trim_end_matches('!').ends_with("Connection") {
                lists.push(field.node.name.to_string());
            }
        }
    }
    lists.sort_unstable();
    lists.dedup();
    assert_eq!(lists, super::names::LIST_FIELDS);
}

#[test]
fn the_guard_knows_every_scalar() {
    assert_eq!(types(&builder().finish()).unknown_scalars(), [""; 0]);
}
