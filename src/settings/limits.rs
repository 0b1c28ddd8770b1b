//! `[graphql]` and `[websocket]`: what one operation and one socket may cost.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::{at_least, between};

/// The section `[graphql]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GraphqlSettings {
    /// Whether `GraphiQL` is served; [`super::Settings::graphiql`] knows the default.
    pub graphiql: Option<bool>,
    /// Whether clients may ask for the schema; [`super::Settings::introspection`] knows the default.
    pub introspection: Option<bool>,
    /// The longest document, in bytes.
    pub max_document_bytes: usize,
    /// The most tokens of a document.
    pub max_tokens: usize,
    /// The deepest nesting of brackets.
    pub max_nesting: usize,
    /// The largest variables, in bytes.
    pub max_variables_bytes: usize,
    /// The deepest nesting of the variables.
    pub max_variables_depth: usize,
    /// The most selected fields, fragments spread out.
    pub max_selections: usize,
    /// The deepest selection, at most 25.
    pub max_depth: usize,
    /// The most aliases.
    pub max_aliases: usize,
    /// The most directives.
    pub max_directives: usize,
    /// The most fields at the root.
    pub max_root_fields: usize,
    /// How often a response key may stand in one selection set, after merging.
    pub max_repeats: usize,
    /// The most operations of a document.
    pub max_operations: usize,
    /// The most objects an operation may ask for: a list costs its page size times what each item costs.
    pub max_cost: usize,
    /// The deepest selection of an introspection.
    pub max_introspection_depth: usize,
    /// The most selected fields of an introspection.
    pub max_introspection_selections: usize,
    /// The most lists of an introspection inside each other.
    pub max_introspection_lists: usize,
    /// The largest answer, in bytes.
    pub max_answer_bytes: usize,
    /// The most operations of a batch; 0 takes no batches.
    pub max_batch: usize,
}

/// What the stacks of the threads have room for, with as much again to spare (`src/main.rs`).
const MOST_DEPTH: usize = 25;

impl GraphqlSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        let numbers = [
            ("graphql.max_document_bytes", self.max_document_bytes),
            ("graphql.max_tokens", self.max_tokens),
            ("graphql.max_variables_bytes", self.max_variables_bytes),
            ("graphql.max_selections", self.max_selections),
            ("graphql.max_aliases", self.max_aliases),
            ("graphql.max_directives", self.max_directives),
            ("graphql.max_root_fields", self.max_root_fields),
            ("graphql.max_repeats", self.max_repeats),
            ("graphql.max_operations", self.max_operations),
            ("graphql.max_cost", self.max_cost),
            (
                "graphql.max_introspection_depth",
                self.max_introspection_depth,
            ),
            (
                "graphql.max_introspection_selections",
                self.max_introspection_selections,
            ),
            (
                "graphql.max_introspection_lists",
                self.max_introspection_lists,
            ),
        ];
        for (name, number) in numbers {
            at_least(errors, name, number, 1);
        }
        between(errors, "graphql.max_depth", self.max_depth, 1, MOST_DEPTH);
        at_least(
            errors,
            "graphql.max_answer_bytes",
            self.max_answer_bytes,
            1_024,
        );
        // The parsers' own ends: of documents at 64, of JSON at 127 with the request around it.
        between(
            errors,
            "graphql.max_variables_depth",
            self.max_variables_depth,
            1,
            120,
        );
        between(errors, "graphql.max_nesting", self.max_nesting, 1, 64);
        between(errors, "graphql.max_batch", self.max_batch, 0, 10);
    }
}

/// The section `[websocket]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebsocketSettings {
    /// How long a new socket has for `connection_init`, in seconds.
    pub init_timeout_seconds: u64,
    /// How often a socket is pinged, in seconds.
    pub ping_interval_seconds: u64,
    /// How long to wait for the answer to a ping, in seconds.
    pub pong_timeout_seconds: u64,
    /// The largest message from a client, in bytes.
    pub max_message_bytes: usize,
    /// The most operations running on one socket.
    pub max_operations: usize,
    /// The most messages a second from one socket; more are read later.
    pub max_messages_per_second: u32,
    /// The most sockets and subscriptions over HTTP at once, in this process.
    pub max_sockets: usize,
    /// The same of one signed-in person.
    pub max_sockets_per_user: usize,
    /// The same of one address, of those that are not signed in.
    pub max_sockets_per_address: usize,
    /// A client that takes nothing for this many seconds is closed.
    pub queue_timeout_seconds: u64,
}

impl WebsocketSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        at_least(
            errors,
            "websocket.init_timeout_seconds",
            self.init_timeout_seconds,
            1,
        );
        at_least(
            errors,
            "websocket.ping_interval_seconds",
            self.ping_interval_seconds,
            1,
        );
        at_least(
            errors,
            "websocket.pong_timeout_seconds",
            self.pong_timeout_seconds,
            1,
        );
        at_least(
            errors,
            "websocket.max_message_bytes",
            self.max_message_bytes,
            1,
        );
        at_least(errors, "websocket.max_operations", self.max_operations, 1);
        between(
            errors,
            "websocket.max_messages_per_second",
            self.max_messages_per_second,
            1,
            1_000_000,
        );
        at_least(errors, "websocket.max_sockets", self.max_sockets, 1);
        at_least(
            errors,
            "websocket.max_sockets_per_user",
            self.max_sockets_per_user,
            1,
        );
        at_least(
            errors,
            "websocket.max_sockets_per_address",
            self.max_sockets_per_address,
            1,
        );
        at_least(
            errors,
            "websocket.queue_timeout_seconds",
            self.queue_timeout_seconds,
            1,
        );
    }
}
