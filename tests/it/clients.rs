//! Clients and tools of others: each test runs a program of `tests/clients`, which says what has
//! succeeded and fails with its reason otherwise.

mod schema_tools;

use std::path::Path;

use serde_json::json;

use crate::support::process::{Proc, node};
use crate::support::{Mode, TestApp};

/// Runs a program to its end, and answers the lines it said.
pub async fn run(folder: &Path, args: &[&str], envs: &[(&str, &str)]) -> Vec<String> {
    let mut program = Proc::spawn_in(folder, node(), args, envs);
    let mut said = Vec::new();
    while let Some(line) = program.next_line().await {
        said.push(line);
    }
    let status = program.wait().await;
    assert!(status.success(), "{args:?}: {status}\n{}", program.output());
    said
}

/// A server that listens, and two people who use it.
struct Scene {
    _app: TestApp,
    told: String,
}

impl Scene {
    async fn start() -> Self {
        let app = TestApp::start(Mode::Embedded).await;
        let (ada, bob) = (app.person("ada").await, app.person("bob").await);
        let address = app.listen().await;
        let told = json!({
            "url": format!("http://{address}/graphql"),
            "ada": {"id": ada.id, "token": ada.token},
            "bob": {"id": bob.id, "token": bob.token},
        });
        Self {
            _app: app,
            told: told.to_string(),
        }
    }

    /// Runs a program of `tests/clients` that is told of this server and these people.
    async fn run(&self, program: &str) -> Vec<String> {
        self.run_in(Path::new("tests/clients"), program).await
    }

    async fn run_in(&self, folder: &Path, program: &str) -> Vec<String> {
        run(folder, &[program], &[("SCENE", &self.told)]).await
    }
}

#[tokio::test]
async fn all_audits_of_graphql_over_http_pass() {
    let scene = Scene::start().await;
    assert_eq!(scene.run("graphql-http/audit.mjs").await, ["61 audits"]);
}

#[tokio::test]
async fn graphql_ws_queries_and_mutates_over_a_socket_that_comes_and_goes() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("graphql-ws/operations.mjs").await,
        [
            "query",
            "mutation",
            "error of an invalid document",
            "closed when nothing runs",
            "opened anew",
        ]
    );
}

#[tokio::test]
async fn graphql_ws_comes_back_with_a_fresh_token_and_resumes_after_its_cursor() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("graphql-ws/resume.mjs").await,
        [
            "connected again with a fresh token after 4403",
            "resumed after the last cursor",
            "goes on live",
            "began anew when its place was not kept",
            "stopped",
        ]
    );
}

#[tokio::test]
async fn the_client_helper_drops_what_comes_twice_and_goes_on_from_an_end() {
    let scene = json!({"url": "http://nowhere.test/graphql", "ada": {}, "bob": {}}).to_string();
    let program = ["graphql-ws/duplicates.mjs"];
    assert_eq!(
        run(Path::new("tests/clients"), &program, &[("SCENE", &scene)]).await,
        [
            "what came twice is dropped",
            "an end is gone on from",
            "after a new beginning nothing is known",
            "what could not be read is told",
            "a failure is told once and is the end",
            "a document without a cursor is told",
        ]
    );
}

#[tokio::test]
async fn the_client_helper_passes_a_strict_typescript() {
    let said = run(Path::new("tests/clients"), &["follow/check.mjs"], &[]).await;
    assert_eq!(said, ["types checked"]);
}

#[tokio::test]
async fn apollo_client_queries_mutates_and_keeps_its_cache() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("apollo/operations.mjs").await,
        [
            "query",
            "mutation",
            "the list in the cache has what was made",
            "a changed task changes where it is shown",
            "user errors are data",
            "errors are errors",
            "pages are joined",
        ]
    );
}

#[tokio::test]
async fn apollo_client_hears_of_an_assignment_over_a_websocket() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("apollo/websocket.mjs").await,
        ["event", "the event's task is in the cache"]
    );
}

#[tokio::test]
async fn apollo_client_hears_of_each_assignment_at_once_over_multipart_http() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("apollo/multipart.mjs").await,
        ["event at once: One", "event at once: Two", "error"]
    );
}

#[tokio::test]
async fn apollo_client_is_served_by_the_hash_of_a_document_once_it_has_sent_it() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("apollo/persisted.mjs").await,
        [
            "POST: sent whole after the hash was not known",
            "POST: served by its hash alone",
            "GET: sent whole after the hash was not known",
            "GET: served by its hash alone",
            "a mutation by its hash",
        ]
    );
}

#[tokio::test]
async fn urql_queries_mutates_and_hears_of_an_assignment() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("urql/operations.mjs").await,
        [
            "query",
            "the cache answers",
            "mutation",
            "the list is read anew after the mutation",
            "user errors are data",
            "errors are errors",
            "event",
        ]
    );
}

#[tokio::test]
async fn urql_hears_of_each_assignment_over_server_sent_events() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("urql/events.mjs").await,
        ["event: One", "event: Two", "error"]
    );
}

#[tokio::test]
async fn urql_is_served_by_the_hash_of_a_document_once_it_has_sent_it() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("urql/persisted.mjs").await,
        [
            "POST: served by its hash once it was sent whole",
            "GET: served by its hash once it was sent whole",
        ]
    );
}

#[tokio::test]
async fn graphql_sse_queries_mutates_and_hears_of_each_assignment() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.run("graphql-sse/operations.mjs").await,
        [
            "query",
            "mutation",
            "errors of invalid documents",
            "event: One",
            "event: Two",
            "error of a subscription",
        ]
    );
}
