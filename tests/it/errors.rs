//! What leaves the server when something goes wrong, and what does not.

mod documents;
mod faults;
mod roots;

use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};
use taskflow::graphql::ErrorCode;

use self::roots::{NO_TASK, NO_USER, ROOTS, SUBSCRIPTIONS, Who, document};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, Socket, TestApp};

impl Reply {
    /// The codes of all errors, each of them documented and each error with the request's id.
    fn codes(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array();
        let errors = errors.unwrap_or_else(|| panic!("no errors in {:#}", self.body));
        let id = self.headers["x-request-id"].to_str().unwrap();
        let code = |error: &'_ Value| {
            assert_eq!(error["extensions"]["requestId"], id, "{error:#}");
            let code = ErrorCode::ALL
                .map(ErrorCode::as_str)
                .into_iter()
                .find(|code| error["extensions"]["code"] == **code);
            code.unwrap_or_else(|| panic!("no documented code in {error:#}"))
        };
        errors.iter().map(code).collect()
    }

    fn only(&self, code: &str) {
        assert_eq!(self.codes(), [code], "{:#}", self.body);
    }

    /// That none of this is anywhere in the answer, however it is written.
    fn hides(&self, secrets: &[&str]) {
        let mut body = self.body.clone();
        for error in body["errors"].as_array_mut().into_iter().flatten() {
            // These say `column`, and chance may say anything.
            error["locations"] = Value::Null;
            error["extensions"]["requestId"] = Value::Null;
        }
        let text = body.to_string().to_lowercase();
        for secret in secrets {
            assert!(!text.contains(&secret.to_lowercase()), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn every_field_at_a_root_has_its_row_in_these_tests() {
    let app = TestApp::start(Embedded).await;
    let query = "{ __schema { queryType { fields { name } } mutationType { fields { name } }
                   subscriptionType { fields { name } } } }";
    let reply = app.anybody().graphql(query, json!({})).await;
    let names = |root: &str| {
        let fields = reply.data()["__schema"][root]["fields"].as_array().unwrap();
        let mut names: Vec<_> = fields
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        names
    };
    let rows = |operation: &str| {
        ROOTS
            .iter()
            .filter(|row| row.0 == operation)
            .map(|row| row.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("queryType"), rows("query"));
    assert_eq!(names("mutationType"), rows("mutation"));
    assert_eq!(
        names("subscriptionType"),
        SUBSCRIPTIONS.map(|(name, _)| name)
    );
}

#[rstest]
#[tokio::test]
async fn a_guarded_field_is_for_those_who_are_signed_in(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let good = ada.token.clone().unwrap();
    let forged = good[..good.len() - 6].to_owned() + "AAAAAA";
    let rows = async |person: &Person| {
        for &(operation, field, who, selection) in ROOTS {
            let reply = person
                .graphql(&document(operation, selection), json!({}))
                .await;
            // A refresh token that is none is answered so, too; it is not the access token's fault.
            if who == Who::SignedIn || field == "refreshToken" {
                assert_eq!(reply.codes(), ["UNAUTHENTICATED"], "{field}");
                assert_eq!(reply.status, 200, "{field}");
            } else if field == "validateToken" {
                assert_eq!(reply.data()[field]["isValid"], false);
            } else if matches!(field, "passwordPolicy" | "requestPasswordReset") {
                // Nothing can be wrong with these.
                assert!(reply.data()[field].is_object(), "{field}");
            } else {
                let errors = &reply.data()[field]["userErrors"];
                assert!(errors[0]["code"].is_string(), "{field}: {errors}");
            }
        }
    };
    rows(&app.anybody()).await;
    rows(&ada.with_token(&forged)).await;
    rows(&ada.with_token("nonsense")).await;
    app.clock.advance(chrono::TimeDelta::seconds(900 + 31));
    rows(&ada).await;
    // Or nobody could ever renew a token.
    let renew =
        "mutation R($input: RefreshTokenInput!) { refreshToken(input: $input) { accessToken } }";
    let input = json!({"input": {"refreshToken": ada.refresh_token}});
    let reply = ada.graphql(renew, input).await;
    assert!(reply.data()["refreshToken"]["accessToken"].is_string());
    assert_eq!(app.number("SELECT COUNT(*) FROM tasks").await, 0);
}

#[tokio::test]
async fn a_guarded_subscription_is_for_those_who_are_signed_in() {
    let app = TestApp::start(Embedded).await;
    let mut socket = Socket::open(app.listen().await).await;
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    for (field, selection) in SUBSCRIPTIONS {
        let document = document("subscription", selection);
        socket.subscribe(field, &document, json!({})).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error", "{message:#}");
        let code = &message["payload"][0]["extensions"]["code"];
        assert_eq!(code, "UNAUTHENTICATED", "{message:#}");
    }
}

#[rstest]
#[tokio::test]
async fn an_id_that_is_none_or_of_another_kind_is_bad_input(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let malformed = [
        "",
        "x",
        "1",
        "task_",
        "task_01h455vb4pex5vsknk084sn02",
        "task_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "task_01H455VB4PEX5VSKNK084SN02Q",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "nothing_01h455vb4pex5vsknk084sn02q",
        "task_01h455vb4pex5vsknk084sn02q' OR '1'='1",
        "task_\u{0}",
    ];
    for id in malformed {
        for (query, field) in [
            ("query Q($id: ID!) { r: node(id: $id) { id } }", "r"),
            ("query Q($id: ID!) { r: task(id: $id) { id } }", "r"),
            ("query Q($id: ID!) { r: user(id: $id) { id } }", "r"),
        ] {
            let reply = ada.graphql(query, json!({"id": id})).await;
            reply.only("BAD_USER_INPUT");
            assert_eq!(reply.body["data"][field], Value::Null, "{query} {id}");
        }
    }
    for (selection, code) in [
        (
            format!("task(id: \"{}\") {{ id }}", ada.id),
            "BAD_USER_INPUT",
        ),
        (format!("user(id: \"{task}\") {{ id }}"), "BAD_USER_INPUT"),
        (format!("task(id: \"{NO_TASK}\") {{ id }}"), "NOT_FOUND"),
        (format!("user(id: \"{NO_USER}\") {{ id }}"), "NOT_FOUND"),
        (format!("node(id: \"{NO_TASK}\") {{ id }}"), "NOT_FOUND"),
        (format!("node(id: \"{NO_USER}\") {{ id }}"), "NOT_FOUND"),
        (
            "tasks(filter: {creator: {eq: \"x\"}}) { totalCount }".to_owned(),
            "BAD_USER_INPUT",
        ),
        (
            format!("tasks(filter: {{assignee: {{in: [\"{task}\"]}}}}) {{ totalCount }}"),
            "BAD_USER_INPUT",
        ),
    ] {
        let reply = ada.graphql(&format!("{{ {selection} }}"), json!({})).await;
        assert_eq!(reply.codes(), [code], "{selection}");
    }
    for input in [
        json!({"taskId": "x", "assigneeId": ada.id}),
        json!({"taskId": ada.id, "assigneeId": ada.id}),
        json!({"taskId": task, "assigneeId": "x"}),
        json!({"taskId": task, "assigneeId": task}),
    ] {
        let assign =
            "mutation A($input: AssignTaskInput!) { assignTask(input: $input) { task { id } } }";
        let reply = ada.graphql(assign, json!({"input": input})).await;
        assert_eq!(reply.codes(), ["BAD_USER_INPUT"], "{input}");
    }
}

#[rstest]
#[tokio::test]
async fn the_task_of_somebody_else_does_not_exist_and_stays_as_it_is(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let task = ada
        .creates(json!({"title": "Hers", "assigneeId": ada.id}))
        .await;
    let whole =
        "query Q($id: ID!) { task(id: $id) { title status priority enabled version updatedAt
                   assignee { id } creator { id } } }";
    let before = ada.graphql(whole, json!({"id": task})).await;
    let events = "SELECT COUNT(*) FROM events";
    let (events_before, jobs) = (app.number(events).await, "SELECT COUNT(*) FROM jobs");
    let jobs_before = app.number(jobs).await;
    for (operation, field, _, selection) in ROOTS {
        if !selection.contains("$task") {
            continue;
        }
        let selection = selection
            .replace("$task", &format!("\"{task}\""))
            .replace("$user", &format!("\"{}\"", eve.id));
        let reply = eve
            .graphql(&format!("{operation} {{ {selection} }}"), json!({}))
            .await;
        assert_eq!(reply.codes(), ["NOT_FOUND"], "{field}");
        // The same words as for a task that is not there.
        let other = selection.replace(&task, NO_TASK);
        let nothing = eve
            .graphql(&format!("{operation} {{ {other} }}"), json!({}))
            .await;
        let message = |reply: &Reply| reply.body["errors"][0]["message"].clone();
        assert_eq!(message(&reply), message(&nothing), "{field}");
        reply.hides(&["Hers", &ada.id]);
    }
    let list = eve
        .graphql("{ tasks { totalCount nodes { id } } }", json!({}))
        .await;
    assert_eq!(list.data()["tasks"], json!({"totalCount": 0, "nodes": []}));
    let after = ada.graphql(whole, json!({"id": task})).await;
    assert_eq!(after.data(), before.data());
    assert_eq!(app.number(events).await, events_before);
    assert_eq!(app.number(jobs).await, jobs_before);
}

#[rstest]
#[tokio::test]
async fn a_page_that_cannot_be_is_bad_input(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for number in 0..2 {
        ada.creates(json!({"title": format!("Task {number}")}))
            .await;
    }
    let cursor = |reply: &Reply, list: &str| {
        let cursor = &reply.data()[list]["pageInfo"]["endCursor"];
        cursor.as_str().expect("a cursor").to_owned()
    };
    let end = "pageInfo { endCursor }";
    let tasks = ada
        .graphql(&format!("{{ tasks(first: 1) {{ {end} }} }}"), json!({}))
        .await;
    let users = ada
        .graphql(&format!("{{ users(first: 1) {{ {end} }} }}"), json!({}))
        .await;
    let (of_tasks, of_users) = (cursor(&tasks, "tasks"), cursor(&users, "users"));
    for (list, foreign) in [("tasks", &of_users), ("users", &of_tasks)] {
        let query = format!(
            "query Q($first: Int, $after: String) {{ {list}(first: $first, after: $after) {{ nodes {{ id }} }} }}"
        );
        for first in [0, -1, 101, i32::MAX, i32::MIN] {
            let reply = ada.graphql(&query, json!({"first": first})).await;
            assert_eq!(reply.codes(), ["BAD_USER_INPUT"], "{list} {first}");
        }
        for after in ["", "x", "e30", "bnVsbA", "\u{0}", foreign.as_str()] {
            let reply = ada.graphql(&query, json!({"after": after})).await;
            assert_eq!(reply.codes(), ["BAD_USER_INPUT"], "{list} {after:?}");
        }
        for first in [1, 100] {
            ada.graphql(&query, json!({"first": first})).await.data();
        }
    }
    // A cursor is of one order only.
    let other = "query Q($after: String) { tasks(after: $after, orderBy: [{field: DUE_AT}]) { nodes { id } } }";
    let reply = ada.graphql(other, json!({"after": of_tasks})).await;
    reply.only("BAD_USER_INPUT");
}

/// The codes in the first column of the table under "Errors" of `docs/API.md`.
fn documented() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| `extensions.code` |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn every_code_is_documented_and_tested_and_no_other_is() {
    let mut codes = ErrorCode::ALL.map(ErrorCode::as_str).to_vec();
    let mut documented = documented();
    codes.sort_unstable();
    documented.sort_unstable();
    assert_eq!(codes, documented);
    let tests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"));
    let mut all = String::new();
    read_all(tests, &mut all);
    for code in codes {
        assert!(all.contains(&format!("\"{code}\"")), "no test has {code}");
    }
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else {
            into.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
