//! `taskflow admin jobs`: looks after the jobs. Each is what administrators can do over the API.

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use entity::JobId;
use entity::job::{Model, State};

use super::in_lines;
use crate::accounts::Actor;
use crate::app::App;
use crate::cli::print_all;
use crate::graphql::{Kind, Page};
use crate::jobs::{self, DEFAULT_QUEUE, JobFilter};
use crate::notifications;
use crate::upkeep::{self, UpkeepError};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the jobs that were given up, the newest first.
    Dead {
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        limit: u64,
    },
    /// List jobs, the newest first: id, kind, state, attempts, crashes, when it is due or ended, the
    /// last error.
    List(List),
    /// Show all of a job, with the attempts of the message it sends.
    Show {
        /// The id, as `list` shows it.
        id: String,
    },
    /// Have a job begin anew and at once, that is dead or waits.
    Retry {
        /// The id, as `list` shows it.
        id: String,
    },
    /// Have dead jobs begin anew, the oldest first.
    RetryDead(RetryDead),
    /// Take a job out of its queue that is dead or waits; it is not done any more.
    Discard {
        /// The id, as `list` shows it.
        id: String,
        /// Why, in one line; it is kept with the job.
        #[arg(long)]
        reason: String,
    },
    /// Let no worker take jobs of a queue; what runs goes on.
    Pause {
        /// The name of the queue.
        #[arg(default_value = DEFAULT_QUEUE)]
        queue: String,
    },
    /// Let the jobs of a queue be taken again.
    Resume {
        /// The name of the queue.
        #[arg(default_value = DEFAULT_QUEUE)]
        queue: String,
    },
    /// Say what stands in the queues.
    Stats,
}

#[derive(Debug, Args)]
pub struct List {
    /// Only jobs in this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only jobs of this kind, as `deliver`.
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs that stand so.
    #[arg(long)]
    state: Option<StateName>,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

#[derive(Debug, Args)]
pub struct RetryDead {
    /// Only jobs in this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only jobs of this kind, as `deliver`.
    #[arg(long)]
    kind: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=upkeep::MOST_RETRIES))]
    limit: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StateName {
    /// Waits until it is due, and then for a worker.
    Ready,
    /// A worker has it.
    Running,
    /// Finished, or discarded.
    Done,
    /// Given up.
    Dead,
}

impl From<StateName> for State {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Ready => Self::Ready,
            StateName::Running => Self::Running,
            StateName::Done => Self::Done,
            StateName::Dead => Self::Dead,
        }
    }
}

pub async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    let actor = Actor::CommandLine;
    match command {
        Command::Dead { limit } => return dead(app, limit).await,
        Command::List(args) => return list(app, args).await,
        Command::Show { id } => return show(app, job_id(&id)?).await,
        Command::Retry { id } => {
            let job = in_words(upkeep::retry(app, actor, job_id(&id)?).await)?;
            println!("{} begins anew; a worker does it", shown(&job));
        }
        Command::RetryDead(args) => {
            let filter = JobFilter {
                queue: args.queue,
                kind: args.kind,
                state: None,
            };
            let count = in_words(upkeep::retry_dead(app, actor, &filter, args.limit).await)?;
            println!("{count} dead jobs begin anew");
            if count as u64 == args.limit {
                println!("and there may be more: run it again");
            }
        }
        Command::Discard { id, reason } => {
            let job = in_words(upkeep::discard(app, actor, job_id(&id)?, &reason).await)?;
            println!("discarded {}", shown(&job));
        }
        Command::Pause { queue } => {
            in_words(upkeep::pause(app, actor, &queue).await)?;
            println!("paused the queue {queue}: nobody takes its jobs");
        }
        Command::Resume { queue } => {
            in_words(upkeep::resume(app, actor, &queue).await)?;
            println!("the jobs of the queue {queue} are taken again");
        }
        Command::Stats => return stats(app).await,
    }
    Ok(())
}

async fn dead(app: &App, limit: u64) -> anyhow::Result<()> {
    let jobs = jobs::list_dead(&app.db, limit).await?;
    print_lines(jobs.iter().map(line).collect(), "no dead jobs");
    Ok(())
}

async fn list(app: &App, args: List) -> anyhow::Result<()> {
    let filter = &JobFilter {
        queue: args.queue,
        kind: args.kind,
        state: args.state.map(Into::into),
    };
    let page = &Page {
        size: args.limit,
        after: None,
    };
    let mut jobs = app
        .db
        .read(|db| async move { jobs::list(&db, filter, page).await })
        .await?;
    let more = page.cut(&mut jobs);
    let mut lines: Vec<String> = jobs.iter().map(line).collect();
    if more {
        lines.push("and more: raise --limit, or ask for less".to_owned());
    }
    print_lines(lines, "no jobs");
    Ok(())
}

