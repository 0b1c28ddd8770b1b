//! What happens to the database.

use std::process::Command;
use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, ConnectionTrait, Database};

use crate::pause;
use crate::scene::Scene;

/// R7: ended as by a loss of power, again and again.
pub async fn crashes(scene: &mut Scene) {
    let begun = Instant::now();
    while scene.goes_on() {
        let postgres = scene.site.postgres.as_ref().expect("PostgreSQL");
        let stays = scene.dice.percent(30);
        postgres.stay_away(stays);
        postgres.crash();
        if stays {
            pause(scene.dice.millis(300, 2_500)).await;
            postgres.stay_away(false);
        }
        pause(scene.dice.millis(300, 2_000)).await;
        // What a mail server took may not have been written down.
        scene.site.doubt_since(begun);
    }
}

/// R8: every connection is late by itself.
pub async fn delays(scene: &mut Scene) {
    scene
        .site
        .to_postgres
        .as_ref()
        .expect("PostgreSQL")
        .delay(25);
    scene.calm().await;
}

/// R13: the disk is full for a while, then another process locks the file for longer than we wait.
pub async fn full_and_busy(scene: &mut Scene) {
    let taskflow = env!("CARGO_BIN_EXE_taskflow");
    // Without this the first write beyond the limit would end the process.
    let script = ["-c", r#"trap '' XFSZ; exec "$0" "$@""#, taskflow];
    let begun = Instant::now();
    scene.site.stop(0).await;
    scene.site.run_as(0, "", "sh", &script);
    scene.site.is_ready(0).await;
    let file = scene.site.folder.path().join("taskflow.db");
    let url = format!("sqlite://{}", file.display());
    while scene.goes_on() {
        let log = file.with_extension("db-wal");
        let size = std::fs::metadata(log).map_or(0, |file| file.len());
        let more = 20_000 + scene.dice.below(60_000) as u64;
        limit(scene, &(size + more).to_string());
        pause(scene.dice.millis(500, 1_500)).await;
        limit(scene, "unlimited");
        pause(scene.dice.millis(200, 600)).await;

        let mut options = ConnectOptions::new(url.clone());
        options.max_connections(1).sqlx_logging(false);
        let other = Database::connect(options).await.expect("a connection");
        for _ in 0..3 {
            if other.execute_unprepared("BEGIN IMMEDIATE").await.is_ok() {
                pause(scene.dice.millis(100, 700)).await;
                other.execute_unprepared("ROLLBACK").await.ok();
            }
            pause(scene.dice.millis(10, 100)).await;
        }
        other.close().await.ok();
        // What a mail server took may not have been written down.
        scene.site.doubt_since(begun);
        pause(Duration::from_millis(300)).await;
    }
}

/// The largest file the server may write.
fn limit(scene: &Scene, bytes: &str) {
    let pid = scene.site.pid(0).expect("it runs").to_string();
    Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
        .status()
        .expect("prlimit of util-linux");
}
