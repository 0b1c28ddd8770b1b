//! What can be done with projects: one function a command. Each has the
//! line of the project alone first, so that what it reads of the members stays so.

use async_graphql::MaybeUndefined;
use entity::project::Model;
use entity::project_member::{self, Role};
use entity::{ProjectId, Timestamp, UserId, Viewer};

use super::TaskError;
use super::events::{
    MemberAdded, MemberRemoved, MemberUpdated, ProjectArchived, ProjectCreated, ProjectUnarchived,
    ProjectUpdated,
};
use super::store;
use crate::accounts;
use crate::app::App;
use crate::db::{DbError, Tx, new_id};
use crate::events::{Event, Log, project_stream};
use crate::graphql::{Kind, UserError, UserErrorCode};
use crate::notifications;
use crate::tasks::policy::{self, Command};
use crate::tasks::task::{description_problems, no_account, problem, refuse};
use crate::text::is_blank;

const NAME_CHARS: usize = 100;

/// The project somebody wants.
#[derive(Clone, Debug)]
pub struct NewProject {
    pub key: String,
    pub name: String,
    pub description: Option<String>,
}

/// What is to change; absent keeps, null clears.
#[derive(Clone, Debug)]
pub struct Changes {
    pub name: Option<String>,
    pub description: MaybeUndefined<String>,
    pub expected_version: Option<i32>,
}

/// Makes a project that belongs to who made it.
pub async fn create(app: &App, viewer: &Viewer, new: NewProject) -> Result<Model, TaskError> {
    let key = new.key.to_ascii_uppercase();
    let mut problems = key_problems(&key);
    problems.extend(name_problems(&new.name));
    problems.extend(description_problems(new.description.as_deref()));
    refuse(problems)?;
    let (new, key) = (&new, &key);
    app.db
        .write(|tx| async move {
            let now = tx.clock().now();
            let project = Model {
                id: ProjectId(new_id(tx.clock())),
                key: key.clone(),
                name: new.name.clone(),
                name_norm: new.name.to_lowercase(),
                description: new.description.clone(),
                creator_id: viewer.user_id,
                last_number: 0,
                archived_at: None,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            store::insert(&tx, project.clone()).await.map_err(taken)?;
            let owner = member(project.id, viewer.user_id, Role::Owner, now);
            store::insert_member(&tx, owner).await?;
            let event = ProjectCreated {
                project_id: project.id,
            };
            tell(app, &tx, viewer, project.id, &event).await?;
            Ok(project)
        })
        .await
}

/// Changes what a project is called, and what it says of itself.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: ProjectId,
    changes: Changes,
) -> Result<Model, TaskError> {
    let mut problems = changes
        .name
        .as_deref()
        .map(name_problems)
        .unwrap_or_default();
    if let MaybeUndefined::Value(text) = &changes.description {
        problems.extend(description_problems(Some(text)));
    }
    refuse(problems)?;
    let changes = &changes;
    app.db
        .write(|tx| async move {
            let before = managed(&tx, viewer, id).await?;
            if changes
                .expected_version
                .is_some_and(|version| version != before.version)
            {
                return Err(TaskError::ProjectConflict(Box::new(before)));
            }
            let mut project = before.clone();
            if let Some(name) = &changes.name {
                project.name.clone_from(name);
                project.name_norm = name.to_lowercase();
            }
            match &changes.description {
                MaybeUndefined::Undefined => {}
                MaybeUndefined::Null => project.description = None,
                MaybeUndefined::Value(text) => project.description = Some(text.clone()),
            }
            let mut fields = Vec::new();
            fields.extend((project.name != before.name).then_some("name"));
            fields.extend((project.description != before.description).then_some("description"));
            if fields.is_empty() {
                return Ok(before);
            }
            let event = ProjectUpdated {
                project_id: id,
                fields,
            };
            save(app, &tx, viewer, project, &event).await
        })
        .await
}

