//! Looking after the jobs: seeing them, trying again, discarding, pausing; and what becomes of the
//! deliveries meanwhile.

mod command_line;
mod ends;
mod prune;

use chrono::TimeDelta;
use entity::{delivery, job};
use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::smtp::{Behaviour, SmtpOptions, SmtpServer};
use crate::support::{Person, Reply, TestApp};

/// A failed job pauses for up to an hour, so that none is due again by chance.
const LONG_PAUSES: (&str, &str) = ("TASKFLOW_JOBS__BACKOFF_BASE_SECONDS", "3600");
/// What is the fault of one mail, and not of its address.
const REJECTED: Behaviour = Behaviour::RejectData(550, "5.6.0 not a mail");

async fn over_smtp(mode: Mode) -> (TestApp, SmtpServer) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    let app = TestApp::with(mode, &[("SMTP_URL", &url), LONG_PAUSES]).await;
    (app, smtp)
}

/// The administrator gives Bob a task, which leaves a mail to be sent.
async fn root_and_a_mail_to_bob(app: &TestApp) -> (Person, Person) {
    let (root, bob) = (app.admin("root").await, app.person("bob").await);
    gives_a_task(&root, &bob).await;
    (root, bob)
}

async fn gives_a_task(from: &Person, to: &Person) {
    let task = json!({"title": "Write the notes", "assigneeId": to.id});
    from.creates(task).await;
}

async fn only_delivery(app: &TestApp) -> delivery::Model {
    let rows = delivery::Entity::find().all(&app.sql().await).await;
    let mut rows = rows.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

async fn only_job(app: &TestApp, kind: &str) -> job::Model {
    let query = job::Entity::find().filter(job::Column::Kind.eq(kind));
    let mut jobs = query.all(&app.sql().await).await.unwrap();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

fn id(job: &job::Model) -> String {
    taskflow::graphql::Kind::Job.encode(job.id.0).to_string()
}

async fn does(who: &Person, mutation: &str, input: Value) -> Reply {
    let ty = mutation[..1].to_uppercase() + &mutation[1..];
    let fields = match mutation {
        "retryJobs" => "retriedCount",
        "pauseQueue" | "resumeQueue" => "queue { name isPaused readyCount }",
        _ => "job { id state attemptCount crashCount discardReason retriedAt }",
    };
    let query = format!(
        "mutation($input: {ty}Input!) {{ {mutation}(input: $input) {{
           {fields} userErrors {{ code message field }} }} }}"
    );
    who.graphql(&query, json!({"input": input})).await
}

fn invalid(field: &str) -> (String, String) {
    ("INVALID".to_owned(), format!("input.{field}"))
}

async fn events(app: &TestApp, topic: &str) -> i64 {
    app.number(&format!(
        "SELECT COUNT(*) FROM events WHERE topic = '{topic}'"
    ))
    .await
}

#[rstest]
#[tokio::test]
async fn an_administrator_sees_a_job_with_the_attempts_of_its_message(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::Greylist(1));
    smtp.behave(REJECTED);
    let (root, bob) = root_and_a_mail_to_bob(&app).await;
    app.work().await;
    app.clock.advance(TimeDelta::hours(2));
    app.work().await;
    let root = root.logged_in_again().await;
    let query = "{ jobs(state: DEAD) { totalCount nodes { id kind queue state attemptCount
        crashCount lastError finishedAt delivery { state reason recipient { id }
        attempts { outcome detail startedAt } } } } }";
    let reply = root.graphql(query, json!({})).await;
    let jobs = &reply.data()["jobs"];
    assert_eq!(jobs["totalCount"], 1, "{jobs:#}");
    let dead = &jobs["nodes"][0];
    assert_eq!(
        (&dead["kind"], &dead["queue"]),
        (&json!("deliver"), &json!("default"))
    );
    assert_eq!(
        (&dead["state"], &dead["attemptCount"]),
        (&json!("DEAD"), &json!(2))
    );
    let told = dead["lastError"].as_str().unwrap();
    assert!(
        told.contains("550") && dead["finishedAt"].is_string(),
        "{dead:#}"
    );
    let message = &dead["delivery"];
    assert_eq!(message["state"], "FAILED");
    assert_eq!(message["recipient"]["id"], json!(bob.id));
    let attempts = message["attempts"].as_array().unwrap().iter();
    let outcomes: Vec<_> = attempts.map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(
        outcomes,
        ["FAILED", "RETRY"],
        "the newest first: {message:#}"
    );

    let query = "query($id: ID!) { job(id: $id) { id lastError } node(id: $id) { id ... on Job { kind } } }";
    let reply = root.graphql(query, json!({"id": dead["id"]})).await;
    assert_eq!(reply.data()["job"]["lastError"], dead["lastError"]);
    assert_eq!(reply.data()["node"]["kind"], "deliver");
    let nothing = json!({"id": "job_01h455vb4pex5vsknk084sn02q"});
    let query = "query($id: ID!) { job(id: $id) { id } }";
    assert_eq!(root.graphql(query, nothing).await.code(), "NOT_FOUND");
    assert_eq!(
        root.graphql(query, json!({"id": bob.id})).await.code(),
        "BAD_USER_INPUT"
    );
}

