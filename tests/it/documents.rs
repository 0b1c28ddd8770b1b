//! Documents that clients name by their hash, and the form of a request beside its document:
//! batches, the report of its cost.

use axum::body::Body;
use axum::http::{Request, header};
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::graphql::check_manifests;
use taskflow::settings::Settings;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const DOCUMENT: &str = "{ __typename }";

fn sha256(text: &str) -> String {
    taskflow::crypto::hex(&taskflow::crypto::sha256(text))
}

fn hashed(hash: &str) -> Value {
    json!({"persistedQuery": {"version": 1, "sha256Hash": hash}})
}

impl Person {
    async fn posts(&self, body: Value) -> Reply {
        let mut request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/graphql-response+json")
            .header("graphql-cost", "report");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }
}

#[rstest]
#[tokio::test]
async fn a_document_is_sent_once_and_named_from_then_on(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let anybody = app.anybody();
    let extensions = hashed(&sha256(DOCUMENT));
    let unknown = anybody.posts(json!({"extensions": extensions})).await;
    assert_eq!(unknown.status, 400);
    assert_eq!(unknown.code(), "PERSISTED_QUERY_NOT_FOUND");
    // Apollo's clients look for exactly this.
    let message = &unknown.body["errors"][0]["message"];
    assert_eq!(message, "PersistedQueryNotFound");

    let both = json!({"query": DOCUMENT, "extensions": extensions});
    assert_eq!(anybody.posts(both).await.data()["__typename"], "Query");
    let named = anybody.posts(json!({"extensions": extensions})).await;
    assert_eq!(named.data()["__typename"], "Query");
    let id = format!("sha256:{}", sha256(DOCUMENT));
    let named = anybody.posts(json!({"documentId": id})).await;
    assert_eq!(named.data()["__typename"], "Query");

    let mut parameters = url::form_urlencoded::Serializer::new(String::new());
    parameters.append_pair("extensions", &extensions.to_string());
    let uri = format!("/graphql?{}", parameters.finish());
    let by_get = anybody.get(&uri).await;
    assert_eq!(by_get.data()["__typename"], "Query");
}

