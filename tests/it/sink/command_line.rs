//! `taskflow admin events`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rstest::rstest;
use serde_json::Value;

use super::{ON, Stream, ids};
use crate::end_to_end::{assign, register};
use crate::start::at;
use crate::support::Mode::{self, Embedded, Full};
use crate::support::server::{Site, TASKFLOW};

fn events(out: &str) -> Vec<Value> {
    let events = out.lines().map(|line| serde_json::from_str(line).unwrap());
    events.collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types.collect()
}

/// Beside a server that runs, which on SQLite has the file for itself.
#[rstest]
#[tokio::test]
async fn the_log_is_read_and_followed_beside_a_server(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let (_server, address) = site.serve(&["serve", "--no-worker"]).await;
    let ada = register(address, "ada").await;
    let first = assign(address, &ada, &ada, "First").await;
    let tail = |args: &[&str]| {
        let done = at(
            &site,
            &[],
            &[&["admin", "events", "tail"][..], args].concat(),
            "",
        );
        assert_eq!(done.status, Some(0), "{done:?}");
        events(&done.out)
    };
    let all = tail(&[]);
    assert_eq!(
        types(&all)[..1],
        ["taskflow.user.created"],
        "the oldest comes first"
    );
    assert_eq!(all[0]["data"]["user"]["email"], "ada@example.org");
    let made = tail(&["--topic", "task.created"]);
    assert_eq!(types(&made), ["taskflow.task.created"]);
    assert_eq!(made[0]["data"]["task"]["title"], "First");
    assert_eq!(made[0]["subject"], first.as_str());
    assert_eq!(tail(&["--limit", "1"]), all[all.len() - 1..]);
    // From an event on, and from its time.
    let (id, time) = (
        made[0]["id"].as_str().unwrap(),
        made[0]["time"].as_str().unwrap(),
    );
    for place in [id, time] {
        let from = tail(&["--from", place]);
        assert!(from.contains(&made[0]), "{from:?}");
        assert!(!from.contains(&all[0]), "{from:?}");
    }
    assert_eq!(tail(&["--from", "2100-01-01T00:00:00Z"]).len(), 0);
    let done = at(
        &site,
        &[],
        &["admin", "events", "tail", "--from", "noon"],
        "",
    );
    assert_eq!(done.status, Some(2), "{done:?}");
    assert!(done.err.contains("a time such as"), "{}", done.err);

    let follow = [
        "admin",
        "events",
        "tail",
        "--follow",
        "--topic",
        "task.created",
    ];
    let mut follower = site.spawn(&follow);
    let line = follower.next_line().await.unwrap();
    assert_eq!(events(&line), made);
    for title in ["Second", "Third"] {
        assign(address, &ada, &ada, title).await;
        let line = follower.next_line().await.unwrap();
        assert_eq!(events(&line)[0]["data"]["task"]["title"], title);
    }
    follower.terminate();
    follower.wait().await;
}

#[tokio::test]
async fn a_reader_that_has_read_enough_is_no_failure() {
    let site = Site::new(Embedded, &[]).await;
    let (server, address) = site.serve(&["serve", "--no-worker"]).await;
    let ada = register(address, "ada").await;
    for n in 0..20 {
        assign(address, &ada, &ada, &format!("Task {n}")).await;
    }
    let mut tail = Command::new(TASKFLOW)
        .args([
            "admin",
            "events",
            "tail",
            "--from",
            "2000-01-01T00:00:00Z",
            "--follow",
        ])
        .envs(site.env.iter().map(|(name, value)| (name, value)))
        .current_dir(site.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::with_capacity(1, tail.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(events(&line).len(), 1);
    drop(out);
    // It says so at the next event at the latest.
    assign(address, &ada, &ada, "One more").await;
    let done = tail.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(done.stderr.is_empty(), "{done:?}");
    drop(server);
}

#[tokio::test]
async fn events_are_sent_again_by_their_places() {
    let site = Site::new(Full, &[ON]).await;
    let (_server, address) = site.serve(&["serve"]).await;
    let ada = register(address, "ada").await;
    for title in ["One", "Two"] {
        assign(address, &ada, &ada, title).await;
    }
    let mut stream = Stream::of_site(&site).await;
    // One account; and each task was made and assigned.
    let before = stream.wait_for(5).await;
    stream.forget().await;
    let replay = |more: &[&str], args: &[&str]| {
        let more: Vec<_> = more.iter().map(|value| (ON.0, *value)).collect();
        at(
            &site,
            &more,
            &[&["admin", "events", "replay"][..], args].concat(),
            "",
        )
    };
    let ever = ["--from", "2000-01-01T00:00:00Z"];
    let done = replay(&[], &ever);
    assert_eq!(
        done.out, "5 events would be sent again: give --yes to do it\n",
        "{done:?}"
    );
    let done = replay(&[], &[&ever[..], &["--yes"][..]].concat());
    let said = "5 events are sent again, as soon as a worker gets to them\n";
    assert_eq!(done.out, said, "{done:?}");
    assert_eq!(ids(&stream.wait_for(5).await), ids(&before));

    stream.forget().await;
    let made = |event: &&Value| event["type"] == "taskflow.task.created";
    let one = before.iter().find(made).unwrap()["id"].as_str().unwrap();
    let args = [
        "--from",
        one,
        "--to",
        one,
        "--topic",
        "task.created",
        "--yes",
    ];
    assert!(replay(&[], &args).out.starts_with("1 events"));
    assert_eq!(
        ids(&stream.wait_for(1).await),
        BTreeSet::from([one.to_owned()])
    );

    let done = replay(&[], &[&ever[..], &["--topic", "user.updated"][..]].concat());
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(
        done.err.contains("the topics are: user.created"),
        "{}",
        done.err
    );
    let done = replay(&["false"], &ever);
    assert!(
        done.err.contains("sink.redis_stream is off"),
        "{}",
        done.err
    );
}
