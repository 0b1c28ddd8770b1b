//! The tasks of the sample team, and what is said about them.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use entity::task::{Model, Priority, Status, due_order};
use entity::task_history::Field;
use entity::{
    CommentId, TaskChangeId, TaskId, Timestamp, UserId, comment, task_history, task_label,
    task_watcher,
};

use super::Plan;
use super::dice::Dice;
use super::team::Team;
use super::texts;

/// The tasks begin so many days ago.
const DAYS: i64 = 365;
/// A deleted task is gone after 30 days.
const TRASH_DAYS: i64 = 28;

/// Makes the tasks one after the other, the oldest first.
#[derive(Debug)]
pub struct Tasks<'a> {
    team: &'a Team,
    dice: Dice,
    today: NaiveDate,
    midnight: Timestamp,
    /// The project of each task.
    projects: Vec<Option<usize>>,
    next: usize,
    /// The last number in each project.
    numbers: Vec<i32>,
    /// In each project, and at the end outside of them, the last task that can have parts.
    whole: Vec<Option<(TaskId, UserId)>>,
}

/// A task and what belongs to it.
#[derive(Debug)]
pub struct Made {
    pub task: Model,
    pub labels: Vec<task_label::Model>,
    pub comments: Vec<comment::Model>,
    pub watchers: Vec<task_watcher::Model>,
    pub history: Vec<task_history::Model>,
}

impl<'a> Tasks<'a> {
    /// The tasks of a plan: the same for the same one, on the same day.
    pub fn new(plan: &Plan, team: &'a Team) -> Self {
        let mut dice = Dice::new(plan.seed, 2);
        let count = team.projects.len();
        let projects = (0..plan.tasks)
            // Some projects are busier than others.
            .map(|_| {
                dice.percent(85)
                    .then(|| dice.below(count).min(dice.below(count)))
            })
            .collect();
        Self {
            team,
            dice,
            today: plan.today,
            midnight: plan.midnight(),
            projects,
            next: 0,
            numbers: vec![0; count],
            whole: vec![None; count + 1],
        }
    }

    /// How many tasks each project will have.
    pub fn counts(&self) -> Vec<i32> {
        let mut counts = vec![0; self.numbers.len()];
        for project in self.projects.iter().flatten() {
            counts[*project] += 1;
        }
        counts
    }

    fn make(&mut self, nth: usize, project: Option<usize>) -> Made {
        let span = TimeDelta::days(DAYS).num_milliseconds();
        let slot = span / i64::try_from(self.projects.len()).unwrap_or(1).max(1);
        let offset = slot * i64::try_from(nth).unwrap_or_default();
        let jitter = self.dice.between(0, slot.max(1) - 1);
        let created =
            self.midnight - TimeDelta::days(DAYS) + TimeDelta::milliseconds(offset + jitter);
        let dice = &mut self.dice;
        let everybody = &self.team.users;
        let (creator, assignee) = if let Some(project) = project {
            let makers = self.team.of_project[project].editors();
            (
                *dice.pick(makers),
                dice.percent(78).then(|| *dice.pick(makers)),
            )
        } else {
            let creator = dice.pick(everybody).id;
            (creator, dice.percent(50).then(|| dice.pick(everybody).id))
        };
        let number = project.map(|project| {
            self.numbers[project] += 1;
            self.numbers[project]
        });
        let mut task = Model {
            id: TaskId(dice.id(created)),
            title: texts::title(dice),
            description: texts::description(dice),
            status: Status::Pending,
            priority: match dice.below(10) {
                0 | 1 => Priority::Low,
                2..=7 => Priority::Medium,
                _ => Priority::High,
            },
            enabled: !dice.percent(3),
            project_id: project.map(|project| self.team.projects[project].id),
            number,
            parent_id: None,
            start_at: None,
            start_on: None,
            due_at: None,
            due_on: None,
            due_order: due_order(None, None),
            creator_id: creator,
            assignee_id: assignee,
            assignee_told: true,
            completed_at: None,
            deleted_at: None,
            version: 1,
            created_at: created,
            updated_at: created,
        };
        self.live(&mut task);
        self.plan(&mut task);
        self.join(&mut task, project);
        self.around(task, project)
    }

    /// What has become of it: of old ones most are finished.
    fn live(&mut self, task: &mut Model) {
        let dice = &mut self.dice;
        let age = (self.midnight - task.created_at).num_minutes().max(1);
        let old = age > TimeDelta::days(45).num_minutes();
        if dice.percent(if old { 88 } else { 35 }) {
            task.status = Status::Completed;
        } else if dice.percent(30) {
            task.status = Status::InProgress;
        }
        if task.status != Status::Pending {
            let most = age.min(TimeDelta::days(40).num_minutes());
            let at = task.created_at + TimeDelta::minutes(dice.between(1, most));
            task.updated_at = at.min(self.midnight);
            task.version = 2;
        }
        task.completed_at = (task.status == Status::Completed).then_some(task.updated_at);
        if dice.percent(2) {
            let at = self.midnight - TimeDelta::hours(dice.between(1, 24 * TRASH_DAYS));
            task.deleted_at = (at > task.updated_at).then_some(at);
            if let Some(at) = task.deleted_at {
                task.updated_at = at;
                task.version += 1;
            }
        }
    }

