//! Confirming an address and changing it.

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::json;

use super::{
    CONFIRMED_ONLY, VERIFY, confirm, does, logs_in, mutate, pair, pairs, refused, sent, strict,
    token, tokens,
};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, TestApp};

const VERIFIED: &str = "SELECT count(*) FROM users WHERE email_verified_at IS NOT NULL";

#[rstest]
#[tokio::test]
async fn who_registers_confirms_the_address_with_the_link_of_a_mail(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = strict(mode).await;
    app.person("ada").await;
    app.work().await;
    let asks = pairs(&[("ada@example.org", "Confirm your e-mail address")]);
    assert_eq!(sent(&app), asks);
    assert_eq!(app.number(VERIFIED).await, 0);
    let token = token(&app, "verify-email");
    does(&app.anybody(), "verifyEmail", json!({"token": token})).await;
    assert_eq!(app.number(VERIFIED).await, 1);
    let events = "SELECT count(*) FROM events WHERE topic = 'security.email_verified'";
    assert_eq!(app.number(events).await, 1);
    // Once, and for nothing else.
    for (field, input) in [
        ("verifyEmail", json!({"token": token})),
        ("verifyEmail", json!({"token": ""})),
        ("confirmEmailChange", json!({"token": token})),
        (
            "resetPassword",
            json!({"token": token, "newPassword": PASSWORD}),
        ),
    ] {
        let error = refused(&app.anybody(), field, input).await;
        assert_eq!(error, pair("INVALID_TOKEN", "input.token"), "{field}");
    }
    assert_eq!(app.number(events).await, 1);
    assert_eq!(app.work().await, 0);
}

#[rstest]
#[tokio::test]
async fn a_link_is_good_for_a_day_and_until_a_later_one_is_sent(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = strict(mode).await;
    let ada = app.person("ada").await;
    app.work().await;
    let resend = "mutation { resendVerification { userErrors { code } } }";
    app.clock.advance(TimeDelta::minutes(1));
    ada.graphql(resend, json!({})).await.data();
    app.work().await;
    let [first, second] = tokens(&app, "verify-email").try_into().unwrap();
    assert_ne!(first, second);
    let error = refused(&app.anybody(), "verifyEmail", json!({"token": first})).await;
    assert_eq!(error.0, "INVALID_TOKEN");
    app.clock.advance(TimeDelta::hours(24));
    let error = refused(&app.anybody(), "verifyEmail", json!({"token": second})).await;
    assert_eq!(error.0, "INVALID_TOKEN");
    let ada = ada.logged_in_again().await;
    ada.graphql(resend, json!({})).await.data();
    app.work().await;
    let token = token(&app, "verify-email");
    does(&app.anybody(), "verifyEmail", json!({"token": token})).await;
    // Nothing is left to confirm.
    ada.graphql(resend, json!({})).await.data();
    assert_eq!(app.work().await, 0);
    assert_eq!(sent(&app).len(), 3);
}

#[tokio::test]
async fn a_mail_that_comes_too_late_is_not_sent() {
    let app = strict(Embedded).await;
    let ada = app.person("ada").await;
    let resend = "mutation { resendVerification { userErrors { code } } }";
    ada.graphql(resend, json!({})).await.data();
    app.work().await;
    // The first was replaced before its mail left.
    assert_eq!(sent(&app).len(), 1);
    app.person("bob").await;
    app.clock.advance(TimeDelta::hours(25));
    app.work().await;
    assert_eq!(sent(&app).len(), 1);
    for (reason, count) in [("token_used", 1), ("token_over", 1)] {
        let query = format!("SELECT count(*) FROM deliveries WHERE reason = '{reason}'");
        assert_eq!(app.number(&query).await, count, "{reason}");
    }
}

#[rstest]
#[tokio::test]
async fn an_address_that_nobody_confirmed_gets_no_other_mail(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[CONFIRMED_ONLY]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    ada.creates(json!({"title": "One", "assigneeId": bob.id}))
        .await;
    app.work().await;
    assert_eq!(sent(&app), []);
    let skipped = "SELECT count(*) FROM deliveries WHERE state = 'suppressed' \
                   AND reason = 'unconfirmed'";
    assert_eq!(app.number(skipped).await, 1);
    confirm(&app, "bob").await;
    ada.creates(json!({"title": "Two", "assigneeId": bob.id}))
        .await;
    app.work().await;
    let told = [("bob@example.org", "Name of ada assigned you a task: Two")];
    assert_eq!(sent(&app), pairs(&told));
}

