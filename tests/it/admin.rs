//! What administrators do with accounts.

use futures_util::future::join;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::free_port;
use crate::support::server::{Site, post};
use crate::support::{PASSWORD, Person, Reply, TestApp};

/// Sends one of the mutations that take an input and answer a user.
async fn send(person: &Person, mutation: &str, input: Value) -> Reply {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let query = format!(
        "mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{
           user {{ id name status roles email }} userErrors {{ code message field }} }} }}"
    );
    person.graphql(&query, json!({"input": input})).await
}

/// The user of an answer without user errors.
fn user(reply: &Reply, mutation: &str) -> Value {
    let payload = &reply.data()[mutation];
    assert_eq!(payload["userErrors"], json!([]));
    payload["user"].clone()
}

async fn events(app: &TestApp, topic: &str) -> i64 {
    app.number(&format!(
        "SELECT COUNT(*) FROM events WHERE topic = '{topic}'"
    ))
    .await
}

const ADMINS: &str = "SELECT COUNT(*) FROM user_roles JOIN users ON users.id = user_roles.user_id
    WHERE role = 'admin' AND status = 'active'";

#[rstest]
#[tokio::test]
async fn an_account_is_made_with_a_password_or_a_link(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let input = json!({"username": "ada", "name": "Ada", "password": PASSWORD,
        "roles": ["ARTIST", "USER"]});
    let made = user(&send(&root, "createUser", input).await, "createUser");
    assert_eq!(made["roles"], json!(["USER", "ARTIST"]));
    let login = "mutation($id: String!, $password: String!) {
        login(input: {identifier: $id, password: $password}) { user { artist { stageName } } userErrors { code } } }";
    let reply = app
        .anybody()
        .graphql(login, json!({"id": "ada", "password": PASSWORD}))
        .await;
    assert_eq!(reply.data()["login"]["user"]["artist"]["stageName"], "Ada");
    assert_eq!(app.number("SELECT COUNT(*) FROM one_time_tokens").await, 0);
    // Without a password a link goes to the address.
    let input = json!({"email": "bob@example.org", "name": "Bob"});
    user(&send(&root, "createUser", input).await, "createUser");
    let tokens = "SELECT COUNT(*) FROM one_time_tokens JOIN users ON users.id = one_time_tokens.user_id
        WHERE purpose = 'reset_password' AND users.email = 'bob@example.org' AND password_hash IS NULL";
    assert_eq!(app.number(tokens).await, 1);
    assert_eq!(events(&app, "security.token_issued").await, 1);
    let reply = app
        .anybody()
        .graphql(
            login,
            json!({"id": "bob@example.org", "password": PASSWORD}),
        )
        .await;
    assert_eq!(reply.user_error("login").0, "WRONG_CREDENTIALS");
    for (input, code, field) in [
        (
            json!({"username": "eve", "name": "Eve"}),
            "INVALID",
            "input.password",
        ),
        (
            json!({"username": "ADA", "name": "Eve", "password": PASSWORD}),
            "TAKEN",
            "input.username",
        ),
        (
            json!({"username": "eve", "name": "Eve", "password": "short"}),
            "INVALID",
            "input.password",
        ),
        (
            json!({"name": "Eve", "password": PASSWORD}),
            "INVALID",
            "input.email",
        ),
    ] {
        let reply = send(&root, "createUser", input.clone()).await;
        let wanted = (code.to_owned(), field.to_owned());
        assert_eq!(reply.user_error("createUser"), wanted, "{input}");
    }
    assert_eq!(events(&app, "user.created").await, 3);
    assert_eq!(events(&app, "artist.created").await, 1);
    let by = "SELECT COUNT(*) FROM events JOIN users ON users.id = events.actor_id
        WHERE topic = 'user.created' AND users.username = 'root'";
    assert_eq!(
        app.number(by).await,
        3,
        "the administrator made two, and registered"
    );
}

