//! What every answer carries, and what is served beside the API.

use axum::http::{Request, StatusCode, header};
use rstest::rstest;
use serde_json::json;

use super::{JSON, TYPENAME, post};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;

#[tokio::test]
async fn every_kind_of_answer_has_the_security_headers_and_an_id() {
    let app = TestApp::start(Embedded).await;
    let query = app.ask(post(), TYPENAME).await;
    let answers = [
        ("a query", query),
        ("a refused document", app.ask(post(), "{}").await),
        (
            "a refused media type",
            app.ask(Request::post("/graphql"), "").await,
        ),
        (
            "a foreign page",
            app.ask(post().header(header::ORIGIN, "https://evil.example"), "")
                .await,
        ),
        (
            "a preflight",
            app.ask(
                Request::options("/graphql")
                    .header(header::ORIGIN, "http://localhost:5173")
                    .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST"),
                "",
            )
            .await,
        ),
        ("a page", app.get("/graphiql").await),
        ("a missing page", app.get("/nowhere").await),
        ("a missing asset", app.get("/graphiql/assets/no.js").await),
        ("a wrong method", app.ask(Request::post("/livez"), "").await),
        ("the mailbox", app.get("/mailbox").await),
        ("keys", app.get("/.well-known/jwks.json").await),
        ("the schema", app.get("/schema.graphql").await),
        ("health", app.get("/health").await),
        ("life", app.get("/livez").await),
        ("the root", app.get("/").await),
    ];
    for (what, reply) in &answers {
        for (name, wanted) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-xss-protection", "1; mode=block"),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains; preload",
            ),
        ] {
            assert_eq!(reply.header(name), wanted, "{name} of {what}");
        }
        let policy = reply.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("frame-ancestors 'none'"), "{what}");
        assert!(!policy.contains("script-src 'unsafe"), "{what}: {policy}");
        assert!(!reply.header("x-request-id").is_empty(), "{what}");
        assert!(!reply.header(header::CACHE_CONTROL).is_empty(), "{what}");
        assert!(reply.header(header::SERVER).is_empty(), "{what}");
    }
    let strict = "default-src 'none'; frame-ancestors 'none'";
    for (what, reply) in answers.iter().filter(|(what, _)| *what != "a page") {
        let pages = ["the mailbox"];
        if !pages.contains(what) {
            let policy = reply.header(header::CONTENT_SECURITY_POLICY);
            assert_eq!(policy, strict, "{what}");
        }
    }
    let ids: std::collections::HashSet<_> = answers
        .iter()
        .map(|(_, reply)| reply.header("x-request-id"))
        .collect();
    assert_eq!(ids.len(), answers.len(), "each has an id of its own");
}

#[tokio::test]
async fn an_id_of_the_client_is_kept_and_one_that_could_confuse_the_log_is_not() {
    let app = TestApp::start(Embedded).await;
    let broken = r#"{"query":"{"}"#;
    for id in ["abc-DEF_123", "x", &"a".repeat(64)] {
        let reply = app.ask(post().header("x-request-id", id), broken).await;
        assert_eq!(reply.header("x-request-id"), id);
        assert_eq!(reply.body["errors"][0]["extensions"]["requestId"], id);
        let reply = app
            .ask(Request::get("/livez").header("x-request-id", id), "")
            .await;
        assert_eq!(reply.header("x-request-id"), id);
    }
    let too_long = "a".repeat(65);
    for id in ["", "a b", "a\"b", "{}", too_long.as_str()] {
        let reply = app.ask(post().header("x-request-id", id), broken).await;
        assert_ne!(reply.header("x-request-id"), id);
        // The same in the answer, whatever it is.
        reply.refused(200, "GRAPHQL_PARSE_FAILED");
    }
}

