//! How often who may do what, as clients meet it. Windows are hours, so that nothing comes back
//! while a test runs; where time is to pass, the clock is turned.

mod model;
mod profiles;
mod replicas;
mod sockets;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, header};
use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::settings::Settings;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, TestApp};

const TYPENAME: &str = "{ __typename }";
const JSON: &str = "application/json";
const RESPONSE: &str = "application/graphql-response+json";
/// Every request says from where it comes.
const PROXY: (&str, &str) = ("TASKFLOW_SERVER__TRUSTED_PROXIES", "1");

fn settings(env: &[(&str, &str)]) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let env: BTreeMap<String, String> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::load(None, &env, folder.path()).unwrap()
}

/// The application, with Redis at hand where there is one.
async fn app(mode: Mode, settings: &[(&str, &str)]) -> TestApp {
    let app = TestApp::with(mode, settings).await;
    redis_is_up(&app).await;
    app
}

async fn redis_is_up(app: &TestApp) {
    if app.app.kv.is_shared() {
        let patience = crate::support::process::PATIENCE;
        let up = tokio::time::timeout(patience, app.app.kv.is_up());
        up.await.expect("Redis answers");
    }
}

/// Sends an operation from an address.
async fn from(who: &Person, address: &str, accept: &str, body: Value) -> Reply {
    let mut request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, JSON)
        .header(header::ACCEPT, accept)
        .header("x-forwarded-for", address);
    if let Some(token) = &who.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    who.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

async fn asks(who: &Person, address: &str, query: &str) -> Reply {
    from(who, address, RESPONSE, json!({"query": query})).await
}

async fn logs_in(app: &TestApp, address: &str, identifier: &str, password: &str) -> Reply {
    let query = "mutation L($input: LoginInput!) { login(input: $input) {
        accessToken userErrors { code message field } } }";
    let input = json!({"input": {"identifier": identifier, "password": password}});
    let body = json!({"query": query, "variables": input});
    from(&app.anybody(), address, RESPONSE, body).await
}

async fn registers(app: &TestApp, address: &str, email: &str, username: &str) -> Reply {
    let query = "mutation R($input: RegisterInput!) { register(input: $input) {
        accessToken userErrors { code message field } } }";
    let input = json!({"input": {
        "email": email, "username": username, "password": PASSWORD, "name": "Somebody",
    }});
    let body = json!({"query": query, "variables": input});
    from(&app.anybody(), address, RESPONSE, body).await
}

fn told<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let value = reply.headers.get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

/// Limit and what is left of it.
fn left(reply: &Reply) -> (&str, &str) {
    (
        told(reply, "ratelimit-limit"),
        told(reply, "ratelimit-remaining"),
    )
}

/// That the operation did not run, with when to come again.
fn kept_out(reply: &Reply, status: u16, retry_after: std::ops::RangeInclusive<u64>) {
    assert_eq!(reply.code(), "RATE_LIMITED", "{:#}", reply.body);
    assert_eq!(reply.status.as_u16(), status, "{:#}", reply.body);
    assert!(reply.body.get("data").is_none(), "{:#}", reply.body);
    comes_again(reply, retry_after);
}

/// That a field was refused while the operation ran.
fn field_kept_out(reply: &Reply, retry_after: std::ops::RangeInclusive<u64>) {
    assert_eq!(reply.code(), "RATE_LIMITED", "{:#}", reply.body);
    assert_eq!(reply.status.as_u16(), 200, "{:#}", reply.body);
    assert!(
        reply.body["errors"][0]["path"].is_array(),
        "{:#}",
        reply.body
    );
    comes_again(reply, retry_after);
}

fn comes_again(reply: &Reply, wanted: std::ops::RangeInclusive<u64>) {
    let extensions = &reply.body["errors"][0]["extensions"];
    let seconds = extensions["retryAfter"].as_u64().expect("seconds");
    assert!(wanted.contains(&seconds), "{seconds}");
    assert_eq!(told(reply, "retry-after"), seconds.to_string());
    assert_eq!(extensions["requestId"], told(reply, "x-request-id"));
}

/// So many fields at the root, under a name each.
fn fields(count: usize) -> String {
    let each: Vec<String> = (0..count)
        .map(|number| format!("a{number}: __typename"))
        .collect();
    format!("{{ {} }}", each.join(" "))
}

fn tasks(count: usize) -> String {
    let each: Vec<String> = (0..count)
        .map(|number| format!("a{number}: createTask(input: {{title: \"x\"}}) {{ task {{ id }} }}"))
        .collect();
    format!("mutation {{ {} }}", each.join(" "))
}

