//! `nodes`: many things by their ids.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const NOBODY: &str = "user_01h455vb4pex5vsknk084sn02q";
const NODES: &str = "query N($ids: [ID!]!) { nodes(ids: $ids) {
    __typename id ... on Task { title creator { name } } ... on User { username } } }";

async fn nodes(person: &Person, ids: &[&str]) -> Reply {
    person.graphql(NODES, json!({"ids": ids})).await
}

#[rstest]
#[tokio::test]
async fn each_is_in_the_place_of_its_id(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let one = ada.creates(json!({"title": "One"})).await;
    let two = ada.creates(json!({"title": "Two"})).await;
    let ids = [two.as_str(), &bob.id, &one, &two, &ada.id];
    let reply = nodes(&ada, &ids).await;
    let found = reply.data()["nodes"].as_array().unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|node| {
            let is_task = node["__typename"] == "Task";
            let name = if is_task { "title" } else { "username" };
            (node["id"].as_str().unwrap(), node[name].as_str().unwrap())
        })
        .collect();
    let wanted = ["Two", "bob", "One", "Two", "ada"];
    assert_eq!(names, ids.into_iter().zip(wanted).collect::<Vec<_>>());
    assert_eq!(found[0]["creator"]["name"], "Name of ada");
    assert_eq!(nodes(&ada, &[]).await.data(), &json!({"nodes": []}));
    // One id stands for a list of one.
    let reply = ada.graphql(NODES, json!({"ids": one})).await;
    assert_eq!(reply.data()["nodes"][0]["title"], "One");
}

#[rstest]
#[tokio::test]
async fn what_is_not_there_is_null_with_an_error_of_its_own(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let hers = ada.creates(json!({"title": "Hers"})).await;
    let own = eve.creates(json!({"title": "Own"})).await;
    let project = "project_01h455vb4pex5vsknk084sn02q";
    let reply = nodes(&eve, &["nonsense", &hers, &own, NOBODY, project]).await;
    let found = reply.body["data"]["nodes"].as_array().unwrap();
    let there: Vec<_> = found.iter().map(|node| !node.is_null()).collect();
    assert_eq!(there, [false, false, true, false, false]);
    let errors = reply.body["errors"].as_array().unwrap();
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (error["path"].clone(), error["extensions"]["code"].clone()))
        .collect();
    errors.sort_by_key(|(path, _)| path[1].as_u64());
    let wanted = [
        (0, "BAD_USER_INPUT"),
        (1, "NOT_FOUND"),
        (3, "NOT_FOUND"),
        (4, "NOT_FOUND"),
    ];
    let wanted = wanted.map(|(place, code)| (json!(["nodes", place]), json!(code)));
    assert_eq!(errors, wanted);
}

#[tokio::test]
async fn at_most_a_hundred_ids_are_taken() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let ids = |n| vec![ada.id.as_str(); n];
    let reply = nodes(&ada, &ids(100)).await;
    assert_eq!(reply.data()["nodes"].as_array().unwrap().len(), 100);
    let reply = nodes(&ada, &ids(101)).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(reply.body["data"], Value::Null);
}

#[tokio::test]
async fn the_number_of_ids_is_what_it_costs() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let fields = "id ".repeat(100);
    let query = format!("query N($ids: [ID!]!) {{ nodes(ids: $ids) {{ {fields} }} }}");
    let with = |n| json!({"ids": vec![ada.id.as_str(); n]});
    ada.graphql(&query, with(99)).await.data();
    // 1 for the field, 3 for the kibibytes of ids, and a hundred times a hundred.
    let reply = ada.graphql(&query, with(100)).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{:#}", reply.body);
    let list = vec![format!("\"{}\"", ada.id); 100].join(" ");
    let literal = query.replace("($ids: [ID!]!)", "");
    let literal = literal.replace("$ids", &format!("[{list}]"));
    let reply = ada.graphql(&literal, json!({})).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{:#}", reply.body);
}
