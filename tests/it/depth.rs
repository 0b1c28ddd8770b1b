//! Documents as deep as they may be, sent to a process of its own: its threads have the stack for them.

use serde_json::{Value, json};

use crate::start::at;
use crate::support::Mode::Embedded;
use crate::support::server::{Site, post};

/// `graphql.max_depth`.
const MOST_DEPTH: usize = 12;

#[tokio::test]
async fn the_deepest_documents_are_answered() {
    let site = Site::new(Embedded, &[]).await;
    let seeded = at(
        &site,
        &[],
        &["demo", "seed", "--users", "1", "--tasks", "1"],
        "",
    );
    assert_eq!(seeded.status, Some(0), "{seeded:?}");
    let token = ["admin", "token", "--user", "user1@example.org"];
    let token = at(&site, &[], &token, "").out;
    let (_server, address) = site.serve(&[]).await;
    let send = async |query: &str, variables: Value| {
        let reply = post(address, Some(token.trim_end()), query, variables).await;
        assert_eq!(reply["errors"], Value::Null, "{query}: {reply:#}");
        reply["data"].clone()
    };
    let create = "mutation($parent: ID) {
        createTask(input: {title: \"x\", parentId: $parent}) { task { id } } }";
    let mut last = Value::Null;
    for _ in 0..MOST_DEPTH {
        let made = send(create, json!({"parent": last})).await;
        last = made["createTask"]["task"]["id"].clone();
    }
    let nested = |levels: usize, field: &str| {
        format!(
            "{}id{}",
            format!("{field} {{ ").repeat(levels),
            " }".repeat(levels)
        )
    };
    let of_id = json!({"id": last});
    // As many levels of the type with the most fields as there can be, and lists inside each other.
    let parents = nested(MOST_DEPTH - 2, "parent");
    let data = send(
        &format!("query($id: ID!) {{ task(id: $id) {{ {parents} }} }}"),
        of_id.clone(),
    )
    .await;
    assert!(
        data["task"]
            .pointer(&"/parent".repeat(MOST_DEPTH - 2))
            .is_some()
    );
    let parents = nested(MOST_DEPTH - 3, "parent");
    let update = format!(
        "mutation($id: ID!) {{ updateTask(input: {{id: $id, title: \"y\"}}) {{ task {{ {parents} }} }} }}"
    );
    send(&update, of_id.clone()).await;
    let lists = nested(3, "parent { subtasks(first: 1) { nodes");
    let lists = format!("query($id: ID!) {{ task(id: $id) {{ {lists} }} }} }} }} }} }} }} }}");
    send(&lists, of_id).await;
}