#[rstest]
#[tokio::test]
async fn jobs_come_in_pages_the_newest_first_by_the_same_number_of_statements(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (root, bob) = root_and_a_mail_to_bob(&app).await;
    for _ in 0..4 {
        gives_a_task(&root, &bob).await;
    }
    app.work().await;
    let query = "query($first: Int, $after: String, $kind: String, $queue: String) {
        jobs(first: $first, after: $after, kind: $kind, queue: $queue) { totalCount
          nodes { id delivery { attempts { outcome } } } pageInfo { hasNextPage endCursor } } }";
    let page = async |variables: Value| {
        let reply = root.graphql(query, variables).await;
        reply.data()["jobs"].clone()
    };
    let ids = |page: &Value| {
        let nodes = page["nodes"].as_array().unwrap().iter();
        let ids = nodes.map(|job| job["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let all = page(json!({})).await;
    assert_eq!(all["totalCount"], 10);
    let wanted = ids(&all);
    let mut sorted = wanted.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(wanted, sorted);
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let part = page(json!({"first": 3, "after": after})).await;
        seen.extend(ids(&part));
        after = part["pageInfo"]["endCursor"].clone();
        if part["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, wanted);
    for (filter, count) in [
        (json!({"kind": "deliver"}), 5),
        (json!({"kind": "nothing"}), 0),
        (json!({"queue": "default", "kind": "dispatch"}), 5),
        (json!({"queue": "elsewhere"}), 0),
    ] {
        let found = page(filter.clone()).await;
        assert_eq!(found["totalCount"], count, "{filter}");
        assert_eq!(ids(&found).len(), count, "{filter}");
    }
    let cost = async |first: i32| {
        let before = app.app.db.statements();
        page(json!({"first": first, "kind": "deliver"})).await;
        app.app.db.statements() - before
    };
    assert_eq!(cost(5).await, cost(1).await);
}

#[rstest]
#[tokio::test]
async fn a_dead_mail_that_is_tried_again_is_sent(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(REJECTED);
    let (root, _) = root_and_a_mail_to_bob(&app).await;
    app.work().await;
    let dead = only_job(&app, "deliver").await;
    assert_eq!(dead.state, job::State::Dead);
    assert_eq!(only_delivery(&app).await.state, delivery::State::Failed);

    let reply = does(&root, "retryJob", json!({"id": id(&dead)})).await;
    let job = &reply.data()["retryJob"]["job"];
    assert_eq!(
        (&job["state"], &job["attemptCount"]),
        (&json!("READY"), &json!(0))
    );
    assert!(job["retriedAt"].is_string());
    let waiting = only_delivery(&app).await;
    assert_eq!(waiting.state, delivery::State::Queued);
    assert_eq!((waiting.reason, waiting.finished_at), (None, None));
    assert_eq!(events(&app, "jobs.retried").await, 1);
    app.work().await;
    assert_eq!(smtp.mails().len(), 1);
    assert_eq!(only_delivery(&app).await.state, delivery::State::Sent);
    let done = only_job(&app, "deliver").await;
    assert_eq!((done.state, done.attempt), (job::State::Done, 1));

    // What was sent is never sent again.
    let told = does(&root, "retryJob", json!({"id": id(&done)})).await;
    assert_eq!(told.user_error("retryJob"), invalid("id"));
    let told = does(&root, "discardJob", json!({"id": id(&done), "reason": "x"})).await;
    assert_eq!(told.user_error("discardJob"), invalid("id"));
    app.execute("UPDATE jobs SET state = 'dead'").await;
    does(&root, "retryJob", json!({"id": id(&done)}))
        .await
        .data();
    app.work().await;
    assert_eq!(smtp.mails().len(), 1);
    let nothing = json!({"id": "job_01h455vb4pex5vsknk084sn02q"});
    assert_eq!(does(&root, "retryJob", nothing).await.code(), "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn a_mail_that_begins_anew_is_tried_for_as_long_as_before(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave_by_default(Behaviour::Unavailable);
    let (root, _) = root_and_a_mail_to_bob(&app).await;
    app.work().await;
    app.clock.advance(TimeDelta::hours(73));
    app.work().await;
    let dead = only_job(&app, "deliver").await;
    assert_eq!(dead.state, job::State::Dead, "{dead:?}");
    let root = root.logged_in_again().await;
    does(&root, "retryJob", json!({"id": id(&dead)}))
        .await
        .data();
    app.work().await;
    let again = only_job(&app, "deliver").await;
    assert_eq!((again.state, again.attempt), (job::State::Ready, 1));
    assert_eq!(only_delivery(&app).await.state, delivery::State::Queued);
    // One that waits for its next attempt need not.
    smtp.behave_by_default(Behaviour::Accept);
    assert_eq!(app.work().await, 0);
    does(&root, "retryJob", json!({"id": id(&again)}))
        .await
        .data();
    assert_eq!(app.work().await, 1);
    assert_eq!(only_delivery(&app).await.state, delivery::State::Sent);
}

#[rstest]
#[tokio::test]
async fn dead_jobs_begin_anew_by_kind_and_no_more_than_asked(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave_by_default(REJECTED);
    let (root, bob) = root_and_a_mail_to_bob(&app).await;
    gives_a_task(&root, &bob).await;
    gives_a_task(&root, &bob).await;
    app.work().await;
    smtp.behave_by_default(Behaviour::Accept);
    for (input, count) in [
        (json!({"kind": "dispatch"}), 0),
        (json!({"queue": "elsewhere"}), 0),
        (json!({"kind": "deliver", "first": 2}), 2),
        (json!({}), 1),
        (json!({}), 0),
    ] {
        let reply = does(&root, "retryJobs", input.clone()).await;
        assert_eq!(reply.data()["retryJobs"]["retriedCount"], count, "{input}");
    }
    assert_eq!(events(&app, "jobs.retried").await, 2, "nothing is no event");
    assert_eq!(app.work().await, 3);
    assert_eq!(smtp.mails().len(), 3);
    for first in [0, -1, 1_001] {
        let told = does(&root, "retryJobs", json!({"first": first})).await;
        assert_eq!(told.user_error("retryJobs"), invalid("first"));
    }
}

#[rstest]
#[tokio::test]
async fn a_discarded_job_is_not_done_and_says_why(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::Greylist(1));
    let (root, _) = root_and_a_mail_to_bob(&app).await;
    app.work().await;
    let waiting = only_job(&app, "deliver").await;
    assert_eq!(waiting.state, job::State::Ready);
    for reason in ["", "   ", "two\nlines", &"x".repeat(201)] {
        let told = does(
            &root,
            "discardJob",
            json!({"id": id(&waiting), "reason": reason}),
        )
        .await;
        assert_eq!(
            told.user_error("discardJob"),
            invalid("reason"),
            "{reason:?}"
        );
    }
    let input = json!({"id": id(&waiting), "reason": " the list was wrong "});
    let reply = does(&root, "discardJob", input).await;
    let job = &reply.data()["discardJob"]["job"];
    assert_eq!(job["state"], "DONE");
    assert_eq!(job["discardReason"], "the list was wrong");
    let skipped = only_delivery(&app).await;
    assert_eq!(skipped.state, delivery::State::Suppressed);
    assert_eq!(skipped.reason.as_deref(), Some("the list was wrong"));
    assert_eq!(events(&app, "jobs.discarded").await, 1);
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(app.work().await, 0);
    assert!(smtp.mails().is_empty());
}

#[rstest]
#[tokio::test]
async fn nobody_takes_jobs_of_a_paused_queue_until_it_is_resumed(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (root, bob) = root_and_a_mail_to_bob(&app).await;
    let pause = json!({"queue": "default"});
    for _ in 0..2 {
        let reply = does(&root, "pauseQueue", pause.clone()).await;
        assert_eq!(reply.data()["pauseQueue"]["queue"]["isPaused"], true);
    }
    gives_a_task(&root, &bob).await;
    assert_eq!(app.work().await, 0);
    if mode == Full {
        assert_eq!(app.replica().await.work().await, 0);
    }
    app.clock.advance(TimeDelta::seconds(90));
    let query = "{ jobStatistics { queues {
        name readyCount dueCount runningCount deadCount oldestDueSeconds isPaused pausedAt } } }";
    let reply = root.graphql(query, json!({})).await;
    let queues = reply.data()["jobStatistics"]["queues"].as_array().unwrap();
    assert_eq!((queues.len(), &queues[1]["name"]), (3, &json!("sink")));
    let queue = &queues[0];
    assert_eq!(queue["name"], "default");
    for (count, wanted) in [
        ("readyCount", 2),
        ("dueCount", 2),
        ("runningCount", 0),
        ("deadCount", 0),
    ] {
        assert_eq!(queue[count], wanted, "{queue:#}");
    }
    assert!(
        queue["oldestDueSeconds"].as_i64().unwrap() >= 90,
        "{queue:#}"
    );
    assert!(queue["pausedAt"].is_string());

    for _ in 0..2 {
        let reply = does(&root, "resumeQueue", pause.clone()).await;
        let queue = &reply.data()["resumeQueue"]["queue"];
        assert_eq!(
            (&queue["isPaused"], &queue["readyCount"]),
            (&json!(false), &json!(2))
        );
    }
    assert_eq!(app.work().await, 4);
    assert_eq!(app.mails().len(), 2);
    assert_eq!(events(&app, "jobs.queue_paused").await, 1);
    assert_eq!(events(&app, "jobs.queue_resumed").await, 1);
    for mutation in ["pauseQueue", "resumeQueue"] {
        let told = does(&root, mutation, json!({"queue": "elsewhere"})).await;
        assert_eq!(told.user_error(mutation), invalid("queue"));
    }
}
