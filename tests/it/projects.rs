//! Projects and who belongs to them.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const CREATE: &str = "mutation($input: CreateProjectInput!) { createProject(input: $input) {
    project { id key name description version archivedAt createdAt updatedAt creator { id } viewerRole
      viewerCanUpdate viewerCanArchive viewerCanCreateTask viewerCanManageMembers
      members { totalCount nodes { role user { id } } } }
    userErrors { code message field } } }";
const UPDATE: &str = "mutation($input: UpdateProjectInput!) { updateProject(input: $input) {
    project { id name description version } userErrors { code message field } } }";
const ARCHIVE: &str = "mutation($id: ID!) { archiveProject(input: {id: $id}) {
    project { archivedAt version viewerCanUpdate viewerCanArchive viewerCanCreateTask } userErrors { code } } }";
const UNARCHIVE: &str = "mutation($id: ID!) { unarchiveProject(input: {id: $id}) {
    project { archivedAt version } userErrors { code } } }";
const ADD: &str = "mutation($input: AddProjectMemberInput!) { addProjectMember(input: $input) {
    member { role since user { id } } userErrors { code message field } } }";
const ROLE: &str =
    "mutation($input: UpdateProjectMemberInput!) { updateProjectMember(input: $input) {
    member { role } userErrors { code message field } } }";

async fn create(person: &Person, input: Value) -> Reply {
    person.graphql(CREATE, json!({"input": input})).await
}

async fn update(person: &Person, input: Value) -> Reply {
    person.graphql(UPDATE, json!({"input": input})).await
}

async fn member(by: &Person, query: &str, project: &str, who: &Person, role: &str) -> Reply {
    let input = json!({"projectId": project, "userId": who.id, "role": role});
    by.graphql(query, json!({"input": input})).await
}

