//! What happens to Redis.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::pause;
use crate::scene::Scene;
use crate::support::redis::RedisServer;

/// How long a server may take to say that its bus is down: seven seconds, and twice that for a busy machine.
const DOWN_WITHIN: Duration = Duration::from_secs(20);
/// How much slower a change may be while Redis hangs: much less than any time-out, on a busy machine too.
const SLOWER: Duration = Duration::from_millis(400);

/// R4: killed for longer than its client tries, started, flushed.
pub async fn dies(scene: &mut Scene) {
    while scene.goes_on() {
        pause(scene.dice.millis(300, 1_000)).await;
        let mut redis = scene.site.redis.take().expect("Redis");
        let off = scene.dice.millis(1_500, 4_000);
        redis = in_a_thread(redis, RedisServer::kill).await;
        pause(off).await;
        redis = in_a_thread(redis, RedisServer::start).await;
        pause(scene.dice.millis(500, 1_500)).await;
        let at = redis
            .url()
            .trim_start_matches("redis://")
            .trim_end_matches('/')
            .to_owned();
        if let Ok(mut connection) = TcpStream::connect(at).await {
            connection.write_all(b"FLUSHALL\r\n").await.ok();
            pause(Duration::from_millis(100)).await;
        }
        scene.site.redis = Some(redis);
    }
    bus_is(scene, "ok").await;
    if scene.ledger.failures() > 0 {
        scene
            .ledger
            .violated("a change failed because Redis was away".to_owned());
    }
}

async fn in_a_thread<T: Send + 'static>(
    mut what: T,
    work: impl FnOnce(&mut T) + Send + 'static,
) -> T {
    let done = tokio::task::spawn_blocking(move || {
        work(&mut what);
        what
    });
    done.await.expect("it is done")
}

/// R5: frozen, and thawed.
pub async fn hangs(scene: &mut Scene) {
    while scene.goes_on() {
        pause(Duration::from_secs(2)).await;
        let before = scene.ledger.median_latency();
        scene.site.redis.as_ref().expect("Redis").pause();
        bus_is(scene, "degraded").await;
        pause(Duration::from_secs(1)).await;
        let during = scene.ledger.median_latency();
        scene.site.redis.as_ref().expect("Redis").resume();
        if during > before + SLOWER {
            let text = format!("changes took {during:?} while Redis hung, and {before:?} before");
            scene.ledger.violated(text);
        }
    }
    bus_is(scene, "ok").await;
    if scene.ledger.failures() > 0 {
        scene
            .ledger
            .violated("a change failed because Redis hung".to_owned());
    }
}

/// Waits until every server says so of its bus.
async fn bus_is(scene: &Scene, wanted: &str) {
    let begun = Instant::now();
    let client = reqwest::Client::new();
    for server in scene.site.servers() {
        loop {
            let answer = client.get(format!("http://{server}/readyz")).send().await;
            if let Ok(answer) = answer
                && let Ok(text) = answer.text().await
                && text.contains(&format!("\"bus\":\"{wanted}\""))
            {
                break;
            }
            // Coming back may wait for a pause of ten seconds to end.
            if begun.elapsed() > DOWN_WITHIN * 2 {
                break;
            }
            pause(Duration::from_millis(50)).await;
        }
    }
    let within = if wanted == "ok" {
        DOWN_WITHIN + DOWN_WITHIN / 2
    } else {
        DOWN_WITHIN
    };
    if begun.elapsed() > within {
        let text = format!("the bus was {wanted} only after {:?}", begun.elapsed());
        scene.ledger.violated(text);
    }
}

/// R6: three of ten messages are dropped, repeated or exchanged.
pub async fn mangles(scene: &mut Scene) {
    scene.site.to_redis.as_ref().expect("Redis").mangle(true);
    scene.calm().await;
}
