//! Signed-in devices: how they stay signed in, how they are listed and ended, and that nothing they
//! were given outlives them.

mod ended;
mod epoch;
mod numbers;
mod refresh;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, TestApp};

const VIEWER: &str = "{ viewer { user { id } } }";
const LIST: &str = "query($first: Int, $after: String) { sessions(first: $first, after: $after) {
    nodes { id deviceName userAgent address createdAt lastUsedAt expiresAt isCurrent } totalCount
    pageInfo { hasNextPage hasPreviousPage endCursor } } }";
const REFRESH: &str = "mutation($input: RefreshTokenInput!) { refreshToken(input: $input) {
    accessToken refreshToken refreshTokenExpiresAt user { id } userErrors { code message field } } }";
const REVOKE: &str = "mutation($input: RevokeSessionInput!) { revokeSession(input: $input) {
    revokedSessionId userErrors { code } } }";
const REVOKE_OTHERS: &str = "mutation($input: RevokeOtherSessionsInput) {
    revokeOtherSessions(input: $input) { endedSessions userErrors { code } } }";

async fn refresh(person: &Person, token: &str) -> Reply {
    person
        .graphql(REFRESH, json!({"input": {"refreshToken": token}}))
        .await
}

/// The tokens of a renewal.
fn renewed(person: &Person, reply: &Reply) -> Person {
    let payload = &reply.data()["refreshToken"];
    let text = |key: &str| payload[key].as_str().expect(key).to_owned();
    let mut renewed = person.with_token(&text("accessToken"));
    renewed.refresh_token = text("refreshToken");
    renewed
}

async fn works(person: &Person) {
    person.graphql(VIEWER, json!({})).await.data();
}

async fn is_refused(person: &Person) {
    let reply = person.graphql(VIEWER, json!({})).await;
    assert_eq!(reply.code(), "UNAUTHENTICATED");
    let message = &reply.body["errors"][0]["message"];
    let message = message.as_str().unwrap();
    assert!(message.contains("its session was ended"), "{message}");
}

/// The id of the session somebody's token is of.
async fn current(person: &Person) -> String {
    let reply = person.graphql(LIST, json!({})).await;
    let nodes = reply.data()["sessions"]["nodes"].as_array().unwrap();
    let current = nodes.iter().find(|node| node["isCurrent"] == true);
    current.unwrap()["id"].as_str().unwrap().to_owned()
}

#[rstest]
#[tokio::test]
async fn ones_own_living_sessions_are_listed_the_one_used_last_first(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (phone, bob) = (app.person("ada").await, app.person("bob").await);
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let login = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let input = json!({"identifier": "ada", "password": PASSWORD, "deviceName": " Laptop "});
    let reply = app.anybody().graphql(login, json!({"input": input})).await;
    let laptop = phone.with_token(reply.data()["login"]["accessToken"].as_str().unwrap());
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let tablet = phone.logged_in_again().await;
    let gone = phone.logged_in_again().await;
    let logout = "mutation { logout { endedSessions } }";
    gone.graphql(logout, json!({})).await.data();
    // Renewing is using.
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let phone = renewed(&phone, &refresh(&phone, &phone.refresh_token).await);
    let reply = laptop.graphql(LIST, json!({})).await;
    let list = &reply.data()["sessions"];
    assert_eq!(list["totalCount"], 3);
    let nodes = list["nodes"].as_array().unwrap();
    let wanted = [
        current(&phone).await,
        current(&tablet).await,
        current(&laptop).await,
    ];
    let ids: Vec<_> = nodes.iter().map(|node| node["id"].clone()).collect();
    assert_eq!(ids, wanted.clone().map(Value::from));
    let (first, last) = (&nodes[0], &nodes[2]);
    assert_eq!(last["deviceName"], "Laptop");
    assert_eq!(last["isCurrent"], true);
    assert_eq!(
        (&first["isCurrent"], &first["deviceName"]),
        (&json!(false), &Value::Null)
    );
    assert_ne!(first["createdAt"], first["lastUsedAt"]);
    assert_eq!(last["createdAt"], last["lastUsedAt"]);
    assert!(first["expiresAt"].as_str() > last["expiresAt"].as_str());
    assert!(!first["address"].as_str().unwrap().is_empty());
    // Page by page it is the same.
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let reply = laptop
            .graphql(LIST, json!({"first": 1, "after": after}))
            .await;
        let page = &reply.data()["sessions"];
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
        seen.push(page["nodes"][0]["id"].as_str().unwrap().to_owned());
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, wanted);
    let his = bob.graphql(LIST, json!({})).await;
    assert_eq!(his.data()["sessions"]["totalCount"], 1);
    // One that runs out is not listed.
    app.clock
        .advance(chrono::TimeDelta::days(7) - chrono::TimeDelta::seconds(30));
    let again = bob.logged_in_again().await;
    let his = again.graphql(LIST, json!({})).await;
    assert_eq!(his.data()["sessions"]["totalCount"], 1);
}

