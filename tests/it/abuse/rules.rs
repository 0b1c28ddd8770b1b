//! Documents that break a rule of the guard that is no number.

use serde_json::json;

use super::{Abuse, COMPLEX, Embedded, INVALID, TestApp, abuse, all_are_refused, nested};

fn introspections() -> Vec<Abuse> {
    let circle = nested(6, "{ fields { type ", "{ name }", "} }");
    let of_types = nested(20, "{ ofType ", "{ name }", "}");
    vec![
        abuse(
            "types of fields of types",
            format!("{{ __schema {{ types {circle} }} }}"),
            COMPLEX,
        ),
        abuse(
            "a type of a type of a type",
            format!("{{ __type(name: \"Task\") {of_types} }}"),
            COMPLEX,
        ),
        abuse(
            "possible types of possible types",
            "{ __type(name: \"Node\") { possibleTypes { interfaces { possibleTypes { name } } } } }",
            COMPLEX,
        ),
        abuse(
            "the schema again and again",
            format!(
                "{{ {} }}",
                "__schema { types { name description } } ".repeat(21)
            ),
            COMPLEX,
        ),
        abuse(
            "an introspection elsewhere",
            "{ viewer { __schema { types { name } } } }",
            INVALID,
        ),
    ]
}

fn roots() -> Vec<Abuse> {
    vec![
        abuse(
            "a subscription of nothing",
            "subscription { __typename }",
            INVALID,
        ),
        abuse(
            "a subscription of two",
            "subscription { a: taskAssigned { cursor } b: taskAssigned { cursor } }",
            INVALID,
        ),
        abuse(
            "a subscription of a fragment of two",
            "subscription { ...F } fragment F on Subscription { a: taskAssigned { cursor } b: taskAssigned { cursor } }",
            INVALID,
        ),
        abuse(
            "a subscription under a condition",
            "subscription { taskAssigned @skip(if: true) { cursor } }",
            INVALID,
        ),
        abuse(
            "a subscription that is not included",
            "subscription S($x: Boolean!) { ... @include(if: $x) { taskAssigned { cursor } } }",
            INVALID,
        )
        .with(json!({"x": false})),
        abuse(
            "a subscription to the schema",
            "subscription { __schema { types { name } } }",
            INVALID,
        ),
        abuse(
            "a mutation twice",
            "mutation { logout { endedSessions } logout { endedSessions } }",
            INVALID,
        ),
        abuse(
            "two people at once",
            "mutation { a: login(input: {identifier: \"a\", password: \"b\"}) { accessToken } b: login(input: {identifier: \"a\", password: \"c\"}) { accessToken } }",
            COMPLEX,
        ),
        abuse("a typename with arguments", "{ __typename(a: 1) }", INVALID),
        abuse("a typename of something", "{ __typename { x } }", INVALID),
        abuse(
            "a typename under an unknown condition",
            "{ __typename @include(if: $x) }",
            INVALID,
        ),
    ]
}

#[tokio::test]
async fn documents_against_the_rules_are_refused_and_the_next_one_is_served() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    for group in [introspections(), roots()] {
        all_are_refused(&app, &ada, group).await;
    }
}

#[tokio::test]
async fn a_condition_on_typename_holds() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let query = "query Q($x: Boolean!, $y: Boolean = true) {
        a: __typename @include(if: $x)
        b: __typename @skip(if: $x)
        c: __typename @skip(if: $y)
        viewer { d: __typename @include(if: $y) ... @skip(if: $y) { e: __typename } user { id @include(if: $x) __typename } } }";
    for (x, wanted) in [
        (
            true,
            json!({"a": "Query", "viewer": {"d": "Viewer", "user": {"id": ada.id, "__typename": "User"}}}),
        ),
        (
            false,
            json!({"b": "Query", "viewer": {"d": "Viewer", "user": {"__typename": "User"}}}),
        ),
    ] {
        let reply = ada.graphql(query, json!({"x": x})).await;
        assert_eq!(reply.data(), &wanted);
    }
    let all = "query Q($x: Boolean!) { viewer { user { id @include(if: $x) } } }";
    let reply = ada.graphql(all, json!({"x": false})).await;
    assert_eq!(reply.data(), &json!({"viewer": {"user": {}}}));
}

#[tokio::test]
async fn introspection_that_is_off_is_an_error_and_not_a_null() {
    let app = TestApp::with(Embedded, &[("TASKFLOW_GRAPHQL__INTROSPECTION", "false")]).await;
    let ada = app.person("ada").await;
    let refused = vec![
        abuse("the schema", "{ __schema { types { name } } }", INVALID),
        abuse(
            "a type",
            "{ viewer { user { id } } t: __type(name: \"Task\") { name } }",
            INVALID,
        ),
        abuse(
            "a fragment of it",
            "{ ...F } fragment F on Query { __schema { types { name } } }",
            INVALID,
        ),
    ];
    for abuse in &refused {
        let reply = ada.graphql(&abuse.query, json!({})).await;
        assert_eq!(
            reply.body["errors"][0]["message"],
            "Introspection is off on this server."
        );
    }
    all_are_refused(&app, &ada, refused).await;
    let reply = ada
        .graphql("{ __typename viewer { __typename } }", json!({}))
        .await;
    assert_eq!(
        reply.data(),
        &json!({"__typename": "Query", "viewer": {"__typename": "Viewer"}})
    );
}