fn print_lines(mut lines: Vec<String>, none: &str) {
    if lines.is_empty() {
        lines.push(none.to_owned());
    }
    print_all(&(lines.join("\n") + "\n"));
}

fn shown(job: &Model) -> String {
    Kind::Job.encode(job.id.0).to_string()
}

fn state(job: &Model) -> &'static str {
    match job.state {
        State::Ready => "ready",
        State::Running => "running",
        State::Done if job.discard_reason.is_some() => "discarded",
        State::Done => "done",
        State::Dead => "dead",
    }
}

fn line(job: &Model) -> String {
    format!(
        "{}  {:<10} {:<9} attempts {:<4} crashes {:<2} {}  {}",
        shown(job),
        job.kind,
        state(job),
        job.attempt,
        job.crash_count,
        job.done_at.unwrap_or(job.run_at).to_rfc3339(),
        job.last_error.as_deref().unwrap_or_default()
    )
}

async fn show(app: &App, id: JobId) -> anyhow::Result<()> {
    let found = app
        .db
        .read(|db| async move { jobs::find_many(&db, [id]).await })
        .await?;
    let job = found.into_iter().next().context(NO_SUCH)?;
    let mut lines = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("{name:<14}{value}"));
        }
    };
    let at = |at: entity::Timestamp| at.to_rfc3339();
    say("id", Some(shown(&job)));
    say("queue", Some(job.queue.clone()));
    say("kind", Some(job.kind.clone()));
    say("state", Some(state(&job).to_owned()));
    let attempts = format!("{} of {}", job.attempt, job.max_attempts);
    say("attempts", Some(attempts));
    say("crashes", Some(job.crash_count.to_string()));
    say("made", Some(at(job.created_at)));
    say("not before", Some(at(job.run_at)));
    say("leased until", job.lease_until.map(at));
    say("ended", job.done_at.map(at));
    say("retried", job.retried_at.map(at));
    say("discarded", job.discard_reason.clone());
    say("last error", job.last_error.clone());
    say("request", job.trace.clone());
    if let Some(id) = notifications::delivery_of(&job) {
        let (deliveries, attempts) = app
            .db
            .read(|db| async move {
                let deliveries = notifications::deliveries(&db, vec![id]).await?;
                let attempts = notifications::attempts_of(&db, vec![id], 20).await?;
                Ok::<_, crate::db::DbError>((deliveries, attempts))
            })
            .await?;
        for delivery in deliveries.values() {
            let to = Kind::User.encode(delivery.recipient_id.0);
            say("message to", Some(to.to_string()));
            say("is", Some(format!("{:?}", delivery.state).to_lowercase()));
            say("because", delivery.reason.clone());
        }
        for attempt in attempts.values().flatten() {
            let outcome = format!("{:?}", attempt.outcome).to_lowercase();
            let detail = attempt.detail.as_deref().unwrap_or_default();
            let line = format!("{}  {outcome}  {detail}", at(attempt.started_at));
            say("attempt", Some(line));
        }
    }
    print_lines(lines, "");
    Ok(())
}

async fn stats(app: &App) -> anyhow::Result<()> {
    let now = app.db.clock().now();
    let mut lines = Vec::new();
    for queue in in_words(upkeep::statistics(app, Actor::CommandLine).await)? {
        let oldest = queue.oldest_due.map_or_else(String::new, |since| {
            format!("  oldest due for {} s", (now - since).num_seconds().max(0))
        });
        let paused = queue.paused_at.map_or_else(String::new, |since| {
            format!("  PAUSED since {}", since.to_rfc3339())
        });
        lines.push(format!(
            "{:<8}  ready {}  due {}  running {}  dead {}{oldest}{paused}",
            queue.name, queue.ready, queue.due, queue.running, queue.dead
        ));
    }
    print_lines(lines, "");
    Ok(())
}

const NO_SUCH: &str = "there is no such job";

fn job_id(id: &str) -> anyhow::Result<JobId> {
    // The log names jobs by their UUID.
    let id = match id.parse() {
        Ok(id) => id,
        Err(_) => Kind::Job.decode(id).ok().context(NO_SUCH)?,
    };
    Ok(JobId(id))
}

fn in_words<T>(result: Result<T, UpkeepError>) -> anyhow::Result<T> {
    match result {
        Err(UpkeepError::Refused(problems)) => bail!(in_lines(&problems)),
        result => Ok(result?),
    }
}
