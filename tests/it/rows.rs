//! Rows that are read by the places of their columns, and people that are read together with their tasks: both
//! must say what the longer way says.

use entity::{task, user};
use rstest::rstest;
use sea_orm::{ConnectionTrait, EntityTrait, QueryTrait};
use serde_json::{Value, json};
use taskflow::auth;
use taskflow::ops::demo::{self, Plan};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

async fn with_a_team(mode: Mode) -> TestApp {
    let app = TestApp::start(mode).await;
    let plan = Plan {
        users: 20,
        tasks: 400,
        seed: 3,
        today: app.clock.now().date_naive(),
    };
    demo::seed(&app.app, &plan, "no hash", |_| {})
        .await
        .unwrap();
    app
}

/// Somebody of the team.
async fn one_of_them(app: &TestApp) -> Person {
    let someone = user::Entity::find().one(&app.sql().await).await;
    let id = someone.unwrap().unwrap().id;
    let token = auth::token_of(&app.app, id).await.unwrap();
    app.anybody().with_token(&token)
}

#[rstest]
#[tokio::test]
async fn a_row_says_the_same_by_places_as_by_names(#[values(Embedded, Full)] mode: Mode) {
    let app = with_a_team(mode).await;
    let db = app.sql().await;
    // What the sample team leaves empty.
    for statement in [
        "UPDATE tasks SET start_at = created_at, start_on = NULL, due_on = '2026-12-24', due_at = NULL WHERE priority = 'high'",
        "UPDATE users SET first_name = 'Ada', last_name = 'L', avatar_url = 'https://example.org/a.png',
             locale = 'de-AT', timezone = 'Europe/Vienna', disabled_at = created_at, disabled_by = id,
             last_login_at = created_at, email_verified_at = created_at, password_changed_at = created_at
         WHERE id = (SELECT id FROM users ORDER BY id DESC LIMIT 1)",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let by_names = task::Entity::find().all(&db).await.unwrap();
    let rows = db.query_all(&task::Entity::find().into_query()).await;
    let rows = rows.unwrap();
    let by_places: Vec<_> = rows
        .iter()
        .map(|row| task::Model::of_row(row).unwrap())
        .collect();
    assert!(by_names.len() >= 400);
    assert_eq!(by_names, by_places);

    let by_names = user::Entity::find().all(&db).await.unwrap();
    assert!(by_names.iter().any(|user| user.disabled_by.is_some()));
    let rows = db.query_all(&user::Entity::find().into_query()).await;
    let rows = rows.unwrap();
    let by_places: Vec<_> = rows
        .iter()
        .map(|row| user::Model::of_row(row).unwrap())
        .collect();
    assert_eq!(by_names, by_places);
}

/// A page in which only that is asked of people which is read with the tasks, and the same with more.
async fn page(person: &Person, arguments: &str, more: &str) -> Value {
    let face = "id name username avatarUrl createdAt __typename";
    let query = format!(
        "{{ tasks(first: 30{arguments}) {{ pageInfo {{ endCursor hasNextPage }} edges {{ cursor node {{ id title
             assignee {{ ...Face {more} }} made: creator {{ ...Face }} creator {{ {more} name }} }} }} }} }}
         fragment Face on User {{ {face} }}"
    );
    let reply = person.graphql(&query, json!({})).await;
    let mut page = reply.data()["tasks"].clone();
    for edge in page["edges"].as_array_mut().unwrap() {
        for field in ["assignee", "creator"] {
            if let Some(person) = edge["node"][field].as_object_mut() {
                person.remove("email");
            }
        }
    }
    page
}

#[rstest]
#[tokio::test]
async fn people_read_with_their_tasks_are_those_that_are_loaded(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = with_a_team(mode).await;
    let person = one_of_them(&app).await;
    let mut seen = 0;
    for order in [
        "CREATED_AT",
        "UPDATED_AT",
        "DUE_AT",
        "PRIORITY",
        "COMPLETED_AT",
    ] {
        let order = format!(", orderBy: [{{field: {order}, direction: DESC}}]");
        let mut after = String::new();
        loop {
            let arguments = format!("{order}{after}");
            let together = page(&person, &arguments, "").await;
            assert_eq!(
                together,
                page(&person, &arguments, "email").await,
                "{arguments}"
            );
            seen += together["edges"].as_array().unwrap().len();
            if together["pageInfo"]["hasNextPage"] != json!(true) {
                break;
            }
            after = format!(", after: {}", together["pageInfo"]["endCursor"]);
        }
    }
    assert!(seen > 200, "{seen} tasks");
    let trash = page(&person, ", trash: true", "").await;
    assert_eq!(trash, page(&person, ", trash: true", "email").await);
    let found = page(&person, r#", search: "a""#, "").await;
    assert_eq!(found, page(&person, r#", search: "a""#, "email").await);
}

/// What is at hand is written in one go, and anything else by the library: both must say the same.
#[rstest]
#[tokio::test]
async fn what_is_written_in_one_go_says_what_the_library_says(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = with_a_team(mode).await;
    let person = one_of_them(&app).await;
    let columns = "number updatedAt createdAt version deletedAt completedAt dueDate dueAt startDate startAt enabled
                   priority status description title id";
    let face = "createdAt avatarUrl username name id";
    let tasks = |fields: &str| format!("tasks(first: 50) {{ nodes {{ {fields} }} }}");
    let by_both = |fields: &str| {
        [
            format!("{{ {} }}", tasks(fields)),
            format!("{{ {} }}", tasks(&format!("... on Task {{ {fields} }}"))),
            format!(
                "query($yes: Boolean = true) {{ {} }}",
                tasks(&format!("... @include(if: $yes) {{ {fields} }}"))
            ),
        ]
    };
    let mut queries = vec![
        by_both(&format!("{columns} __typename")),
        by_both(&format!(
            "a: title title kind: __typename assignee {{ {face} }} creator {{ who: name __typename {face} }}"
        )),
        // Merged: each field once, where it stands first.
        by_both(&format!(
            "title creator {{ id }} id title creator {{ {face} }} id"
        )),
        by_both("title @skip(if: false) id @include(if: false) version"),
    ];
    let one = tasks("id");
    let first = person.graphql(&format!("{{ {one} }}"), json!({})).await;
    let id = &first.data()["tasks"]["nodes"][0]["id"];
    let task = |fields: &str| format!("{{ task(id: {id}) {{ {fields} }} }}");
    queries.push([
        task(columns),
        task(&format!("... on Task {{ {columns} }}")),
        task(&format!("... {{ {columns} }}")),
    ]);
    for all in queries {
        let mut texts = Vec::new();
        for query in &all {
            // Once new to the server, and once known.
            for _ in 0..2 {
                let reply = person.graphql(query, json!({})).await;
                texts.push(reply.data().to_string());
            }
        }
        assert!(texts[0].len() > 100, "{}", texts[0]);
        for text in &texts {
            assert_eq!(*text, texts[0], "{}", all[0]);
        }
    }
}
