//! Renewing: of many at once all go on with the same, and a copy ends the session.

use chrono::TimeDelta;
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use super::{current, is_refused, refresh, renewed, works};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Reply, TestApp};

const REUSED: &str = "SELECT count(*) FROM events WHERE topic = 'security.session_reused'";
const GENERATION: &str = "SELECT generation FROM sessions";

fn successor(reply: &Reply) -> &str {
    let token = &reply.data()["refreshToken"]["refreshToken"];
    token.as_str().expect("a token")
}

fn assert_refused(reply: &Reply) {
    assert_eq!(reply.code(), "UNAUTHENTICATED");
    let message = &reply.body["errors"][0]["message"];
    assert_eq!(
        message,
        "The refresh token is not good any more. Log in again."
    );
}

#[rstest]
#[tokio::test]
async fn a_refresh_token_leads_to_the_next(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let mut now = ada.clone();
    for generation in 2..5 {
        let reply = refresh(&app.anybody(), &now.refresh_token).await;
        assert_ne!(successor(&reply), now.refresh_token);
        assert_eq!(reply.data()["refreshToken"]["user"]["id"], json!(ada.id));
        now = renewed(&ada, &reply);
        works(&now).await;
        assert_eq!(app.number(GENERATION).await, generation);
    }
    // The access token from before goes on.
    works(&ada).await;
}

#[rstest]
#[tokio::test]
async fn of_many_renewals_at_once_all_go_on_with_the_same(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let anybody = app.anybody();
    let replies = join_all((0..20).map(|_| refresh(&anybody, &ada.refresh_token))).await;
    for reply in &replies {
        assert_eq!(successor(reply), successor(&replies[0]));
        let end = |reply: &Reply| reply.data()["refreshToken"]["refreshTokenExpiresAt"].clone();
        assert_eq!(end(reply), end(&replies[0]));
        works(&renewed(&ada, reply)).await;
    }
    assert_eq!(app.number(GENERATION).await, 2);
    assert_eq!(app.number(REUSED).await, 0);
    refresh(&anybody, successor(&replies[0])).await.data();
}

#[tokio::test]
async fn of_many_renewals_at_two_replicas_all_go_on_with_the_same() {
    let app = TestApp::start(Full).await;
    let other = app.replica().await;
    let ada = app.person("ada").await;
    let (here, there) = (app.anybody(), other.anybody());
    let replies = join_all((0..20).map(|number| {
        let at = if number % 2 == 0 { &here } else { &there };
        refresh(at, &ada.refresh_token)
    }))
    .await;
    for reply in &replies {
        assert_eq!(successor(reply), successor(&replies[0]));
        works(&renewed(&ada.at(&other.router), reply)).await;
    }
    assert_eq!(app.number(GENERATION).await, 2);
    assert_eq!(app.number(REUSED).await, 0);
}

#[rstest]
#[tokio::test]
async fn the_old_token_is_good_for_a_moment_and_then_ends_its_session(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let elsewhere = ada.logged_in_again().await;
    let old = &ada.refresh_token;
    let first = refresh(&app.anybody(), old).await;
    app.clock.advance(TimeDelta::seconds(20));
    let second = refresh(&app.anybody(), old).await;
    assert_eq!(successor(&first), successor(&second));
    let thief = renewed(&ada, &second);
    app.clock.advance(TimeDelta::seconds(11));
    let late = refresh(&app.anybody(), old).await;
    assert_refused(&late);
    // What the copy led to is worth nothing now, and nobody is ended for coming again.
    is_refused(&thief).await;
    is_refused(&ada).await;
    assert_refused(&refresh(&app.anybody(), successor(&first)).await);
    assert_refused(&refresh(&app.anybody(), old).await);
    works(&elsewhere).await;
    refresh(&app.anybody(), &elsewhere.refresh_token)
        .await
        .data();
    assert_eq!(app.number(REUSED).await, 1);
    let reasons = "SELECT count(*) FROM sessions WHERE revoke_reason = 'reuse'";
    assert_eq!(app.number(reasons).await, 1);
    let uuid = taskflow::graphql::Kind::User.decode(&ada.id).unwrap();
    // In JSON as a text on one database and as JSON on the other.
    let told = format!(
        "{REUSED} AND replace(CAST(payload AS TEXT), ' ', '') LIKE '%\"recipients\":[\"{uuid}\"]%'"
    );
    assert_eq!(app.number(&told).await, 1);
    let jobs = "SELECT count(*) FROM jobs WHERE kind = 'dispatch'";
    assert_eq!(app.number(jobs).await, 1);
}

#[rstest]
#[tokio::test]
async fn a_token_of_an_older_generation_ends_its_session(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let second = refresh(&app.anybody(), &ada.refresh_token).await;
    let third = refresh(&app.anybody(), successor(&second)).await;
    // The one before is good for a moment, and that does not begin anew.
    let again = refresh(&app.anybody(), successor(&second)).await;
    assert_eq!(successor(&again), successor(&third));
    // At once: so many generations do not pass in the time of a race.
    assert_refused(&refresh(&app.anybody(), &ada.refresh_token).await);
    assert_refused(&refresh(&app.anybody(), successor(&third)).await);
    is_refused(&renewed(&ada, &third)).await;
    assert_eq!(app.number(REUSED).await, 1);
}

