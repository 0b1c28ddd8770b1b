//! What is told about tokens, counted of them, and deleted when it is over.

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::auth::prune::prune;

use super::{current, works};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::free_port;
use crate::support::server::{Site, post};
use crate::support::{PASSWORD, TestApp};

const CHECK: &str = "query($token: String!) { validateToken(token: $token) {
    isValid reason userId sessionId roles issuedAt expiresAt } }";

#[rstest]
#[tokio::test]
async fn anybody_is_told_what_a_token_is_worth(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, root) = (app.person("ada").await, app.admin("root").await);
    let check = async |token: &str| {
        let reply = app.anybody().graphql(CHECK, json!({"token": token})).await;
        reply.data()["validateToken"].clone()
    };
    let good = check(ada.token.as_deref().unwrap()).await;
    assert_eq!(good["isValid"], true);
    assert_eq!(good["reason"], Value::Null);
    assert_eq!(good["userId"], json!(ada.id));
    assert_eq!(good["sessionId"], json!(current(&ada).await));
    assert_eq!(good["roles"], json!(["USER"]));
    let time = |key: &str| -> chrono::DateTime<chrono::Utc> {
        good[key].as_str().unwrap().parse().unwrap()
    };
    assert_eq!(time("expiresAt") - time("issuedAt"), TimeDelta::minutes(15));
    let hers = check(root.token.as_deref().unwrap()).await;
    assert_eq!(hers["roles"], json!(["ADMIN", "USER"]));
    let worthless = |reason: &str| {
        json!({"isValid": false, "reason": reason, "userId": null, "sessionId": null,
            "roles": null, "issuedAt": null, "expiresAt": null})
    };
    for nonsense in ["", "x", "a.b.c", &ada.refresh_token] {
        assert_eq!(check(nonsense).await, worthless("INVALID"));
    }
    let again = ada.logged_in_again().await;
    let logout = "mutation { logout { endedSessions } }";
    again.graphql(logout, json!({})).await.data();
    assert_eq!(
        check(again.token.as_deref().unwrap()).await,
        worthless("REVOKED")
    );
    app.clock.advance(TimeDelta::seconds(900 + 31));
    assert_eq!(
        check(ada.token.as_deref().unwrap()).await,
        worthless("EXPIRED")
    );
    // One in an operation, like all that checks a secret.
    let two =
        "{ a: validateToken(token: \"x\") { isValid } b: validateToken(token: \"y\") { isValid } }";
    let reply = app.anybody().graphql(two, json!({})).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn checks_of_tokens_and_living_sessions_are_counted() {
    let port = free_port().to_string();
    let site = Site::new(Embedded, &[("METRICS_PORT", port.as_str())]).await;
    let (mut server, address) = site.serve(&["serve"]).await;
    let metrics = async || {
        let page = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await;
        page.unwrap().text().await.unwrap()
    };
    let has = |page: &str, line: &str| {
        assert!(page.lines().any(|found| found == line), "{line} in {page}");
    };
    has(&metrics().await, "auth_active_sessions 0");
    let register = "mutation($input: RegisterInput!) { register(input: $input) { accessToken } }";
    let input = json!({"username": "ada", "name": "Ada", "password": PASSWORD});
    let reply = post(address, None, register, json!({"input": input})).await;
    let token = reply["data"]["register"]["accessToken"].as_str().unwrap();
    post(
        address,
        Some(token),
        "{ viewer { eventCursor } }",
        json!({}),
    )
    .await;
    post(address, Some("x"), "{ __typename }", json!({})).await;
    for token in [token, "y", "z"] {
        post(address, None, CHECK, json!({"token": token})).await;
    }
    let page = metrics().await;
    has(&page, "auth_token_validations_total{result=\"valid\"} 2");
    has(&page, "auth_token_validations_total{result=\"invalid\"} 3");
    server.terminate();
    assert!(server.wait().await.success());
    // The first count is at the start.
    let (_server, _) = site.serve(&["serve"]).await;
    has(&metrics().await, "auth_active_sessions 1");
}

#[rstest]
#[tokio::test]
async fn what_is_over_is_deleted_and_nothing_else(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let gone = ada.logged_in_again().await;
    let logout = "mutation { logout { endedSessions } }";
    gone.graphql(logout, json!({})).await.data();
    let now = app.app.db.clock().now();
    let user = taskflow::graphql::Kind::User.decode(&ada.id).unwrap();
    // More than a step deletes.
    let token = |id: u128, end: TimeDelta| entity::one_time_token::Model {
        id: entity::OneTimeTokenId(uuid::Uuid::from_u128(id)),
        hash: id.to_be_bytes().to_vec(),
        user_id: Some(entity::UserId(user)),
        purpose: entity::one_time_token::Purpose::VerifyEmail,
        address: None,
        previous_address: None,
        network: None,
        created_at: now,
        expires_at: now + end,
        used_at: None,
    };
    let failure = |network: &str, window: TimeDelta, locked: Option<TimeDelta>| {
        entity::login_failure::Model {
            account: user,
            network: network.to_owned(),
            failures: 1,
            window_ends_at: now + window,
            last_at: now,
            locked_until: locked.map(|locked| now + locked),
        }
    };
    let (day, second) = (TimeDelta::days(1), TimeDelta::seconds(1));
    let failures = [
        failure("over", -second, None),
        failure("lock over", -second, Some(-second)),
        failure("counting", day, Some(-second)),
        failure("locked", -second, Some(day)),
    ];
    put(&app, (0..1_500).map(|id| token(id, day * -8)).collect()).await;
    put(&app, vec![token(1_501, day * -6), token(1_502, day)]).await;
    put_failures(&app, failures.to_vec()).await;
    assert_eq!(prune(&app.app).await.unwrap(), 1_502);
    let count = async |table: &str| app.number(&format!("SELECT count(*) FROM {table}")).await;
    assert_eq!(count("one_time_tokens").await, 2);
    assert_eq!(count("login_failures").await, 2);
    assert_eq!(count("revocations").await, 1);
    assert_eq!(count("sessions").await, 2);
    app.clock.advance(TimeDelta::minutes(17));
    assert_eq!(prune(&app.app).await.unwrap(), 1);
    assert_eq!(count("revocations").await, 0);
    // Of the ended one since then, of the other from the end of its week on.
    app.clock.advance(TimeDelta::days(30));
    prune(&app.app).await.unwrap();
    assert_eq!(count("sessions").await, 1);
    let again = ada.logged_in_again().await;
    app.clock.advance(TimeDelta::days(7));
    prune(&app.app).await.unwrap();
    assert_eq!(count("sessions").await, 1);
    let again = again.logged_in_again().await;
    works(&again).await;
    assert_eq!(count("sessions").await, 2);
}

async fn put(app: &TestApp, rows: Vec<entity::one_time_token::Model>) {
    use sea_orm::{EntityTrait, IntoActiveModel};
    let db = app.sql().await;
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    entity::one_time_token::Entity::insert_many(rows)
        .exec_without_returning(&db)
        .await
        .unwrap();
}

async fn put_failures(app: &TestApp, rows: Vec<entity::login_failure::Model>) {
    use sea_orm::{EntityTrait, IntoActiveModel};
    let db = app.sql().await;
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    entity::login_failure::Entity::insert_many(rows)
        .exec_without_returning(&db)
        .await
        .unwrap();
}