#[tokio::test]
async fn replicas_share_what_signed_in_people_registered() {
    let app = TestApp::start(Full).await;
    let other = app.replica().await;
    tokio::join!(app.app.kv.is_up(), other.app.kv.is_up());
    let (ada, anybody) = (app.person("ada").await, app.anybody());
    let (hers, theirs) = ("{ hers: __typename }", "{ theirs: __typename }");
    for (person, document) in [(&ada, hers), (&anybody, theirs)] {
        let body = json!({"query": document, "extensions": hashed(&sha256(document))});
        person.posts(body).await.data();
    }
    let there = other.anybody();
    let found = there.posts(json!({"extensions": hashed(&sha256(hers))}));
    assert_eq!(found.await.data()["hers"], "Query");
    // What nobody vouches for must not fill the memory that all share.
    let lost = there.posts(json!({"extensions": hashed(&sha256(theirs))}));
    assert_eq!(lost.await.code(), "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn a_hash_that_does_not_fit_registers_nothing() {
    let app = TestApp::start(Embedded).await;
    let anybody = app.anybody();
    let other = sha256("{ other: __typename }");
    let body = json!({"query": DOCUMENT, "extensions": hashed(&other)});
    assert_eq!(anybody.posts(body).await.code(), "BAD_USER_INPUT");
    // Nor does a document that the guard refuses.
    let bad = "{ nothing {";
    let body = json!({"query": bad, "extensions": hashed(&sha256(bad))});
    assert_eq!(anybody.posts(body).await.code(), "GRAPHQL_PARSE_FAILED");
    for hash in [other, sha256(bad)] {
        let reply = anybody.posts(json!({"extensions": hashed(&hash)})).await;
        assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_FOUND");
    }
    for extension in [
        json!({"version": 2, "sha256Hash": sha256(DOCUMENT)}),
        json!({"version": 1, "sha256Hash": "abc"}),
        json!({"version": 1}),
        json!(5),
    ] {
        let body = json!({"extensions": {"persistedQuery": extension}});
        let reply = anybody.posts(body).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{extension}");
    }
}

#[tokio::test]
async fn a_server_may_forget_and_may_take_none() {
    let settings = [("TASKFLOW_PERSISTED_DOCUMENTS__AUTOMATIC_ENTRIES", "2")];
    let app = TestApp::with(Embedded, &settings).await;
    let documents = [
        "{ a: __typename }",
        "{ b: __typename }",
        "{ c: __typename }",
    ];
    for document in documents {
        let body = json!({"query": document, "extensions": hashed(&sha256(document))});
        app.anybody().posts(body).await.data();
    }
    let codes = async |document: &str| {
        let body = json!({"extensions": hashed(&sha256(document))});
        app.anybody().posts(body).await.status.as_u16()
    };
    assert_eq!(codes(documents[0]).await, 400);
    assert_eq!(codes(documents[2]).await, 200);

    let settings = [("TASKFLOW_PERSISTED_DOCUMENTS__AUTOMATIC", "false")];
    let app = TestApp::with(Embedded, &settings).await;
    let body = json!({"extensions": hashed(&sha256(DOCUMENT))});
    let reply = app.anybody().posts(body).await;
    assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
}

#[tokio::test]
async fn trusted_documents_are_known_from_the_start_and_can_be_the_only_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (relay, apollo) = (
        "query R { relay: __typename }",
        "query A { apollo: __typename }",
    );
    let manifests = [
        ("relay.json", json!({"f00": relay})),
        (
            "apollo.json",
            json!({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [
                {"id": sha256(apollo), "name": "A", "type": "query", "body": apollo},
            ]}),
        ),
    ];
    for (name, manifest) in &manifests {
        std::fs::write(folder.path().join(name), manifest.to_string()).unwrap();
    }
    std::fs::write(folder.path().join("README"), "no manifest").unwrap();
    let path = folder.path().display().to_string();
    for only in ["false", "true"] {
        let settings = [
            ("TASKFLOW_PERSISTED_DOCUMENTS__FOLDER", path.as_str()),
            ("TASKFLOW_PERSISTED_DOCUMENTS__ONLY", only),
        ];
        let app = TestApp::with(Embedded, &settings).await;
        let anybody = app.anybody();
        let by_id = anybody.posts(json!({"documentId": "f00"})).await;
        assert_eq!(by_id.data()["relay"], "Query");
        let by_hash = anybody
            .posts(json!({"extensions": hashed(&sha256(apollo))}))
            .await;
        assert_eq!(by_hash.data()["apollo"], "Query");
        // The text of a trusted document is as good as its name.
        let by_text = anybody.posts(json!({"query": relay})).await;
        assert_eq!(by_text.data()["relay"], "Query");

        let other = anybody.posts(json!({"query": DOCUMENT})).await;
        let registering = json!({"query": DOCUMENT, "extensions": hashed(&sha256(DOCUMENT))});
        let registering = anybody.posts(registering).await;
        let named = anybody
            .posts(json!({"extensions": hashed(&sha256(DOCUMENT))}))
            .await;
        if only == "true" {
            assert_eq!((other.status.as_u16(), other.code()), (403, "FORBIDDEN"));
            assert_eq!(registering.code(), "FORBIDDEN");
            assert_eq!(named.code(), "FORBIDDEN");
        } else {
            other.data();
            registering.data();
            named.data();
        }
        let unknown = anybody.posts(json!({"documentId": "f01"})).await;
        let code = match only {
            "true" => "FORBIDDEN",
            _ => "PERSISTED_QUERY_NOT_FOUND",
        };
        assert_eq!(unknown.code(), code);
    }
}

