//! `taskflow admin jobs` and `taskflow admin new-epoch`, with the real executable.

use rstest::rstest;
use serde_json::{Value, json};

use super::REJECTED;
use crate::end_to_end::{assign, register};
use crate::start::at;
use crate::support::Mode::{self, Embedded, Full};
use crate::support::Socket;
use crate::support::server::{Site, post};
use crate::support::smtp::{SmtpOptions, SmtpServer};

#[rstest]
#[tokio::test]
async fn jobs_are_looked_after_on_the_command_line(#[values(Embedded, Full)] mode: Mode) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    smtp.behave(REJECTED);
    smtp.behave(REJECTED);
    let url = format!("smtp://{}", smtp.address());
    let site = Site::new(mode, &[("SMTP_URL", &url)]).await;
    let run = |args: &[&str]| at(&site, &[], &[&["admin", "jobs"], args].concat(), "");
    let said = |args: &[&str]| {
        let done = run(args);
        assert_eq!(done.status, Some(0), "{done:?}");
        done.out
    };
    assert_eq!(said(&["list"]), "no jobs\n");
    assert_eq!(
        said(&["stats"]),
        "default   ready 0  due 0  running 0  dead 0\nsink      ready 0  due 0  running 0  dead 0\nwebhooks  ready 0  due 0  running 0  dead 0\n"
    );
    {
        let (mut server, address) = site.serve(&[]).await;
        let (ada, bob) = (
            register(address, "ada").await,
            register(address, "bob").await,
        );
        for title in ["Write the notes", "Read them"] {
            assign(address, &ada, &bob, title).await;
            server
                .wait_for_line(|line| line.contains("job is dead"))
                .await;
        }
        server.terminate();
        assert!(server.wait().await.success());
    }
    let dead = said(&["list", "--state", "dead"]);
    assert_eq!(dead.lines().count(), 2, "{dead}");
    assert_eq!(
        said(&["list", "--limit", "1"]).lines().count(),
        2,
        "and more"
    );
    assert_eq!(said(&["list", "--kind", "dispatch"]).lines().count(), 2);
    let ids: Vec<_> = dead.lines().map(|line| &line[..30]).collect();
    let all = said(&["show", ids[0]]);
    for part in [
        "deliver",
        "dead",
        "failed",
        "550",
        "message to",
        "1 of 1000",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert!(!all.contains("bob@example.org"));

    let told = said(&["discard", ids[0], "--reason", "he left"]);
    assert_eq!(told, format!("discarded {}\n", ids[0]));
    assert!(said(&["show", ids[0]]).contains("he left"));
    said(&["retry", ids[1]]);
    said(&["pause"]);
    let stats = said(&["stats"]);
    assert!(
        stats.starts_with("default   ready 1  due 1  running 0  dead 0"),
        "{stats}"
    );
    assert!(stats.contains("PAUSED since"), "{stats}");
    assert_eq!(said(&["retry-dead"]), "0 dead jobs begin anew\n");
    said(&["resume"]);
    for wrong in [
        &["retry", ids[0]][..],
        &["retry", "nonsense"],
        &["show", "job_01h455vb4pex5vsknk084sn02q"],
        &["discard", ids[1], "--reason", ""],
        &["pause", "elsewhere"],
        &["retry-dead", "--limit", "0"],
    ] {
        let done = run(wrong);
        assert_ne!(done.status, Some(0), "{wrong:?} {done:?}");
    }
    let (_server, _) = site.serve(&[]).await;
    smtp.next_mail().await;
}

#[rstest]
#[tokio::test]
async fn after_a_new_epoch_clients_are_told_to_read_anew(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let (bob, before);
    let cursor = async |address, token: &str| {
        let query = "{ viewer { eventCursor } }";
        let reply = post(address, Some(token), query, json!({})).await;
        let cursor = &reply["data"]["viewer"]["eventCursor"];
        cursor.as_str().expect("a cursor").to_owned()
    };
    {
        let (mut server, address) = site.serve(&[]).await;
        bob = register(address, "bob").await;
        before = cursor(address, &bob.token).await;
        server.terminate();
        assert!(server.wait().await.success());
    }
    let done = at(&site, &[], &["admin", "new-epoch"], "");
    assert_eq!(done.status, Some(0), "{done:?}");
    let (_server, address) = site.serve(&[]).await;
    let after = cursor(address, &bob.token).await;
    assert_ne!(before, after);
    let mut socket = Socket::signed_in(address, &bob.token).await;
    socket.follow("old", &before).await;
    let told = socket.next().await;
    assert_eq!(told["type"], "error", "{told:#}");
    let extensions: &Value = &told["payload"][0]["extensions"];
    assert_eq!(extensions["code"], "CURSOR_EXPIRED");
    assert_eq!(extensions["latest"], json!(after));
}
