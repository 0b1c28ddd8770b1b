//! GraphQL over HTTP. What needs no database runs embedded only: the router is the same.

mod limits;
mod served;

use axum::body::Body;
use axum::http::{Request, StatusCode, header, request};
use rstest::rstest;
use serde_json::json;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Reply, TestApp};

const JSON: &str = "application/json";
const RESPONSE: &str = "application/graphql-response+json";
const TYPENAME: &str = r#"{"query":"{ __typename }"}"#;

fn post() -> request::Builder {
    Request::post("/graphql").header(header::CONTENT_TYPE, JSON)
}

impl TestApp {
    async fn ask(&self, request: request::Builder, body: impl Into<Body>) -> Reply {
        let request = request.body(body.into()).expect("a request");
        self.anybody().send(request).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Request::get(path), "").await
    }

    /// A query by GET, with more parameters.
    async fn get_query(&self, query: &str, more: &[(&str, &str)]) -> Reply {
        let mut parameters = url::form_urlencoded::Serializer::new(String::new());
        parameters.append_pair("query", query).extend_pairs(more);
        self.get(&format!("/graphql?{}", parameters.finish())).await
    }

    async fn tasks(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM tasks").await
    }
}

impl Reply {
    fn header(&self, name: impl header::AsHeaderName) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("plain text"))
    }

    /// That the request was refused: with this status, this code, the id of the request and no data.
    fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.code(), code, "{:#}", self.body);
        assert!(self.body.get("data").is_none(), "{:#}", self.body);
        assert!(!self.header("x-request-id").is_empty());
        for error in self.body["errors"].as_array().expect("a list") {
            assert_eq!(
                error["extensions"]["requestId"],
                self.header("x-request-id")
            );
        }
    }
}

#[tokio::test]
async fn a_post_is_json_or_refused() {
    let app = TestApp::start(Embedded).await;
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonp",
        "",
    ] {
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, media);
        app.ask(request, TYPENAME)
            .await
            .refused(415, "BAD_USER_INPUT");
    }
    let without = app.ask(Request::post("/graphql"), TYPENAME).await;
    without.refused(415, "BAD_USER_INPUT");
    for media in [JSON, "Application/JSON", "application/json; charset=utf-8"] {
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, media);
        let reply = app.ask(request, TYPENAME).await;
        assert_eq!(reply.data(), &json!({"__typename": "Query"}), "{media}");
    }
}

#[tokio::test]
async fn the_accept_header_decides_the_media_type() {
    let app = TestApp::start(Embedded).await;
    for (accept, media) in [
        ("*/*", JSON),
        (JSON, JSON),
        (RESPONSE, RESPONSE),
        (
            "application/json;q=0.5, application/graphql-response+json",
            RESPONSE,
        ),
    ] {
        let reply = app
            .ask(post().header(header::ACCEPT, accept), TYPENAME)
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        let wanted = format!("{media}; charset=utf-8");
        assert_eq!(reply.header(header::CONTENT_TYPE), wanted, "{accept}");
    }
    let without = app.ask(post(), TYPENAME).await;
    assert!(without.header(header::CONTENT_TYPE).starts_with(JSON));
    for accept in ["text/html", "image/*, text/plain", "application/json;q=0"] {
        let reply = app
            .ask(post().header(header::ACCEPT, accept), TYPENAME)
            .await;
        reply.refused(406, "BAD_USER_INPUT");
        assert!(reply.header(header::CONTENT_TYPE).starts_with(JSON));
    }
}

#[tokio::test]
async fn a_document_that_cannot_run_is_400_or_200_as_the_media_type_says_and_has_no_data() {
    let app = TestApp::start(Embedded).await;
    let first = "query Q($first: Int) { users(first: $first) { totalCount } }";
    let input = "mutation M($input: LoginInput!) { login(input: $input) { accessToken } }";
    let parse = "GRAPHQL_PARSE_FAILED";
    let validation = "GRAPHQL_VALIDATION_FAILED";
    for (body, code) in [
        (json!({"query": "{ viewer "}), parse),
        (json!({"query": ""}), parse),
        (json!({"query": "{ nothingLikeThis }"}), validation),
        (
            json!({"query": "{ __typename }", "operationName": "Other"}),
            validation,
        ),
        (
            json!({"query": "query A { __typename } query B { __typename }"}),
            validation,
        ),
        (
            json!({"query": "query Q($id: ID!) { task(id: $id) { id } }"}),
            validation,
        ),
        (
            json!({"query": first, "variables": {"first": "many"}}),
            validation,
        ),
        (
            json!({"query": input, "variables": {"input": {"identifier": 1, "password": "x"}}}),
            validation,
        ),
        (
            json!({"query": input, "variables": {"input": {"identifier": "x"}}}),
            validation,
        ),
        (
            json!({"query": input, "variables": {"input": {"identifier": "x", "password": "x", "x": 1}}}),
            validation,
        ),
    ] {
        for (accept, status) in [(RESPONSE, 400), (JSON, 200)] {
            let reply = app
                .ask(post().header(header::ACCEPT, accept), body.to_string())
                .await;
            assert_eq!(reply.code(), code, "{body}: {:#}", reply.body);
            assert_eq!(reply.status.as_u16(), status, "{body}: {:#}", reply.body);
            reply.refused(status, code);
        }
    }
}