#[rstest]
#[tokio::test]
async fn an_account_gets_a_new_address_when_the_mail_arrived_there(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let input = json!({"newEmail": " Ada@New.example ", "password": PASSWORD});
    does(&ada, "requestEmailChange", input).await;
    app.work().await;
    let asks = ("Ada@New.example", "Confirm your new e-mail address");
    assert_eq!(sent(&app), pairs(&[asks]));
    // Until then nothing changes.
    assert!(logs_in(&app, "ada@example.org", PASSWORD).await);
    assert!(!logs_in(&app, "ada@new.example", PASSWORD).await);
    // A link for the old address must not outlive it.
    does(
        &app.anybody(),
        "requestPasswordReset",
        json!({"identifier": "ada"}),
    )
    .await;
    app.work().await;
    let reset = token(&app, "reset-password");
    let change = token(&app, "change-email");
    does(
        &app.anybody(),
        "confirmEmailChange",
        json!({"token": change}),
    )
    .await;
    app.work().await;
    let told = ("ada@example.org", "Your account has another e-mail address");
    assert!(sent(&app).contains(&pairs(&[told])[0]), "{:?}", sent(&app));
    assert!(logs_in(&app, "ADA@new.example", PASSWORD).await);
    assert!(!logs_in(&app, "ada@example.org", PASSWORD).await);
    assert_eq!(app.number(VERIFIED).await, 1);
    for (field, input) in [
        ("confirmEmailChange", json!({"token": change})),
        (
            "resetPassword",
            json!({"token": reset, "newPassword": "Another-Horse-8-Battery"}),
        ),
    ] {
        let error = refused(&app.anybody(), field, input).await;
        assert_eq!(error, pair("INVALID_TOKEN", "input.token"), "{field}");
    }
    assert!(logs_in(&app, "ada", PASSWORD).await);
}

#[rstest]
#[tokio::test]
async fn an_address_of_somebody_else_is_answered_alike_and_sends_nothing(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    app.person("bob").await;
    let ask = async |address: &str| {
        let input = json!({"newEmail": address, "password": PASSWORD});
        mutate(&ada, "requestEmailChange", input).await.body
    };
    assert_eq!(ask("BOB@example.org").await, ask("free@example.org").await);
    app.work().await;
    let asks = ("free@example.org", "Confirm your new e-mail address");
    assert_eq!(sent(&app), pairs(&[asks]));
    // Taken while the mail was on its way.
    app.person("free").await;
    let input = json!({"token": token(&app, "change-email")});
    let error = refused(&app.anybody(), "confirmEmailChange", input).await;
    assert_eq!(error, pair("TAKEN", "input.token"));
    assert!(logs_in(&app, "ada@example.org", PASSWORD).await);
}

#[tokio::test]
async fn a_change_of_address_takes_the_password_and_an_address() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let input = json!({"newEmail": "nonsense", "password": "wrong"});
    let reply = mutate(&ada, "requestEmailChange", input).await;
    let errors = &reply.data()["requestEmailChange"]["userErrors"];
    let codes = [&errors[0]["code"], &errors[1]["code"]];
    assert_eq!(codes, ["INVALID", "WRONG_CREDENTIALS"]);
    let input = json!({"newEmail": "ADA@example.org", "password": PASSWORD});
    let error = refused(&ada, "requestEmailChange", input).await;
    assert_eq!(error, pair("INVALID", "input.newEmail"));
    assert_eq!(app.number("SELECT count(*) FROM one_time_tokens").await, 0);
}

