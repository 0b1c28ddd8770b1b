//! `taskflow admin suppressions`: the e-mail addresses that no mail is sent to.

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::Subcommand;

use super::in_words;
use crate::accounts::Actor;
use crate::app::App;
use crate::cli::print_all;
use crate::graphql::Page;
use crate::notifications;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them by address: since when, address, what the mail server said.
    List {
        /// Only those after this address.
        #[arg(long)]
        after: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        limit: u64,
    },
    /// Let an address get mail again, or all that were listed in a bad hour of the mail server.
    Remove {
        /// The e-mail address.
        #[arg(required_unless_present = "since")]
        address: Option<String>,
        /// All addresses that were listed since then, as 2026-12-24T18:00:00Z.
        #[arg(long, value_name = "TIME", conflicts_with = "address")]
        since: Option<DateTime<Utc>>,
    },
}

pub async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    let actor = Actor::CommandLine;
    match command {
        Command::List { after, limit } => {
            // One more than the size is read, to know whether there are more.
            let page = Page { size: limit, after };
            let mut rows = in_words(notifications::list_suppressions(app, actor, &page).await)?;
            let has_more = page.cut(&mut rows);
            let lines = rows.iter().map(|row| {
                let since = row.created_at.format("%Y-%m-%dT%H:%M:%SZ");
                format!("{since}  {}  {}\n", row.address, row.reason)
            });
            print_all(&lines.collect::<String>());
            if let Some(last) = rows.last().filter(|_| has_more) {
                println!("there are more: --after {}", last.address);
            } else if rows.is_empty() {
                println!("no addresses");
            }
        }
        Command::Remove {
            since: Some(since), ..
        } => {
            let count = in_words(notifications::remove_suppressions(app, actor, since).await)?;
            println!("{count} addresses get mail again");
        }
        Command::Remove { address, .. } => {
            let address = address.unwrap_or_default();
            let removed = in_words(notifications::remove_suppression(app, actor, &address).await)?;
            let Some(row) = removed else {
                bail!("{address} is not on the list");
            };
            println!("{} gets mail again", row.address);
        }
    }
    Ok(())
}