#[rstest]
#[tokio::test]
async fn a_token_that_nobody_was_given_ends_the_session_it_names(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    // The first 128 bits are those of the session: who knows them had a token of it.
    let other = |c: char| if c == 'A' { 'B' } else { 'A' };
    let mut changed: String = ada.refresh_token.chars().take(63).collect();
    changed.extend(ada.refresh_token.chars().skip(63).map(other));
    assert_refused(&refresh(&app.anybody(), &changed).await);
    assert_refused(&refresh(&app.anybody(), &ada.refresh_token).await);
    is_refused(&ada).await;
    assert_eq!(app.number(REUSED).await, 1);
}

#[rstest]
#[tokio::test]
async fn many_copies_at_once_end_a_session_once(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let anybody = app.anybody();
    refresh(&anybody, &ada.refresh_token).await.data();
    app.clock.advance(TimeDelta::seconds(31));
    let replies = join_all((0..20).map(|_| refresh(&anybody, &ada.refresh_token))).await;
    replies.iter().for_each(assert_refused);
    assert_eq!(app.number(REUSED).await, 1);
    assert_eq!(app.number("SELECT count(*) FROM revocations").await, 1);
}

#[rstest]
#[tokio::test]
async fn who_never_had_a_token_of_a_session_cannot_end_it(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let id = current(&ada).await;
    let good = &ada.refresh_token;
    let other = |c: char| if c == 'A' { 'B' } else { 'A' };
    // Another family, whatever the rest.
    let mut family: String = good.chars().take(1).map(other).collect();
    family.extend(good.chars().skip(1));
    let random = taskflow::crypto::random_token();
    let long = format!("{good}{good}");
    let blank = format!(" {good}");
    for nonsense in [
        "",
        "x",
        "\u{0}",
        ada.token.as_deref().unwrap(),
        &id,
        &family,
        &random,
        &good[1..],
        &long,
        &blank,
    ] {
        let reply = refresh(&app.anybody(), nonsense).await;
        assert_refused(&reply);
    }
    works(&ada).await;
    assert_eq!(app.number(GENERATION).await, 1);
    assert_eq!(app.number(REUSED).await, 0);
    refresh(&app.anybody(), good).await.data();
}

#[rstest]
#[tokio::test]
async fn a_part_of_the_successor_is_not_in_the_database(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let reply = refresh(&app.anybody(), &ada.refresh_token).await;
    let hexed = |text: &str| taskflow::crypto::hex(text.as_bytes());
    let hex = match mode {
        Embedded => "lower(hex(successor))",
        Full => "encode(successor, 'hex')",
    };
    for token in [successor(&reply), &ada.refresh_token] {
        for part in token.as_bytes().chunks(8) {
            let part = hexed(std::str::from_utf8(part).unwrap());
            let query = format!("SELECT count(*) FROM sessions WHERE {hex} LIKE '%{part}%'");
            assert_eq!(app.number(&query).await, 0);
        }
    }
}

#[rstest]
#[tokio::test]
async fn who_is_disabled_is_not_renewed_not_even_in_the_moment(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let next = renewed(&ada, &refresh(&ada, &ada.refresh_token).await);
    app.execute("UPDATE users SET status = 'disabled'").await;
    for token in [&ada.refresh_token, &next.refresh_token] {
        assert_refused(&refresh(&app.anybody(), token).await);
    }
    assert_eq!(app.number(GENERATION).await, 2);
    // It was not used up.
    app.execute("UPDATE users SET status = 'active'").await;
    refresh(&app.anybody(), &next.refresh_token).await.data();
}

#[tokio::test]
async fn without_a_moment_of_grace_a_second_use_is_a_copy() {
    let app = TestApp::with(Embedded, &[("TASKFLOW_AUTH__REFRESH_GRACE_SECONDS", "0")]).await;
    let ada = app.person("ada").await;
    refresh(&app.anybody(), &ada.refresh_token).await.data();
    app.clock.advance(TimeDelta::seconds(1));
    assert_refused(&refresh(&app.anybody(), &ada.refresh_token).await);
    assert_eq!(app.number(REUSED).await, 1);
}

#[rstest]
#[tokio::test]
async fn a_renewal_notes_when_and_from_where(#[values(Embedded, Full)] mode: Mode) {
    let settings = [("TASKFLOW_SERVER__TRUSTED_PROXIES", "1")];
    let app = TestApp::with(mode, &settings).await;
    let ada = app.person("ada").await;
    app.clock.advance(TimeDelta::minutes(5));
    let body = json!({"query": super::REFRESH,
        "variables": {"input": {"refreshToken": ada.refresh_token}}});
    let request = axum::http::Request::post("/graphql")
        .header("content-type", "application/json")
        .header("x-forwarded-for", "192.0.2.7")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let next = renewed(&ada, &app.anybody().send(request).await);
    let list = next.graphql(super::LIST, json!({})).await;
    let session = &list.data()["sessions"]["nodes"][0];
    assert_eq!(session["address"], "192.0.2.7");
    let time = |key: &str| -> chrono::DateTime<chrono::Utc> {
        serde_json::from_value::<Value>(session[key].clone())
            .unwrap()
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert!(time("lastUsedAt") - time("createdAt") >= TimeDelta::minutes(5));
    assert!(time("expiresAt") - time("createdAt") > TimeDelta::days(7));
}
