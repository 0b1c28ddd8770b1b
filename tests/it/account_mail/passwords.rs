//! Changing a password, and setting a forgotten one anew.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::UserId;
use entity::one_time_token::Purpose;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use serde_json::{Value, json};
use taskflow::auth::events::{TokenIssued, tell};
use taskflow::auth::one_time::{self, NewToken};
use taskflow::graphql::Kind;

use super::{
    CONFIRMED_ONLY, confirm, does, logs_in, mutate, pair, pairs, refused, sent, token, tokens,
};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, TestApp};

const OTHER: &str = "Another-Horse-8-Battery";

async fn changes(person: &Person, current: &str, new: &str) -> Reply {
    let query = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
        accessToken refreshToken user { id } userErrors { code message field } } }";
    let input = json!({"currentPassword": current, "newPassword": new});
    person.graphql(query, json!({"input": input})).await
}

async fn renews(app: &TestApp, refresh_token: &str) -> bool {
    let query =
        "mutation($input: RefreshTokenInput!) { refreshToken(input: $input) { accessToken } }";
    let input = json!({"input": {"refreshToken": refresh_token}});
    let reply = app.anybody().graphql(query, input).await;
    reply.body["data"]["refreshToken"]["accessToken"].is_string()
}

async fn asks_for_reset(app: &TestApp, identifier: &str) -> Value {
    let input = json!({"identifier": identifier});
    mutate(&app.anybody(), "requestPasswordReset", input)
        .await
        .body
}

#[rstest]
#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_and_gives_this_one_new_tokens(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let phone = ada.logged_in_again().await;
    let reply = changes(&ada, PASSWORD, OTHER).await;
    let payload = &reply.data()["changePassword"];
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["user"]["id"], json!(ada.id));
    let fresh = payload["refreshToken"].as_str().unwrap();
    assert!(!renews(&app, &ada.refresh_token).await);
    assert!(!renews(&app, &phone.refresh_token).await);
    assert!(renews(&app, fresh).await);
    let with_new = ada.with_token(payload["accessToken"].as_str().unwrap());
    let me = with_new
        .graphql("{ viewer { user { id } } }", json!({}))
        .await;
    assert_eq!(me.data()["viewer"]["user"]["id"], json!(ada.id));
    assert!(logs_in(&app, "ada", OTHER).await);
    assert!(!logs_in(&app, "ada", PASSWORD).await);
    let epoch = "SELECT token_epoch FROM users";
    assert_eq!(app.number(epoch).await, 1);
    let ended = "SELECT count(*) FROM sessions WHERE revoke_reason = 'password'";
    assert_eq!(app.number(ended).await, 1);
    app.work().await;
    let told = [("ada@example.org", "Your password was changed")];
    assert_eq!(sent(&app), pairs(&told));
}

#[rstest]
#[tokio::test]
async fn a_password_is_changed_only_by_who_knows_it_and_to_a_good_one(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for (current, new, error) in [
        (
            "wrong",
            OTHER,
            pair("WRONG_CREDENTIALS", "input.currentPassword"),
        ),
        (PASSWORD, "short", pair("INVALID", "input.newPassword")),
        (PASSWORD, PASSWORD, pair("INVALID", "input.newPassword")),
        (
            PASSWORD,
            "Name of ada 77!",
            pair("INVALID", "input.newPassword"),
        ),
    ] {
        let reply = changes(&ada, current, new).await;
        assert_eq!(reply.user_error("changePassword"), error, "{new}");
        assert_eq!(reply.data()["changePassword"]["accessToken"], Value::Null);
    }
    assert!(renews(&app, &ada.refresh_token).await);
    assert!(logs_in(&app, "ada", PASSWORD).await);
    assert_eq!(app.work().await, 0);
}

#[rstest]
#[tokio::test]
async fn of_two_who_change_a_password_at_once_one_wins(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let phone = ada.logged_in_again().await;
    let new = |number: usize| format!("Another-Horse-{number}-Battery");
    let tries = (0..6).map(|number| {
        let person = if number % 2 == 0 { &ada } else { &phone };
        async move { changes(person, PASSWORD, &new(number)).await.body }
    });
    let replies = futures_util::future::join_all(tries).await;
    let tokens = |body: &Value| body["data"]["changePassword"]["accessToken"].is_string();
    let won: Vec<usize> = (0..6).filter(|number| tokens(&replies[*number])).collect();
    assert_eq!(won.len(), 1, "{replies:#?}");
    assert!(logs_in(&app, "ada", &new(won[0])).await);
    assert_eq!(app.number("SELECT token_epoch FROM users").await, 1);
}

