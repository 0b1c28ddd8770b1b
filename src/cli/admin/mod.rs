//! `taskflow admin`: looks after an installation.

mod events;
mod jobs;
mod suppressions;
mod users;

use std::collections::BTreeSet;
use std::io::BufRead;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use entity::user_role::Role;

use crate::accounts::{self, AccountError, Actor, NewAccount, NewUser};
use crate::app::App;
use crate::auth::{self, AuthError};
use crate::crypto;
use crate::db::Clock;
use crate::graphql::UserError;
use crate::settings::Settings;
use crate::upkeep;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an account; reads its password from the standard input, or makes one and prints it.
    CreateUser(CreateUser),
    /// Take people over from another system, with the hashes of their passwords.
    ImportUsers(super::import::Import),
    /// Invite somebody by mail to make an account.
    Invite(Invite),
    /// Look after the accounts.
    #[command(subcommand)]
    Users(users::Command),
    /// Look after the e-mail addresses that no mail is sent to, because they take none.
    #[command(subcommand)]
    Suppressions(suppressions::Command),
    /// Print an access token of somebody, for trying and measuring. It opens a session, which its
    /// owner sees in the list of their devices and can end.
    Token(Token),
    /// Look after the jobs.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Make all cursors of clients worthless, after a restore and before anything starts: they read
    /// their lists anew instead of missing events.
    NewEpoch,
    /// Look at the log of what happened, and have it sent again.
    #[command(subcommand)]
    Events(events::Command),
}

#[derive(Debug, Args)]
pub struct CreateUser {
    /// The e-mail address.
    #[arg(long)]
    email: Option<String>,
    /// The user name.
    #[arg(long)]
    username: Option<String>,
    /// The display name.
    #[arg(long)]
    name: String,
    /// Let the account see and edit everything.
    #[arg(long)]
    admin: bool,
    /// What the account may do; may be given more than once.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<users::RoleName>,
    /// Read the password from the first line of the standard input.
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub struct Invite {
    /// The e-mail address.
    #[arg(long)]
    email: String,
    /// The address or user name of the administrator who invites; without it, the first one.
    #[arg(long)]
    by: Option<String>,
}

#[derive(Debug, Args)]
pub struct Token {
    /// The e-mail address, the user name or the id.
    #[arg(long)]
    user: String,
    /// For how long it is good; as long as tokens of logins when not given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: Option<u64>,
}

pub async fn run(command: Command, mut settings: Settings) -> anyhow::Result<()> {
    if let Command::Token(Token { minutes, .. }) = &command {
        let auth = &mut settings.auth;
        auth.access_token_seconds = minutes.map_or(auth.access_token_seconds, |it| it * 60);
        // Nobody gets the refresh token, so the session is over with the access token.
        auth.refresh_token_seconds = auth.access_token_seconds;
    }
    // It only reads, so it goes beside a server, on SQLite too.
    if let Command::Events(events::Command::Tail(args)) = command {
        return events::tail(&settings, args).await;
    }
    let (app, _bus) = App::start(settings, Clock::default()).await?;
    match command {
        Command::CreateUser(args) => create_user(&app, args).await,
        Command::ImportUsers(args) => super::import::run(&app, args).await,
        Command::Invite(args) => invite(&app, args).await,
        Command::Users(command) => users::run(&app, command).await,
        Command::Suppressions(command) => suppressions::run(&app, command).await,
        Command::Token(args) => {
            let user = users::find(&app, &args.user).await?;
            println!("{}", auth::token_of(&app, user.id).await?);
            Ok(())
        }
        Command::Jobs(command) => jobs::run(&app, command).await,
        Command::NewEpoch => {
            upkeep::renew_epoch(&app).await?;
            println!("clients read anew; restart the servers that run");
            Ok(())
        }
        // Was done before.
        Command::Events(events::Command::Tail(_)) => Ok(()),
        Command::Events(events::Command::Replay(args)) => events::replay(&app, args).await,
    }
}

async fn create_user(app: &App, args: CreateUser) -> anyhow::Result<()> {
    // Whoever may run this vouches for the address.
    let new = NewUser {
        email_verified: args.email.is_some(),
        ..NewUser::tidy(args.email, args.username, &args.name)
    };
    let (password, made) = if args.password_stdin {
        (password_from_stdin()?, false)
    } else {
        // Longer than anyone guesses, and of every class the policy may ask for.
        (format!("{}-aA1", crypto::random_token()), true)
    };
    let mut roles: BTreeSet<Role> = args.roles.into_iter().map(Into::into).collect();
    roles.extend(args.admin.then_some(Role::Admin));
    let new = NewAccount {
        user: new,
        password: Some(password.clone()),
        roles,
    };
    let user = in_words(accounts::create_user(app, Actor::CommandLine, new).await)?;
    println!("made the account of {}", user.name);
    if made {
        println!("password: {password}");
    }
    Ok(())
}

/// The first line.
pub fn password_from_stdin() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("reading the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn invite(app: &App, args: Invite) -> anyhow::Result<()> {
    let by = match &args.by {
        Some(name) => accounts::find_by_login_name(app, name)
            .await?
            .with_context(|| format!("there is no account of {name}"))?,
        None => app
            .db
            .read(|db| async move { accounts::first_admin(&db).await })
            .await?
            .context("there is no administrator to invite in the name of: `taskflow admin create-user --admin` makes one")?,
    };
    match auth::invite(app, by.id, &args.email).await {
        Ok(expires_at) => {
            let until = expires_at.format("%-d %B %Y, %H:%M UTC");
            println!(
                "invited {} until {until}; a worker sends the mail",
                args.email
            );
            Ok(())
        }
        Err(AuthError::Refused(problems)) => bail!(in_lines(&problems)),
        Err(AuthError::NotAdmin) => bail!("{} is no administrator, or is disabled", by.name),
        Err(error) => Err(error.into()),
    }
}

/// What was done, or what is wrong, a line each.
fn in_words<T>(result: Result<T, AccountError>) -> anyhow::Result<T> {
    match result {
        Err(AccountError::Refused(problems)) => bail!(in_lines(&problems)),
        result => Ok(result?),
    }
}

/// Every problem, one a line.
pub fn in_lines(problems: &[UserError]) -> String {
    let lines: Vec<&str> = problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    lines.join("\n")
}