#[rstest]
#[tokio::test]
async fn a_project_is_made_changed_archived_and_used_again(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let made = create(&ada, json!({"key": "ops", "name": "Operations"})).await;
    let project = made.data()["createProject"]["project"].clone();
    assert_eq!(project["key"], "OPS");
    assert_eq!(project["description"], Value::Null);
    assert_eq!(
        (&project["version"], &project["archivedAt"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(project["creator"]["id"], json!(ada.id));
    assert_eq!(project["viewerRole"], "OWNER");
    for can in [
        "viewerCanUpdate",
        "viewerCanArchive",
        "viewerCanCreateTask",
        "viewerCanManageMembers",
    ] {
        assert_eq!(project[can], true, "{can}");
    }
    let members = json!({"totalCount": 1, "nodes": [{"role": "OWNER", "user": {"id": ada.id}}]});
    assert_eq!(project["members"], members);

    let id = &project["id"];
    let changed = update(
        &ada,
        json!({"id": id, "name": "Ops", "description": "All of it"}),
    )
    .await;
    let wanted = json!({"id": id, "name": "Ops", "description": "All of it", "version": 2});
    assert_eq!(changed.data()["updateProject"]["project"], wanted);
    let same = update(&ada, json!({"id": id, "name": "Ops"})).await;
    assert_eq!(same.data()["updateProject"]["project"]["version"], 2);
    let old = update(
        &ada,
        json!({"id": id, "name": "Late", "expectedVersion": 1}),
    )
    .await;
    let conflict = ("CONFLICT".to_owned(), "input.expectedVersion".to_owned());
    assert_eq!(old.user_error("updateProject"), conflict);
    assert_eq!(old.data()["updateProject"]["project"]["name"], "Ops");
    let cleared = update(
        &ada,
        json!({"id": id, "description": null, "expectedVersion": 2}),
    )
    .await;
    assert_eq!(
        cleared.data()["updateProject"]["project"]["description"],
        Value::Null
    );

    for _ in 0..2 {
        let archived = ada.graphql(ARCHIVE, json!({"id": id})).await;
        let project = &archived.data()["archiveProject"]["project"];
        assert!(project["archivedAt"].is_string());
        assert_eq!(project["version"], 4);
        let cans = ["viewerCanUpdate", "viewerCanArchive", "viewerCanCreateTask"];
        assert_eq!(cans.map(|can| &project[can]), [false, true, false]);
    }
    for _ in 0..2 {
        let back = ada.graphql(UNARCHIVE, json!({"id": id})).await;
        let wanted = json!({"archivedAt": null, "version": 5});
        assert_eq!(back.data()["unarchiveProject"]["project"], wanted);
    }
    let read = "query($id: ID!) { project(id: $id) { id key } node(id: $id) { __typename } }";
    let reply = ada.graphql(read, json!({"id": id})).await;
    assert_eq!(reply.data()["project"], json!({"id": id, "key": "OPS"}));
    assert_eq!(reply.data()["node"]["__typename"], "Project");
    let events = "SELECT COUNT(*) FROM events WHERE topic LIKE 'project.%'";
    assert_eq!(app.number(events).await, 5);
}

#[rstest]
#[case(json!({"key": "O", "name": "x"}), "input.key")]
#[case(json!({"key": "ABCDEFGHIJK", "name": "x"}), "input.key")]
#[case(json!({"key": "1OPS", "name": "x"}), "input.key")]
#[case(json!({"key": "O-PS", "name": "x"}), "input.key")]
#[case(json!({"key": "ÖPS", "name": "x"}), "input.key")]
#[case(json!({"key": "ſops", "name": "x"}), "input.key")]
#[case(json!({"key": "OPS\u{0}", "name": "x"}), "input.key")]
#[case(json!({"key": "OPS", "name": " \u{a0}"}), "input.name")]
#[case(json!({"key": "OPS", "name": "x".repeat(101)}), "input.name")]
#[case(json!({"key": "OPS", "name": "two\nlines"}), "input.name")]
#[case(json!({"key": "OPS", "name": "x", "description": ""}), "input.description")]
#[case(json!({"key": "OPS", "name": "x", "description": "y".repeat(2_001)}), "input.description")]
#[case(json!({"key": "OPS", "name": "x", "description": "\u{0}"}), "input.description")]
#[tokio::test]
async fn a_bad_field_of_a_project_is_told_by_name(
    #[case] input: Value,
    #[case] field: &str,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let reply = create(&ada, input).await;
    let invalid = ("INVALID".to_owned(), field.to_owned());
    assert_eq!(reply.user_error("createProject"), invalid);
    assert_eq!(app.number("SELECT COUNT(*) FROM projects").await, 0);
}

#[rstest]
#[tokio::test]
async fn of_many_who_want_a_key_at_once_one_gets_it(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let wishes = ["ops", "OPS", "Ops", "oPS"].map(|key| json!({"key": key, "name": "x"}));
    let replies = join_all(wishes.map(|input| create(&ada, input))).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies
        .iter()
        .partition(|reply| reply.data()["createProject"]["project"].is_object());
    assert_eq!((won.len(), lost.len()), (1, 3));
    for reply in lost {
        let taken = ("TAKEN".to_owned(), "input.key".to_owned());
        assert_eq!(reply.user_error("createProject"), taken);
    }
}

#[rstest]
#[tokio::test]
async fn members_come_get_other_roles_and_go(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let root = app.admin("root").await;
    let project = ada.creates_project("OPS").await;
    let invalid = ("INVALID".to_owned(), "input.userId".to_owned());

    for _ in 0..2 {
        let reply = member(&ada, ADD, &project, &bob, "EDITOR").await;
        let added = &reply.data()["addProjectMember"]["member"];
        assert_eq!(
            (&added["role"], &added["user"]["id"]),
            (&json!("EDITOR"), &json!(bob.id))
        );
    }
    let again = member(&ada, ADD, &project, &bob, "OWNER").await;
    assert_eq!(again.user_error("addProjectMember"), invalid);
    let disable = "mutation($id: ID!) { disableUser(input: {id: $id}) { userErrors { code } } }";
    root.graphql(disable, json!({"id": eve.id})).await.data();
    let disabled = member(&ada, ADD, &project, &eve, "VIEWER").await;
    assert_eq!(disabled.user_error("addProjectMember"), invalid);
    let nobody = json!({"projectId": project, "userId": "user_01h455vb4pex5vsknk084sn02q", "role": "VIEWER"});
    let reply = ada.graphql(ADD, json!({"input": nobody})).await;
    assert_eq!(reply.user_error("addProjectMember"), invalid);
    let stranger = member(&ada, ROLE, &project, &eve, "VIEWER").await;
    assert_eq!(stranger.user_error("updateProjectMember"), invalid);
    let reply = ada.removes_member(&project, &eve).await;
    assert_eq!(reply.user_error("removeProjectMember"), invalid);

    let reply = member(&ada, ROLE, &project, &bob, "VIEWER").await;
    assert_eq!(
        reply.data()["updateProjectMember"]["member"]["role"],
        "VIEWER"
    );
    assert_eq!(
        member(&bob, ROLE, &project, &bob, "OWNER").await.code(),
        "FORBIDDEN"
    );
    assert_eq!(bob.removes_member(&project, &ada).await.code(), "FORBIDDEN");
    // Anybody may leave.
    let left = bob.removes_member(&project, &bob).await;
    assert_eq!(
        left.data()["removeProjectMember"]["removedUserId"],
        json!(bob.id)
    );
    assert_eq!(bob.removes_member(&project, &bob).await.code(), "NOT_FOUND");
    // An administrator does not belong to it, and may do all of it.
    root.adds_member(&project, &bob, "COMMENTER").await;
    root.removes_member(&project, &bob).await.data();
    assert_eq!(app.number("SELECT COUNT(*) FROM project_members").await, 1);
}

#[rstest]
#[tokio::test]
async fn a_project_always_has_an_owner(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let root = app.admin("root").await;
    let project = ada.creates_project("OPS").await;
    let owners = "SELECT COUNT(*) FROM project_members WHERE role = 'owner'";
    for by in [&ada, &root] {
        let reply = member(by, ROLE, &project, &ada, "EDITOR").await;
        let told = ("INVALID".to_owned(), "input.role".to_owned());
        assert_eq!(reply.user_error("updateProjectMember"), told);
        let reply = by.removes_member(&project, &ada).await;
        let told = ("INVALID".to_owned(), "input.userId".to_owned());
        assert_eq!(reply.user_error("removeProjectMember"), told);
    }
    // Two owners who demote each other at once: one wins.
    for _ in 0..5 {
        member(&root, ADD, &project, &bob, "OWNER").await.data();
        let (one, other) = tokio::join!(
            member(&ada, ROLE, &project, &bob, "VIEWER"),
            member(&bob, ROLE, &project, &ada, "VIEWER"),
        );
        let won = [&one, &other].map(|reply| reply.body.get("errors").is_none());
        assert_ne!(won[0], won[1], "{one:?} {other:?}");
        assert_eq!(app.number(owners).await, 1);
        for person in [&ada, &bob] {
            member(&root, ROLE, &project, person, "OWNER").await.data();
        }
        root.removes_member(&project, &bob).await.data();
    }
    // Two who leave at once.
    member(&root, ADD, &project, &bob, "OWNER").await.data();
    let (one, other) = tokio::join!(
        ada.removes_member(&project, &ada),
        bob.removes_member(&project, &bob),
    );
    let gone = [&one, &other]
        .map(|reply| reply.data()["removeProjectMember"]["removedUserId"].is_string());
    assert_ne!(gone[0], gone[1]);
    assert_eq!(app.number(owners).await, 1);
}

#[rstest]
#[tokio::test]
async fn the_last_owner_is_one_who_can_sign_in(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, cyd) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("cyd").await,
    );
    let root = app.admin("root").await;
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "OWNER").await;
    ada.adds_member(&project, &cyd, "EDITOR").await;
    let disable = "mutation($id: ID!) { disableUser(input: {id: $id}) { userErrors { code } } }";
    for person in [&bob, &cyd] {
        root.graphql(disable, json!({"id": person.id})).await.data();
    }
    // Bob is an owner in name only.
    let reply = member(&ada, ROLE, &project, &ada, "EDITOR").await;
    let told = ("INVALID".to_owned(), "input.role".to_owned());
    assert_eq!(reply.user_error("updateProjectMember"), told);
    let reply = ada.removes_member(&project, &ada).await;
    let told = ("INVALID".to_owned(), "input.userId".to_owned());
    assert_eq!(reply.user_error("removeProjectMember"), told);
    // Nor does Cyd become one. Another role is fine, and so is losing one.
    let reply = member(&ada, ROLE, &project, &cyd, "OWNER").await;
    assert_eq!(reply.user_error("updateProjectMember"), told);
    for (person, role) in [(&cyd, "VIEWER"), (&bob, "EDITOR")] {
        let reply = member(&ada, ROLE, &project, person, role).await;
        assert_eq!(
            reply.data()["updateProjectMember"]["member"]["role"],
            json!(role)
        );
    }
}

