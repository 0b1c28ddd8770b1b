//! A sample team, for trying Taskflow and for measuring it: people, projects, labels, tasks and
//! comments that look like those of a real one. Nothing is told to anybody: no events, no mails.

mod dice;
mod store;
mod tasks;
mod team;
mod texts;

use chrono::NaiveDate;
use entity::task_words;

use self::store::Rows;
use self::tasks::Tasks;
use self::team::Team;
use crate::app::App;
use crate::db::{DbError, WriteError};

/// What is to be made. The same plan makes the same team, ids and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many people, at least one.
    pub users: usize,
    /// How many tasks.
    pub tasks: usize,
    /// Which of all teams.
    pub seed: u64,
    /// The day that all dates are around.
    pub today: NaiveDate,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// How many projects.
    pub projects: usize,
    /// How many comments.
    pub comments: usize,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The sample team, or something with one of its names, is there already.
    #[error(
        "the database has an account (user1@example.org, …), a project (`OPS`, …) or a label of the sample team already: nothing was made. Give it an empty database of its own by DATABASE_URL"
    )]
    AlreadyThere,
    /// The database failed.
    #[error("{}", crate::telemetry::chain(.0))]
    Db(#[from] DbError),
}

impl WriteError for DemoError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::AlreadyThere => None,
        }
    }
}

/// Somebody may have one of many names that were not looked for.
fn taken(error: DbError) -> DemoError {
    match error.unique_violation() {
        Some(_) => DemoError::AlreadyThere,
        None => error.into(),
    }
}

/// How many tasks are made between two looks at the progress.
const BATCH: usize = 1_000;

/// Makes the team in one transaction: all of it or nothing. `progress` hears how many tasks there
/// are.
///
/// # Errors
/// [`DemoError`].
pub async fn seed(
    app: &App,
    plan: &Plan,
    password_hash: &str,
    progress: impl Fn(usize),
) -> Result<Seeded, DemoError> {
    let progress = &progress;
    app.db
        .write(|tx| async move {
            let mut team = Team::new(plan, password_hash);
            if store::is_there(&tx, &team).await? {
                return Err(DemoError::AlreadyThere);
            }
            let counts = Tasks::new(plan, &team).counts();
            for (project, count) in team.projects.iter_mut().zip(counts) {
                project.last_number = count;
            }
            let (mut users, mut labels) = (Rows::default(), Rows::default());
            let (mut projects, mut members) = (Rows::default(), Rows::default());
            users.extend(team.users.iter().cloned());
            users.write(&tx, true).await.map_err(taken)?;
            labels.extend(team.labels.iter().cloned());
            labels.write(&tx, true).await.map_err(taken)?;
            projects.extend(team.projects.iter().cloned());
            projects.write(&tx, true).await.map_err(taken)?;
            members.extend(team.members.iter().cloned());
            members.write(&tx, true).await?;

            let aside = store::set_aside(&tx).await?;
            let mut rows = TaskRows::default();
            let (mut made, mut comments) = (0, 0);
            for one in Tasks::new(plan, &team) {
                made += 1;
                comments += one.comments.len();
                rows.add(one);
                if made % BATCH == 0 {
                    rows.write(&tx, false).await?;
                    progress(made);
                }
            }
            rows.write(&tx, true).await?;
            aside.put_back(&tx).await?;
            store::analyze(&tx).await?;
            progress(made);
            Ok(Seeded {
                projects: team.projects.len(),
                comments,
            })
        })
        .await
}

/// The rows of tasks and of what belongs to them.
#[derive(Default)]
struct TaskRows {
    tasks: Rows<entity::task::Model>,
    words: Rows<task_words::Model>,
    labels: Rows<entity::task_label::Model>,
    comments: Rows<entity::comment::Model>,
    watchers: Rows<entity::task_watcher::Model>,
    history: Rows<entity::task_history::Model>,
}

impl TaskRows {
    fn add(&mut self, one: tasks::Made) {
        self.words.extend([task_words::Model::of(&one.task)]);
        self.tasks.extend([one.task]);
        self.labels.extend(one.labels);
        self.comments.extend(one.comments);
        self.watchers.extend(one.watchers);
        self.history.extend(one.history);
    }

    /// All of the tasks, since the others refer to them.
    async fn write(&mut self, tx: &crate::db::Tx, all: bool) -> Result<(), DbError> {
        self.tasks.write(tx, true).await?;
        self.words.write(tx, all).await?;
        self.labels.write(tx, all).await?;
        self.comments.write(tx, all).await?;
        self.watchers.write(tx, all).await?;
        self.history.write(tx, all).await
    }
}
