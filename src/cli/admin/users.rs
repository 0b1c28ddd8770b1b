//! `taskflow admin users`: looks after the accounts. Each is what administrators can do over the
//! API.

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use entity::user::{Model, Status};
use entity::user_role::Role;

use super::in_words;
use crate::accounts::{self, Actor, DirectoryFilter};
use crate::app::App;
use crate::auth;
use crate::cli::print_all;
use crate::graphql::{Kind, Page};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List accounts by name: status, roles, user name, e-mail address, name.
    List(List),
    /// End the use of an account: its sessions end, nobody can sign in. Its tasks stay.
    Disable {
        /// The e-mail address, the user name or the id.
        who: String,
    },
    /// Let an account be used again.
    Enable {
        /// The e-mail address, the user name or the id.
        who: String,
    },
    /// Give an account these roles, and take all others.
    Roles {
        /// The e-mail address, the user name or the id.
        who: String,
        /// The roles; none at all to take all.
        roles: Vec<RoleName>,
    },
    /// Set the password of an account, from the first line of the standard input, and end its sessions.
    Password {
        /// The e-mail address, the user name or the id.
        who: String,
    },
    /// Let an account log in again that is locked after wrong passwords.
    Unlock {
        /// The e-mail address, the user name or the id.
        who: String,
    },
}

#[derive(Debug, Args)]
pub struct List {
    /// Only accounts whose name, user name or e-mail address contains this.
    #[arg(long)]
    search: Option<String>,
    /// Accounts that are disabled instead of active ones.
    #[arg(long)]
    disabled: bool,
    /// Only accounts with this role.
    #[arg(long)]
    role: Option<RoleName>,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleName {
    /// Sees and edits everything.
    Admin,
    /// Has an artist profile.
    Artist,
    /// Is a program, not a person.
    Service,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Artist => Self::Artist,
            RoleName::Service => Self::Service,
        }
    }
}

pub async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    let actor = Actor::CommandLine;
    match command {
        Command::List(args) => return list(app, args).await,
        Command::Disable { who } => {
            let id = find(app, &who).await?.id;
            let user = in_words(accounts::disable_user(app, actor, id).await)?;
            println!("disabled the account of {}", user.name);
        }
        Command::Enable { who } => {
            let id = find(app, &who).await?.id;
            let user = in_words(accounts::enable_user(app, actor, id).await)?;
            println!("enabled the account of {}", user.name);
        }
        Command::Password { who } => {
            let user = find(app, &who).await?;
            let password = super::password_from_stdin()?;
            let set = auth::set_password(app, &user, password).await;
            in_words(set.map_err(Into::into))?;
            println!("set the password of {}", user.name);
        }
        Command::Unlock { who } => {
            let id = find(app, &who).await?.id;
            let user = in_words(accounts::unlock_user(app, actor, id).await)?;
            println!("{} can log in again from everywhere", user.name);
        }
        Command::Roles { who, roles } => {
            let id = find(app, &who).await?.id;
            let roles = roles.into_iter().map(Into::into).collect();
            let user = in_words(accounts::set_user_roles(app, actor, id, roles).await)?;
            let roles = app
                .db
                .read(|db| async move { accounts::roles(&db, user.id).await })
                .await?;
            println!("{} has the roles: {}", user.name, in_line(&roles));
        }
    }
    Ok(())
}

async fn list(app: &App, args: List) -> anyhow::Result<()> {
    let mut filter = DirectoryFilter {
        search: args.search.map(|text| text.trim().to_lowercase()),
        by_address: true,
        status: if args.disabled {
            Status::Disabled
        } else {
            Status::Active
        },
        role: args.role.map(Into::into),
    };
    let page = Page {
        size: args.limit,
        after: None,
    };
    let mut users =
        in_words(accounts::list_users(app, Actor::CommandLine, &mut filter, &page).await)?;
    let more = page.cut(&mut users);
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let ids = &ids;
    let roles = app
        .db
        .read(|db| async move { accounts::roles_of_many(&db, ids.clone()).await })
        .await?;
    let mut lines = Vec::new();
    for user in users {
        let roles = roles.get(&user.id).map(Vec::as_slice).unwrap_or_default();
        lines.push(format!(
            "{}  {:<8}  {:<16}  {:<20}  {:<30}  {}",
            Kind::User.encode(user.id.0).as_str(),
            if user.status == Status::Active {
                "active"
            } else {
                "disabled"
            },
            in_line(roles),
            user.username.as_deref().unwrap_or("-"),
            user.email.as_deref().unwrap_or("-"),
            user.name,
        ));
    }
    if more {
        lines.push("and more: raise --limit, or search".to_owned());
    }
    if lines.is_empty() {
        lines.push("nobody".to_owned());
    }
    print_all(&(lines.join("\n") + "\n"));
    Ok(())
}

fn in_line(roles: &[Role]) -> String {
    let mut names: Vec<&str> = roles
        .iter()
        .map(|role| match role {
            Role::Admin => "admin",
            Role::Artist => "artist",
            Role::Service => "service",
        })
        .collect();
    names.push("user");
    names.join(",")
}

pub async fn find(app: &App, who: &str) -> anyhow::Result<Model> {
    let found = match Kind::User.decode(who) {
        Ok(id) => {
            let id = entity::UserId(id);
            app.db
                .read(|db| async move { accounts::find(&db, id).await })
                .await?
        }
        Err(_) => accounts::find_by_login_name(app, who).await?,
    };
    match found {
        Some(user) => Ok(user),
        None => bail!("there is no account with this e-mail address, user name or id: {who}"),
    }
}