#[rstest]
#[tokio::test]
async fn a_forgotten_password_is_set_anew_with_the_link_of_a_mail(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    asks_for_reset(&app, "ADA@example.org").await;
    app.work().await;
    let told = [("ada@example.org", "Set a new password")];
    assert_eq!(sent(&app), pairs(&told));
    let token = token(&app, "reset-password");
    // What is refused does not use the link up.
    let input = json!({"token": token, "newPassword": "short"});
    let error = refused(&app.anybody(), "resetPassword", input).await;
    assert_eq!(error, pair("INVALID", "input.newPassword"));
    let input = json!({"token": token, "newPassword": OTHER});
    does(&app.anybody(), "resetPassword", input.clone()).await;
    assert!(!renews(&app, &ada.refresh_token).await);
    assert!(logs_in(&app, "ada", OTHER).await);
    assert!(!logs_in(&app, "ada", PASSWORD).await);
    assert_eq!(app.number("SELECT token_epoch FROM users").await, 1);
    // The mail arrived, so the address is theirs.
    let verified = "SELECT count(*) FROM users WHERE email_verified_at IS NOT NULL";
    assert_eq!(app.number(verified).await, 1);
    let error = refused(&app.anybody(), "resetPassword", input).await;
    assert_eq!(error, pair("INVALID_TOKEN", "input.token"));
    app.work().await;
    let mails = [
        ("ada@example.org", "Set a new password"),
        ("ada@example.org", "Your password was changed"),
    ];
    assert_eq!(sent(&app), pairs(&mails));
}

#[rstest]
#[tokio::test]
async fn a_link_for_a_new_password_is_good_for_an_hour_and_of_two_the_later(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    app.person("ada").await;
    asks_for_reset(&app, "ada").await;
    app.work().await;
    app.clock.advance(TimeDelta::minutes(30));
    asks_for_reset(&app, "ada").await;
    app.work().await;
    let [first, second] = tokens(&app, "reset-password").try_into().unwrap();
    let input = |token: &str| json!({"token": token, "newPassword": OTHER});
    let error = refused(&app.anybody(), "resetPassword", input(&first)).await;
    assert_eq!(error.0, "INVALID_TOKEN");
    app.clock.advance(TimeDelta::minutes(60));
    let error = refused(&app.anybody(), "resetPassword", input(&second)).await;
    assert_eq!(error.0, "INVALID_TOKEN");
    assert!(logs_in(&app, "ada", PASSWORD).await);
}

#[rstest]
#[tokio::test]
async fn an_account_that_was_made_for_somebody_gets_its_password_by_mail(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[CONFIRMED_ONLY]).await;
    let ada = app.person("ada").await;
    let parts = &app.app;
    let user_id = Some(UserId(Kind::User.decode(&ada.id).unwrap()));
    parts
        .db
        .write(|tx| async move {
            let new = NewToken {
                user_id,
                purpose: Purpose::ResetPassword,
                address: None,
                network: None,
            };
            let row = one_time::issue(parts.tokens.mail_keys(), &tx, new).await?;
            let issued = TokenIssued {
                token_id: row.id,
                user_id,
                recipients: user_id.into_iter().collect(),
            };
            tell(parts, &tx, &issued, None).await
        })
        .await
        .unwrap();
    app.work().await;
    let input = json!({"token": token(&app, "reset-password"), "newPassword": OTHER});
    does(&app.anybody(), "resetPassword", input).await;
    assert!(logs_in(&app, "ada", OTHER).await);
}

#[rstest]
#[tokio::test]
async fn who_was_given_an_account_and_has_no_password_may_ask_for_the_mail_again(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[CONFIRMED_ONLY]).await;
    let root = app.admin("root").await;
    let input = json!({"email": "eve@example.org", "name": "Eve"});
    does(&root, "createUser", input).await;
    app.clock.advance(TimeDelta::hours(2));
    asks_for_reset(&app, "eve@example.org").await;
    app.work().await;
    let input = json!({"token": token(&app, "reset-password"), "newPassword": OTHER});
    does(&app.anybody(), "resetPassword", input).await;
    assert!(logs_in(&app, "eve@example.org", OTHER).await);
}