/// Ends all change in a project, until it is unarchived. One that is archived stays so.
pub async fn archive(app: &App, viewer: &Viewer, id: ProjectId) -> Result<Model, TaskError> {
    app.db
        .write(|tx| async move {
            let mut project = locked(&tx, viewer, id, Command::Manage).await?;
            if project.archived_at.is_some() {
                return Ok(project);
            }
            project.archived_at = Some(tx.clock().now());
            let event = ProjectArchived { project_id: id };
            save(app, &tx, viewer, project, &event).await
        })
        .await
}

/// Lets a project change again.
pub async fn unarchive(app: &App, viewer: &Viewer, id: ProjectId) -> Result<Model, TaskError> {
    app.db
        .write(|tx| async move {
            let mut project = locked(&tx, viewer, id, Command::Manage).await?;
            if project.archived_at.take().is_none() {
                return Ok(project);
            }
            let event = ProjectUnarchived { project_id: id };
            save(app, &tx, viewer, project, &event).await
        })
        .await
}

/// Takes somebody into a project. Who has this role in it already: nothing happens.
pub async fn add_member(
    app: &App,
    viewer: &Viewer,
    id: ProjectId,
    user: UserId,
    role: Role,
) -> Result<project_member::Model, TaskError> {
    app.db
        .write(|tx| async move {
            managed(&tx, viewer, id).await?;
            if let Some(before) = store::find_member(tx.conn(), id, user).await? {
                if before.role == role {
                    return Ok(before);
                }
                return Err(refused(
                    "This person belongs to the project already. `updateProjectMember` changes the role.",
                    "userId",
                ));
            }
            is_active(&tx, user).await?;
            let member = member(id, user, role, tx.clock().now());
            store::insert_member(&tx, member.clone()).await?;
            let event = MemberAdded {
                project_id: id,
                user_id: user,
                role,
            };
            tell(app, &tx, viewer, id, &event).await?;
            Ok(member)
        })
        .await
}

/// Gives a member another role. At least one owner is left who can sign in.
pub async fn update_member(
    app: &App,
    viewer: &Viewer,
    id: ProjectId,
    user: UserId,
    role: Role,
) -> Result<project_member::Model, TaskError> {
    app.db
        .write(|tx| async move {
            managed(&tx, viewer, id).await?;
            let mut member = known_member(&tx, id, user).await?;
            if member.role == role {
                return Ok(member);
            }
            keep_an_owner(&tx, &member, "role").await?;
            if role == Role::Owner {
                is_active(&tx, user).await?;
            }
            member.role = role;
            store::save_member(&tx, member.clone()).await?;
            let event = MemberUpdated {
                project_id: id,
                user_id: user,
                role,
            };
            tell(app, &tx, viewer, id, &event).await?;
            Ok(member)
        })
        .await
}

/// Takes somebody out of a project; anybody may take themselves out. At least one owner is left who
/// can sign in. What is assigned to them stays theirs.
pub async fn remove_member(
    app: &App,
    viewer: &Viewer,
    id: ProjectId,
    user: UserId,
) -> Result<(), TaskError> {
    app.db
        .write(|tx| async move {
            let command = if user == viewer.user_id {
                Command::See
            } else {
                Command::Manage
            };
            let project = locked(&tx, viewer, id, command).await?;
            in_use(&project)?;
            let member = known_member(&tx, id, user).await?;
            keep_an_owner(&tx, &member, "userId").await?;
            store::delete_member(&tx, id, user).await?;
            let event = MemberRemoved {
                project_id: id,
                user_id: user,
            };
            tell(app, &tx, viewer, id, &event).await
        })
        .await
}

/// A locked project in which the viewer may do this.
async fn locked(
    tx: &Tx,
    viewer: &Viewer,
    id: ProjectId,
    command: Command,
) -> Result<Model, TaskError> {
    let project = store::lock(tx, id).await?;
    let project = project.ok_or(TaskError::NotFound(Kind::Project))?;
    let role = store::role(tx.conn(), id, viewer.user_id).await?;
    policy::check(policy::members(viewer, role), command, Kind::Project)?;
    Ok(project)
}

