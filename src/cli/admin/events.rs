//! `taskflow admin events`: the log of what happened.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use entity::event;

use crate::app::App;
use crate::db::{Clock, Db};
use crate::events::{self, Place, Range, Tail};
use crate::lifecycle::pause;
use crate::settings::Settings;
use crate::sink;

/// How often it is looked for new events.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print events, one a line, as CloudEvents in JSON: the newest, or all from a place on.
    Tail(TailArgs),
    /// Send events to other services again (`sink.redis_stream`).
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub struct TailArgs {
    /// Only events of this topic, as task.assigned; may be given more than once.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Go on with what happens, until stopped.
    #[arg(long)]
    follow: bool,
    /// Begin here: the id of an event, or a time such as 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
    /// How many of the newest events, without --from.
    #[arg(long, default_value_t = 10, conflicts_with = "from", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The first event, by its id, or a time such as 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "PLACE")]
    from: Place,
    /// The last event or a time; now when not given.
    #[arg(long, value_name = "PLACE")]
    to: Option<Place>,
    /// Only events of this topic; may be given more than once.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Do it; without this it is only said how many events there are.
    #[arg(long)]
    yes: bool,
}

pub async fn tail(settings: &Settings, args: TailArgs) -> anyhow::Result<()> {
    let db = Db::open_to_read(&settings.database, Clock::default()).await?;
    let source = settings.issuer();
    let mut range = Range {
        from: args.from,
        to: None,
        topics: args.topics,
    };
    let mut shown = Vec::new();
    if args.from.is_none() {
        let (of, limit) = (&range, args.limit);
        shown = db
            .read(|db| async move { events::newest(&db, of, limit).await })
            .await?;
        if !print(&db, &source, &shown).await? {
            return Ok(());
        }
        let least = shown.iter().map(|event| event.id).min();
        range.from = least.map(Place::Event);
    }
    if args.from.is_none() && !args.follow {
        return Ok(());
    }
    let mut tail = Tail::new(range, &shown);
    loop {
        let events = match tail.next(&db).await {
            Err(error) if args.follow => {
                eprintln!("{error}: looking again");
                pause(LOOK_EVERY).await;
                continue;
            }
            events => events?,
        };
        match events {
            Some(events) => {
                if !print(&db, &source, &events).await? {
                    return Ok(());
                }
            }
            None if args.follow => pause(LOOK_EVERY).await,
            None => return Ok(()),
        }
    }
}

/// Prints events, each as soon as it is read. Answers whether anybody still wants to know: who closes
/// the pipe, as `head` does, has read enough.
async fn print(db: &Db, source: &str, events: &[event::Model]) -> anyhow::Result<bool> {
    for event in events {
        let told = sink::cloud_event(db, source, event).await?;
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{told}").and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

pub async fn replay(app: &App, args: ReplayArgs) -> anyhow::Result<()> {
    if !app.settings.sink.redis_stream {
        bail!("nobody is told of events: sink.redis_stream is off");
    }
    let mut topics = args.topics;
    if let Some(unknown) = topics.iter().find(|topic| !sink::tells(topic)) {
        bail!(
            "nobody is told of events of the topic {unknown}; the topics are: {}",
            sink::TOPICS.join(", ")
        );
    }
    if topics.is_empty() {
        topics = sink::TOPICS.map(str::to_owned).to_vec();
    }
    let range = Range {
        from: Some(args.from),
        to: args.to,
        topics,
    };
    let of = &range;
    let count = app
        .db
        .read(|db| async move { events::count(&db, of).await })
        .await?;
    let most = app.settings.sink.max_entries;
    if count > most {
        bail!(
            "that are {count} events, and the stream keeps about {most} (sink.max_entries): the first would be gone before anybody has read them; send them in parts, with --to"
        );
    }
    if args.yes {
        let sent = sink::replay(app, &range).await?;
        println!("{sent} events are sent again, as soon as a worker gets to them");
        return Ok(());
    }
    println!("{count} events would be sent again: give --yes to do it");
    Ok(())
}
