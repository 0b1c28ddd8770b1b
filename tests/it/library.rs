//! What this server needs of the GraphQL library, whichever version it is. The first three tests
//! decide whether a version is good enough; the rest is how our errors pass through it.

#![expect(
    clippy::unused_async,
    reason = "a field of the library's is asynchronous, even one that does nothing"
)]

use std::fmt::Display;

use async_graphql::{
    EmptyMutation, EmptySubscription, InputObject, MaybeUndefined, Object, Request, Response,
    Schema, Variables,
};
use sea_orm::DbErr;
use serde_json::{Value, json};
use taskflow::db::DbError;
use taskflow::graphql::{ApiError, ErrorCode};

/// What the drivers say, and nobody outside may read.
const DRIVER_TEXT: &str = "relation \"tasks\" does not exist";

struct Query;

/// A node whose name always fails.
struct Nameless;

/// What the optional argument of a partial update can be.
#[derive(InputObject)]
struct Update {
    title: MaybeUndefined<String>,
}

fn word(title: &MaybeUndefined<String>) -> String {
    match title {
        MaybeUndefined::Undefined => "undefined".to_owned(),
        MaybeUndefined::Null => "null".to_owned(),
        MaybeUndefined::Value(text) => format!("value {text}"),
    }
}

fn refused() -> Result<i32, ApiError> {
    Err(ApiError::new(
        ErrorCode::NotFound,
        "There is no such thing.",
    ))
}

fn from_the_database() -> Result<i32, DbError> {
    Err(DbErr::Custom(DRIVER_TEXT.to_owned()).into())
}

#[Object]
impl Nameless {
    async fn name(&self) -> Result<String, ApiError> {
        Err(ApiError::new(ErrorCode::Forbidden, "It has no name."))
    }

    async fn number(&self) -> i32 {
        7
    }

    /// Cannot be null.
    async fn child(&self) -> Self {
        Self
    }

    async fn nullable_child(&self) -> Option<Self> {
        Some(Self)
    }

    async fn nullable_children(&self) -> Vec<Option<Self>> {
        vec![Some(Self), Some(Self)]
    }

    async fn children(&self) -> Option<Vec<Self>> {
        Some(vec![Self, Self])
    }
}

#[Object]
impl Query {
    async fn parent(&self) -> Option<Nameless> {
        Some(Nameless)
    }

    async fn required_parent(&self) -> Nameless {
        Nameless
    }

    async fn quick(&self) -> i32 {
        1
    }

    /// Is ready after the fields behind it.
    async fn slow(&self) -> i32 {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        2
    }

    async fn argument(&self, title: MaybeUndefined<String>) -> String {
        word(&title)
    }

    async fn input(&self, input: Update) -> String {
        word(&input.title)
    }

    async fn passed_on(&self) -> Result<i32, ApiError> {
        Ok(refused()? + 1)
    }

    async fn passed_on_as_the_librarys(&self) -> async_graphql::Result<i32> {
        Ok(refused()? + 1)
    }

    async fn driver(&self) -> Result<i32, ApiError> {
        Ok(from_the_database()? + 1)
    }

    async fn may_fail_alone(&self) -> Option<Result<i32, ApiError>> {
        Some(refused())
    }

    async fn is_not_there(&self) -> Option<Result<i32, ApiError>> {
        None
    }
}

async fn run(request: impl Into<Request>) -> Response {
    Schema::new(Query, EmptyMutation, EmptySubscription)
        .execute(request)
        .await
}

/// What a query answers, as clients see it.
async fn answer(query: &str) -> Value {
    serde_json::to_value(run(query).await).unwrap()
}

fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

#[tokio::test]
async fn a_failing_field_that_cannot_be_null_makes_its_nearest_nullable_ancestor_null() {
    let cases = [
        (
            "{ parent { child { name } } quick }",
            json!({"parent": null, "quick": 1}),
        ),
        (
            "{ parent { nullableChild { name } number } quick }",
            json!({"parent": {"nullableChild": null, "number": 7}, "quick": 1}),
        ),
        (
            "{ parent { nullableChildren { number name } } }",
            json!({"parent": {"nullableChildren": [null, null]}}),
        ),
        (
            "{ parent { children { name } number } }",
            json!({"parent": {"children": null, "number": 7}}),
        ),
        ("{ quick requiredParent { child { name } } }", Value::Null),
    ];
    for (query, data) in cases {
        let answer = answer(query).await;
        assert_eq!(answer["data"], data, "{query}");
        assert_eq!(code(&answer), "FORBIDDEN", "{query}: {answer:#}");
    }
    let answer = answer("{ parent { child { name } } }").await;
    assert_eq!(
        answer["errors"][0]["path"],
        json!(["parent", "child", "name"])
    );
}

