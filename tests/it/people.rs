//! What people say of themselves, and who sees it.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, TestApp};

const UPDATE: &str = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) {
    user { name username firstName lastName avatarUrl locale timezone }
    userErrors { code message field } } }";

async fn update(person: &Person, input: Value) -> Reply {
    person.graphql(UPDATE, json!({"input": input})).await
}

#[rstest]
#[tokio::test]
async fn only_what_is_given_changes_and_null_clears(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let whole = json!({
        "name": "Ada L.", "username": "countess", "firstName": "Ada", "lastName": "Lovelace",
        "avatarUrl": "https://example.org/ada.png", "locale": "en-GB", "timezone": "Europe/London",
    });
    let reply = update(&ada, whole.clone()).await;
    assert_eq!(reply.data()["updateProfile"]["user"], whole);
    let reply = update(&ada, json!({"lastName": null, "locale": " "})).await;
    let mut wanted = whole;
    wanted["lastName"] = Value::Null;
    wanted["locale"] = Value::Null;
    assert_eq!(reply.data()["updateProfile"]["user"], wanted);
    // The same again is no change; null is none for a name, which there has to be.
    update(&ada, json!({"name": null, "firstName": "Ada"}))
        .await
        .data();
    let events = "SELECT COUNT(*) FROM events WHERE topic = 'user.updated'";
    assert_eq!(app.number(events).await, 2);
    let names = "SELECT COUNT(*) FROM events WHERE topic = 'user.updated' AND CAST(payload AS TEXT) LIKE '%Lovelace%'";
    assert_eq!(app.number(names).await, 0, "events have no names");
    // The new user name signs in, the old one does not.
    let login = "mutation($id: String!) { login(input: {identifier: $id, password: \"PASSWORD\"}) { accessToken } }";
    let login = login.replace("PASSWORD", PASSWORD);
    for (name, good) in [("COUNTESS", true), ("ada", false)] {
        let reply = app.anybody().graphql(&login, json!({"id": name})).await;
        assert_eq!(
            reply.data()["login"]["accessToken"].is_string(),
            good,
            "{name}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_is_told_by_field_at_once(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, _bob) = (app.person("ada").await, app.person("bob").await);
    let bad = json!({
        "name": " ", "username": "a b", "firstName": "A\u{202e}da", "lastName": "x".repeat(101),
        "avatarUrl": "javascript:alert(1)", "locale": "en_GB", "timezone": "Mars/Olympus",
    });
    let reply = update(&ada, bad).await;
    let payload = &reply.data()["updateProfile"];
    assert_eq!(payload["user"], Value::Null);
    let errors = payload["userErrors"].as_array().unwrap();
    let fields: Vec<_> = errors
        .iter()
        .map(|error| error["field"][1].as_str().unwrap())
        .collect();
    let all = [
        "name",
        "username",
        "firstName",
        "lastName",
        "avatarUrl",
        "locale",
        "timezone",
    ];
    assert_eq!(fields, all);
    for name in ["a\nb", "a\u{0}b", "a\u{7}b", "\u{2066}a", "a\u{2028}b"] {
        let told = update(&ada, json!({"name": name})).await;
        assert_eq!(told.user_error("updateProfile").0, "INVALID", "{name:?}");
    }
    let told = update(&ada, json!({"username": "BOB"})).await;
    let taken = ("TAKEN".to_owned(), "input.username".to_owned());
    assert_eq!(told.user_error("updateProfile"), taken);
    // Something has to be left to log in with.
    app.execute("UPDATE users SET email = NULL, email_norm = NULL WHERE username = 'ada'")
        .await;
    let told = update(&ada, json!({"username": null})).await;
    let invalid = ("INVALID".to_owned(), "input.username".to_owned());
    assert_eq!(told.user_error("updateProfile"), invalid);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM events WHERE topic = 'user.updated'")
            .await,
        0
    );
}

#[rstest]
#[tokio::test]
async fn a_hostile_name_is_refused_when_registering(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let register = "mutation($input: RegisterInput!) { register(input: $input) {
        user { roles status isEmailVerified lastLoginAt } userErrors { code field } } }";
    for name in [
        "a\u{202e}b",
        "a\r\nBcc: eve@example.org",
        "a\u{2067}b",
        "\u{200b}",
        "\u{2800}",
        "\u{3164}",
        "\u{200d}",
        "Root\u{200f}",
        "\u{61c}abc",
        "a\u{feff}",
        "a\u{e0061}",
    ] {
        let input = json!({"username": "eve", "password": PASSWORD, "name": name});
        let reply = app
            .anybody()
            .graphql(register, json!({"input": input}))
            .await;
        let invalid = ("INVALID".to_owned(), "input.name".to_owned());
        assert_eq!(reply.user_error("register"), invalid);
    }
    // Who has just signed in sees all of themselves.
    // Whose letters and pictures are joined has a name like any other.
    for (number, name) in ["نرم\u{200c}افزار", "👩\u{200d}🚀 Sally"]
        .iter()
        .enumerate()
    {
        let input =
            json!({"username": format!("join{number}"), "password": PASSWORD, "name": name});
        let reply = app
            .anybody()
            .graphql(register, json!({"input": input}))
            .await;
        assert_eq!(reply.data()["register"]["userErrors"], json!([]), "{name}");
    }
    let input = json!({"username": "eve", "password": PASSWORD, "name": "Eve"});
    let reply = app
        .anybody()
        .graphql(register, json!({"input": input}))
        .await;
    let user = &reply.data()["register"]["user"];
    assert_eq!(user["roles"], json!(["USER"]));
    assert_eq!(user["status"], "ACTIVE");
    assert_eq!(user["isEmailVerified"], false);
}

