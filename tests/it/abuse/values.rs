//! Variables, and bodies that are no request.

use serde_json::json;

use super::{
    COMPLEX, Embedded, INVALID, Socket, TestApp, abuse, all_are_refused, body, is_served, many,
    nested,
};

const TASKS: &str = "query Q($f: TaskFilter) { tasks(filter: $f) { totalCount } }";

#[tokio::test]
async fn variables_made_to_harm_are_refused_and_the_next_one_is_served() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let lists = (0..60).fold(json!(1), |inner, _| json!([inner]));
    let filters = (0..29).fold(json!({}), |inner, _| json!({"not": inner}));
    let more = (0..33).fold(json!({}), |inner, _| json!({"not": inner}));
    let uses = many(15, |_| "...F ".to_owned());
    all_are_refused(
        &app,
        &ada,
        vec![
            abuse("60 lists", TASKS, COMPLEX).with(json!({"f": lists})),
            abuse("60 lists of nobody", "{ __typename }", COMPLEX).with(json!({"f": lists})),
            abuse("33 filters", TASKS, COMPLEX).with(json!({"f": more})),
            abuse("29 filters and a word", TASKS, INVALID)
                .with(json!({"f": {"not": filters, "and": "x"}})),
            abuse("90,000 bytes", TASKS, COMPLEX).with(json!({"f": "x".repeat(90_000)})),
            abuse("a long key", TASKS, COMPLEX).with(json!({"x".repeat(66_000): 1})),
            abuse("an unknown long key", TASKS, INVALID)
                .with(json!({"f": {"x".repeat(50_000): 1}})),
            abuse("20,000 numbers", TASKS, COMPLEX).with(json!({"f": vec![1; 20_000]})),
            abuse("10,000 numbers", TASKS, INVALID).with(json!({"f": vec![1; 10_000]})),
            abuse("5,000 objects", TASKS, INVALID)
                .with(json!({"f": {"or": vec![json!({"x": 1}); 5_000]}})),
            // Every use makes each item of the value anew.
            abuse(
                "many small filters used again and again",
                format!(
                    "query Q($f: TaskFilter) {{ {} }}",
                    many(20, |n| format!("a{n}: tasks(filter: $f) {{ totalCount }} "))
                ),
                COMPLEX,
            )
            .with(json!({"f": {"or": vec![json!({}); 21_000]}})),
            // Every use copies the value.
            abuse(
                "a large value used again and again",
                format!(
                    "query Q($s: String) {{ {uses} }} fragment F on Query {{ {} }}",
                    "users(search: $s) { totalCount } ".repeat(15)
                ),
                COMPLEX,
            )
            .with(json!({"s": "x".repeat(50_000)})),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_and_the_next_one_is_served() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let one = r#"{"query":"{ __typename }"}"#;
    let bodies: Vec<(&str, Vec<u8>, u16)> = vec![
        (
            "a batch",
            format!("[{}]", vec![one; 1_000].join(",")).into(),
            400,
        ),
        ("a batch of one", format!("[{one}]").into(), 400),
        (
            "a batch in a batch",
            nested(50_000, "[", "", "]").into(),
            400,
        ),
        (
            "an object of objects",
            nested(10_000, "{\"a\":", "1", "}").into(),
            400,
        ),
        (
            "deep variables",
            format!(
                r#"{{"query":"{{ __typename }}","variables":{{"a":{}}}}}"#,
                nested(40_000, "[", "", "]")
            )
            .into(),
            400,
        ),
        (
            "deep extensions",
            format!(
                r#"{{"query":"{{ __typename }}","extensions":{{"a":{}}}}}"#,
                nested(40_000, "[", "", "]")
            )
            .into(),
            400,
        ),
        (
            "deep and unknown",
            format!(
                r#"{{"query":"{{ __typename }}","other":{}}}"#,
                nested(40_000, "[", "", "]")
            )
            .into(),
            400,
        ),
        (
            "a number out of all range",
            r#"{"query":"{ __typename }","variables":{"a":1e400}}"#.into(),
            400,
        ),
        ("no UTF-8", b"{\"query\":\"\xff\xfe\"}".to_vec(), 400),
        ("a mark in front", format!("\u{feff}{one}").into(), 400),
        ("a zero", b"\0".to_vec(), 400),
        ("nothing", Vec::new(), 400),
        ("a query that is none", r#"{"query":{"a":1}}"#.into(), 400),
        (
            "variables that are none",
            r#"{"query":"{ __typename }","variables":[1]}"#.into(),
            400,
        ),
        (
            "a megabyte",
            format!(
                r#"{{"query":"{{ __typename }}","variables":{{"a":"{}"}}}}"#,
                "x".repeat(1_000_000)
            )
            .into(),
            413,
        ),
    ];
    for (what, bytes, status) in bodies {
        let reply = body(&ada, bytes).await;
        assert_eq!(reply.status, status, "{what}: {:#}", reply.body);
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{what}: {:#}", reply.body);
        assert!(reply.body.get("data").is_none(), "{what}");
    }
    is_served(&ada).await;
}

#[tokio::test]
async fn a_message_that_is_no_message_ends_its_own_socket_only() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let address = app.listen().await;
    let token = ada.token.as_deref().unwrap();
    let mut neighbour = Socket::signed_in(address, token).await;
    let subscribe = |inside: &str| {
        format!(
            r#"{{"id":"1","type":"subscribe","payload":{{"query":"{{ __typename }}",{inside}}}}}"#
        )
    };
    for (what, text) in [
        ("lists", nested(30_000, "[", "", "]")),
        ("objects", nested(10_000, "{\"a\":", "1", "}")),
        (
            "deep variables",
            subscribe(&format!(
                r#""variables":{{"a":{}}}"#,
                nested(30_000, "[", "", "]")
            )),
        ),
        (
            "a number out of all range",
            subscribe(r#""variables":{"a":1e400}"#),
        ),
        (
            "a batch",
            format!("[{}]", vec![subscribe(r#""variables":{}"#); 100].join(",")),
        ),
    ] {
        let mut socket = Socket::signed_in(address, token).await;
        socket.send_text(&text).await;
        assert_eq!(socket.close_code().await, 4400, "{what}");
    }
    neighbour
        .subscribe("1", "{ viewer { user { id } } }", json!({}))
        .await;
    assert_eq!(neighbour.event("1").await["viewer"]["user"]["id"], ada.id);
    is_served(&ada).await;
}