#[tokio::test]
async fn response_keys_come_in_the_order_of_the_selection() {
    let query = "{ slow z: quick ...F a: quick parent { number b: number } ... { m: quick } quick }
                 fragment F on Query { y: slow c: quick parent { nullableChild { number } } }";
    let response = run(query).await;
    // As text: a parsed object is sorted by its keys.
    let text = serde_json::to_string(&response.data).unwrap();
    assert_eq!(
        text,
        r#"{"slow":2,"z":1,"y":2,"c":1,"parent":{"nullableChild":{"number":7},"number":7,"b":7},"a":1,"m":1,"quick":1}"#
    );
}

#[tokio::test]
async fn an_omitted_variable_behind_a_maybe_undefined_stays_undefined() {
    let cases = [
        (json!({}), "undefined"),
        (json!({"title": null}), "null"),
        (json!({"title": "new"}), "value new"),
    ];
    for (variables, wanted) in cases {
        let query = "query Q($title: String) {
                       argument(title: $title) input(input: {title: $title}) }";
        let request = Request::new(query).variables(Variables::from_json(variables.clone()));
        let answer = serde_json::to_value(run(request).await).unwrap();
        assert_eq!(
            answer["data"],
            json!({"argument": wanted, "input": wanted}),
            "{variables}: {answer:#}"
        );
        // The same when the whole input is the variable.
        let query = "query Q($input: Update!) { input(input: $input) }";
        let input = json!({"input": variables});
        let request = Request::new(query).variables(Variables::from_json(input));
        let answer = serde_json::to_value(run(request).await).unwrap();
        assert_eq!(answer["data"]["input"], wanted, "{variables}: {answer:#}");
    }
    let answer = answer("{ argument input(input: {}) null: input(input: {title: null}) }").await;
    assert_eq!(
        answer["data"],
        json!({"argument": "undefined", "input": "undefined", "null": "null"})
    );
}

#[tokio::test]
async fn our_error_keeps_its_code_and_its_sentence_through_a_question_mark() {
    for field in ["passedOn", "passedOnAsTheLibrarys"] {
        let answer = answer(&format!("{{ {field} }}")).await;
        assert_eq!(code(&answer), "NOT_FOUND", "{answer:#}");
        assert_eq!(answer["errors"][0]["message"], "There is no such thing.");
        assert_eq!(answer["errors"][0]["path"], json!([field]));
    }
}

#[tokio::test]
async fn an_error_of_the_database_behind_a_bare_question_mark_tells_nothing() {
    let answer = answer("{ driver }").await;
    assert_eq!(code(&answer), "INTERNAL_SERVER_ERROR");
    let text = answer.to_string();
    for secret in ["relation", "tasks", "exist", "Custom", "DbErr"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Were it to have one, the library would turn it into an error without a code by itself. The line
/// below does not compile then, since both implementations apply.
#[test]
fn our_error_has_no_display() {
    trait Ambiguous<Which> {
        fn is_clear() -> bool {
            true
        }
    }
    impl<T> Ambiguous<()> for T {}
    impl<T: Display> Ambiguous<u8> for T {}
    assert!(<ApiError as Ambiguous<_>>::is_clear());
}

#[tokio::test]
async fn a_nullable_field_that_fails_leaves_its_siblings_alone() {
    let answer = answer("{ quick mayFailAlone isNotThere slow }").await;
    assert_eq!(
        answer["data"],
        json!({"quick": 1, "mayFailAlone": null, "isNotThere": null, "slow": 2})
    );
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer:#}");
    assert_eq!(errors[0]["path"], json!(["mayFailAlone"]));
    assert_eq!(code(&answer), "NOT_FOUND");
}
