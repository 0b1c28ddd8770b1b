//! The guard by itself. How a client meets it is in `tests/it/`.

mod bombs;
mod numbers;
mod random;
mod rules;
mod scans;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Limits, Params, Types, check_counting};
use crate::settings::Settings;

/// A schema with one of everything. What it does not name, the guard leaves to the library.
const SDL: &str = "
    directive @include(if: Boolean!) on FIELD
    directive @skip(if: Boolean!) on FIELD
    scalar DateTime
    scalar Date
    scalar A
    enum Word { ONE TWO }
    input Input {
        title: String!
        when: DateTime
        day: Date
        word: Word
        words: [Word!]
        number: Int
        ratio: Float
        on: Boolean
        id: ID
        inside: Input
        many: [Input!]
        matrix: [[Int!]]
        size: Int! = 3
    }
    input Either @oneOf { number: Int text: String }
    interface Node { id: ID! }
    type T implements Node { id: ID! child(input: Input): T }
    type U implements Node { id: ID! }
    type Query { node: Node list(first: Int): T known(input: Input, either: Either, words: [Word!], number: Int): T }
    type Mutation { known(input: Input!): T }
    type Subscription { event(input: Input): T }
    schema { query: Query mutation: Mutation subscription: Subscription }";

fn limits() -> Limits {
    let settings = Settings::load(None, &BTreeMap::new(), &std::env::temp_dir()).unwrap();
    Limits {
        settings: settings.graphql,
        auth_fields: &["login", "register"],
        list_fields: &["list"],
        by_id_fields: &["nodes"],
        scans: &["total", "seek"],
        introspection: true,
        types: Arc::new(Types::read(SDL).unwrap()),
        known: Arc::default(),
    }
}

fn params(query: &str, variables: serde_json::Value) -> Params {
    Params {
        query: Some(query.to_owned()),
        variables: match variables {
            serde_json::Value::Object(variables) => Some(variables),
            _ => None,
        },
        ..Params::default()
    }
}

/// The code and the message; none when it passes.
fn refusal(query: &str) -> Option<String> {
    refusal_of(params(query, serde_json::Value::Null))
}

fn refusal_of(params: Params) -> Option<String> {
    refusal_by(&limits(), params)
}

fn refusal_by(limits: &Limits, params: Params) -> Option<String> {
    counted(limits, params).0
}

/// The refusal, and how much was looked at to find it.
fn counted(limits: &Limits, params: Params) -> (Option<String>, usize) {
    let mut steps = 0;
    let refused = check_counting(limits, params, &mut steps).err();
    let text = refused.map(|error| {
        let error = async_graphql::Error::from(error);
        let code = error.extensions.unwrap().get("code").cloned();
        let Some(async_graphql::Value::String(code)) = code else {
            panic!("a refusal without a code: {}", error.message);
        };
        format!("{code}: {}", error.message)
    });
    (text, steps)
}

/// That it is refused with this code, in words that contain these.
fn refuses(query: &str, code: &str, words: &str) {
    let refused = refusal(query).unwrap_or_else(|| panic!("it passes: {query}"));
    assert!(
        refused.starts_with(code) && refused.contains(words),
        "{refused}: {query}"
    );
}
