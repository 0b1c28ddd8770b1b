//! Inviting people and registering by invitation.

use chrono::TimeDelta;
use entity::user_role::Role;
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::accounts::{Actor, NewAccount, NewUser, create_user};

use super::{does, mutate, pair, pairs, refused, sent, strict, token};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, TestApp};

const BY_INVITATION: (&str, &str) = ("TASKFLOW_AUTH__REGISTRATION", "invite");

/// Two accounts can be made only while registration is open.
async fn with_admin(mode: Mode) -> (TestApp, Person) {
    let app = strict(mode).await;
    let admin = app.admin("root").await;
    app.work().await;
    (app, admin)
}

async fn registers(app: &TestApp, input: &Value) -> Reply {
    let query = "mutation($input: RegisterInput!) { register(input: $input) {
        accessToken user { email } userErrors { code message field } } }";
    app.anybody().graphql(query, json!({"input": input})).await
}

fn new_account(invitation: &str) -> Value {
    json!({"name": "Bob", "username": "bob", "password": PASSWORD, "invitation": invitation})
}

#[rstest]
#[tokio::test]
async fn who_is_invited_registers_with_an_address_that_is_confirmed(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, admin) = with_admin(mode).await;
    let query = "mutation($input: InviteUserInput!) { inviteUser(input: $input) {
        expiresAt userErrors { code } } }";
    let input = json!({"input": {"email": " Bob@Example.org "}});
    let reply = admin.graphql(query, input).await;
    assert!(reply.data()["inviteUser"]["expiresAt"].is_string());
    app.work().await;
    let invites = ("Bob@Example.org", "Name of root invites you to Taskflow");
    assert!(
        sent(&app).contains(&pairs(&[invites])[0]),
        "{:?}",
        sent(&app)
    );
    let invitation = token(&app, "invitation");
    // A mistake in the form does not use it up.
    let mut wrong = new_account(&invitation);
    wrong["password"] = json!("short");
    let error = registers(&app, &wrong).await.user_error("register");
    assert_eq!(error, pair("INVALID", "input.password"));
    let mut taken = new_account(&invitation);
    taken["username"] = json!("root");
    let error = registers(&app, &taken).await.user_error("register");
    assert_eq!(error, pair("TAKEN", "input.username"));
    let mut other = new_account(&invitation);
    other["email"] = json!("eve@example.org");
    let error = registers(&app, &other).await.user_error("register");
    assert_eq!(error, pair("INVALID", "input.email"));
    let mut good = new_account(&invitation);
    good["email"] = json!("BOB@example.org");
    let reply = registers(&app, &good).await;
    assert_eq!(reply.data()["register"]["user"]["email"], "BOB@example.org");
    let verified =
        "SELECT count(*) FROM users WHERE username = 'bob' AND email_verified_at IS NOT NULL";
    assert_eq!(app.number(verified).await, 1);
    // It is known to be theirs, so nothing is asked.
    assert_eq!(app.work().await, 0);
    let mut again = new_account(&invitation);
    again["username"] = json!("bob2");
    let error = registers(&app, &again).await.user_error("register");
    assert_eq!(error, pair("INVALID_TOKEN", "input.invitation"));
}

#[rstest]
#[tokio::test]
async fn where_registration_is_by_invitation_nobody_comes_in_without(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[BY_INVITATION]).await;
    let mut input = new_account("nonsense");
    let error = registers(&app, &input).await.user_error("register");
    assert_eq!(error, pair("INVALID_TOKEN", "input.invitation"));
    input["invitation"] = Value::Null;
    assert_eq!(registers(&app, &input).await.code(), "FORBIDDEN");
    assert_eq!(app.number("SELECT count(*) FROM users").await, 0);
    let closed = ("TASKFLOW_AUTH__REGISTRATION", "closed");
    let app = TestApp::with(mode, &[closed]).await;
    input["invitation"] = json!("nonsense");
    assert_eq!(registers(&app, &input).await.code(), "FORBIDDEN");
}