#[rstest]
#[tokio::test]
async fn of_many_who_ask_at_once_the_last_link_is_good_and_no_other(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    app.person("ada").await;
    futures_util::future::join_all((0..10).map(|_| asks_for_reset(&app, "ada"))).await;
    let good = "SELECT count(*) FROM one_time_tokens WHERE used_at IS NULL";
    assert_eq!(app.number(good).await, 1);
}

#[rstest]
#[tokio::test]
async fn who_had_the_account_cannot_change_its_address_after_a_new_password(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let thief = app.person("ada").await;
    let input = json!({"newEmail": "thief@example.org", "password": PASSWORD});
    does(&thief, "requestEmailChange", input).await;
    asks_for_reset(&app, "ada").await;
    app.work().await;
    let input = json!({"token": token(&app, "reset-password"), "newPassword": OTHER});
    does(&app.anybody(), "resetPassword", input).await;
    let input = json!({"token": token(&app, "change-email")});
    let error = refused(&app.anybody(), "confirmEmailChange", input).await;
    assert_eq!(error.0, "INVALID_TOKEN");
}

#[rstest]
#[tokio::test]
async fn of_many_who_use_a_link_at_once_one_sets_the_password(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    app.person("ada").await;
    asks_for_reset(&app, "ada").await;
    app.work().await;
    let token = &token(&app, "reset-password");
    let anybody = &app.anybody();
    let tries = (0..8).map(|number| async move {
        let new = format!("Another-Horse-{number}-Battery");
        let input = json!({"token": token, "newPassword": new});
        mutate(anybody, "resetPassword", input).await.body
    });
    let replies = futures_util::future::join_all(tries).await;
    let good = |body: &&Value| body["data"]["resetPassword"]["userErrors"] == json!([]);
    assert_eq!(replies.iter().filter(good).count(), 1, "{replies:#?}");
    assert_eq!(app.number("SELECT token_epoch FROM users").await, 1);
}

/// How many rows each table has.
async fn rows(app: &TestApp) -> BTreeMap<String, i64> {
    let db = app.sql().await;
    let names = match db.get_database_backend() {
        DatabaseBackend::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        _ => "SELECT name FROM sqlite_master WHERE type = 'table'",
    };
    let names = Statement::from_string(db.get_database_backend(), names);
    let mut rows = BTreeMap::new();
    for row in db.query_all_raw(names).await.unwrap() {
        let name: String = row.try_get_by_index(0).unwrap();
        let count = app.number(&format!("SELECT count(*) FROM {name}")).await;
        rows.insert(name, count);
    }
    rows
}

#[rstest]
#[tokio::test]
async fn asking_for_a_new_password_tells_nothing_of_accounts(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[CONFIRMED_ONLY]).await;
    for name in ["ada", "disabled", "unconfirmed", "nowhere"] {
        app.person(name).await;
        if name != "unconfirmed" {
            confirm(&app, name).await;
        }
    }
    app.execute("UPDATE users SET status = 'disabled' WHERE username = 'disabled'")
        .await;
    app.execute("UPDATE users SET email = NULL, email_norm = NULL WHERE username = 'nowhere'")
        .await;
    let mut seen = Vec::new();
    for name in [
        "ada",
        "nobody",
        "nobody@example.org",
        "disabled",
        "unconfirmed",
        "nowhere",
    ] {
        let before = rows(&app).await;
        let answer = asks_for_reset(&app, name).await;
        let mut written = rows(&app).await;
        for (table, count) in &mut written {
            *count -= before[table];
        }
        written.retain(|_, count| *count != 0);
        seen.push((name, answer, written));
    }
    let (_, answer, written) = seen[0].clone();
    assert_eq!(
        answer,
        json!({"data": {"requestPasswordReset": {"userErrors": []}}})
    );
    let expected = [("events", 1), ("jobs", 1), ("one_time_tokens", 1)];
    assert_eq!(
        written,
        expected
            .map(|(table, rows)| (table.to_owned(), rows))
            .into()
    );
    for (name, other, rows) in seen {
        assert_eq!((other, rows), (answer.clone(), written.clone()), "{name}");
    }
    app.work().await;
    // Who reads the mail shows that the address is theirs, though nobody confirmed it.
    let new_password = |address| (address, "Set a new password");
    let told = ["ada@example.org", "unconfirmed@example.org"].map(new_password);
    assert_eq!(sent(&app), pairs(&told));
}