#[tokio::test]
async fn a_batch_is_refused_unless_it_is_switched_on() {
    let app = TestApp::start(Embedded).await;
    let one = json!({"query": DOCUMENT});
    let reply = app.anybody().posts(json!([one])).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (400, "BAD_USER_INPUT")
    );

    let app = TestApp::with(Embedded, &[("TASKFLOW_GRAPHQL__MAX_BATCH", "3")]).await;
    let ada = app.person("ada").await;
    let create = "mutation { createTask(input: {title: \"x\"}) { task { title } } }";
    let all = json!([{"query": create}, {"query": "{"}, {"query": "{ tasks { totalCount } }"}]);
    let reply = ada.posts(all).await;
    assert_eq!(reply.status, 200);
    let answers = reply.body.as_array().unwrap();
    assert_eq!(answers[0]["data"]["createTask"]["task"]["title"], "x");
    let code = &answers[1]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "GRAPHQL_PARSE_FAILED");
    assert!(answers[1].get("data").is_none());
    // One after the other: what the first made is there for the last.
    assert_eq!(answers[2]["data"]["tasks"]["totalCount"], 1);

    let four = ada.posts(json!([one, one, one, one])).await;
    assert_eq!(
        (four.status.as_u16(), four.code()),
        (400, "QUERY_TOO_COMPLEX")
    );
    for body in [json!([]), json!([one, 5])] {
        let reply = ada.posts(body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "BAD_USER_INPUT")
        );
    }
    let follow = json!({"query": "subscription { taskAssigned { cursor } }"});
    let reply = ada.posts(json!([follow])).await;
    let code = &reply.body[0]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "BAD_USER_INPUT");
}

#[tokio::test]
async fn the_operations_of_a_batch_share_what_one_may_cost() {
    let settings = [
        ("TASKFLOW_GRAPHQL__MAX_BATCH", "10"),
        ("TASKFLOW_GRAPHQL__MAX_COST", "5"),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    let one = json!({"query": DOCUMENT});
    let within = app.anybody().posts(json!(vec![&one; 5])).await;
    assert_eq!(within.body.as_array().unwrap().len(), 5);
    let over = app.anybody().posts(json!(vec![&one; 6])).await;
    assert_eq!(
        (over.status.as_u16(), over.code()),
        (400, "QUERY_TOO_COMPLEX")
    );
}

#[tokio::test]
async fn who_asks_is_told_what_an_operation_costs() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let query = "{ tasks(first: 10) { nodes { id title } } }";
    let reply = ada.posts(json!({"query": query})).await;
    let cost = json!({"requested": 31, "limit": 10_000});
    assert_eq!(reply.body["extensions"]["cost"], cost);
    let quiet = ada.graphql(query, json!({})).await;
    assert!(quiet.body.get("extensions").is_none(), "{:#}", quiet.body);
}

#[tokio::test]
async fn what_a_limit_refuses_is_not_registered() {
    let settings = [
        ("TASKFLOW_LIMITS__ANONYMOUS", "1/1h"),
        ("TASKFLOW_SERVER__TRUSTED_PROXIES", "1"),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    let from = async |address: &str, body: Value| {
        let request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-forwarded-for", address);
        let request = request.body(Body::from(body.to_string())).unwrap();
        app.anybody().send(request).await
    };
    let registering = json!({"query": DOCUMENT, "extensions": hashed(&sha256(DOCUMENT))});
    from("192.0.2.1", json!({"query": DOCUMENT})).await.data();
    let refused = from("192.0.2.1", registering.clone()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "RATE_LIMITED")
    );
    let hash = json!({"extensions": hashed(&sha256(DOCUMENT))});
    let unknown = from("192.0.2.2", hash.clone()).await;
    assert_eq!(unknown.code(), "PERSISTED_QUERY_NOT_FOUND");
    from("192.0.2.3", registering).await.data();
    from("192.0.2.4", hash).await.data();
}

