//! What clients do, and what is done to them.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, Statement};
use taskflow::events::assigned_stream;

use crate::faults::proxy::Proxy;
use crate::pause;
use crate::scene::Scene;

/// How many events are more than a connection holds.
const MANY: usize = 80;
/// How a server counts sockets that it closed because nobody read.
const SLOW_READERS: &str = "websocket_closed_total{code=\"4008\"}";

/// R11: somebody reads a byte a second, is let go with 4008, and resumes without a hole. Whether the
/// code reaches them depends on what they read in time.
pub async fn reads_slowly(scene: &mut Scene) {
    let begun = Instant::now();
    while scene.ledger.acknowledged() < MANY && begun.elapsed() < Duration::from_secs(30) {
        pause(Duration::from_millis(50)).await;
    }
    scene.silence = Duration::from_mins(1);
    let mut let_go = 0.0;
    loop {
        let last = scene.site.servers().len() - 1;
        let server = scene.site.servers()[last];
        let proxy = Proxy::start(server, scene.dice.number()).await;
        // The handshake and the acknowledgement at full speed.
        proxy.slow(4_000);
        scene.follow(0, vec![proxy.address()]);
        pause(Duration::from_secs(2)).await;
        proxy.slow(1);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) {
            let count = scene.site.metric(last, SLOW_READERS).await;
            if count > let_go {
                break;
            }
            pause(Duration::from_millis(50)).await;
        }
        let count = scene.site.metric(last, SLOW_READERS).await;
        if count <= let_go {
            let text = "who read slowly was not let go with 4008".to_owned();
            scene.ledger.violated(text);
        }
        let_go = count;
        // What was under way arrives, and then the end.
        proxy.slow(0);
        scene.proxies.push(proxy);
        if !scene.goes_on() {
            return;
        }
    }
}

/// R12: one of the servers is asked to stop, and then one is killed; all sockets go to the other.
pub async fn a_server_stops(scene: &mut Scene) {
    loop {
        let index = scene.dice.below(2);
        pause(scene.dice.millis(500, 2_000)).await;
        if scene.dice.percent(50) {
            scene.site.stop(index).await;
        } else {
            scene.site.kill(index).await;
        }
        pause(scene.dice.millis(500, 2_000)).await;
        scene.site.run(index, "");
        scene.site.is_ready(index).await;
        if !scene.goes_on() {
            return;
        }
    }
}

/// R15: while newcomers replay from the beginning, slowly, the oldest entries go.
pub async fn pruned(scene: &mut Scene) {
    let server = scene.site.servers()[0];
    let proxy = Proxy::start(server, scene.dice.number()).await;
    proxy.slow(4_000);
    let db = scene.site.sql().await;
    while scene.goes_on() {
        for person in 0..scene.people.len() {
            scene.follow(person, vec![proxy.address()]);
        }
        pause(scene.dice.millis(50, 500)).await;
        for person in scene.people.clone() {
            let keep = i64::try_from(scene.dice.below(5)).unwrap_or_default();
            // A busy database is no fault here: the next round prunes.
            prune(&db, &assigned_stream(entity::UserId(person.uuid)), keep)
                .await
                .ok();
        }
        pause(scene.dice.millis(200, 800)).await;
    }
    proxy.slow(0);
    scene.proxies.push(proxy);
    // Whoever came late knows by now, or never will.
    pause(Duration::from_secs(1)).await;
    if scene.ledger.told_as_gone() == 0 {
        scene
            .ledger
            .violated("nobody was told CURSOR_EXPIRED".to_owned());
    }
}

/// Deletes all but the newest entries of a stream, as pruning does: in one transaction, with the
/// number of the oldest.
async fn prune(db: &DatabaseConnection, name: &str, keep: i64) -> Result<(), sea_orm::DbErr> {
    let Some(stream) = entity::stream::Entity::find_by_id(name).one(db).await? else {
        return Ok(());
    };
    let oldest = (stream.last_seq - keep + 1).max(stream.min_seq);
    let backend = db.get_database_backend();
    let statement =
        |text: &str| Statement::from_sql_and_values(backend, text, [name.into(), oldest.into()]);
    #[expect(
        clippy::disallowed_methods,
        reason = "the harness is no room of the application"
    )]
    let tx = sea_orm::TransactionTrait::begin(db).await?;
    tx.execute_raw(statement("UPDATE streams SET min_seq = $2 WHERE name = $1"))
        .await?;
    tx.execute_raw(statement(
        "DELETE FROM stream_entries WHERE stream = $1 AND seq < $2",
    ))
    .await?;
    tx.commit().await
}
