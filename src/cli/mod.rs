//! The command line.

mod admin;
mod demo;
mod healthcheck;
mod import;
mod migrate;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::server::{self, Role};
use crate::settings::Settings;
use crate::{auth, graphql, schema, telemetry};

/// A self-hosted task server: one GraphQL service.
#[derive(Debug, Parser)]
#[command(name = "taskflow", version, about)]
struct Cli {
    /// A file of settings, instead of taskflow.toml in this folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, and do jobs in the same process (what happens without a command).
    Serve {
        /// Leave the jobs to `taskflow worker`.
        #[arg(long)]
        no_worker: bool,
    },
    /// Do jobs and serve nothing.
    Worker,
    /// Bring the database to the shape this version needs.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Print the GraphQL schema.
    Schema,
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look after a running installation.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Try it with sample data.
    #[command(subcommand)]
    Demo(demo::Command),
    /// Ask the server on this machine whether it is ready; for containers.
    Healthcheck,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether the settings are good, and what is odd about them.
    Check,
    /// Print the settings in force; secrets are hidden.
    Print,
}

/// Settings or command line are wrong.
const BAD_SETTINGS: u8 = 2;

/// Prints what may be long. Whoever closes the pipe before the end, as `head` does, has read enough.
fn print_all(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Reads the command line and does what it says.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Serve { no_worker: false });
    // What needs no settings works with broken ones, too.
    if matches!(command, Command::Schema) {
        print_all(&schema::sdl());
        return ExitCode::SUCCESS;
    }
    let settings = match Settings::from_process(cli.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("taskflow: the settings are not good:\n{error}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    if let Err(error) = telemetry::init(&settings) {
        eprintln!("taskflow: log.level: {error}");
        return ExitCode::from(BAD_SETTINGS);
    }
    // Of the two backends rustls can have, ours is named once: otherwise whichever library comes
    // first decides.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed before");
    }
    // Boxed: the settings alone are some kilobytes.
    match Box::pin(run(command, settings)).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("taskflow: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { no_worker } => {
            let role = if no_worker { Role::Server } else { Role::Both };
            Box::pin(server::run(settings, role)).await?;
        }
        Command::Worker => Box::pin(server::run(settings, Role::Worker)).await?,
        Command::Migrate(command) => migrate::run(command, &settings).await?,
        Command::Schema => {}
        Command::Config(ConfigCommand::Check) => {
            graphql::check_manifests(&settings.persisted_documents)?;
            auth::check_other_keys(&settings.auth)?;
            for warning in settings.warnings() {
                println!("warning: {warning}");
            }
            println!("ok");
        }
        Command::Config(ConfigCommand::Print) => print!("{}", settings.print()),
        Command::Admin(command) => Box::pin(admin::run(command, settings)).await?,
        Command::Demo(command) => Box::pin(demo::run(command, settings)).await?,
        Command::Healthcheck => return Ok(healthcheck::run(&settings).await),
    }
    Ok(ExitCode::SUCCESS)
}