#[tokio::test]
async fn a_field_that_fails_is_200_with_data() {
    let app = TestApp::start(Embedded).await;
    let body = r#"{"query":"{ task(id: \"x\") { id } }"}"#;
    for accept in [RESPONSE, JSON] {
        let reply = app.ask(post().header(header::ACCEPT, accept), body).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body["data"], json!({"task": null}));
        assert_eq!(reply.code(), "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_query_by_get_takes_its_variables_and_the_name_of_its_operation() {
    let app = TestApp::start(Embedded).await;
    let query = "query A { __typename } query B($id: ID!) { node(id: $id) { id } b: __typename }";
    let more = [("operationName", "B"), ("variables", r#"{"id":"x"}"#)];
    let reply = app.get_query(query, &more).await;
    assert_eq!(reply.body["data"], json!({"node": null, "b": "Query"}));
    let without = app.get_query(query, &more[..1]).await;
    assert_eq!(without.code(), "GRAPHQL_VALIDATION_FAILED");
    let reply = app
        .get_query("{ __typename }", &[("variables", ""), ("extensions", "{}")])
        .await;
    assert_eq!(reply.data(), &json!({"__typename": "Query"}));
    for variables in ["[]", "{", "1"] {
        let reply = app
            .get_query("{ __typename }", &[("variables", variables)])
            .await;
        reply.refused(400, "BAD_USER_INPUT");
    }
    app.get("/graphql").await.refused(400, "BAD_USER_INPUT");
}

#[rstest]
#[tokio::test]
async fn a_mutation_by_get_is_not_allowed_and_does_nothing(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let query = "mutation { createTask(input: {title: \"x\"}) { task { id } } }";
    let path: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let request = Request::get(format!("/graphql?query={path}")).header(
        header::AUTHORIZATION,
        format!("Bearer {}", ada.token.as_deref().unwrap()),
    );
    let reply = app.ask(request, "").await;
    reply.refused(405, "BAD_USER_INPUT");
    assert_eq!(reply.header(header::ALLOW), "POST");
    assert_eq!(app.tasks().await, 0);
}

#[tokio::test]
async fn other_methods_and_subscriptions_without_a_socket_are_refused() {
    let app = TestApp::start(Embedded).await;
    for method in ["PUT", "DELETE", "PATCH"] {
        let request = post().method(method);
        let reply = app.ask(request, TYPENAME).await;
        reply.refused(405, "BAD_USER_INPUT");
        assert_eq!(reply.header(header::ALLOW), "GET, POST");
    }
    let query = "subscription { taskAssigned { cursor } }";
    for accept in [RESPONSE, JSON] {
        let request = post().header(header::ACCEPT, accept);
        let reply = app.ask(request, json!({"query": query}).to_string()).await;
        reply.refused(400, "BAD_USER_INPUT");
    }
    app.get_query(query, &[])
        .await
        .refused(400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_body_that_is_no_request_is_400() {
    let app = TestApp::start(Embedded).await;
    for body in [
        "",
        "{",
        "null",
        "1",
        "[]",
        r#"["{ __typename }"]"#,
        r#"[{"query":"{ __typename }"}]"#,
        "{}",
        r#"{"query":1}"#,
        r#"{"query":null}"#,
        r#"{"query":"{ __typename }","variables":[]}"#,
        r#"{"query":"{ __typename }","variables":"{}"}"#,
        r#"{"query":"{ __typename }","operationName":1}"#,
        r#"{"query":"{ __typename }"} {}"#,
    ] {
        for accept in [RESPONSE, JSON] {
            let reply = app.ask(post().header(header::ACCEPT, accept), body).await;
            assert_eq!(reply.status.as_u16(), 400, "{body}");
            reply.refused(400, "BAD_USER_INPUT");
        }
    }
    let nulls = r#"{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null,"id":1}"#;
    app.ask(post(), nulls).await.data();
}

#[tokio::test]
async fn a_body_over_the_cap_is_413() {
    let app = TestApp::start(Embedded).await;
    let padded = |bytes: usize| TYPENAME.to_owned() + &" ".repeat(bytes - TYPENAME.len());
    app.ask(post(), padded(102_400)).await.data();
    let reply = app.ask(post(), padded(102_401)).await;
    reply.refused(413, "BAD_USER_INPUT");
    let chunks = vec![Ok::<_, std::io::Error>(padded(60_000)), Ok(padded(60_000))];
    let streamed = Body::from_stream(futures_util::stream::iter(chunks));
    app.ask(post(), streamed)
        .await
        .refused(413, "BAD_USER_INPUT");
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_and_our_own_and_listed_ones_are_not() {
    let app = TestApp::with(
        Embedded,
        &[
            (
                "ALLOWED_ORIGINS",
                "https://app.example.org,https://b.example",
            ),
            ("TASKFLOW_SERVER__PUBLIC_URL", "https://me.example"),
        ],
    )
    .await;
    let cases: [(&[(&str, &str)], bool); 12] = [
        (&[], true),
        (&[("origin", "https://app.example.org")], true),
        (&[("origin", "https://b.example")], true),
        (
            &[("origin", "https://me.example"), ("host", "me.example")],
            true,
        ),
        (&[("origin", "http://localhost:5173")], true),
        (&[("origin", "http://127.0.0.1:3000")], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("origin", "https://app.example.org.evil.example")], false),
        (&[("origin", "null")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "same-site")], false),
    ];
    for (headers, passes) in cases {
        for mut request in [post(), Request::get("/graphql?query=%7B__typename%7D")] {
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let reply = app.ask(request, TYPENAME).await;
            if passes {
                assert_eq!(reply.data()["__typename"], "Query", "{headers:?}");
            } else {
                reply.refused(403, "FORBIDDEN");
            }
        }
    }
}

#[tokio::test]
async fn production_trusts_no_loopback_page_and_shows_neither_graphiql_nor_the_mailbox() {
    let settings = [
        ("TASKFLOW_ENV", "production"),
        ("JWT_PRIVATE_KEY_FILE", "unused.pem"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("TASKFLOW_MAIL__TRANSPORT", "none"),
        ("TASKFLOW_SERVER__PUBLIC_URL", "https://me.example"),
        ("ALLOWED_ORIGINS", "https://me.example"),
        ("TASKFLOW_DATABASE__MIGRATE_ON_START", "true"),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    let request = post().header(header::ORIGIN, "http://localhost:5173");
    app.ask(request, TYPENAME).await.refused(403, "FORBIDDEN");
    // A name that somebody else let point here makes their page no page of ours.
    let request = post()
        .header(header::ORIGIN, "http://evil.example")
        .header(header::HOST, "evil.example");
    app.ask(request, TYPENAME).await.refused(403, "FORBIDDEN");
    for path in ["/graphiql", "/mailbox", "/schema.graphql"] {
        assert_eq!(app.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // The mails link to the root.
    assert_eq!(app.get("/").await.status, StatusCode::OK);
    let introspection = r#"{"query":"{ __schema { types { name } } }"}"#;
    let reply = app.ask(post(), introspection).await;
    assert!(!reply.body.to_string().contains("CreateTaskInput"));
    // Suggestions would be introspection by guessing.
    let reply = app.ask(post(), r#"{"query":"{ viewr { id } }"}"#).await;
    assert!(
        !reply.body.to_string().contains("viewer"),
        "{:#}",
        reply.body
    );
}

#[tokio::test]
async fn a_preflight_is_answered_for_the_sites_on_the_list_only() {
    let app = TestApp::with(Embedded, &[("ALLOWED_ORIGINS", "https://app.example.org")]).await;
    let preflight = |origin: &str| {
        Request::options("/graphql")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(
                header::ACCESS_CONTROL_REQUEST_HEADERS,
                "authorization,content-type,x-request-id",
            )
    };
    let reply = app.ask(preflight("https://app.example.org"), "").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(
        reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        "https://app.example.org"
    );
    let methods = reply.header(header::ACCESS_CONTROL_ALLOW_METHODS);
    assert!(methods.contains("POST") && methods.contains("GET"));
    let headers = reply.header(header::ACCESS_CONTROL_ALLOW_HEADERS);
    for name in ["authorization", "content-type", "x-request-id"] {
        assert!(headers.contains(name), "{name} in {headers}");
    }
    // Tokens travel in a header of their own; no cookie is ever needed.
    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "");
    let reply = app.ask(preflight("https://evil.example"), "").await;
    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    let request = post().header(header::ORIGIN, "https://app.example.org");
    let reply = app.ask(request, TYPENAME).await;
    assert_eq!(
        reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        "https://app.example.org"
    );
    let readable = reply.header(header::ACCESS_CONTROL_EXPOSE_HEADERS);
    assert!(readable.contains("x-request-id"), "{readable}");
    assert!(reply.header(header::VARY).contains("origin"));
}
