//! Services that share the stream among themselves, as a consumer group.

use serde_json::json;
use taskflow::events::{Place, Range};
use taskflow::sink;

use super::{Entry, ON, Stream, event_of, happened, ids};
use crate::support::Mode::Full;
use crate::support::TestApp;

const GROUP: &str = "mirror";

/// What the services of the group have done, by the ids of events.
type Done = Vec<String>;

impl Stream {
    async fn make_group(&mut self) {
        let mut create = redis::cmd("XGROUP");
        create.arg(&["CREATE", &self.key, GROUP, "0", "MKSTREAM"]);
        create.query_async::<()>(&mut self.redis).await.unwrap();
    }

    /// What nobody has been given yet.
    async fn take(&mut self, consumer: &str, count: usize) -> Vec<Entry> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg(&["GROUP", GROUP, consumer, "COUNT"]).arg(count);
        read.arg(&["STREAMS", &self.key, ">"]);
        let streams: Option<Vec<(String, Vec<Entry>)>> =
            read.query_async(&mut self.redis).await.unwrap();
        let entries = streams
            .into_iter()
            .flatten()
            .flat_map(|(_, entries)| entries);
        entries.collect()
    }

    /// What was given to somebody who never said that it is done.
    async fn take_over(&mut self, consumer: &str) -> Vec<Entry> {
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim.arg(&self.key);
        claim.arg(&[GROUP, consumer, "0", "0-0", "COUNT", "1000"]);
        let (_, entries, _): (String, Vec<Entry>, Vec<String>) =
            claim.query_async(&mut self.redis).await.unwrap();
        entries
    }

    async fn acknowledge(&mut self, entries: &[Entry]) {
        for (place, _) in entries {
            let mut ack = redis::cmd("XACK");
            ack.arg(&self.key).arg(GROUP).arg(place);
            let count: u32 = ack.query_async(&mut self.redis).await.unwrap();
            assert_eq!(count, 1);
        }
    }

    async fn pending(&mut self) -> u32 {
        let mut pending = redis::cmd("XPENDING");
        pending.arg(&self.key).arg(GROUP);
        let (count, ..): (u32, redis::Value, redis::Value, redis::Value) =
            pending.query_async(&mut self.redis).await.unwrap();
        count
    }
}

/// Does what entries say, unless it was done before.
fn do_all(done: &mut Done, entries: &[Entry]) {
    for entry in entries {
        let id = event_of(entry)["id"].as_str().unwrap().to_owned();
        if !done.contains(&id) {
            done.push(id);
        }
    }
}

#[tokio::test]
async fn a_group_does_every_event_once_though_one_of_it_dies() {
    let app = TestApp::with(Full, &[ON]).await;
    let mut stream = Stream::of(&app).await;
    stream.make_group().await;
    let ada = app.person("ada").await;
    for n in 0..10 {
        ada.creates(json!({"title": format!("Task {n}")})).await;
    }
    app.work().await;
    let mut done = Done::new();

    // One takes some, does a part of it, and dies before it says so.
    let mut dying = Stream::of(&app).await;
    let taken = dying.take("dying", 4).await;
    assert_eq!(taken.len(), 4);
    do_all(&mut done, &taken[..2]);
    dying.acknowledge(&taken[..1]).await;
    drop(dying);

    // Meanwhile all is sent a second time.
    let from_the_start = Range {
        from: Some(Place::Time(app.clock.now() - chrono::TimeDelta::hours(1))),
        topics: sink::TOPICS.map(str::to_owned).to_vec(),
        ..Range::default()
    };
    let all = happened(&app).await;
    let again = sink::replay(&app.app, &from_the_start).await.unwrap();
    assert_eq!(again, all.len() as u64);
    app.work().await;
    let events = stream.events().await;
    assert_eq!((events.len(), ids(&events)), (2 * all.len(), all.clone()));

    // Another does the rest, and then what the dead one left.
    loop {
        let entries = stream.take("living", 7).await;
        if entries.is_empty() {
            break;
        }
        do_all(&mut done, &entries);
        stream.acknowledge(&entries).await;
    }
    assert_eq!(stream.pending().await, 3);
    let left = stream.take_over("living").await;
    assert_eq!(left.len(), 3);
    do_all(&mut done, &left);
    stream.acknowledge(&left).await;
    assert_eq!(stream.pending().await, 0);
    done.sort();
    assert_eq!(done, all.into_iter().collect::<Vec<_>>());
}
