//! Who is to be told of a change: (assignee ∪ watchers ∪ mentioned), minus who did it, minus who
//! wants to hear nothing, minus who cannot see the task. Of a disabled task nobody is told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::task::Model;
use entity::{TaskId, UserId};

use super::{Audience, store};
use crate::db::{DbError, Tx};

/// The recipients of a change of each of these tasks, as they are after it. A handful of
/// statements, however many tasks there are.
///
/// # Errors
/// The database's failure.
pub async fn recipients(
    tx: &Tx,
    tasks: &[&Model],
    actor: UserId,
) -> Result<HashMap<TaskId, Vec<UserId>>, DbError> {
    recipients_and(tx, tasks, actor, &BTreeSet::new()).await
}

/// The same of a task that was just made, whose assignee was found to be active: nobody else follows it yet but
/// who made it.
pub fn recipients_of_new(task: &Model, actor: UserId) -> Vec<UserId> {
    let assignee = task.assignee_id.filter(|_| task.enabled);
    assignee.filter(|user| *user != actor).into_iter().collect()
}

/// The same, with people who are mentioned in what is said.
///
/// # Errors
/// The database's failure.
pub async fn recipients_and(
    tx: &Tx,
    tasks: &[&Model],
    actor: UserId,
    mentioned: &BTreeSet<UserId>,
) -> Result<HashMap<TaskId, Vec<UserId>>, DbError> {
    if tasks.is_empty() {
        return Ok(HashMap::new());
    }
    let mut asked: BTreeMap<TaskId, BTreeSet<UserId>> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.enabled) {
        let people = mentioned.iter().copied().chain(task.assignee_id);
        asked.entry(task.id).or_default().extend(people);
    }
    let mut muted = HashSet::new();
    if !asked.is_empty() {
        for row in store::of_tasks(tx.conn(), asked.keys().copied().collect()).await? {
            if row.muted {
                muted.insert((row.task_id, row.user_id));
            } else {
                asked.entry(row.task_id).or_default().insert(row.user_id);
            }
        }
    }
    for (task, people) in &mut asked {
        people.retain(|user| *user != actor && !muted.contains(&(*task, *user)));
    }
    let people = asked.values().flatten().copied().collect();
    let audience = Audience::load(tx.conn(), tasks, &people).await?;
    let told = |task: &&Model| {
        let people = asked.get(&task.id).into_iter().flatten().copied();
        let told = people.filter(|user| audience.sees(task, *user)).collect();
        (task.id, told)
    };
    Ok(tasks.iter().map(told).collect())
}