#[rstest]
#[tokio::test]
async fn the_mail_to_a_stranger_has_no_words_of_who_registered(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = strict(mode).await;
    let register = "mutation($input: RegisterInput!) { register(input: $input) { accessToken } }";
    let input = json!({"email": "stranger@example.org", "password": PASSWORD,
        "name": "You won! Claim it at http://evil.example/"});
    let reply = app
        .anybody()
        .graphql(register, json!({"input": input}))
        .await;
    let thief = reply.data()["register"]["accessToken"].as_str().unwrap();
    let thief = app.anybody().with_token(thief);
    let input = json!({"newEmail": "other@example.org", "password": PASSWORD});
    does(&thief, "requestEmailChange", input).await;
    app.work().await;
    assert_eq!(app.mails().len(), 2);
    for mail in app.mails() {
        let read = super::read(&mail);
        assert_eq!(read.to().unwrap().first().unwrap().name(), None);
        for body in [read.body_text(0), read.body_html(0)] {
            let body = body.unwrap();
            assert!(
                !body.contains("evil") && body.contains("Hello there"),
                "{body}"
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_needs_a_mail_is_refused_where_none_is_sent(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[VERIFY, ("TASKFLOW_MAIL__TRANSPORT", "none")]).await;
    let root = app.admin("root").await;
    let tokens = "SELECT count(*) FROM one_time_tokens";
    let before = app.number(tokens).await;
    for (field, input) in [
        ("requestPasswordReset", json!({"identifier": "root"})),
        ("requestPasswordReset", json!({"identifier": "nobody"})),
        ("inviteUser", json!({"email": "bob@example.org"})),
        (
            "requestEmailChange",
            json!({"newEmail": "new@example.org", "password": PASSWORD}),
        ),
    ] {
        assert_eq!(
            mutate(&root, field, input).await.code(),
            "FORBIDDEN",
            "{field}"
        );
    }
    let resend = "mutation { resendVerification { userErrors { code } } }";
    assert_eq!(root.graphql(resend, json!({})).await.code(), "FORBIDDEN");
    let input = json!({"email": "bob@example.org", "name": "Bob"});
    let error = refused(&root, "createUser", input).await;
    assert_eq!(error, pair("INVALID", "input.password"));
    assert_eq!(app.number(tokens).await, before);
}

#[rstest]
#[tokio::test]
async fn a_later_wish_for_an_address_ends_the_link_of_the_one_before(
    #[values(Embedded, Full)] mode: Mode,
    #[values("free2@example.org", "bob@example.org")] later: &str,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    app.person("bob").await;
    for address in ["free@example.org", later] {
        let input = json!({"newEmail": address, "password": PASSWORD});
        does(&ada, "requestEmailChange", input).await;
        app.work().await;
    }
    // Were it good when somebody has the later address, it would tell so.
    let first = json!({"token": tokens(&app, "change-email")[0]});
    let error = refused(&app.anybody(), "confirmEmailChange", first).await;
    assert_eq!(error.0, "INVALID_TOKEN");
}

#[rstest]
#[tokio::test]
async fn a_password_that_changes_while_it_is_looked_at_changes_no_address(
    #[values(Embedded, Full)] mode: Mode,
) {
    let patient = [
        ("TASKFLOW_AUTH__PASSWORD__HASH_WAIT_MS", "600000"),
        ("TASKFLOW_LIMITS__PROFILE", "development"),
    ];
    let app = TestApp::with(mode, &patient).await;
    let thief = app.person("ada").await;
    let passwords = &app.app.passwords;
    let holds = app.hold_hashes().await;
    let asked = tokio::spawn(async move {
        let input = json!({"newEmail": "thief@example.org", "password": PASSWORD});
        refused(&thief, "requestEmailChange", input).await
    });
    // It has read the account, and waits for its turn to hash.
    let waits = async {
        while passwords.waiting() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::process::PATIENCE, waits)
        .await
        .unwrap();
    app.execute("UPDATE users SET password_hash = 'another'")
        .await;
    drop(holds);
    let error = asked.await.unwrap();
    assert_eq!(error, pair("WRONG_CREDENTIALS", "input.password"));
    assert_eq!(app.number("SELECT count(*) FROM one_time_tokens").await, 0);
}

#[tokio::test]
async fn guesses_at_the_password_of_a_session_are_limited() {
    let limit = ("TASKFLOW_LIMITS__LOGIN_ACCOUNT", "3/15m");
    let app = TestApp::with(Embedded, &[limit]).await;
    let ada = app.person("ada").await;
    let change = json!({"newEmail": "x@example.org", "password": "wrong"});
    let password = json!({"currentPassword": "wrong", "newPassword": "Another-Horse-8-Battery"});
    for _ in 0..2 {
        let error = refused(&ada, "requestEmailChange", change.clone()).await;
        assert_eq!(error.0, "WRONG_CREDENTIALS");
    }
    let error = refused(&ada, "changePassword", password.clone()).await;
    assert_eq!(error, pair("WRONG_CREDENTIALS", "input.currentPassword"));
    for (field, input) in [("changePassword", password), ("requestEmailChange", change)] {
        assert_eq!(mutate(&ada, field, input).await.code(), "RATE_LIMITED");
    }
}