#[rstest]
#[tokio::test]
async fn a_session_is_found_by_its_id_by_its_owner_alone(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let (hers, his) = (current(&ada).await, current(&eve).await);
    let node = "query($id: ID!) { node(id: $id) { id ... on Session { isCurrent } } }";
    let reply = ada.graphql(node, json!({"id": hers})).await;
    assert_eq!(reply.data()["node"], json!({"id": hers, "isCurrent": true}));
    let root = app.admin("root").await;
    for other in [&eve, &root] {
        assert_eq!(
            other.graphql(node, json!({"id": hers})).await.code(),
            "NOT_FOUND"
        );
    }
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let reply = eve.graphql(nodes, json!({"ids": [hers, his]})).await;
    assert_eq!(reply.body["data"]["nodes"], json!([null, {"id": his}]));
    assert_eq!(reply.code(), "NOT_FOUND");
    // Nor is it ended by anybody else.
    for other in [&eve, &root] {
        let reply = other.graphql(REVOKE, json!({"input": {"id": hers}})).await;
        assert_eq!(reply.code(), "NOT_FOUND");
    }
    works(&ada).await;
    let reply = ada.graphql(REVOKE, json!({"input": {"id": ada.id}})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
}

#[rstest]
#[tokio::test]
async fn one_session_is_ended_from_another(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let phone = app.person("ada").await;
    let laptop = phone.logged_in_again().await;
    let lost = current(&phone).await;
    let reply = laptop.graphql(REVOKE, json!({"input": {"id": lost}})).await;
    assert_eq!(reply.data()["revokeSession"]["revokedSessionId"], lost);
    is_refused(&phone).await;
    assert_eq!(
        refresh(&app.anybody(), &phone.refresh_token).await.code(),
        "UNAUTHENTICATED"
    );
    works(&laptop).await;
    let again = laptop.graphql(REVOKE, json!({"input": {"id": lost}})).await;
    assert_eq!(again.code(), "NOT_FOUND");
    // One's own, too.
    let own = current(&laptop).await;
    let reply = laptop.graphql(REVOKE, json!({"input": {"id": own}})).await;
    assert_eq!(reply.data()["revokeSession"]["revokedSessionId"], own);
    is_refused(&laptop).await;
    let events = "SELECT count(*) FROM events WHERE topic = 'security.sessions_revoked'";
    assert_eq!(app.number(events).await, 2);
    let reasons = "SELECT count(*) FROM sessions WHERE revoke_reason = 'revoked'";
    assert_eq!(app.number(reasons).await, 2);
}

#[rstest]
#[tokio::test]
async fn all_other_sessions_are_ended_but_those_that_are_kept(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let (phone, lost) = (ada.logged_in_again().await, ada.logged_in_again().await);
    let keep = json!({"input": {"keepIds": [current(&phone).await, current(&bob).await]}});
    let reply = ada.graphql(REVOKE_OTHERS, keep).await;
    assert_eq!(reply.data()["revokeOtherSessions"]["endedSessions"], 1);
    is_refused(&lost).await;
    for person in [&ada, &phone, &bob] {
        works(person).await;
    }
    for ended in [1, 0] {
        let reply = ada.graphql(REVOKE_OTHERS, json!({})).await;
        assert_eq!(reply.data()["revokeOtherSessions"]["endedSessions"], ended);
    }
    is_refused(&phone).await;
    works(&bob).await;
    let bad = ada
        .graphql(REVOKE_OTHERS, json!({"input": {"keepIds": [bob.id]}}))
        .await;
    assert_eq!(bad.code(), "BAD_USER_INPUT");
    let events = "SELECT count(*) FROM events WHERE topic = 'security.sessions_revoked'";
    assert_eq!(app.number(events).await, 2);
}