/// A locked project that the viewer may change.
async fn managed(tx: &Tx, viewer: &Viewer, id: ProjectId) -> Result<Model, TaskError> {
    let project = locked(tx, viewer, id, Command::Manage).await?;
    in_use(&project)?;
    Ok(project)
}

fn in_use(project: &Model) -> Result<(), TaskError> {
    match project.archived_at {
        Some(_) => Err(TaskError::Archived),
        None => Ok(()),
    }
}

async fn known_member(
    tx: &Tx,
    id: ProjectId,
    user: UserId,
) -> Result<project_member::Model, TaskError> {
    let member = store::find_member(tx.conn(), id, user).await?;
    member.ok_or_else(|| refused("This person does not belong to the project.", "userId"))
}

/// Refuses to leave a project without an owner who can sign in.
async fn keep_an_owner(
    tx: &Tx,
    member: &project_member::Model,
    field: &str,
) -> Result<(), TaskError> {
    if member.role != Role::Owner {
        return Ok(());
    }
    let others = store::other_owners(tx, member.project_id, member.user_id).await?;
    let active = accounts::active_among(tx.conn(), others).await?;
    if !active.is_empty() {
        return Ok(());
    }
    Err(refused(
        "A project has at least one owner whose account is not disabled. Make somebody else one first.",
        field,
    ))
}

/// Refuses people who are not there or cannot sign in.
async fn is_active(tx: &Tx, user: UserId) -> Result<(), TaskError> {
    let active = accounts::active_among(tx.conn(), vec![user]).await?;
    if active.contains(&user) {
        return Ok(());
    }
    Err(refused(
        "There is no such person on this server, or their account is disabled.",
        "userId",
    ))
}

/// Writes a project that was locked before, and what happened to it.
async fn save<E: Event>(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    mut project: Model,
    event: &E,
) -> Result<Model, TaskError> {
    project.version += 1;
    project.updated_at = tx.clock().now();
    store::save(tx, project.clone()).await?;
    tell(app, tx, viewer, project.id, event).await?;
    Ok(project)
}

async fn tell<E: Event>(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    id: ProjectId,
    event: &E,
) -> Result<(), TaskError> {
    let mut log = Log::default();
    let event = log.add(tx, event, Some(viewer.user_id), [project_stream(id)])?;
    let told = notifications::tells(E::TOPIC).then_some(event);
    notifications::enqueue_dispatch(app, tx, told);
    log.write(tx, &app.bus).await?;
    Ok(())
}

fn member(
    project_id: ProjectId,
    user_id: UserId,
    role: Role,
    now: Timestamp,
) -> project_member::Model {
    project_member::Model {
        project_id,
        user_id,
        role,
        created_at: now,
    }
}

/// The key must be in upper case already.
fn key_problems(key: &str) -> Vec<UserError> {
    let good = (2..=10).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_uppercase())
        && key
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if good {
        return Vec::new();
    }
    vec![problem(
        "A key has 2 to 10 letters (A to Z) and digits, and begins with a letter.".to_owned(),
        "key",
    )]
}

fn name_problems(name: &str) -> Vec<UserError> {
    let length = name.chars().count();
    let message = if is_blank(name) {
        "A name needs at least one character that is not blank.".to_owned()
    } else if length > NAME_CHARS {
        format!("The name has {length} characters; at most {NAME_CHARS} fit.")
    } else if name.chars().any(char::is_control) {
        "A name is one line without control characters.".to_owned()
    } else {
        return Vec::new();
    };
    vec![problem(message, "name")]
}

fn refused(message: &str, field: &str) -> TaskError {
    TaskError::Refused(vec![problem(message.to_owned(), field)])
}

/// What the insert of a project can fail with.
fn taken(error: DbError) -> TaskError {
    if error.unique_violation().is_some() {
        return TaskError::Refused(vec![UserError::new(
            UserErrorCode::Taken,
            "Another project has this key.",
            &["input", "key"],
        )]);
    }
    no_account(error)
}