async fn rows(app: &TestApp, table: &str) -> i64 {
    app.number(&format!("SELECT COUNT(*) FROM {table}")).await
}

#[rstest]
#[tokio::test]
async fn a_person_makes_so_many_tasks_and_no_more_until_time_has_passed(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = app(mode, &[("TASKFLOW_LIMITS__CREATE_TASK", "4/10m")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    for left_over in ["3", "2", "1", "0"] {
        let reply = ada.graphql(&tasks(1), json!({})).await;
        reply.data();
        assert_eq!(left(&reply), ("4", left_over));
        assert_eq!(
            told(&reply, "ratelimit-policy"),
            "4;w=600;name=\"create_task\""
        );
        assert_eq!(told(&reply, "retry-after"), "");
    }
    let reply = ada.graphql(&tasks(1), json!({})).await;
    field_kept_out(&reply, 100..=150);
    assert_eq!(left(&reply), ("4", "0"));
    let reset: u64 = told(&reply, "ratelimit-reset").parse().unwrap();
    assert!((550..=600).contains(&reset), "{reset}");
    assert_eq!(rows(&app, "tasks").await, 4);
    assert_eq!(rows(&app, "events WHERE topic = 'task.created'").await, 4);
    // Each has a counter of their own.
    bob.graphql(&tasks(1), json!({})).await.data();
    // A quarter of the window gives a quarter of the limit.
    app.clock.advance(TimeDelta::seconds(150));
    ada.graphql(&tasks(1), json!({})).await.data();
    let reply = ada.graphql(&tasks(1), json!({})).await;
    field_kept_out(&reply, 100..=150);
    app.clock.advance(TimeDelta::seconds(600));
    let reply = ada.graphql(&tasks(4), json!({})).await;
    reply.data();
    assert_eq!(left(&reply), ("4", "0"));
    assert_eq!(rows(&app, "tasks").await, 10);
}

#[rstest]
#[tokio::test]
async fn each_alias_counts_as_one_more(#[values(Embedded, Full)] mode: Mode) {
    let app = app(mode, &[("TASKFLOW_LIMITS__CREATE_TASK", "3/1h")]).await;
    let ada = app.person("ada").await;
    let reply = ada.graphql(&tasks(5), json!({})).await;
    field_kept_out(&reply, 1_100..=1_200);
    assert_eq!(reply.body["errors"][0]["path"][0], "a3");
    assert_eq!(rows(&app, "tasks").await, 3);
}

#[rstest]
#[tokio::test]
async fn an_assignment_counts_however_it_is_made(#[values(Embedded, Full)] mode: Mode) {
    let app = app(mode, &[("TASKFLOW_LIMITS__ASSIGN_TASK", "3/1h")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada.creates(json!({"title": "A"})).await;
    ada.creates(json!({"title": "B", "assigneeId": bob.id}))
        .await;
    ada.assigns(&task, &bob).await.data();
    ada.assigns(&task, &ada).await.data();
    field_kept_out(&ada.assigns(&task, &bob).await, 1_100..=1_200);
    let create =
        "mutation C($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
    let input = json!({"input": {"title": "C", "assigneeId": bob.id}});
    field_kept_out(&ada.graphql(create, input).await, 1_100..=1_200);
    assert_eq!(rows(&app, "tasks").await, 2);
    // Without an assignee nobody is told of it.
    ada.creates(json!({"title": "D"})).await;
    assert_eq!(rows(&app, "tasks").await, 3);
}

#[rstest]
#[tokio::test]
async fn guesses_from_one_address_end_after_five(#[values(Embedded, Full)] mode: Mode) {
    let app = app(
        mode,
        &[
            PROXY,
            ("TASKFLOW_LIMITS__LOGIN_ADDRESS", "5/15m"),
            ("TASKFLOW_LIMITS__LOGIN_ACCOUNT", "off"),
        ],
    )
    .await;
    app.person("ada").await;
    for guess in 0..5 {
        let name = format!("somebody{guess}");
        let reply = logs_in(&app, "192.0.2.1", &name, "wrong").await;
        assert_eq!(reply.user_error("login").0, "WRONG_CREDENTIALS");
    }
    // Not even the right password.
    let reply = logs_in(&app, "192.0.2.1", "ada", PASSWORD).await;
    field_kept_out(&reply, 120..=180);
    assert_eq!(
        told(&reply, "ratelimit-policy"),
        "5;w=900;name=\"login_address\""
    );
    logs_in(&app, "192.0.2.2", "ada", PASSWORD).await.data();
    assert_eq!(rows(&app, "sessions").await, 2, "register's and the last");
    app.clock.advance(TimeDelta::minutes(3));
    logs_in(&app, "192.0.2.1", "ada", PASSWORD).await.data();
}

#[rstest]
#[tokio::test]
async fn logins_to_one_account_are_counted_by_the_network_they_come_from(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = app(mode, &[PROXY, ("TASKFLOW_LIMITS__LOGIN_ACCOUNT", "5/15m")]).await;
    app.person("ada").await;
    // However it is spelt; and whether there is such an account or not.
    let spellings = ["ada@example.org", " ADA@Example.ORG ", "Ada@example.org"];
    for (known, names) in [(true, spellings), (false, ["eve", "EVE", " Eve"])] {
        for guess in 0..5 {
            let address = format!("192.0.2.{guess}");
            let reply = logs_in(&app, &address, names[guess % 3], "wrong").await;
            assert_eq!(reply.user_error("login").0, "WRONG_CREDENTIALS", "{known}");
        }
        let reply = logs_in(&app, "192.0.2.9", names[0], PASSWORD).await;
        field_kept_out(&reply, 120..=180);
        let message = &reply.body["errors"][0]["message"];
        assert!(
            message.as_str().unwrap().contains("`login_account`"),
            "{message}"
        );
    }
    // Nobody else is kept out, nor is the owner, who is somewhere else.
    app.person("bob").await;
    logs_in(&app, "192.0.2.1", "bob", PASSWORD).await.data();
    logs_in(&app, "198.51.100.1", "ada", PASSWORD).await.data();
}

#[rstest]
#[tokio::test]
async fn three_register_from_one_address_and_with_one_name(#[values(Embedded, Full)] mode: Mode) {
    let app = app(
        mode,
        &[
            PROXY,
            ("TASKFLOW_LIMITS__REGISTER_ADDRESS", "3/1h"),
            ("TASKFLOW_LIMITS__REGISTER_ACCOUNT", "3/1h"),
        ],
    )
    .await;
    for name in ["ada", "bob", "eve"] {
        let email = format!("{name}@example.org");
        registers(&app, "2001:db8::1", &email, name).await.data();
    }
    // Another address of the same network.
    let reply = registers(&app, "2001:db8::2", "zoe@example.org", "zoe").await;
    field_kept_out(&reply, 1_100..=1_200);
    assert_eq!(rows(&app, "users").await, 3);
    // Ada's address was used once; whoever tries it again and again hears so only three times.
    for address in ["192.0.2.1", "192.0.2.2"] {
        let reply = registers(&app, address, "ADA@example.org", "").await;
        assert_eq!(reply.user_error("register").0, "TAKEN");
    }
    let reply = registers(&app, "192.0.2.3", "ada@EXAMPLE.org", "").await;
    field_kept_out(&reply, 1_100..=1_200);
    assert_eq!(rows(&app, "users").await, 3);
    assert_eq!(rows(&app, "sessions").await, 3);
}

#[rstest]
#[tokio::test]
async fn who_is_not_signed_in_is_counted_by_address(#[values(Embedded, Full)] mode: Mode) {
    let app = app(mode, &[PROXY, ("TASKFLOW_LIMITS__ANONYMOUS", "6/1h")]).await;
    let ada = app.person("ada").await;
    let nobody = app.anybody();
    let mut refused = nobody.clone();
    refused.token = Some("not.a.token".to_owned());
    asks(&nobody, "192.0.2.1", &fields(3)).await.data();
    // A token that is not good makes nobody somebody.
    asks(&refused, "192.0.2.1", &fields(2)).await.data();
    let reply = asks(&nobody, "192.0.2.1", TYPENAME).await;
    assert_eq!(left(&reply), ("6", "0"));
    for who in [&nobody, &refused] {
        kept_out(&asks(who, "192.0.2.1", TYPENAME).await, 429, 500..=600);
    }
    // What a client adds to the header itself moves nothing.
    let reply = asks(&nobody, "203.0.113.7, 192.0.2.1", TYPENAME).await;
    kept_out(&reply, 429, 500..=600);
    asks(&nobody, "192.0.2.2", TYPENAME).await.data();
    asks(&ada, "192.0.2.1", TYPENAME).await.data();
}

#[rstest]
#[tokio::test]
async fn a_person_and_everybody_have_limits_for_all_operations_together(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = app(
        mode,
        &[
            ("TASKFLOW_LIMITS__USER", "10/1h"),
            ("TASKFLOW_LIMITS__GLOBAL", "25/1h"),
        ],
    )
    .await;
    // Two of everybody's.
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let reply = ada.graphql(&fields(10), json!({})).await;
    assert_eq!(left(&reply), ("10", "0"));
    kept_out(&ada.graphql(TYPENAME, json!({})).await, 429, 300..=360);
    // What is refused is charged nowhere: thirteen are left of everybody's.
    let reply = bob.graphql(&fields(8), json!({})).await;
    assert_eq!(left(&reply), ("10", "2"));
    let reply = app.anybody().graphql(&fields(5), json!({})).await;
    assert_eq!(left(&reply), ("25", "0"));
    let reply = bob.graphql(TYPENAME, json!({})).await;
    kept_out(&reply, 429, 100..=144);
    assert_eq!(
        told(&reply, "ratelimit-policy"),
        "25;w=3600;name=\"global\""
    );
}

#[rstest]
#[tokio::test]
async fn all_who_come_from_one_address_share_its_limits(#[values(Embedded, Full)] mode: Mode) {
    for bucket in ["TASKFLOW_LIMITS__ADDRESS", "TASKFLOW_LIMITS__GENERAL"] {
        let app = app(mode, &[PROXY, (bucket, "4/1h")]).await;
        let ada = app.person("ada").await;
        asks(&ada, "192.0.2.1", &fields(2)).await.data();
        asks(&app.anybody(), "192.0.2.1", &fields(2)).await.data();
        kept_out(&asks(&ada, "192.0.2.1", TYPENAME).await, 429, 850..=900);
        asks(&ada, "192.0.2.2", TYPENAME).await.data();
    }
}

#[tokio::test]
async fn a_refused_operation_is_429_in_either_media_type_and_writes_nothing() {
    let app = app(Embedded, &[("TASKFLOW_LIMITS__USER", "1/1h")]).await;
    let ada = app.person("ada").await;
    ada.graphql(TYPENAME, json!({})).await.data();
    for accept in [JSON, RESPONSE, "*/*"] {
        let reply = from(&ada, "", accept, json!({"query": tasks(1)})).await;
        kept_out(&reply, 429, 3_500..=3_600);
        assert_eq!(left(&reply), ("1", "0"));
    }
    assert_eq!(rows(&app, "tasks").await, 0);
}

#[rstest]
#[tokio::test]
async fn what_is_more_than_all_of_a_limit_is_never_allowed_and_told_so(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = app(mode, &[("TASKFLOW_LIMITS__USER", "4/1h")]).await;
    let ada = app.person("ada").await;
    let reply = ada.graphql(&fields(5), json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (429, "RATE_LIMITED"));
    // To come again later would not help.
    assert_eq!(told(&reply, "retry-after"), "");
    let error = &reply.body["errors"][0];
    assert!(error["extensions"].get("retryAfter").is_none());
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("counts as 5") && message.contains("more than 4"),
        "{message}"
    );
    assert_eq!(left(&reply), ("4", "4"));
    ada.graphql(&fields(4), json!({})).await.data();
}

#[tokio::test]
async fn an_operation_that_the_guard_refuses_counts_as_one() {
    let app = app(Embedded, &[("TASKFLOW_LIMITS__USER", "3/1h")]).await;
    let ada = app.person("ada").await;
    let reply = ada.graphql(&fields(21), json!({})).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX");
    ada.graphql(&fields(2), json!({})).await.data();
    let reply = ada.graphql(&fields(21), json!({})).await;
    assert_eq!(reply.code(), "RATE_LIMITED");
}

#[tokio::test]
async fn pages_elsewhere_may_read_how_they_stand() {
    let app = TestApp::start(Embedded).await;
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, JSON)
        .header(header::ORIGIN, "http://localhost:5173");
    let body = Body::from(json!({"query": TYPENAME}).to_string());
    let reply = app.anybody().send(request.body(body).unwrap()).await;
    let exposed = told(&reply, "access-control-expose-headers").to_lowercase();
    for name in ["limit", "remaining", "reset", "policy"] {
        let name = format!("ratelimit-{name}");
        assert!(exposed.contains(&name), "{exposed}");
        assert_ne!(told(&reply, &name), "", "{name}");
    }
    assert!(exposed.contains("retry-after"), "{exposed}");
}
