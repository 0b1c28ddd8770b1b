//! Who may do what: every field at a root, for everybody who may ask, with their own and with
//! somebody else's object. A field without a row here fails.

mod rows;

use entity::job;
use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use taskflow::db::DbError;
use taskflow::graphql::Kind;
use taskflow::jobs::{self, NewJob};

use self::rows::Outcome::{
    self, Done, Forbidden as No, NotFound as Unknown, Told, Unauthenticated as Unsigned,
};
use self::rows::{ADMINS, CALLERS, ROWS, Row};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, Socket, TestApp};

/// Somebody of each kind, and what they have.
struct Cast {
    app: TestApp,
    people: Vec<Person>,
    artist: String,
    someone: Person,
}

impl Cast {
    async fn new(mode: Mode) -> Self {
        let app = TestApp::start(mode).await;
        let root = app.admin("root").await;
        let mut people = vec![app.anybody()];
        for name in &CALLERS[1..5] {
            let person = app.person(name).await;
            let role = name.to_uppercase();
            if ["ARTIST", "SERVICE"].contains(&role.as_str()) {
                set_roles(&root, &person, &[&role]).await;
            }
            people.push(person);
        }
        let artist = people[2].id.replace("user_", "artist_");
        people.push(root);
        let someone = app.person("someone").await;
        Self {
            app,
            people,
            artist,
            someone,
        }
    }

    fn owner(&self) -> &Person {
        &self.people[4]
    }

    /// A caller, in a session of their own: some fields end it.
    async fn caller(&self, column: usize) -> Person {
        let person = &self.people[column];
        match person.token {
            None => person.clone(),
            Some(_) => person.logged_in_again().await,
        }
    }

    /// The operation of a row, with objects of its own.
    async fn document(&self, row: &Row, caller: &Person, cell: usize) -> String {
        let (operation, _, _, selection) = row;
        let mut selection = (*selection).to_owned();
        if selection.contains("$task") {
            // Signed in anew, since a row ends all other sessions.
            let owner = self.owner().logged_in_again().await;
            let task = owner.creates(json!({"title": "Hers"})).await;
            selection = selection.replace("$task", &format!("\"{task}\""));
        }
        if selection.contains("$project") {
            let owner = self.owner().logged_in_again().await;
            let project = owner.creates_project(&format!("C{cell}")).await;
            selection = selection.replace("$project", &format!("\"{project}\""));
        }
        if selection.contains("$session") {
            let owner = self.owner().logged_in_again().await;
            let query = "{ sessions { nodes { id isCurrent } } }";
            let reply = owner.graphql(query, json!({})).await;
            let sessions = reply.data()["sessions"]["nodes"].as_array().unwrap();
            let hers = sessions.iter().find(|session| session["isCurrent"] == true);
            selection = selection.replace("$session", &hers.unwrap()["id"].to_string());
        }
        selection = self.with_what_is_around(selection).await;
        selection = self.with_a_webhook(selection, cell).await;
        if selection.contains("$job") {
            selection = selection.replace("$job", &format!("\"{}\"", self.job(cell).await));
        }
        for (name, value) in [
            ("$user", self.owner().id.as_str()),
            ("$artist", &self.artist),
            ("$else", &self.someone.id),
            ("$new", &format!("new{cell}")),
            ("$refresh", &caller.refresh_token),
            ("$password", PASSWORD),
        ] {
            selection = selection.replace(name, &format!("\"{value}\""));
        }
        format!("{operation} {{ {selection} }}")
    }
}

impl Cast {
    /// A job that waits, and of which nothing is known in the log.
    async fn job(&self, cell: usize) -> String {
        let key = format!("cell {cell}");
        let job = NewJob {
            queue: taskflow::jobs::DEFAULT_QUEUE,
            kind: "nothing",
            payload: json!({}),
            dedupe_key: key.clone(),
            max_attempts: 1,
        };
        let (job, app) = (&job, &self.app.app);
        let write = |tx| async move {
            jobs::enqueue(&tx, &app.bus, [job.clone()]);
            Ok::<_, DbError>(())
        };
        app.db.write(write).await.unwrap();
        let made = job::Entity::find().filter(job::Column::DedupeKey.eq(key));
        let made = made.one(&self.app.sql().await).await.unwrap().unwrap();
        Kind::Job.encode(made.id.0).to_string()
    }