#[rstest]
#[tokio::test]
async fn in_production_a_picture_is_https(
    #[values("development", "production")] environment: &str,
) {
    let settings = [
        ("TASKFLOW_ENV", environment),
        ("JWT_SECRET", "0123456789-0123456789-0123456789"),
        ("TASKFLOW_DATABASE__MIGRATE_ON_START", "true"),
        ("TASKFLOW_MAIL__TRANSPORT", "none"),
        ("TASKFLOW_SERVER__PUBLIC_URL", "https://tasks.example.org"),
        ("ALLOWED_ORIGINS", "https://tasks.example.org"),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    let ada = app.person("ada").await;
    let reply = update(&ada, json!({"avatarUrl": "http://example.org/a.png"})).await;
    let errors = reply.data()["updateProfile"]["userErrors"]
        .as_array()
        .unwrap();
    assert_eq!(errors.is_empty(), environment == "development");
}

#[rstest]
#[tokio::test]
async fn people_and_their_profiles_lead_to_each_other_in_long_lists(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    for i in 0..30 {
        let name = format!("artist{i}");
        let input = json!({"username": name, "name": name, "roles": ["ARTIST", "SERVICE"],
            "password": PASSWORD});
        let create = "mutation($input: CreateUserInput!) { createUser(input: $input) {
            user { id } userErrors { message } } }";
        let reply = root.graphql(create, json!({"input": input})).await;
        assert!(
            reply.data()["createUser"]["user"]["id"].is_string(),
            "{reply:?}"
        );
    }
    let query =
        "{ users(first: 100) { nodes { name roles artist { stageName user { email roles } } } }
        artists(first: 100) { nodes { stageName user { id roles artist { stageName } } } } }";
    let reply = root.graphql(query, json!({})).await;
    let people = reply.data()["users"]["nodes"].as_array().unwrap();
    assert_eq!(people.len(), 31);
    assert_eq!(people[1]["roles"], json!(["USER", "ARTIST", "SERVICE"]));
    let artists = reply.data()["artists"]["nodes"].as_array().unwrap();
    assert_eq!(artists.len(), 30);
    for artist in artists {
        assert_eq!(artist["stageName"], artist["user"]["artist"]["stageName"]);
    }
}