#[rstest]
#[tokio::test]
async fn an_invitation_is_good_for_a_week_and_one_does_not_replace_another(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, admin) = with_admin(mode).await;
    does(&admin, "inviteUser", json!({"email": "bob@example.org"})).await;
    app.work().await;
    let bobs = token(&app, "invitation");
    app.clock.advance(TimeDelta::minutes(1));
    does(&admin, "inviteUser", json!({"email": "eve@example.org"})).await;
    app.work().await;
    let eves = token(&app, "invitation");
    let reply = registers(&app, &new_account(&bobs)).await;
    assert_eq!(reply.data()["register"]["user"]["email"], "bob@example.org");
    app.clock.advance(TimeDelta::days(7));
    let mut input = new_account(&eves);
    input["username"] = json!("eve");
    let error = registers(&app, &input).await.user_error("register");
    assert_eq!(error, pair("INVALID_TOKEN", "input.invitation"));
}

#[rstest]
#[tokio::test]
async fn of_many_who_use_an_invitation_at_once_one_gets_an_account(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, admin) = with_admin(mode).await;
    does(&admin, "inviteUser", json!({"email": "bob@example.org"})).await;
    app.work().await;
    let invitation = token(&app, "invitation");
    let tries = (0..8).map(|number| {
        let mut input = new_account(&invitation);
        input["username"] = json!(format!("bob{number}"));
        let app = &app;
        async move { registers(app, &input).await.body }
    });
    let replies = futures_util::future::join_all(tries).await;
    let good = |body: &&Value| body["data"]["register"]["accessToken"].is_string();
    assert_eq!(replies.iter().filter(good).count(), 1, "{replies:#?}");
}

#[rstest]
#[tokio::test]
async fn nobody_is_invited_to_where_nobody_may_come(#[values(Embedded, Full)] mode: Mode) {
    let closed = ("TASKFLOW_AUTH__REGISTRATION", "closed");
    let app = TestApp::with(mode, &[closed]).await;
    let first = NewAccount {
        user: NewUser::tidy(None, Some("root".to_owned()), "Root"),
        password: Some(PASSWORD.to_owned()),
        roles: [Role::Admin].into(),
    };
    let made = create_user(&app.app, Actor::CommandLine, first).await;
    made.unwrap();
    let mut root = app.anybody();
    root.name = "root".to_owned();
    let root = root.logged_in_again().await;
    let input = json!({"email": "bob@example.org"});
    let reply = mutate(&root, "inviteUser", input).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    assert_eq!(app.work().await, 0);
}

#[rstest]
#[tokio::test]
async fn only_administrators_invite_and_only_whom_is_not_there(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, admin) = with_admin(mode).await;
    let ada = app.person("ada").await;
    app.work().await;
    let input = json!({"email": "bob@example.org"});
    let reply = mutate(&ada, "inviteUser", input.clone()).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    for (email, error) in [
        ("nonsense", pair("INVALID", "input.email")),
        ("ADA@example.org", pair("TAKEN", "input.email")),
    ] {
        let input = json!({"email": email});
        assert_eq!(refused(&admin, "inviteUser", input).await, error);
    }
    // An access token may be older than the loss of the role.
    app.execute("DELETE FROM user_roles").await;
    assert_eq!(
        mutate(&admin, "inviteUser", input).await.code(),
        "FORBIDDEN"
    );
    assert_eq!(app.work().await, 0);
}

#[rstest]
#[tokio::test]
async fn a_disabled_account_gets_no_mail_and_its_links_do_nothing(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, _) = with_admin(mode).await;
    app.person("ada").await;
    app.work().await;
    let verify = token(&app, "verify-email");
    let ada = app.person("ada2").await;
    let before = sent(&app).len();
    app.execute("UPDATE users SET status = 'disabled' WHERE username <> 'root'")
        .await;
    app.work().await;
    assert_eq!(sent(&app).len(), before);
    let error = refused(&app.anybody(), "verifyEmail", json!({"token": verify})).await;
    assert_eq!(error, pair("INVALID_TOKEN", "input.token"));
    let input = json!({"newEmail": "new@example.org", "password": PASSWORD});
    assert_eq!(
        mutate(&ada, "requestEmailChange", input).await.code(),
        "UNAUTHENTICATED"
    );
}