#[rstest]
#[tokio::test]
async fn a_disabled_account_is_shut_and_stays_visible(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (root, ada, bob) = (
        app.admin("root").await,
        app.person("ada").await,
        app.person("bob").await,
    );
    let task = bob
        .creates(json!({"title": "Stays", "assigneeId": ada.id}))
        .await;
    let id = json!({"id": ada.id});
    for _ in 0..2 {
        let reply = send(&root, "disableUser", id.clone()).await;
        assert_eq!(user(&reply, "disableUser")["status"], "DISABLED");
    }
    assert_eq!(events(&app, "security.user_disabled").await, 1);
    let row = "SELECT COUNT(*) FROM users JOIN users AS admins ON admins.id = users.disabled_by
        WHERE users.username = 'ada' AND users.disabled_at IS NOT NULL AND users.token_epoch = 1
        AND admins.username = 'root'";
    assert_eq!(app.number(row).await, 1);
    let open = "SELECT COUNT(*) FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE username = 'ada' AND (revoked_at IS NULL OR revoke_reason <> 'disabled')";
    assert_eq!(app.number(open).await, 0);
    // The right password is told so, a wrong one learns nothing.
    let login = "mutation($password: String!) {
        login(input: {identifier: \"ada\", password: $password}) { accessToken userErrors { code } } }";
    let reply = app
        .anybody()
        .graphql(login, json!({"password": PASSWORD}))
        .await;
    assert_eq!(reply.code(), "FORBIDDEN");
    let reply = app
        .anybody()
        .graphql(login, json!({"password": "Wrong-Horse-7-Battery"}))
        .await;
    assert_eq!(reply.user_error("login").0, "WRONG_CREDENTIALS");
    let refresh =
        "mutation($token: String!) { refreshToken(input: {refreshToken: $token}) { accessToken } }";
    let reply = app
        .anybody()
        .graphql(refresh, json!({"token": ada.refresh_token}))
        .await;
    assert_eq!(reply.code(), "UNAUTHENTICATED");
    let told = send(&ada, "updateProfile", json!({"name": "Still here"})).await;
    assert!(["FORBIDDEN", "UNAUTHENTICATED"].contains(&told.code()));
    // No mail, though the task was assigned before.
    app.work().await;
    assert_eq!(app.mails().len(), 0);
    // By id and in tasks the name is there; in lists it is not.
    let query = "query($id: ID!, $task: ID!) { user(id: $id) { name email }
        task(id: $task) { assignee { name } } users { totalCount } }";
    let reply = bob
        .graphql(query, json!({"id": ada.id, "task": task}))
        .await;
    let wanted = json!({"user": {"name": "Name of ada", "email": null},
        "task": {"assignee": {"name": "Name of ada"}}, "users": {"totalCount": 2}});
    assert_eq!(reply.data(), &wanted);
    let list = "{ users(status: DISABLED) { nodes { username status } totalCount } }";
    let reply = root.graphql(list, json!({})).await;
    let wanted = json!({"nodes": [{"username": "ada", "status": "DISABLED"}], "totalCount": 1});
    assert_eq!(reply.data()["users"], wanted);
    for _ in 0..2 {
        let reply = send(&root, "enableUser", id.clone()).await;
        assert_eq!(user(&reply, "enableUser")["status"], "ACTIVE");
    }
    assert_eq!(events(&app, "security.user_enabled").await, 1);
    ada.logged_in_again().await;
}

#[rstest]
#[tokio::test]
async fn the_loss_of_a_role_raises_the_epoch_and_a_gain_does_not(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (root, ada) = (app.admin("root").await, app.person("ada").await);
    let epoch = "SELECT token_epoch FROM users WHERE username = 'ada'";
    for (roles, wanted, raised, changes) in [
        (
            json!(["SERVICE", "ADMIN", "ADMIN"]),
            json!(["ADMIN", "USER", "SERVICE"]),
            0,
            1,
        ),
        (
            json!(["USER", "ADMIN", "SERVICE"]),
            json!(["ADMIN", "USER", "SERVICE"]),
            0,
            1,
        ),
        (json!(["ADMIN"]), json!(["ADMIN", "USER"]), 1, 2),
        (json!(["SERVICE"]), json!(["USER", "SERVICE"]), 2, 3),
    ] {
        let reply = send(&root, "setUserRoles", json!({"id": ada.id, "roles": roles})).await;
        assert_eq!(user(&reply, "setUserRoles")["roles"], wanted);
        assert_eq!(app.number(epoch).await, raised);
        assert_eq!(events(&app, "security.roles_changed").await, changes);
    }
    // Who lost a role is not signed out.
    let refresh =
        "mutation($token: String!) { refreshToken(input: {refreshToken: $token}) { accessToken } }";
    app.anybody()
        .graphql(refresh, json!({"token": ada.refresh_token}))
        .await
        .data();
}

#[rstest]
#[tokio::test]
async fn somebody_can_always_administer(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (root, ada) = (app.admin("root").await, app.admin("ada").await);
    let told = send(&root, "disableUser", json!({"id": root.id})).await;
    let invalid = |field: &str| ("INVALID".to_owned(), format!("input.{field}"));
    assert_eq!(told.user_error("disableUser"), invalid("id"));
    // A disabled administrator does not count.
    user(
        &send(&root, "disableUser", json!({"id": ada.id})).await,
        "disableUser",
    );
    let told = send(
        &root,
        "setUserRoles",
        json!({"id": root.id, "roles": ["SERVICE"]}),
    )
    .await;
    assert_eq!(told.user_error("setUserRoles"), invalid("roles"));
    user(
        &send(&root, "enableUser", json!({"id": ada.id})).await,
        "enableUser",
    );
    // Nor one who has no password and perhaps never comes.
    let input = json!({"email": "eve@example.org", "name": "Eve", "roles": ["ADMIN"]});
    user(&send(&root, "createUser", input).await, "createUser");
    user(
        &send(&root, "disableUser", json!({"id": ada.id})).await,
        "disableUser",
    );
    let input = json!({"id": root.id, "roles": []});
    let told = send(&root, "setUserRoles", input).await;
    assert_eq!(told.user_error("setUserRoles"), invalid("roles"));
    user(
        &send(&root, "enableUser", json!({"id": ada.id})).await,
        "enableUser",
    );
    let eve = "UPDATE users SET status = 'disabled' WHERE email = 'eve@example.org'";
    app.execute(eve).await;
    let reply = send(&root, "setUserRoles", json!({"id": root.id, "roles": []})).await;
    user(&reply, "setUserRoles");
    assert_eq!(app.number(ADMINS).await, 1);
    let nobody = json!({"id": "user_01h455vb4pex5vsknk084sn02q"});
    let ada = ada.logged_in_again().await;
    for mutation in ["disableUser", "enableUser", "unlockUser", "updateUser"] {
        assert_eq!(
            send(&ada, mutation, nobody.clone()).await.code(),
            "NOT_FOUND"
        );
    }
}

#[rstest]
#[tokio::test]
async fn two_administrators_who_end_each_other_leave_one(
    #[values(Embedded, Full)] mode: Mode,
    #[values("setUserRoles", "disableUser")] mutation: &str,
) {
    let app = TestApp::start(mode).await;
    let (mut ada, mut bob) = (app.admin("ada").await, app.admin("bob").await);
    for _ in 0..5 {
        let input = |of: &Person| match mutation {
            "setUserRoles" => json!({"id": of.id, "roles": []}),
            _ => json!({"id": of.id}),
        };
        let (one, other) = join(
            send(&ada, mutation, input(&bob)),
            send(&bob, mutation, input(&ada)),
        )
        .await;
        assert_eq!(app.number(ADMINS).await, 1);
        let lost = [&one, &other].map(|reply| reply.body.get("errors").is_some());
        assert_eq!(
            lost.iter().filter(|lost| **lost).count(),
            1,
            "{one:?} {other:?}"
        );
        // Each may also step down alone, but not both.
        restore(&app).await;
        (ada, bob) = (ada.logged_in_again().await, bob.logged_in_again().await);
        let step = |of: &Person| json!({"id": of.id, "roles": []});
        let (one, other) = join(
            send(&ada, "setUserRoles", step(&ada)),
            send(&bob, "setUserRoles", step(&bob)),
        )
        .await;
        assert_eq!(app.number(ADMINS).await, 1);
        let done = [one, other].map(|reply| reply.data()["setUserRoles"]["user"].is_object());
        assert_eq!(done.iter().filter(|done| **done).count(), 1);
        restore(&app).await;
        (ada, bob) = (ada.logged_in_again().await, bob.logged_in_again().await);
    }
}

/// Makes everybody an active administrator.
async fn restore(app: &TestApp) {
    app.execute("UPDATE users SET status = 'active'").await;
    app.execute(
        "INSERT INTO user_roles (user_id, role, granted_at) SELECT id, 'admin', created_at FROM users
         WHERE id NOT IN (SELECT user_id FROM user_roles WHERE role = 'admin')",
    )
    .await;
}

#[rstest]
#[tokio::test]
async fn the_profile_of_anybody_is_changed_by_an_administrator(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (root, ada) = (app.admin("root").await, app.person("ada").await);
    let reply = send(&root, "updateUser", json!({"id": ada.id, "name": "Ada L."})).await;
    assert_eq!(user(&reply, "updateUser")["name"], "Ada L.");
    let told = send(
        &root,
        "updateUser",
        json!({"id": ada.id, "username": "root"}),
    )
    .await;
    assert_eq!(told.user_error("updateUser").0, "TAKEN");
    let told = send(&root, "updateUser", json!({"id": ada.id, "name": ""})).await;
    assert_eq!(told.user_error("updateUser").0, "INVALID");
    assert_eq!(events(&app, "user.updated").await, 1);
}

#[rstest]
#[tokio::test]
async fn unlocking_forgets_the_wrong_passwords_of_one_person(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (root, ada, _bob) = (
        app.admin("root").await,
        app.person("ada").await,
        app.person("bob").await,
    );
    app.execute(
        "INSERT INTO login_failures (account, network, failures, window_ends_at, last_at, locked_until)
         SELECT id, '192.0.2.0/24', 5, created_at, created_at, created_at FROM users WHERE username <> 'root'",
    )
    .await;
    for _ in 0..2 {
        user(
            &send(&root, "unlockUser", json!({"id": ada.id})).await,
            "unlockUser",
        );
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM login_failures").await, 1);
    assert_eq!(events(&app, "security.account_unlocked").await, 1);
}

#[rstest]
#[tokio::test]
async fn lists_by_address_status_and_role_are_for_administrators(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (root, ada) = (app.admin("root").await, app.person("ada").await);
    let count = async |person: &Person, arguments: &str| {
        let query = format!("{{ users({arguments}) {{ totalCount nodes {{ username }} }} }}");
        person.graphql(&query, json!({})).await
    };
    for (arguments, found) in [
        ("search: \"@EXAMPLE.org\"", 2),
        ("role: ADMIN", 1),
        ("role: USER", 2),
        ("role: SERVICE", 0),
        ("status: ACTIVE", 2),
        ("status: DISABLED", 0),
    ] {
        let reply = count(&root, arguments).await;
        let list = &reply.data()["users"];
        assert_eq!(list["totalCount"], found, "{arguments}");
        assert_eq!(
            list["nodes"].as_array().unwrap().len(),
            found,
            "{arguments}"
        );
    }
    for arguments in ["role: ADMIN", "role: USER", "status: DISABLED"] {
        assert_eq!(
            count(&ada, arguments).await.code(),
            "FORBIDDEN",
            "{arguments}"
        );
    }
    for (arguments, found) in [("search: \"@example.org\"", 0), ("status: ACTIVE", 2)] {
        let reply = count(&ada, arguments).await;
        assert_eq!(reply.data()["users"]["totalCount"], found, "{arguments}");
    }
}

#[tokio::test]
async fn accounts_that_are_made_are_counted() {
    let port = free_port().to_string();
    let site = Site::new(Embedded, &[("METRICS_PORT", port.as_str())]).await;
    let (_server, address) = site.serve(&["serve"]).await;
    let account = |name: &str| json!({"username": name, "name": name, "password": PASSWORD});
    let register =
        "mutation($input: RegisterInput!) { register(input: $input) { userErrors { code } } }";
    for name in ["ada", "bob", "bob"] {
        post(address, None, register, json!({"input": account(name)})).await;
    }
    let mut artist = account("zoe");
    artist["stageName"] = json!("Zoe");
    let register = "mutation($input: RegisterArtistInput!) { registerArtist(input: $input) { userErrors { code } } }";
    post(address, None, register, json!({"input": artist})).await;
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = "auth_registrations_total 3";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}
