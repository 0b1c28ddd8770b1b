//! Accounts: making one, signing in, staying signed in, finding each other.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, TestApp};

const REGISTER: &str = "mutation($input: RegisterInput!) { register(input: $input) {
    accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt
    user { id name username email } userErrors { code message field } } }";
const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) {
    accessToken refreshToken user { id } userErrors { code message field } } }";
const REFRESH: &str = "mutation($input: RefreshTokenInput!) { refreshToken(input: $input) {
    accessToken refreshToken user { id } userErrors { code message field } } }";

async fn login(person: &Person, identifier: &str, password: &str) -> Reply {
    let input = json!({"identifier": identifier, "password": password});
    person.graphql(LOGIN, json!({"input": input})).await
}

async fn refresh(person: &Person, token: &str) -> Reply {
    person
        .graphql(REFRESH, json!({"input": {"refreshToken": token}}))
        .await
}

#[rstest]
#[tokio::test]
async fn an_account_has_an_address_or_a_user_name_or_both(
    #[values(Embedded, Full)] mode: Mode,
    #[values(
        (Some("Ada@Example.org"), Some("Ada")),
        (Some("Ada@Example.org"), None),
        (None, Some("Ada"))
    )]
    names: (Option<&str>, Option<&str>),
) {
    let app = TestApp::start(mode).await;
    let (email, username) = names;
    let input =
        json!({"email": email, "username": username, "password": PASSWORD, "name": " Ada L. "});
    let reply = app
        .anybody()
        .graphql(REGISTER, json!({"input": input}))
        .await;
    let payload = &reply.data()["register"];
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["user"]["name"], "Ada L.");
    assert_eq!(payload["user"]["email"], json!(email));
    assert_eq!(payload["user"]["username"], json!(username));
    // Either name signs in, in any case.
    for name in [email, username].into_iter().flatten() {
        let reply = login(&app.anybody(), &name.to_uppercase(), PASSWORD).await;
        assert_eq!(
            reply.data()["login"]["user"]["id"],
            payload["user"]["id"],
            "{name}"
        );
    }
    assert_eq!(
        app.number("SELECT count(*) FROM events WHERE topic = 'user.created'")
            .await,
        1
    );
}

