//! Guessing passwords: who is locked out, who is not, and what can be told from outside.

use axum::body::Body;
use axum::http::{Request, header};
use chrono::TimeDelta;
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Reply, TestApp};

const PROXY: (&str, &str) = ("TASKFLOW_SERVER__TRUSTED_PROXIES", "1");
const WRONG: &str = "Wrong-Horse-7-Battery";
const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

async fn start(mode: Mode) -> TestApp {
    TestApp::with(mode, &[PROXY]).await
}

async fn send(app: &TestApp, address: &str, query: &str, input: Value) -> Reply {
    let body = json!({"query": query, "variables": {"input": input}}).to_string();
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-forwarded-for", address)
        .body(Body::from(body));
    app.anybody().send(request.unwrap()).await
}

async fn logs_in(app: &TestApp, address: &str, name: &str, password: &str) -> Reply {
    with_code(app, address, name, password, None).await
}

async fn with_code(
    app: &TestApp,
    address: &str,
    name: &str,
    password: &str,
    code: Option<&str>,
) -> Reply {
    let query = "mutation($input: LoginInput!) { login(input: $input) {
        accessToken userErrors { code message field } } }";
    let input = json!({"identifier": name, "password": password, "code": code});
    send(app, address, query, input).await
}

async fn unlocks(app: &TestApp, token: &str) -> Reply {
    let query = "mutation($input: UnlockAccountInput!) { unlockAccount(input: $input) {
        userErrors { code field } } }";
    send(app, ELSEWHERE, query, json!({"token": token})).await
}

fn is_wrong(reply: &Reply) -> bool {
    reply.user_error("login").0 == "WRONG_CREDENTIALS"
}

fn is_in(reply: &Reply) -> bool {
    reply.data()["login"]["accessToken"].is_string()
}

/// What the newest mail to somebody was made of: the token is the database's last, told by its key.
async fn token(app: &TestApp, purpose: &str) -> String {
    use entity::one_time_token::{Column, Entity};
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
    let rows = Entity::find()
        .filter(Column::UserId.is_not_null())
        .order_by_desc(Column::CreatedAt)
        .all(&app.sql().await)
        .await
        .unwrap();
    let purpose = rows.into_iter().find(|row| {
        use sea_orm::ActiveEnum;
        row.purpose.to_value() == purpose
    });
    let row = purpose.unwrap();
    app.app.tokens.mail_keys().text(&row).unwrap()
}

#[rstest]
#[tokio::test]
async fn of_fifty_guesses_at_once_five_are_looked_at(
    #[values(Embedded, Full)] mode: Mode,
    #[values("ada", "nobody")] name: &str,
) {
    let app = start(mode).await;
    app.person("ada").await;
    let (before, _) = app.app.passwords.counts();
    let guesses = join_all((0..50).map(|_| logs_in(&app, HERE, name, WRONG))).await;
    let (after, _) = app.app.passwords.counts();
    assert_eq!(after - before, if name == "ada" { 5 } else { 0 });
    // The others heard either that too many are at it, or the same as the five.
    let busy = |reply: &&Reply| reply.body.get("errors").is_some();
    for reply in guesses.iter().filter(busy) {
        assert_eq!(reply.code(), "UNAVAILABLE");
        assert!(reply.body["errors"][0]["extensions"]["retryAfter"].is_u64());
    }
    assert!(guesses.iter().filter(|reply| !busy(reply)).all(is_wrong));
    assert!(guesses.iter().filter(|reply| !busy(reply)).count() >= 5);
    // Now not even the right one is looked at, from any address of the network.
    let (before, _) = app.app.passwords.counts();
    assert!(is_wrong(
        &logs_in(&app, "192.0.2.200", name, PASSWORD).await
    ));
    assert_eq!(app.app.passwords.counts().0, before);
}

#[rstest]
#[tokio::test]
async fn an_attacker_locks_himself_out_and_not_the_owner(#[values(Embedded, Full)] mode: Mode) {
    let app = start(mode).await;
    app.person("ada").await;
    app.person("bob").await;
    // By either name: it is one account.
    for name in ["ada", "ADA@example.org", "ada", "Ada", "ada@example.org"] {
        assert!(is_wrong(&logs_in(&app, HERE, name, WRONG).await));
    }
    assert!(is_wrong(&logs_in(&app, HERE, "ada", PASSWORD).await));
    assert!(is_in(&logs_in(&app, ELSEWHERE, "ada", PASSWORD).await));
    assert!(is_in(&logs_in(&app, HERE, "bob", PASSWORD).await));
    let events = "SELECT count(*) FROM events WHERE topic = 'security.account_locked'";
    assert_eq!(app.number(events).await, 1);
    // Trying on does not make it longer.
    app.clock.advance(TimeDelta::minutes(29));
    assert!(is_wrong(&logs_in(&app, HERE, "ada", PASSWORD).await));
    app.clock.advance(TimeDelta::minutes(1));
    assert!(is_in(&logs_in(&app, HERE, "ada", PASSWORD).await));
    assert_eq!(app.number(events).await, 1);
}

