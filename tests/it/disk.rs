//! What the machine runs out of: a disk that is full (a typed error, nothing half-written, and never
//! an acknowledgement of what is not there), and somebody to read the log.

use std::process::Command;

use serde_json::json;

use crate::support::Mode::Embedded;
use crate::support::server::{Site, TASKFLOW, post};
use crate::support::{PASSWORD, process::Proc};

const CREATE: &str = "mutation($title: String!) { createTask(input: {title: $title}) {
    task { id } userErrors { message } } }";

/// The largest file the process may write, in bytes. A write beyond it fails, as on a full disk.
fn limit_file_size(server: &Proc, bytes: &str) {
    let status = Command::new("prlimit")
        .args([
            "--pid",
            &server.id().to_string(),
            &format!("--fsize={bytes}:unlimited"),
        ])
        .status()
        .expect("prlimit of util-linux");
    assert!(status.success());
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_acknowledged_is_lost() {
    let site = Site::new(Embedded, &[]).await;
    // Without this the first write beyond the limit would end the process.
    let script = format!("trap '' XFSZ; exec '{TASKFLOW}'");
    let (server, address) = site.serve_with("sh", &["-c", &script]).await;
    let register = "mutation($input: RegisterInput!) { register(input: $input) { accessToken } }";
    let input = json!({"username": "ada", "password": PASSWORD, "name": "Ada"});
    let reply = post(address, None, register, json!({"input": input})).await;
    let token = reply["data"]["register"]["accessToken"]
        .as_str()
        .expect("a token")
        .to_owned();
    let create =
        async |title: String| post(address, Some(&token), CREATE, json!({"title": title})).await;

    let mut kept = 0;
    let wal = std::fs::metadata(site.folder.path().join("taskflow.db-wal"))
        .expect("a log")
        .len();
    limit_file_size(&server, &(wal + 40_000).to_string());
    // Several failures in a row: the second is the one that finds a connection in doubt.
    let mut failed = 0;
    for i in 0..200 {
        let reply = create(format!("{i}")).await;
        if reply.get("errors").is_none() {
            kept += 1;
            continue;
        }
        assert_eq!(
            reply["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{reply:#}"
        );
        failed += 1;
        if failed == 5 {
            break;
        }
    }
    assert_eq!(failed, 5, "the limit was never met");
    limit_file_size(&server, "unlimited");
    for i in 0..10 {
        let reply = create(format!("after {i}")).await;
        assert!(reply.get("errors").is_none(), "{reply:#}");
        kept += 1;
    }

    let count = "{ tasks { totalCount } }";
    let seen = post(address, Some(&token), count, json!({})).await;
    assert_eq!(seen["data"]["tasks"]["totalCount"], kept);
    // What was acknowledged is in the file, also for the next process.
    server.kill9();
    drop(server);
    let (_server, address) = site.serve(&[]).await;
    let seen = post(address, Some(&token), count, json!({})).await;
    assert_eq!(seen["data"]["tasks"]["totalCount"], kept);
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_stops_nobody() {
    let site = Site::new(Embedded, &[]).await;
    // The reader of the log goes away after the line that says ready.
    let script =
        format!("'{TASKFLOW}' 2>&1 >&3 3>&- | sed -u '/ ready /q' >&2 3>&-; exec 3>&-; read -r _");
    let script = format!("exec 3>&1; {script}");
    let (server, address) = site.serve_with("bash", &["-c", &script]).await;
    for _ in 0..3 {
        let reply = post(address, None, "{ __typename }", json!({})).await;
        assert_eq!(reply["data"]["__typename"], "Query");
    }
    drop(server);
}