#[rstest]
#[tokio::test]
async fn a_taken_name_is_told_by_field_and_changes_nothing(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    app.person("ada").await;
    for (email, username, field) in [
        (json!("ADA@example.org"), Value::Null, "input.email"),
        (Value::Null, json!("ADA"), "input.username"),
    ] {
        let input =
            json!({"email": email, "username": username, "password": PASSWORD, "name": "Other"});
        let reply = app
            .anybody()
            .graphql(REGISTER, json!({"input": input}))
            .await;
        assert_eq!(
            reply.user_error("register"),
            ("TAKEN".to_owned(), field.to_owned())
        );
        assert_eq!(reply.data()["register"]["accessToken"], Value::Null);
    }
    assert_eq!(app.number("SELECT count(*) FROM users").await, 1);
    assert_eq!(app.number("SELECT count(*) FROM sessions").await, 1);
    assert_eq!(app.number("SELECT count(*) FROM events").await, 1);
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let app = TestApp::start(Embedded).await;
    let input = json!({"email": "nonsense", "username": "a b", "password": "short", "name": " "});
    let reply = app
        .anybody()
        .graphql(REGISTER, json!({"input": input}))
        .await;
    let errors = reply.data()["register"]["userErrors"]
        .as_array()
        .unwrap()
        .clone();
    let fields: Vec<&str> = errors
        .iter()
        .map(|error| error["field"][1].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        ["email", "username", "name", "password", "password"]
    );
    let input = json!({"password": PASSWORD, "name": "Nobody"});
    let reply = app
        .anybody()
        .graphql(REGISTER, json!({"input": input}))
        .await;
    assert_eq!(reply.user_error("register").1, "input.email");
    assert_eq!(app.number("SELECT count(*) FROM users").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_answer(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    app.person("ada").await;
    let wrong = login(&app.anybody(), "ada", "Wrong-Horse-7-Battery").await;
    let unknown = login(&app.anybody(), "nobody", "Wrong-Horse-7-Battery").await;
    assert_eq!(
        wrong.user_error("login"),
        ("WRONG_CREDENTIALS".to_owned(), "input".to_owned())
    );
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(app.number("SELECT count(*) FROM sessions").await, 1);
}

#[tokio::test]
async fn a_disabled_account_cannot_sign_in_or_renew() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    app.execute("UPDATE users SET status = 'disabled'").await;
    assert_eq!(
        login(&app.anybody(), "ada", PASSWORD).await.code(),
        "FORBIDDEN"
    );
    // Without the password nobody learns that the account is disabled.
    let wrong = login(&app.anybody(), "ada", "Wrong-Horse-7-Battery").await;
    assert_eq!(wrong.user_error("login").0, "WRONG_CREDENTIALS");
    assert_eq!(
        refresh(&app.anybody(), &ada.refresh_token).await.code(),
        "UNAUTHENTICATED"
    );
}

#[tokio::test]
async fn a_refresh_token_ends_after_a_week_without_use() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    app.clock.advance(chrono::TimeDelta::days(6));
    let reply = refresh(&app.anybody(), &ada.refresh_token).await;
    let next = reply.data()["refreshToken"]["refreshToken"]
        .as_str()
        .unwrap()
        .to_owned();
    app.clock.advance(chrono::TimeDelta::days(6));
    let reply = refresh(&app.anybody(), &next).await;
    let next = reply.data()["refreshToken"]["refreshToken"]
        .as_str()
        .unwrap()
        .to_owned();
    app.clock.advance(chrono::TimeDelta::days(8));
    assert_eq!(
        refresh(&app.anybody(), &next).await.code(),
        "UNAUTHENTICATED"
    );
}

#[rstest]
#[tokio::test]
async fn logging_out_ends_one_session_or_all(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let phone = app.person("ada").await;
    let (laptop, tablet) = (phone.logged_in_again().await, phone.logged_in_again().await);
    let bob = app.person("bob").await;
    let reply = phone
        .graphql(
            "mutation { logout { endedSessions userErrors { code } } }",
            json!({}),
        )
        .await;
    assert_eq!(reply.data()["logout"]["endedSessions"], 1);
    assert_eq!(
        refresh(&app.anybody(), &phone.refresh_token).await.code(),
        "UNAUTHENTICATED"
    );
    refresh(&app.anybody(), &laptop.refresh_token).await.data();
    let all =
        "mutation { logout(input: {allSessions: true}) { endedSessions userErrors { code } } }";
    assert_eq!(
        laptop.graphql(all, json!({})).await.data()["logout"]["endedSessions"],
        2
    );
    assert_eq!(
        refresh(&app.anybody(), &tablet.refresh_token).await.code(),
        "UNAUTHENTICATED"
    );
    refresh(&app.anybody(), &bob.refresh_token).await.data();
}

#[tokio::test]
async fn registration_can_be_closed() {
    let app = TestApp::with(Embedded, &[("TASKFLOW_AUTH__REGISTRATION", "closed")]).await;
    let input = json!({"username": "ada", "password": PASSWORD, "name": "Ada"});
    let reply = app
        .anybody()
        .graphql(REGISTER, json!({"input": input}))
        .await;
    assert_eq!(reply.code(), "FORBIDDEN");
    assert_eq!(app.number("SELECT count(*) FROM users").await, 0);
}

