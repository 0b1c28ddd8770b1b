//! `taskflow demo`: something to try it with.

use anyhow::bail;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::admin::{in_lines, password_from_stdin};
use crate::accounts::NewUser;
use crate::app::App;
use crate::auth::{self, AuthError};
use crate::crypto;
use crate::db::Clock;
use crate::ops::demo::{self, Plan};
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a sample team: people, projects, tasks and what is said about them.
    Seed(SeedArgs),
}

#[derive(Debug, Args)]
pub struct SeedArgs {
    /// How many people: user1@example.org, user2@example.org and so on.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// How many tasks.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(0..=5_000_000))]
    tasks: u32,
    /// Which team: the same number makes the same one, around the day it is made.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Read the password of everybody from the first line of the standard input; otherwise one is
    /// made and printed.
    #[arg(long)]
    password_stdin: bool,
    /// Also on a server in production.
    #[arg(long)]
    yes: bool,
}

pub async fn run(Command::Seed(args): Command, settings: Settings) -> anyhow::Result<()> {
    if settings.is_production() && !args.yes {
        bail!("this server is in production: give --yes to mix a sample team with its people");
    }
    let (app, _bus) = App::start(settings, Clock::default()).await?;
    let (password, made) = if args.password_stdin {
        (password_from_stdin()?, false)
    } else {
        // Longer than anyone guesses, and of every class the policy may ask for.
        (format!("{}-aA1", crypto::random_token()), true)
    };
    let first = NewUser::tidy(Some("user1@example.org".to_owned()), None, "user1");
    let hash = match auth::hash_new_password(&app, &first, password.clone(), Vec::new()).await {
        Err(AuthError::Refused(problems)) => bail!(in_lines(&problems)),
        hash => hash?,
    };
    let plan = Plan {
        users: usize::try_from(args.users)?,
        tasks: usize::try_from(args.tasks)?,
        seed: args.seed,
        today: app.db.clock().now().date_naive(),
    };
    let bar = ProgressBar::new(u64::from(args.tasks)).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} tasks, {eta} to go")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let seeded = demo::seed(&app, &plan, &hash, |made| bar.set_position(made as u64)).await;
    bar.finish_and_clear();
    let seeded = seeded?;
    println!(
        "made {} people, {} projects, {} tasks and {} comments in {:.1} s",
        plan.users,
        seeded.projects,
        plan.tasks,
        seeded.comments,
        bar.elapsed().as_secs_f64()
    );
    println!(
        "log in as user1@example.org to user{}@example.org",
        plan.users
    );
    if made {
        println!("password: {password}");
    }
    println!("an administrator: taskflow admin users roles user1@example.org admin");
    Ok(())
}