    /// Puts a webhook of a project of the owner's, and a message to it, into a selection.
    async fn with_a_webhook(&self, selection: String, cell: usize) -> String {
        if !selection.contains("$webhook") && !selection.contains("$delivery") {
            return selection;
        }
        let owner = self.owner().logged_in_again().await;
        let project = owner.creates_project(&format!("W{cell}")).await;
        let register = "mutation($project: ID!) { registerWebhook(
            input: {url: \"https://hooks.example.org/\", projectId: $project}) { webhook { id } } }";
        let reply = owner.graphql(register, json!({"project": project})).await;
        let webhook = &reply.data()["registerWebhook"]["webhook"]["id"];
        let test = "mutation($id: ID!) { sendTestWebhook(input: {id: $id}) { delivery { id } } }";
        let reply = owner.graphql(test, json!({"id": webhook})).await;
        let delivery = &reply.data()["sendTestWebhook"]["delivery"]["id"];
        let selection = selection.replace("$webhook", &webhook.to_string());
        selection.replace("$delivery", &delivery.to_string())
    }

    /// Puts a comment, a change of a task and a label of the owner's into a selection.
    async fn with_what_is_around(&self, mut selection: String) -> String {
        if ["$comment", "$change", "$label"]
            .iter()
            .all(|name| !selection.contains(name))
        {
            return selection;
        }
        let owner = self.owner().logged_in_again().await;
        let task = owner.creates(json!({"title": "Hers"})).await;
        let query = "mutation($task: ID!, $label: String!) {
            createComment(input: {taskId: $task, body: \"x\"}) { comment { id } }
            createLabel(input: {name: $label}) { label { id } }
            updateTask(input: {id: $task, title: \"y\"}) {
              task { history { nodes { id } } } } }";
        let variables = json!({"task": task, "label": format!("of {task}")});
        let reply = owner.graphql(query, variables).await;
        let made = reply.data();
        for (name, id) in [
            ("$comment", &made["createComment"]["comment"]["id"]),
            ("$label", &made["createLabel"]["label"]["id"]),
            (
                "$change",
                &made["updateTask"]["task"]["history"]["nodes"][0]["id"],
            ),
        ] {
            selection = selection.replace(name, &id.to_string());
        }
        selection
    }
}

async fn set_roles(admin: &Person, person: &Person, roles: &[&str]) {
    let query = "mutation($input: SetUserRolesInput!) { setUserRoles(input: $input) {
        user { id } userErrors { message } } }";
    let input = json!({"input": {"id": person.id, "roles": roles}});
    let reply = admin.graphql(query, input).await;
    assert!(
        reply.data()["setUserRoles"]["user"].is_object(),
        "{reply:?}"
    );
}

fn outcome(reply: &Reply, field: &str) -> Outcome {
    if reply.body["errors"].is_array() {
        return refusal(reply.code());
    }
    let errors = &reply.data()[field]["userErrors"];
    if errors.as_array().is_some_and(|errors| !errors.is_empty()) {
        return Told;
    }
    Done
}

fn refusal(code: &str) -> Outcome {
    match code {
        "UNAUTHENTICATED" => Unsigned,
        "FORBIDDEN" => No,
        "NOT_FOUND" => Unknown,
        other => panic!("{other} is no answer to who asks"),
    }
}

#[tokio::test]
async fn every_field_at_a_root_has_a_row() {
    let app = TestApp::start(Embedded).await;
    let query = "{ __schema { queryType { fields { name } } mutationType { fields { name } }
                   subscriptionType { fields { name } } } }";
    let reply = app.anybody().graphql(query, json!({})).await;
    for operation in ["query", "mutation", "subscription"] {
        let fields = &reply.data()["__schema"][format!("{operation}Type")]["fields"];
        let mut fields: Vec<_> = fields
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        fields.sort_unstable();
        let mut rows: Vec<_> = ROWS
            .iter()
            .filter(|row| row.0 == operation)
            .map(|row| row.1)
            .collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(fields, rows, "{operation}");
    }
}