#[rstest]
#[tokio::test]
async fn an_address_is_seen_by_its_owner_and_admins_only(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, root) = (
        app.person("ada").await,
        app.person("bob").await,
        app.admin("root").await,
    );
    let query =
        "query($id: ID!) { user(id: $id) { name email } node(id: $id) { ... on User { email } } }";
    for (viewer, email) in [
        (&ada, json!("ada@example.org")),
        (&bob, Value::Null),
        (&root, json!("ada@example.org")),
    ] {
        let reply = viewer.graphql(query, json!({"id": ada.id})).await;
        assert_eq!(
            reply.data()["user"],
            json!({"name": "Name of ada", "email": email})
        );
        assert_eq!(reply.data()["node"]["email"], email);
    }
    let mine = ada
        .graphql("{ viewer { user { id email } } }", json!({}))
        .await;
    assert_eq!(
        mine.data()["viewer"]["user"],
        json!({"id": ada.id, "email": "ada@example.org"})
    );
}

#[rstest]
#[tokio::test]
async fn people_are_found_by_name_page_by_page(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let mut wanted = Vec::new();
    for name in ["zoe", "adam", "bert", "ada", "carl"] {
        app.person(name).await;
        wanted.push(name);
    }
    wanted.sort_unstable();
    let zoe = app.anybody();
    let zoe = login(&zoe, "zoe", PASSWORD).await.data()["login"]["accessToken"]
        .as_str()
        .map(|token| zoe.with_token(token))
        .unwrap();
    let query = "query($after: String, $search: String) { users(first: 2, after: $after, search: $search) {
        nodes { username } edges { cursor } totalCount pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let reply = zoe.graphql(query, json!({"after": after})).await;
        let page = &reply.data()["users"];
        assert_eq!(page["totalCount"], 5);
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
        for node in page["nodes"].as_array().unwrap() {
            seen.push(node["username"].as_str().unwrap().to_owned());
        }
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, wanted);
    let found = zoe.graphql(query, json!({"search": "OF ADA"})).await;
    assert_eq!(found.data()["users"]["totalCount"], 2);
    // What means something in a pattern is text in a search.
    for text in ["%", "_", "\\"] {
        let found = zoe.graphql(query, json!({"search": text})).await;
        assert_eq!(found.data()["users"]["totalCount"], 0, "{text}");
    }
}

#[rstest]
#[tokio::test]
async fn one_mailbox_has_one_account(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let register = async |email: &str| {
        let input = json!({"email": email, "password": PASSWORD, "name": "Ada"});
        app.anybody()
            .graphql(REGISTER, json!({"input": input}))
            .await
    };
    register("ada@bücher.example").await.data();
    for same in [
        "ADA@BÜCHER.example",
        "ada@xn--bcher-kva.example",
        "ada@bücher\u{200b}.example",
        "ada@bücher。example",
    ] {
        assert_eq!(
            register(same).await.user_error("register").0,
            "TAKEN",
            "{same}"
        );
    }
    for bad in [
        "\"ada\"@example.org",
        "a b@example.org",
        "ada@[127.0.0.1]",
        "ada@fresh%2Eexample",
        "ada@127.0.0.1",
        "ada\u{200b}@example.org",
        ".ada@example.org",
        "a..da@example.org",
        "ada@",
        "@example.org",
        "a@b@c.example",
        "ada@exa mple.org",
    ] {
        assert_eq!(
            register(bad).await.user_error("register").0,
            "INVALID",
            "{bad}"
        );
    }
    login(&app.anybody(), "Ada@xn--bcher-kva.EXAMPLE", PASSWORD)
        .await
        .data();
    assert_eq!(app.number("SELECT count(*) FROM users").await, 1);
}

#[rstest]
#[tokio::test]
async fn a_text_no_database_can_hold_is_the_clients_fault(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let found = login(&app.anybody(), "a\u{0}b", PASSWORD).await;
    let told = found.body.to_string();
    assert!(
        told.contains("WRONG_CREDENTIALS") || told.contains("BAD_USER_INPUT"),
        "{told}"
    );
    for search in ["\u{0}".to_owned(), "x".repeat(60_000)] {
        let query = "query($search: String) { users(search: $search) { totalCount } }";
        let reply = ada.graphql(query, json!({"search": search})).await;
        let told = reply.body.to_string();
        assert!(!told.contains("INTERNAL_SERVER_ERROR"), "{told}");
    }
}
