//! All access tokens of a person end together when their epoch is raised; the sessions go on.

use entity::UserId;
use entity::session::RevokeReason;
use rstest::rstest;
use serde_json::json;
use taskflow::auth::revocations::{end_sessions_of, raise_epoch};
use taskflow::db::DbError;
use taskflow::graphql::Kind;

use super::{is_refused, refresh, renewed, works};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Socket, TestApp};

fn user(person: &Person) -> UserId {
    UserId(Kind::User.decode(&person.id).unwrap())
}

async fn raised(app: &TestApp, person: &Person) -> i32 {
    let (app, user) = (&app.app, user(person));
    let raised = app
        .db
        .write(|tx| async move { raise_epoch(app, &tx, user).await });
    raised.await.unwrap()
}

#[rstest]
#[tokio::test]
async fn a_raised_epoch_ends_the_tokens_that_are_out_and_no_session(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let elsewhere = ada.logged_in_again().await;
    let address = app.listen().await;
    let mut old = Socket::signed_in(address, ada.token.as_deref().unwrap()).await;
    let mut his = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
    assert_eq!(raised(&app, &ada).await, 1);
    is_refused(&ada).await;
    is_refused(&elsewhere).await;
    assert_eq!(old.close_code().await, 4403);
    works(&bob).await;
    his.subscribe("1", "{ __typename }", json!({})).await;
    his.event("1").await;
    // Renewed or logged in anew, the same person is let in.
    let ada = renewed(&ada, &refresh(&app.anybody(), &ada.refresh_token).await);
    works(&ada).await;
    let again = ada.logged_in_again().await;
    works(&again).await;
    let mut new = Socket::signed_in(address, ada.token.as_deref().unwrap()).await;
    assert_eq!(raised(&app, &ada).await, 2);
    is_refused(&ada).await;
    assert_eq!(new.close_code().await, 4403);
}

#[tokio::test]
async fn a_raised_epoch_is_known_at_the_other_replica() {
    let app = TestApp::with(Full, &[("REDIS_URL", "")]).await;
    let other = app.replica().await;
    let ada = app.person("ada").await;
    let there = ada.at(&other.router);
    let address = other.listen().await;
    let mut socket = Socket::signed_in(address, ada.token.as_deref().unwrap()).await;
    raised(&app, &ada).await;
    other.app.revocations.reload().await.unwrap();
    is_refused(&there).await;
    assert_eq!(socket.close_code().await, 4403);
    let better = renewed(&there, &refresh(&there, &ada.refresh_token).await);
    works(&better).await;
}

#[rstest]
#[tokio::test]
async fn what_is_rolled_back_ends_nothing(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let (parts, id) = (&app.app, user(&ada));
    let failed: Result<(), DbError> = parts
        .db
        .write(|tx| async move {
            raise_epoch(parts, &tx, id).await?;
            end_sessions_of(parts, &tx, id, &[], RevokeReason::Disabled).await?;
            Err(sea_orm::DbErr::Custom("no".to_owned()).into())
        })
        .await;
    failed.unwrap_err();
    works(&ada).await;
    parts.revocations.reload().await.unwrap();
    works(&ada).await;
    assert_eq!(app.number("SELECT count(*) FROM revocations").await, 0);
    // Nobody's epoch cannot be raised.
    let nobody = UserId(uuid::Uuid::nil());
    let failed = parts
        .db
        .write(|tx| async move { raise_epoch(parts, &tx, nobody).await });
    failed.await.unwrap_err();
}

#[rstest]
#[tokio::test]
async fn of_all_sessions_one_can_go_on(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let kept = ada.logged_in_again().await;
    for _ in 0..3 {
        ada.logged_in_again().await;
    }
    let session = Kind::Session.decode(&super::current(&kept).await).unwrap();
    let (parts, id) = (&app.app, user(&ada));
    let except = [entity::SessionId(session)];
    let ended = parts
        .db
        .write(|tx| async move {
            end_sessions_of(parts, &tx, id, &except, RevokeReason::Password).await
        })
        .await;
    let ended: Result<_, DbError> = ended;
    assert_eq!(ended.unwrap().len(), 4);
    works(&kept).await;
    is_refused(&ada).await;
    let reasons = "SELECT count(*) FROM sessions WHERE revoke_reason = 'password'";
    assert_eq!(app.number(reasons).await, 4);
    assert_eq!(app.number("SELECT count(*) FROM revocations").await, 4);
}