#[rstest]
#[tokio::test]
async fn wrong_passwords_are_forgotten_after_a_while_and_after_a_right_one(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = start(mode).await;
    app.person("ada").await;
    let four = async || {
        for _ in 0..4 {
            assert!(is_wrong(&logs_in(&app, HERE, "ada", WRONG).await));
        }
    };
    four().await;
    assert!(is_in(&logs_in(&app, HERE, "ada", PASSWORD).await));
    four().await;
    app.clock.advance(TimeDelta::minutes(15));
    four().await;
    assert!(is_in(&logs_in(&app, HERE, "ada", PASSWORD).await));
}

/// Who it is, the place in the count, their roles, the time of the login, and at the end all else.
#[tokio::test]
async fn a_login_takes_five_statements() {
    let app = start(Full).await;
    app.person("ada").await;
    let before = app.app.db.statements();
    let reply = logs_in(&app, HERE, "ada", PASSWORD).await;
    assert!(reply.body["data"]["login"]["accessToken"].is_string());
    assert_eq!(app.app.db.statements() - before, 5);
}

#[rstest]
#[tokio::test]
async fn an_unknown_a_wrong_and_a_locked_login_take_the_same_work_and_get_the_same_answer(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = start(mode).await;
    app.person("ada").await;
    // Statements, hashes, and the answer without its request id.
    let cost = async |name: &str, password: &str| {
        let statements = app.app.db.statements();
        let (looked_at, dummies) = app.app.passwords.counts();
        let reply = logs_in(&app, HERE, name, password).await;
        let now = app.app.passwords.counts();
        let hashes = now.0 + now.1 - looked_at - dummies;
        (app.app.db.statements() - statements, hashes, reply.body)
    };
    let wrong = cost("ada", WRONG).await;
    assert_eq!(wrong.1, 1);
    assert_eq!(cost("nobody", WRONG).await, wrong);
    assert_eq!(cost("nobody@example.org", WRONG).await, wrong);
    // Up to the try that locks, and beyond.
    for guess in 2..=7 {
        let (known, unknown) = (cost("ada", WRONG).await, cost("nobody", WRONG).await);
        assert_eq!(known, unknown, "guess {guess}");
        assert_eq!(known.2, wrong.2, "guess {guess}");
    }
    let locked = cost("ada", PASSWORD).await;
    assert_eq!(locked, wrong);
}

#[rstest]
#[tokio::test]
async fn the_owner_is_told_once_and_unlocks_by_mail(#[values(Embedded, Full)] mode: Mode) {
    let app = start(mode).await;
    let ada = app.person("ada").await;
    for address in [HERE, "203.0.113.1"] {
        for _ in 0..5 {
            assert!(is_wrong(&logs_in(&app, address, "ada", WRONG).await));
        }
    }
    app.work().await;
    // Two networks were locked out; the second mail in a quarter of an hour is not sent.
    assert_eq!(app.mails().len(), 1);
    let mail = app.mails().remove(0);
    assert!(
        mail.contains("ada@example.org") && mail.contains("192.0.2.0/24"),
        "{mail}"
    );
    let token = token(&app, "unlock").await;
    assert!(mail.replace("=\r\n", "").contains(&token), "{mail}");
    let reply = unlocks(&app, &token).await;
    assert_eq!(reply.data()["unlockAccount"]["userErrors"], json!([]));
    assert!(is_in(&logs_in(&app, HERE, "ada", PASSWORD).await));
    // Only for the network it was about, and once.
    assert!(is_wrong(
        &logs_in(&app, "203.0.113.1", "ada", PASSWORD).await
    ));
    for bad in [
        token.as_str(),
        "nonsense",
        "",
        ada.token.as_deref().unwrap(),
    ] {
        let reply = unlocks(&app, bad).await;
        let told = reply.user_error("unlockAccount");
        assert_eq!(told, ("INVALID_TOKEN".to_owned(), "input.token".to_owned()));
    }
}

