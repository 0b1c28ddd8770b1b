//! The people of the sample team, their projects and their labels.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{NaiveTime, TimeDelta};
use entity::project_member::Role;
use entity::user::Status;
use entity::{LabelId, ProjectId, Timestamp, UserId, label, project, project_member, user};

use super::Plan;
use super::dice::Dice;
use super::texts::{FIRST_NAMES, LABELS, LAST_NAMES, PROJECTS, ZONES};

/// People for each project, more or less.
const PEOPLE: usize = 20;
const MOST_PROJECTS: usize = 64;

/// Everything that tasks refer to.
#[derive(Debug)]
pub struct Team {
    pub users: Vec<user::Model>,
    pub labels: Vec<label::Model>,
    pub projects: Vec<project::Model>,
    pub members: Vec<project_member::Model>,
    /// Who belongs to each project.
    pub of_project: Vec<Members>,
}

/// Who belongs to a project, those with the most rights first.
#[derive(Debug)]
pub struct Members {
    people: Vec<UserId>,
    editors: usize,
    commenters: usize,
}

impl Members {
    fn new(mut members: Vec<(UserId, Role)>) -> Self {
        members.sort_by_key(|(_, role)| Reverse(*role));
        let count = |least| members.iter().filter(|(_, role)| *role >= least).count();
        Self {
            editors: count(Role::Editor),
            commenters: count(Role::Commenter),
            people: members.into_iter().map(|(id, _)| id).collect(),
        }
    }

    pub fn all(&self) -> &[UserId] {
        &self.people
    }

    /// Who may edit.
    pub fn editors(&self) -> &[UserId] {
        &self.people[..self.editors]
    }

    /// Who may comment.
    pub fn commenters(&self) -> &[UserId] {
        &self.people[..self.commenters]
    }
}

impl Team {
    /// The team of a plan: the same for the same one, on the same day.
    pub fn new(plan: &Plan, password_hash: &str) -> Self {
        let mut dice = Dice::new(plan.seed, 1);
        let began = plan.midnight() - TimeDelta::days(400);
        let users: Vec<_> = (1..=plan.users)
            .map(|number| person(&mut dice, number, began, password_hash))
            .collect();
        let creator = users[0].id;
        let labels = LABELS.map(|(name, color)| label::Model {
            id: LabelId(dice.id(began)),
            name: name.to_owned(),
            name_norm: name.to_owned(),
            color: color.to_owned(),
            creator_id: creator,
            created_at: began,
            updated_at: began,
        });
        let mut team = Self {
            users,
            labels: labels.to_vec(),
            projects: Vec::new(),
            members: Vec::new(),
            of_project: Vec::new(),
        };
        let count = (plan.users / PEOPLE).clamp(1, MOST_PROJECTS);
        let roles = assign_roles(&mut dice, plan.users, count);
        for (number, roles) in roles.into_iter().enumerate() {
            let at = began + TimeDelta::days(1);
            team.add_project(&mut dice, number, roles, at);
        }
        team
    }

    fn add_project(
        &mut self,
        dice: &mut Dice,
        number: usize,
        roles: Vec<(usize, Role)>,
        at: Timestamp,
    ) {
        let (key, name, description) = PROJECTS[number % PROJECTS.len()];
        let round = number / PROJECTS.len();
        let (key, name) = if round == 0 {
            (key.to_owned(), name.to_owned())
        } else {
            (
                format!("{key}{}", round + 1),
                format!("{name} {}", round + 1),
            )
        };
        let id = ProjectId(dice.id(at));
        let members: Vec<_> = roles
            .into_iter()
            .map(|(user, role)| (self.users[user].id, role))
            .collect();
        self.members
            .extend(members.iter().map(|(user_id, role)| project_member::Model {
                project_id: id,
                user_id: *user_id,
                role: *role,
                created_at: at,
            }));
        self.projects.push(project::Model {
            id,
            name_norm: name.to_lowercase(),
            key,
            name,
            description: Some(description.to_owned()),
            creator_id: members[0].0,
            last_number: 0,
            archived_at: None,
            version: 1,
            created_at: at,
            updated_at: at,
        });
        self.of_project.push(Members::new(members));
    }
}

fn person(dice: &mut Dice, number: usize, began: Timestamp, password_hash: &str) -> user::Model {
    let at = began + TimeDelta::seconds(i64::try_from(number).unwrap_or_default());
    let (first, last) = (*dice.pick(&FIRST_NAMES), *dice.pick(&LAST_NAMES));
    let name = format!("{first} {last}");
    let (email, username) = (format!("user{number}@example.org"), format!("user{number}"));
    user::Model {
        id: UserId(dice.id(at)),
        email_norm: Some(email.clone()),
        email: Some(email),
        username_norm: Some(username.clone()),
        username: Some(username),
        name_norm: name.to_lowercase(),
        name,
        password_hash: Some(password_hash.to_owned()),
        status: Status::Active,
        token_epoch: 0,
        created_at: at,
        updated_at: at,
        last_login_at: None,
        email_verified_at: Some(at),
        password_changed_at: Some(at),
        first_name: Some(first.to_owned()),
        last_name: Some(last.to_owned()),
        avatar_url: None,
        locale: None,
        timezone: dice.percent(60).then(|| (*dice.pick(&ZONES)).to_owned()),
        disabled_at: None,
        disabled_by: None,
    }
}

/// Who is in which project as what, by the numbers of people. Every project has an owner, and as
/// many of the other roles as it has people; everybody is in one at least.
fn assign_roles(dice: &mut Dice, users: usize, projects: usize) -> Vec<Vec<(usize, Role)>> {
    let mut of_project = vec![BTreeMap::new(); projects];
    for user in 0..users {
        let count = 1 + dice.below(3);
        for nth in 0..count {
            let project = if nth == 0 {
                user % projects
            } else {
                dice.below(projects)
            };
            let role = match dice.below(10) {
                0..=4 => Role::Editor,
                5 | 6 => Role::Commenter,
                _ => Role::Viewer,
            };
            of_project[project].entry(user).or_insert(role);
        }
    }
    let first = [Role::Owner, Role::Editor, Role::Commenter, Role::Viewer];
    let sorted = of_project.into_iter().map(|members| {
        let mut members: Vec<_> = members.into_iter().collect();
        for (member, role) in members.iter_mut().zip(first) {
            member.1 = role;
        }
        members
    });
    sorted.collect()
}

impl Plan {
    /// The beginning of the day everything is told from.
    pub fn midnight(&self) -> Timestamp {
        self.today.and_time(NaiveTime::MIN).and_utc()
    }
}
