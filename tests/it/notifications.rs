//! What people are told: who, on which channel, when, and once. The worker runs when a test says so,
//! and time passes when a test turns the clock.

mod announcements;
mod callbacks;
mod channels;
mod inbox;
mod preferences;
mod quiet;
mod unsubscribe;

use std::fs;

use entity::{delivery, job};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::support::{Person, Reply, TestApp};

/// What somebody was told, the newest first.
async fn told(person: &Person) -> Vec<Value> {
    let query = "{ notifications(first: 100) { nodes { id type category priority title body isRead
        actor { name } task { id } commentId projectId
        channels { channel state reason } } } }";
    let reply = person.graphql(query, json!({})).await;
    let nodes = reply.data()["notifications"]["nodes"].as_array();
    nodes.unwrap().clone()
}

/// The types of it.
async fn types(person: &Person) -> Vec<String> {
    let told = told(person).await;
    told.iter()
        .map(|node| node["type"].as_str().unwrap().to_owned())
        .collect()
}

/// Sends a mutation with an input, and asks for its user errors and this.
async fn sends(person: &Person, mutation: &str, input: Value, wanted: &str) -> Reply {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let query = format!(
        "mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{
           {wanted} userErrors {{ code message field }} }} }}"
    );
    person.graphql(&query, json!({"input": input})).await
}

/// The same of the settings, which must be taken.
async fn sets(person: &Person, input: Value) {
    let mutation = "updateNotificationSettings";
    let reply = sends(person, mutation, input, "notificationSettings { timezone }").await;
    assert_eq!(reply.data()[mutation]["userErrors"], json!([]));
}

async fn deliveries(app: &TestApp) -> Vec<delivery::Model> {
    let query = delivery::Entity::find().order_by_asc(delivery::Column::Id);
    query.all(&app.sql().await).await.unwrap()
}

/// The channels and states of all deliveries, in the order they were made.
async fn states(app: &TestApp) -> Vec<(delivery::Channel, delivery::State)> {
    let rows = deliveries(app).await.into_iter();
    rows.map(|row| (row.channel, row.state)).collect()
}

/// Has all jobs of a kind done once more, as after a crash at the wrong moment.
async fn again(app: &TestApp, kind: &str) {
    job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(job::State::Ready))
        .filter(job::Column::Kind.eq(kind))
        .exec(&app.sql().await)
        .await
        .unwrap();
    app.work().await;
}

/// What the log drivers wrote, by the end of the file's name.
fn logged(app: &TestApp, end: &str) -> Vec<Value> {
    let folder = &app.app.settings.mail.mailbox_folder;
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    names.sort();
    names
        .into_iter()
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        .collect()
}