/// Fifty wrong passwords from ten networks.
async fn attack(app: &TestApp, name: &str) {
    for network in 0..10 {
        let address = format!("203.0.{network}.1");
        for _ in 0..5 {
            assert!(is_wrong(&logs_in(app, &address, name, WRONG).await));
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_account_under_attack_asks_for_a_code_that_is_mailed(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = start(mode).await;
    app.person("ada").await;
    let home = logs_in(&app, HERE, "ada", PASSWORD).await;
    assert!(is_in(&home));
    attack(&app, "ada").await;
    attack(&app, "nobody").await;
    // The attacker's next guess is not looked at, nor is the owner's right password from a new place.
    let (before, _) = app.app.passwords.counts();
    for (name, password) in [("ada", WRONG), ("ada", PASSWORD), ("nobody", WRONG)] {
        let reply = logs_in(&app, ELSEWHERE, name, password).await;
        let told = reply.user_error("login");
        assert_eq!(told, ("CODE_REQUIRED".to_owned(), "input.code".to_owned()));
    }
    assert_eq!(app.app.passwords.counts().0, before);
    // From where she was before, nothing is asked.
    assert!(is_in(&logs_in(&app, "192.0.2.99", "ada", PASSWORD).await));
    app.work().await;
    let code = token(&app, "login_code").await;
    let codes = app
        .mails()
        .iter()
        .filter(|mail| mail.replace('-', "").contains(&code))
        .count();
    assert_eq!(codes, 1, "one mail, not one a try");
    for wrong in ["", "AAAAA-AAAAA"] {
        let reply = with_code(&app, ELSEWHERE, "ada", PASSWORD, Some(wrong)).await;
        assert_eq!(reply.user_error("login").0, "CODE_REQUIRED");
    }
    // As people type it; of one account only; once.
    let typed = format!(" {}-{} ", &code[..5].to_lowercase(), &code[5..]);
    app.person("bob").await;
    let reply = with_code(&app, ELSEWHERE, "nobody", PASSWORD, Some(&typed)).await;
    assert_eq!(reply.user_error("login").0, "CODE_REQUIRED");
    assert!(is_in(
        &with_code(&app, ELSEWHERE, "ada", PASSWORD, Some(&typed)).await
    ));
    let reply = with_code(&app, "198.51.77.1", "ada", PASSWORD, Some(&typed)).await;
    assert_eq!(reply.user_error("login").0, "CODE_REQUIRED");
    // Nobody else is asked; and after half an hour of quiet nobody is.
    assert!(is_in(&logs_in(&app, ELSEWHERE, "bob", PASSWORD).await));
    app.clock.advance(TimeDelta::minutes(31));
    assert!(is_in(&logs_in(&app, "198.51.77.1", "ada", PASSWORD).await));
}

/// Nothing was guessed: who is told of a failure six times is no nearer to a lock.
#[rstest]
#[tokio::test]
async fn a_place_is_given_back_when_the_database_fails_behind_it(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = start(mode).await;
    app.person("ada").await;
    attack(&app, "ada").await;
    app.execute("ALTER TABLE one_time_tokens RENAME TO gone")
        .await;
    for _ in 0..6 {
        let reply = logs_in(&app, ELSEWHERE, "ada", PASSWORD).await;
        let code = &reply.body["errors"][0]["extensions"]["code"];
        assert_eq!(code, "INTERNAL_SERVER_ERROR", "{}", reply.body);
    }
    app.execute("ALTER TABLE gone RENAME TO one_time_tokens")
        .await;
    let reply = logs_in(&app, ELSEWHERE, "ada", PASSWORD).await;
    assert_eq!(reply.user_error("login").0, "CODE_REQUIRED");
}

#[rstest]
#[tokio::test]
async fn who_has_no_address_is_not_asked_for_a_code(#[values(Embedded, Full)] mode: Mode) {
    let app = start(mode).await;
    let register = "mutation($input: RegisterInput!) { register(input: $input) { accessToken } }";
    let input = json!({"username": "ada", "password": PASSWORD, "name": "Ada"});
    send(&app, HERE, register, input).await.data();
    attack(&app, "ada").await;
    assert!(is_in(&logs_in(&app, ELSEWHERE, "ada", PASSWORD).await));
}

#[rstest]
#[tokio::test]
async fn who_gets_no_mail_is_not_asked_for_a_code(#[values(Embedded, Full)] mode: Mode) {
    for strict in [
        ("TASKFLOW_MAIL__TO_UNVERIFIED", "false"),
        ("TASKFLOW_MAIL__TRANSPORT", "none"),
    ] {
        let app = TestApp::with(mode, &[PROXY, strict]).await;
        app.person("ada").await;
        attack(&app, "ada").await;
        assert!(is_in(&logs_in(&app, ELSEWHERE, "ada", PASSWORD).await));
    }
}

#[rstest]
#[tokio::test]
async fn a_guess_whose_sender_goes_away_is_a_guess_like_any_other(
    #[values(Embedded, Full)] mode: Mode,
) {
    let patient = ("TASKFLOW_AUTH__PASSWORD__HASH_WAIT_MS", "600000");
    let app = TestApp::with(mode, &[PROXY, patient]).await;
    app.person("ada").await;
    let passwords = &app.app.passwords;
    let holds = app.hold_hashes().await;
    let waiting = async |guesses: usize| {
        while passwords.waiting() < guesses {
            tokio::task::yield_now().await;
        }
    };
    // Five guesses wait for their hash when their senders go away.
    for guess in 1..=5 {
        let login = logs_in(&app, HERE, "ada", WRONG);
        tokio::select! { _ = login => panic!("it was answered"), () = waiting(guess) => {} }
    }
    drop(holds);
    let locked = async {
        while app
            .number("SELECT count(*) FROM login_failures WHERE locked_until IS NOT NULL")
            .await
            == 0
        {
            tokio::task::yield_now().await;
        }
    };
    let patience = crate::support::process::PATIENCE;
    tokio::time::timeout(patience, locked).await.unwrap();
    assert!(is_wrong(&logs_in(&app, HERE, "ada", PASSWORD).await));
}

#[rstest]
#[tokio::test]
async fn places_that_died_with_their_process_are_free_after_a_minute(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = start(mode).await;
    app.person("ada").await;
    assert!(is_wrong(&logs_in(&app, HERE, "ada", WRONG).await));
    // As five tries leave it whose process was killed while it looked.
    app.execute("UPDATE login_failures SET failures = 5 WHERE network <> '*'")
        .await;
    assert_eq!(
        logs_in(&app, HERE, "ada", PASSWORD).await.code(),
        "UNAVAILABLE"
    );
    app.clock.advance(TimeDelta::seconds(50));
    assert_eq!(
        logs_in(&app, HERE, "ada", PASSWORD).await.code(),
        "UNAVAILABLE"
    );
    app.clock.advance(TimeDelta::seconds(11));
    assert!(is_in(&logs_in(&app, HERE, "ada", PASSWORD).await));
}

#[rstest]
#[tokio::test]
async fn replicas_count_together(#[values(Full)] mode: Mode) {
    let app = start(mode).await;
    let other = app.replica().await;
    app.person("ada").await;
    for _ in 0..2 {
        assert!(is_wrong(&logs_in(&app, HERE, "ada", WRONG).await));
        assert!(is_wrong(&logs_in(&other, HERE, "ada", WRONG).await));
    }
    let guesses = [&app, &other].repeat(10);
    join_all(guesses.iter().map(|app| logs_in(app, HERE, "ada", WRONG))).await;
    assert_eq!(
        app.app.passwords.counts().0 + other.app.passwords.counts().0,
        5
    );
}

#[tokio::test]
async fn a_login_that_finds_no_place_to_hash_is_not_a_wrong_password() {
    let one_at_a_time = [
        PROXY,
        ("TASKFLOW_AUTH__PASSWORD__HASH_MEMORY_BUDGET_MIB", "1"),
        ("TASKFLOW_AUTH__PASSWORD__ARGON2_MEMORY_KIB", "1024"),
        ("TASKFLOW_AUTH__PASSWORD__HASH_QUEUE", "1"),
        ("TASKFLOW_AUTH__PASSWORD__HASH_WAIT_MS", "60000"),
    ];
    let app = TestApp::with(Embedded, &one_at_a_time).await;
    app.person("ada").await;
    // One hashes, one waits, and whoever comes meanwhile is sent away.
    let holds = app.hold_hashes().await;
    let parts = app.app.clone();
    let waits = tokio::spawn(async move { parts.passwords.run(|| ()).await });
    while app.app.passwords.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        let reply = logs_in(&app, HERE, "ada", PASSWORD).await;
        assert_eq!(reply.code(), "UNAVAILABLE");
    }
    drop(holds);
    waits.await.unwrap().unwrap();
    assert!(is_in(&logs_in(&app, HERE, "ada", PASSWORD).await));
}