#[rstest]
#[tokio::test]
async fn one_sees_the_projects_one_belongs_to_and_administrators_all(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let root = app.admin("root").await;
    let mut ids = Vec::new();
    for (key, name) in [
        ("ZED", "alpha"),
        ("OPS", "Beta 100%"),
        ("DEV", "Gamma"),
        ("OLD", "delta"),
    ] {
        let reply = create(&ada, json!({"key": key, "name": name})).await;
        ids.push(reply.data()["createProject"]["project"]["id"].clone());
    }
    ada.adds_member(ids[1].as_str().unwrap(), &bob, "VIEWER")
        .await;
    ada.graphql(ARCHIVE, json!({"id": ids[3]})).await.data();
    let list = "query($first: Int, $after: String, $search: String, $all: Boolean! = false) {
        projects(first: $first, after: $after, search: $search, includeArchived: $all) {
          nodes { name viewerRole viewerCanUpdate viewerCanArchive viewerCanCreateTask viewerCanManageMembers }
          totalCount pageInfo { hasNextPage endCursor } } }";
    let names = async |person: &Person, variables: Value| {
        let reply = person.graphql(list, variables).await;
        let nodes = reply.data()["projects"]["nodes"]
            .as_array()
            .unwrap()
            .clone();
        assert_eq!(reply.data()["projects"]["totalCount"], nodes.len());
        let names = nodes
            .iter()
            .map(|node| node["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    for person in [&ada, &root] {
        assert_eq!(
            names(person, json!({})).await,
            ["alpha", "Beta 100%", "Gamma"]
        );
        let all = names(person, json!({"all": true})).await;
        assert_eq!(all, ["alpha", "Beta 100%", "delta", "Gamma"]);
    }
    assert_eq!(names(&bob, json!({"all": true})).await, ["Beta 100%"]);
    for (search, wanted) in [
        ("BETA", 1),
        ("%", 1),
        ("ops", 1),
        ("ed", 1),
        ("m", 1),
        ("_", 0),
    ] {
        let found = names(&ada, json!({"search": search})).await;
        assert_eq!(found.len(), wanted, "{search} {found:?}");
    }
    assert_eq!(
        ada.graphql(list, json!({"search": "\u{0}"})).await.code(),
        "BAD_USER_INPUT"
    );
    let (mut paged, mut after) = (Vec::new(), Value::Null);
    loop {
        let reply = ada.graphql(list, json!({"first": 1, "after": after})).await;
        let page = &reply.data()["projects"];
        paged.push(page["nodes"][0]["name"].as_str().unwrap().to_owned());
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(paged, ["alpha", "Beta 100%", "Gamma"]);
    let cursor = json!({"after": after});
    let other = "query($after: String) { users(after: $after) { totalCount } }";
    assert_eq!(ada.graphql(other, cursor).await.code(), "BAD_USER_INPUT");
    let reply = bob.graphql(list, json!({})).await;
    let node = &reply.data()["projects"]["nodes"][0];
    assert_eq!(node["viewerRole"], "VIEWER");
    for can in [
        "viewerCanUpdate",
        "viewerCanArchive",
        "viewerCanCreateTask",
        "viewerCanManageMembers",
    ] {
        assert_eq!(node[can], false, "{can}");
    }
    let reply = root.graphql(list, json!({})).await;
    assert_eq!(
        reply.data()["projects"]["nodes"][0]["viewerRole"],
        Value::Null
    );
}

#[rstest]
#[tokio::test]
async fn the_members_of_many_projects_take_as_many_statements_as_those_of_one(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let mut people = Vec::new();
    for name in ["bob", "cat", "dan", "eve"] {
        people.push(app.person(name).await);
    }
    let query = "{ projects(first: 100) { nodes { key eventCursor creator { name } viewerRole viewerCanUpdate
        members(first: 2) { totalCount pageInfo { hasNextPage endCursor }
          nodes { role user { name } } } } } }";
    let mut costs = Vec::new();
    for key in ["A1", "B1", "C1", "D1"] {
        let project = ada.creates_project(key).await;
        for person in &people {
            app.clock.advance(chrono::TimeDelta::seconds(1));
            ada.adds_member(&project, person, "VIEWER").await;
        }
        let before = app.app.db.statements();
        let reply = ada.graphql(query, json!({})).await;
        costs.push(app.app.db.statements() - before);
        for node in reply.data()["projects"]["nodes"].as_array().unwrap() {
            let members = &node["members"];
            let names: Vec<_> = members["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|member| member["user"]["name"].as_str().unwrap())
                .collect();
            assert_eq!(names, ["Name of ada", "Name of bob"]);
            assert_eq!(members["totalCount"], 5);
            assert_eq!(members["pageInfo"]["hasNextPage"], true);
        }
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    // All pages together are all members, in the order in which they came.
    let pages = "query($after: String) { projects(search: \"A1\") { nodes {
        members(first: 2, after: $after) { edges { cursor node { user { name } } }
          pageInfo { hasNextPage endCursor } } } } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let reply = ada.graphql(pages, json!({"after": after})).await;
        let page = reply.data()["projects"]["nodes"][0]["members"].clone();
        for edge in page["edges"].as_array().unwrap() {
            seen.push(edge["node"]["user"]["name"].as_str().unwrap().to_owned());
        }
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(
        seen,
        ["ada", "bob", "cat", "dan", "eve"].map(|name| format!("Name of {name}"))
    );
}