    /// Its dates: around today for what is not finished.
    fn plan(&mut self, task: &mut Model) {
        let dice = &mut self.dice;
        if dice.percent(30) {
            return;
        }
        let due = if let Some(done) = task.completed_at {
            shifted(done.date_naive(), dice.between(-5, 15))
        } else {
            shifted(self.today, dice.between(-12, 60))
        };
        if dice.percent(25) {
            let hour = TimeDelta::minutes(dice.between(7 * 4, 19 * 4) * 15);
            task.due_at = Some(due.and_time(NaiveTime::MIN).and_utc() + hour);
        } else {
            task.due_on = Some(due);
        }
        task.due_order = due_order(task.due_at, task.due_on);
        if dice.percent(20) {
            task.start_on = Some(shifted(due, -dice.between(1, 20)));
        }
    }

    /// Makes it a part of another.
    fn join(&mut self, task: &mut Model, project: Option<usize>) {
        let place = project.unwrap_or(self.team.projects.len());
        let is_part = self.dice.percent(14);
        match self.whole[place] {
            // Outside projects both must be of the same person, or one would not see the other.
            Some((whole, creator))
                if is_part && (project.is_some() || creator == task.creator_id) =>
            {
                task.parent_id = Some(whole);
            }
            _ if task.deleted_at.is_none() && task.enabled => {
                self.whole[place] = Some((task.id, task.creator_id));
            }
            _ => {}
        }
    }

    /// What is said about it, and who follows.
    fn around(&mut self, task: Model, project: Option<usize>) -> Made {
        let (dice, team) = (&mut self.dice, self.team);
        let mut labels = BTreeSet::new();
        if dice.percent(60) {
            for _ in 0..=dice.below(3) {
                labels.insert(dice.below(team.labels.len()));
            }
        }
        let both = [task.creator_id, task.assignee_id.unwrap_or(task.creator_id)];
        let (people, talkers) = match project {
            Some(project) => {
                let members = &team.of_project[project];
                (members.all(), members.commenters())
            }
            None => (&both[..], &both[..]),
        };
        let mut comments = Vec::new();
        let mut at = task.created_at;
        if dice.percent(25) {
            for _ in 0..=dice.below(4) {
                let left = (self.midnight - at).num_minutes().clamp(1, 4 * 24 * 60);
                at = (at + TimeDelta::minutes(dice.between(1, left))).min(self.midnight);
                comments.push(comment::Model {
                    id: CommentId(dice.id(at)),
                    task_id: task.id,
                    author_id: *dice.pick(talkers),
                    body: texts::comment(dice),
                    created_at: at,
                    edited_at: None,
                });
            }
        }
        let mut followers = BTreeSet::new();
        if dice.percent(30) {
            for _ in 0..=dice.below(3) {
                followers.insert(*dice.pick(people));
            }
        }
        let watchers = followers.into_iter().map(|user_id| task_watcher::Model {
            task_id: task.id,
            user_id,
            muted: dice.percent(10),
            created_at: task.created_at,
        });
        let watchers = watchers.collect();
        let changed = (task.status != Status::Pending).then(|| {
            let at = task.completed_at.unwrap_or(task.updated_at);
            task_history::Model {
                id: TaskChangeId(dice.id(at)),
                task_id: task.id,
                actor_id: task.assignee_id.unwrap_or(task.creator_id),
                field: Field::Status,
                old_value: Some("PENDING".to_owned()),
                new_value: Some(
                    if task.status == Status::Completed {
                        "COMPLETED"
                    } else {
                        "IN_PROGRESS"
                    }
                    .to_owned(),
                ),
                created_at: at,
            }
        });
        let label = |nth: usize| task_label::Model {
            task_id: task.id,
            label_id: team.labels[nth].id,
        };
        Made {
            labels: labels.into_iter().map(label).collect(),
            comments,
            watchers,
            history: changed.into_iter().collect(),
            task,
        }
    }
}

impl Iterator for Tasks<'_> {
    type Item = Made;

    fn next(&mut self) -> Option<Made> {
        let nth = self.next;
        let project = *self.projects.get(nth)?;
        self.next += 1;
        Some(self.make(nth, project))
    }
}

fn shifted(day: NaiveDate, by: i64) -> NaiveDate {
    let days = Days::new(by.unsigned_abs());
    let moved = if by < 0 {
        day.checked_sub_days(days)
    } else {
        day.checked_add_days(days)
    };
    moved.unwrap_or(day)
}