#[rstest]
#[tokio::test]
async fn everybody_may_what_the_matrix_says_and_nothing_else(#[values(Embedded, Full)] mode: Mode) {
    let cast = Cast::new(mode).await;
    let mut cell = 0;
    for row in ROWS.iter().filter(|row| row.0 != "subscription") {
        for (column, wanted) in row.2.into_iter().enumerate() {
            cell += 1;
            let caller = cast.caller(column).await;
            let document = cast.document(row, &caller, cell).await;
            let reply = caller.graphql(&document, json!({})).await;
            let found = outcome(&reply, row.1);
            assert_eq!(
                found, wanted,
                "{} {document} {:#}",
                CALLERS[column], reply.body
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn everybody_hears_what_the_matrix_says_and_only_their_own(
    #[values(Embedded, Full)] mode: Mode,
) {
    let cast = Cast::new(mode).await;
    let address = cast.app.listen().await;
    let root = cast.people.last().unwrap();
    let mut cell = 0;
    for row in ROWS.iter().filter(|row| row.0 == "subscription") {
        for (column, wanted) in row.2.into_iter().enumerate() {
            cell += 1;
            let caller = cast.caller(column).await;
            let document = cast.document(row, &caller, cell).await;
            if wanted != Done {
                let mut socket = match &caller.token {
                    Some(token) => Socket::signed_in(address, token).await,
                    None => Socket::anonymous(address).await,
                };
                socket.subscribe("s", &document, json!({})).await;
                let told = socket.next().await;
                let code = told["payload"][0]["extensions"]["code"].as_str().unwrap();
                assert_eq!(refusal(code), wanted);
                continue;
            }
            if row.1 == "taskChanged" {
                hears_a_change(&cast, address, &caller, &document).await;
                continue;
            }
            if row.1 == "notificationReceived" {
                hears_what_is_told(&cast, address, &caller, &document).await;
                continue;
            }
            // What happened to somebody else before does not come, though it comes first.
            let after = json!({"after": caller.event_cursor().await});
            let document = document
                .replace("subscription {", "subscription($after: String) {")
                .replace("taskAssigned", "taskAssigned(after: $after)");
            for to in [&cast.someone, &caller] {
                let task = root.creates(json!({"title": to.name})).await;
                root.assigns(&task, to).await.data();
            }
            let token = caller.token.clone().unwrap();
            let mut socket = Socket::signed_in(address, &token).await;
            socket.subscribe("s", &document, after).await;
            let event = socket.event("s").await;
            assert_eq!(event["taskAssigned"]["task"]["title"], json!(caller.name));
        }
    }
}

/// Everybody hears what they are told, and not what is told to somebody else.
async fn hears_what_is_told(
    cast: &Cast,
    address: std::net::SocketAddr,
    caller: &Person,
    document: &str,
) {
    let query = "{ notifications { eventCursor } }";
    let reply = caller.graphql(query, json!({})).await;
    let after = json!({"after": reply.data()["notifications"]["eventCursor"]});
    let others = cast
        .people
        .iter()
        .filter(|other| other.id != caller.id && !other.id.is_empty());
    let another = others.clone().next_back().unwrap();
    for to in [another, caller] {
        let task = cast.someone.creates(json!({"title": to.name})).await;
        cast.someone.assigns(&task, to).await.data();
    }
    cast.app.work().await;
    let document = document
        .replace("subscription {", "subscription($after: String) {")
        .replace(
            "notificationReceived",
            "notificationReceived(after: $after)",
        );
    let mut socket = Socket::signed_in(address, caller.token.as_deref().unwrap()).await;
    socket.subscribe("s", &document, after).await;
    let event = socket.event("s").await;
    let title = event["notificationReceived"]["notification"]["title"]
        .as_str()
        .unwrap();
    assert!(title.contains(&caller.name), "{title}");
}

/// Who may follow a task or a project hears what the administrator does to it.
async fn hears_a_change(
    cast: &Cast,
    address: std::net::SocketAddr,
    caller: &Person,
    document: &str,
) {
    let root = cast.people.last().unwrap();
    let id = document.split('"').nth(1).unwrap();
    let query = "query($id: ID!) { node(id: $id) { ... on Task { eventCursor }
        ... on Project { eventCursor } } }";
    let reply = root.graphql(query, json!({"id": id})).await;
    let after = json!({"after": reply.data()["node"]["eventCursor"]});
    if id.starts_with("task_") {
        let update =
            "mutation($id: ID!) { updateTask(input: {id: $id, title: \"y\"}) { task { id } } }";
        root.graphql(update, json!({"id": id})).await.data();
    } else {
        root.creates(json!({"title": "y", "projectId": id})).await;
    }
    let document = document
        .replace("subscription {", "subscription($after: String) {")
        .replace("\")", "\", after: $after)");
    let mut socket = Socket::signed_in(address, caller.token.as_deref().unwrap()).await;
    socket.subscribe("s", &document, after).await;
    let event = socket.event("s").await;
    assert!(event["taskChanged"]["task"]["id"].is_string(), "{event:#}");
}

/// What is not for everyone, of somebody in whom all of it is set.
const PRIVATE: &str =
    "{ email isEmailVerified firstName lastName locale timezone lastLoginAt status roles }";

#[rstest]
#[tokio::test]
async fn what_is_private_is_seen_by_its_owner_and_admins_on_every_path(
    #[values(Embedded, Full)] mode: Mode,
) {
    let cast = Cast::new(mode).await;
    let artist = cast.people[2].logged_in_again().await;
    let update =
        "mutation { updateProfile(input: {firstName: \"A\", lastName: \"B\", locale: \"de\",
        timezone: \"Europe/Berlin\"}) { user { id } } }";
    artist.graphql(update, json!({})).await.data();
    for (column, name) in CALLERS.into_iter().enumerate().skip(1) {
        let caller = cast.caller(column).await;
        // A task of the artist's that this caller may see, and one the other way round.
        let made = artist
            .creates(json!({"title": "x", "assigneeId": caller.id}))
            .await;
        let given = caller
            .creates(json!({"title": "x", "assigneeId": artist.id}))
            .await;
        let query = format!(
            "query($id: ID!, $artist: ID!, $made: ID!, $given: ID!) {{
               user(id: $id) {PRIVATE}
               node(id: $id) {{ ... on User {PRIVATE} }}
               nodes(ids: [$id]) {{ ... on User {PRIVATE} }}
               artist(id: $artist) {{ user {PRIVATE} }}
               artists(first: 1) {{ nodes {{ user {PRIVATE} }} edges {{ node {{ user {PRIVATE} }} }} }}
               made: task(id: $made) {{ creator {PRIVATE} }}
               given: task(id: $given) {{ assignee {PRIVATE} }}
               users(search: \"Name of artist\") {{ nodes {PRIVATE} edges {{ node {PRIVATE} }} }}
               around: user(id: $id) {{ artist {{ user {PRIVATE} }} }} }}"
        );
        let variables =
            json!({"id": artist.id, "artist": cast.artist, "made": made, "given": given});
        let reply = caller.graphql(&query, variables).await;
        let (mut seen, mut leaves) = (Vec::new(), 0);
        walk(reply.data(), &mut |value| {
            leaves += 1;
            if !value.is_null() {
                seen.push(value.clone());
            }
        });
        assert_eq!(leaves, 11 * 9, "{:#}", reply.body);
        let may = ["artist", "root"].contains(&name);
        assert_eq!(seen.len(), if may { leaves } else { 0 }, "{name} {seen:?}");
    }
}

/// Calls for each value that is no object; a list of roles is one value.
fn walk(value: &Value, see: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            for value in fields.values() {
                walk(value, see);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for value in items {
                walk(value, see);
            }
        }
        other => see(other),
    }
}