#[tokio::test]
async fn answers_of_the_api_are_not_stored() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let seen = ada
        .graphql("{ viewer { user { email } } }", json!({}))
        .await;
    seen.data();
    assert_eq!(seen.header(header::CACHE_CONTROL), "no-store");
    let anonymous = app.get_query("{ __typename }", &[]).await;
    assert_eq!(anonymous.header(header::CACHE_CONTROL), "no-store");
    let refused = app.ask(post(), "").await;
    assert_eq!(refused.header(header::CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn graphiql_is_a_page_whose_assets_are_all_here() {
    let app = TestApp::start(Embedded).await;
    let page = app.get("/graphiql").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header(header::CONTENT_TYPE), "text/html");
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    for part in [
        "script-src 'self';",
        "connect-src 'self'",
        "worker-src 'self'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let html = page.body.as_str().expect("a page");
    assert!(!html.contains("<script>"), "the policy forbids it");
    let assets: Vec<&str> = html
        .split('"')
        .filter(|part| part.starts_with("/graphiql/assets/"))
        .collect();
    assert!(assets.len() >= 4, "{assets:?}");
    for asset in assets {
        let reply = app.get(asset).await;
        assert_eq!(reply.status, StatusCode::OK, "{asset}");
        let media = reply.header(header::CONTENT_TYPE);
        let wanted = match asset.rsplit('.').next() {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            Some("svg") => "image/svg+xml",
            other => panic!("what is a {other:?}?"),
        };
        assert_eq!(media, wanted, "{asset}");
        // Names carry a hash, so browsers may keep them.
        assert!(reply.header(header::CACHE_CONTROL).contains("immutable"));
        assert_eq!(reply.header(header::CONTENT_SECURITY_POLICY), policy);
    }
    let outside = html.matches("http://").count() + html.matches("https://").count();
    assert_eq!(outside, 0, "it needs no network");
    let root = app.get("/").await;
    assert!(root.status.is_redirection());
    assert_eq!(root.header(header::LOCATION), "/graphiql");
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder_of_assets() {
    let app = TestApp::start(Embedded).await;
    for name in [
        "..%2F..%2F..%2F..%2FCargo.toml",
        "..%2F..%2Fbuild.mjs",
        "%2Fetc%2Fpasswd",
        "..",
    ] {
        let reply = app.get(&format!("/graphiql/assets/{name}")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn graphiql_can_be_switched_off() {
    let app = TestApp::with(Embedded, &[("TASKFLOW_GRAPHQL__GRAPHIQL", "false")]).await;
    for path in [
        "/graphiql",
        "/graphiql/assets/LICENSES.txt",
        "/graphiql/assets/x",
    ] {
        assert_eq!(app.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_schema_is_served_as_it_is_in_the_repository() {
    let app = TestApp::start(Embedded).await;
    let reply = app.get("/schema.graphql").await;
    assert_eq!(
        reply.header(header::CONTENT_TYPE),
        "text/plain; charset=utf-8"
    );
    let kept = include_str!("../../../schema.graphql");
    assert!(reply.body == kept, "run `make schema`");
}

#[tokio::test]
async fn the_public_key_is_served_and_the_private_one_is_not() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let reply = app.get("/.well-known/jwks.json").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header(header::CONTENT_TYPE), JSON);
    assert!(reply.header(header::CACHE_CONTROL).contains("public"));
    let keys = reply.body["keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 1);
    let key = &keys[0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"))
    );
    assert!(key.get("d").is_none(), "this is the private part");
    let token = ada.token.unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
    // It is the key that signs: whoever has this answer can check our tokens.
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(reply.body.clone()).unwrap();
    let public = jsonwebtoken::DecodingKey::from_jwk(&set.keys[0]).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.set_audience(&["taskflow"]);
    let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &public, &rules).unwrap();
    assert_eq!(claims.claims["aud"], "taskflow");
}

#[rstest]
#[tokio::test]
async fn health_tells_what_works_and_readiness_ends_when_the_server_stops(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let mut up = app.app.bus.up();
    let connected = up.wait_for(|up| *up);
    tokio::time::timeout(crate::support::process::PATIENCE, connected)
        .await
        .expect("the bus comes up")
        .unwrap();
    for path in ["/readyz", "/health"] {
        let reply = app.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.body["status"], "ok", "{path}: {:#}", reply.body);
        assert_eq!(
            reply.body["checks"],
            json!({"database": "ok", "bus": "ok", "stopping": false})
        );
    }
    assert_eq!(app.get("/livez").await.body, "ok\n");
    app.lifecycle.draining.cancel();
    for path in ["/readyz", "/health"] {
        let reply = app.get(path).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(reply.body["checks"]["stopping"], true);
    }
    assert_eq!(app.get("/livez").await.status, StatusCode::OK);
    // What is under way may finish.
    app.ask(post(), TYPENAME).await.data();
}
