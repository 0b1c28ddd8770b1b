//! People of another system, with the hashes of their passwords.

use std::collections::{BTreeSet, HashSet};

use entity::user_role::Role;

use crate::accounts::{self, AccountError, Actor, NewUser};
use crate::app::App;
use crate::auth::{AuthError, Stored};
use crate::db::{DbError, Tx};

/// Somebody to be taken over.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    /// Who.
    pub new: NewUser,
    /// The hash of the password, of a kind that [`Stored`] reads. Without one there is no way in but
    /// a mail for a new password.
    pub password_hash: Option<String>,
    /// What they may do beyond what everyone may.
    pub roles: BTreeSet<Role>,
}

impl ImportedUser {
    /// Everything that is wrong with it by itself, as sentences.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = accounts::problems(&self.new)
            .into_iter()
            .map(|problem| problem.message)
            .collect();
        if let Some(hash) = &self.password_hash
            && Stored::parse(hash).is_none()
        {
            problems.push(
                "The hash of the password is of no kind that can be read (Argon2, bcrypt, Werkzeug's scrypt and pbkdf2), or its parameters are absurd."
                    .to_owned(),
            );
        }
        problems
    }
}

/// What became of one of them: made, or why not.
pub type Imported = Result<(), Vec<String>>;

/// Makes the accounts of a batch, in one transaction if it can be. Those that cannot be made leave
/// the others alone. What is there already is told and not changed, so a second run does no harm.
///
/// # Errors
/// The database's failure: then nothing of this batch was made.
pub async fn import_users(app: &App, batch: &[ImportedUser]) -> Result<Vec<Imported>, AuthError> {
    let together = app
        .db
        .write(|tx| async move { make_all(app, &tx, batch).await })
        .await;
    match together {
        // Somebody registered with one of the names at this moment: each by itself, then.
        Err(AccountError::Refused(_)) => {
            let mut made = Vec::with_capacity(batch.len());
            for one in batch.chunks(1) {
                let result = app
                    .db
                    .write(|tx| async move { make_all(app, &tx, one).await })
                    .await;
                match result {
                    Err(AccountError::Refused(errors)) => {
                        made.push(Err(errors.into_iter().map(|error| error.message).collect()));
                    }
                    one => made.extend(one?),
                }
            }
            Ok(made)
        }
        made => Ok(made?),
    }
}

/// What would become of a batch. Nothing is made.
///
/// # Errors
/// The database's failure.
pub async fn check_import(app: &App, batch: &[ImportedUser]) -> Result<Vec<Imported>, AuthError> {
    let all: Vec<String> = batch.iter().flat_map(|user| names(&user.new)).collect();
    let all = &all;
    let mut taken = app
        .db
        .read(|db| async move { accounts::taken_names(&db, all.clone()).await })
        .await?;
    Ok(batch.iter().map(|user| judge(user, &mut taken)).collect())
}

/// Whether an account can be made; if so, its names are taken from then on.
fn judge(user: &ImportedUser, taken: &mut HashSet<String>) -> Imported {
    let mut problems = user.problems();
    let names = names(&user.new);
    if problems.is_empty() && names.iter().any(|name| taken.contains(name)) {
        problems.push("There is an account with this e-mail address or user name.".to_owned());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    taken.extend(names);
    Ok(())
}

async fn make_all(
    app: &App,
    tx: &Tx,
    batch: &[ImportedUser],
) -> Result<Vec<Imported>, AccountError> {
    let mut taken = taken(tx, batch).await?;
    let mut made = Vec::with_capacity(batch.len());
    for user in batch {
        if let Err(problems) = judge(user, &mut taken) {
            made.push(Err(problems));
            continue;
        }
        let row = accounts::create(app, tx, &user.new, user.password_hash.clone()).await?;
        accounts::give_roles(app, tx, &row, &user.roles, Actor::CommandLine).await?;
        made.push(Ok(()));
    }
    Ok(made)
}

/// Which of the names are somebody's.
async fn taken(tx: &Tx, batch: &[ImportedUser]) -> Result<HashSet<String>, DbError> {
    let all = batch.iter().flat_map(|user| names(&user.new)).collect();
    accounts::taken_names(tx.conn(), all).await
}

fn names(new: &NewUser) -> Vec<String> {
    let names = [&new.email, &new.username].into_iter().flatten();
    names.map(|name| accounts::folded(name)).collect()
}