#[rstest]
#[tokio::test]
async fn the_old_token_of_a_demoted_admin_can_change_nothing(#[values(Embedded, Full)] mode: Mode) {
    let cast = Cast::new(mode).await;
    let root = cast.people.last().unwrap();
    let demoted = cast.app.admin("demoted").await;
    set_roles(root, &demoted, &[]).await;
    let rows = "SELECT COUNT(*) FROM events";
    let before = cast.app.number(rows).await;
    for (cell, row) in ROWS.iter().enumerate() {
        if row.0 != "mutation" || row.2 != ADMINS {
            continue;
        }
        let document = cast.document(row, &demoted, cell).await;
        let reply = demoted.graphql(&document, json!({})).await;
        let found = outcome(&reply, row.1);
        assert!(
            [No, Unsigned].contains(&found),
            "{document} {:#}",
            reply.body
        );
    }
    assert_eq!(cast.app.number(rows).await, before);
}

#[rstest]
#[tokio::test]
async fn the_token_of_a_disabled_person_opens_nothing(#[values(Embedded, Full)] mode: Mode) {
    let cast = Cast::new(mode).await;
    let root = cast.people.last().unwrap();
    let query = "mutation($id: ID!) { disableUser(input: {id: $id}) { userErrors { code } } }";
    let disabled = cast.app.admin("disabled").await;
    // Made before: a row has objects of its own.
    let mut documents = Vec::new();
    for (cell, row) in ROWS.iter().enumerate() {
        if row.0 != "subscription" && row.2[0] == Unsigned {
            documents.push((row.1, cast.document(row, &disabled, cell).await));
        }
    }
    root.graphql(query, json!({"id": disabled.id})).await.data();
    for (field, document) in documents {
        let reply = disabled.graphql(&document, json!({})).await;
        assert_eq!(
            outcome(&reply, field),
            Unsigned,
            "{document} {:#}",
            reply.body
        );
    }
}
