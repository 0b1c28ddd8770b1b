//! `taskflow migrate`: brings the database to the shape this version needs.

use clap::Subcommand;

use crate::db::{Clock, Db};
use crate::settings::Settings;

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Apply every change that is missing.
    Up,
    /// Take back the newest changes, and what they hold.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Show every change and whether the database has it.
    Status,
}

pub async fn run(command: Command, settings: &Settings) -> anyhow::Result<()> {
    let db = Db::connect(&settings.database, Clock::default()).await?;
    match command {
        Command::Up => {
            let missing = db.pending_changes().await?;
            db.migrate_up().await?;
            for name in &missing {
                println!("applied {name}");
            }
            println!("{} changes applied; the database is current", missing.len());
        }
        Command::Down { steps } => {
            let before = db.pending_changes().await?.len();
            db.migrate_down(steps).await?;
            let taken_back = db.pending_changes().await?.len() - before;
            println!("{taken_back} changes taken back");
        }
        Command::Status => {
            for change in db.changes().await? {
                let state = if change.applied { "applied" } else { "missing" };
                println!("{state}  {}", change.name);
            }
        }
    }
    db.close(std::time::Duration::from_secs(5)).await;
    Ok(())
}