#[tokio::test]
async fn mails_that_strangers_ask_for_are_limited_by_the_name_that_was_typed() {
    let limit = ("TASKFLOW_LIMITS__ACCOUNT_MAIL_ACCOUNT", "3/1h");
    let app = TestApp::with(Embedded, &[limit]).await;
    app.person("ada").await;
    for name in ["ada", "nobody"] {
        for spelling in [name.to_owned(), name.to_uppercase(), format!(" {name} ")] {
            let answer = asks_for_reset(&app, &spelling).await;
            assert!(answer.get("errors").is_none(), "{answer}");
        }
        let answer = asks_for_reset(&app, name).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    }
}

const POLICY: &str = "query($password: String!, $names: [String!]) { passwordPolicy {
    minLength maxBytes policy requiresUppercase requiresLowercase requiresDigit requiresSymbol
    strength(password: $password, names: $names) {
        score isAcceptable problems warning suggestions } } }";

#[tokio::test]
async fn the_policy_and_the_strength_of_a_password_are_told_to_anybody() {
    let app = TestApp::start(Embedded).await;
    let ask = async |password: &str| {
        let variables =
            json!({"password": password, "names": ["Ada L", "ada@lovelace.example", "Countess"]});
        let reply = app.anybody().graphql(POLICY, variables).await;
        reply.data()["passwordPolicy"].clone()
    };
    let weak = ask("Password123!").await;
    assert_eq!(weak["minLength"], 12);
    assert_eq!(weak["maxBytes"], 256);
    assert_eq!(weak["policy"], "COMPOSITION");
    for class in ["Uppercase", "Lowercase", "Digit", "Symbol"] {
        assert_eq!(weak[format!("requires{class}")], true);
    }
    assert_eq!(weak["strength"]["isAcceptable"], false);
    assert!(weak["strength"]["score"].as_u64().unwrap() < 2);
    assert!(weak["strength"]["warning"].is_string());
    assert!(
        !weak["strength"]["suggestions"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let good = ask(PASSWORD).await["strength"].clone();
    assert_eq!(good["isAcceptable"], true);
    assert_eq!(good["problems"], json!([]));
    assert!(good["score"].as_u64().unwrap() >= 3);
    for mine in ["My-Countess-Horse-7", "Taskflow-Battery-77!"] {
        assert_eq!(ask(mine).await["strength"]["isAcceptable"], false, "{mine}");
    }
    let letters = "Ünïcode-Wörter-9-gehen".to_owned() + &"ж".repeat(64);
    assert_eq!(ask(&letters).await["strength"]["isAcceptable"], true);
    let long = ask(&"Aa1!".repeat(65)).await["strength"].clone();
    assert_eq!(
        long["problems"],
        json!(["The password is longer than 256 bytes."])
    );
    let lenient = ("TASKFLOW_AUTH__PASSWORD__POLICY", "nist");
    let app = TestApp::with(Embedded, &[lenient]).await;
    let phrase = json!({"password": "correct horse battery staple"});
    let reply = app.anybody().graphql(POLICY, phrase).await;
    let policy = reply.data()["passwordPolicy"].clone();
    assert_eq!(policy["policy"], "NIST");
    assert_eq!(policy["requiresDigit"], false);
    assert_eq!(policy["minLength"], 15);
}

#[tokio::test]
async fn many_strengths_in_one_operation_count_one_by_one() {
    let app = TestApp::with(Embedded, &[("TASKFLOW_LIMITS__ANONYMOUS", "10/1m")]).await;
    let aliases: Vec<_> = (0..20)
        .map(|n| format!("s{n}: strength(password: \"x\") {{ score }}"))
        .collect();
    let query = format!("{{ passwordPolicy {{ {} }} }}", aliases.join(" "));
    let reply = app.anybody().graphql(&query, json!({})).await;
    assert_eq!(reply.code(), "RATE_LIMITED");
}