#[tokio::test]
async fn who_registers_too_many_documents_is_served_and_goes_on_sending_them() {
    let settings = [("TASKFLOW_LIMITS__REGISTER_DOCUMENT", "1/1h")];
    let app = TestApp::with(Embedded, &settings).await;
    let anybody = app.anybody();
    for (document, status) in [("{ a: __typename }", 200), ("{ b: __typename }", 400)] {
        let body = json!({"query": document, "extensions": hashed(&sha256(document))});
        anybody.posts(body).await.data();
        let named = anybody.posts(json!({"extensions": hashed(&sha256(document))}));
        assert_eq!(named.await.status.as_u16(), status, "{document}");
    }
}

#[tokio::test]
async fn what_cannot_run_counts_as_one() {
    let app = TestApp::with(Embedded, &[("TASKFLOW_LIMITS__ANONYMOUS", "2/1h")]).await;
    let anybody = app.anybody();
    let parse = anybody.posts(json!({"query": "{"})).await;
    assert_eq!(parse.code(), "GRAPHQL_PARSE_FAILED");
    let unknown = anybody.posts(json!({"documentId": "nothing"})).await;
    assert_eq!(unknown.code(), "PERSISTED_QUERY_NOT_FOUND");
    let third = anybody.posts(json!({"query": "{"})).await;
    assert_eq!((third.status.as_u16(), third.code()), (429, "RATE_LIMITED"));
    assert!(third.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn an_answer_has_so_many_bytes_and_no_more() {
    let settings = [("TASKFLOW_GRAPHQL__MAX_ANSWER_BYTES", "2000")];
    let app = TestApp::with(Embedded, &settings).await;
    let ada = app.person("ada").await;
    let description = "x".repeat(900);
    let task = ada
        .creates(json!({"title": "x", "description": description}))
        .await;
    let ask = async |times: usize| {
        let fields: Vec<String> = (0..times)
            .map(|number| format!("a{number}: description"))
            .collect();
        let query = format!("{{ task(id: \"{task}\") {{ {} }} }}", fields.join(" "));
        ada.posts(json!({"query": query})).await
    };
    ask(2).await.data();
    let reply = ask(3).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX");
    assert_eq!(reply.body["data"], Value::Null);
    // A control character is six characters of JSON.
    let description = "\u{1}".repeat(350);
    let update = format!("{description:?}").replace("\\u{1}", "\\u0001");
    let update = format!(
        "mutation {{ updateTask(input: {{id: \"{task}\", description: {update}}}) {{ task {{ id }} }} }}"
    );
    ada.posts(json!({"query": update})).await.data();
    assert_eq!(ask(1).await.code(), "QUERY_TOO_COMPLEX");
}

/// Names and contents.
type Files = &'static [(&'static str, &'static str)];

#[test]
fn manifests_that_cannot_be_used_are_told_by_name() {
    let cases: [(Files, &str, &str); 4] = [
        (&[("a.json", "[1]")], "false", "a.json is not a manifest"),
        (
            &[
                ("a.json", r#"{"x": "{ a }"}"#),
                ("b.json", r#"{"x": "{ b }"}"#),
            ],
            "false",
            "has another document for the id x",
        ),
        (
            &[("README", "nothing")],
            "true",
            "there is no document in it",
        ),
        (&[], "true", "cannot read"),
    ];
    for (files, only, wanted) in cases {
        let folder = tempfile::tempdir().unwrap();
        let manifests = folder.path().join("manifests");
        for (name, text) in files {
            std::fs::create_dir_all(&manifests).unwrap();
            std::fs::write(manifests.join(name), text).unwrap();
        }
        let env = [
            (
                "TASKFLOW_PERSISTED_DOCUMENTS__FOLDER",
                manifests.display().to_string(),
            ),
            ("TASKFLOW_PERSISTED_DOCUMENTS__ONLY", only.to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        let settings = Settings::load(None, &env, folder.path()).unwrap();
        // What `config check` says, and the start.
        let said = check_manifests(&settings.persisted_documents).unwrap_err();
        assert!(said.to_string().contains(wanted), "{said}");
    }
}
