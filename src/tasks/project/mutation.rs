//! Changing projects, in GraphQL.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{ProjectId, UserId, project};

use super::TaskError;
use super::api::{Project, ProjectMember, ProjectRole};
use super::service::{self, Changes, NewProject};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError, UserErrorCode};
use crate::tasks::error::told;

/// The project to make.
#[derive(InputObject)]
pub struct CreateProjectInput {
    /// What the keys of its tasks begin with: 2 to 10 letters (A to Z) and digits, first a letter.
    /// Kept in capitals, and unique.
    key: String,
    /// The name, in one line of 1 to 100 characters.
    name: String,
    /// What it is about, in 1 to 2,000 characters.
    description: Option<String>,
}

/// What is to change. A field that is absent keeps its value.
#[derive(InputObject)]
pub struct UpdateProjectInput {
    /// Which project.
    id: ID,
    /// The new name.
    name: Option<String>,
    /// The new description; null removes it.
    description: MaybeUndefined<String>,
    /// The version the client saw. When the project was changed since, nothing happens: the payload
    /// has the user error `CONFLICT` and the project as it is now.
    expected_version: Option<i32>,
}

/// Which project is not to change any more.
#[derive(InputObject)]
pub struct ArchiveProjectInput {
    /// Which project.
    id: ID,
}

/// Which project is to change again.
#[derive(InputObject)]
pub struct UnarchiveProjectInput {
    /// Which project.
    id: ID,
}

/// Who is to belong to which project.
#[derive(InputObject)]
pub struct AddProjectMemberInput {
    /// Which project.
    project_id: ID,
    /// Who: somebody with an active account.
    user_id: ID,
    /// As what.
    role: ProjectRole,
}

/// What a member is to be.
#[derive(InputObject)]
pub struct UpdateProjectMemberInput {
    /// Which project.
    project_id: ID,
    /// Which member.
    user_id: ID,
    /// The new role.
    role: ProjectRole,
}

/// Who is to belong to a project no more.
#[derive(InputObject)]
pub struct RemoveProjectMemberInput {
    /// Which project.
    project_id: ID,
    /// Which member.
    user_id: ID,
}

/// The project that was made.
#[derive(SimpleObject)]
pub struct CreateProjectPayload {
    /// The project; null when there are user errors.
    project: Option<Project>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The project that was changed.
#[derive(SimpleObject)]
pub struct UpdateProjectPayload {
    /// The project as it is now: also with the user error `CONFLICT`; null with others.
    project: Option<Project>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The project that was archived.
#[derive(SimpleObject)]
pub struct ArchiveProjectPayload {
    /// The project; null when there are user errors.
    project: Option<Project>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The project that is in use again.
#[derive(SimpleObject)]
pub struct UnarchiveProjectPayload {
    /// The project; null when there are user errors.
    project: Option<Project>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Who belongs to the project now.
#[derive(SimpleObject)]
pub struct AddProjectMemberPayload {
    /// The member; null when there are user errors.
    member: Option<ProjectMember>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The member with the new role.
#[derive(SimpleObject)]
pub struct UpdateProjectMemberPayload {
    /// The member; null when there are user errors.
    member: Option<ProjectMember>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Who belongs to the project no more.
#[derive(SimpleObject)]
pub struct RemoveProjectMemberPayload {
    /// Their id; null when there are user errors.
    removed_user_id: Option<ID>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Changing projects.
#[derive(Debug, Default)]
pub struct ProjectMutation;

#[Object]
impl ProjectMutation {
    /// Makes a project. The signed-in person becomes its owner.
    async fn create_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The project to make.")] input: CreateProjectInput,
    ) -> Result<CreateProjectPayload, ApiError> {
        let new = NewProject {
            key: input.key,
            name: input.name,
            description: input.description,
        };
        let result = service::create(ctx.app(), ctx.viewer()?, new).await;
        let (project, user_errors) = payload(result)?;
        Ok(CreateProjectPayload {
            project,
            user_errors,
        })
    }

    /// Changes what a project is called, and what it says of itself. For its owners.
    async fn update_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateProjectInput,
    ) -> Result<UpdateProjectPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let changes = Changes {
            name: input.name,
            description: input.description,
            expected_version: input.expected_version,
        };
        let id = project_id(&input.id)?;
        let (project, user_errors) =
            payload(service::update(ctx.app(), viewer, id, changes).await)?;
        Ok(UpdateProjectPayload {
            project,
            user_errors,
        })
    }

    /// Ends all change in a project: of its tasks, their comments, its members. It can be read as
    /// before. For its owners.
    async fn archive_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: ArchiveProjectInput,
    ) -> Result<ArchiveProjectPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = project_id(&input.id)?;
        let (project, user_errors) = payload(service::archive(ctx.app(), viewer, id).await)?;
        Ok(ArchiveProjectPayload {
            project,
            user_errors,
        })
    }

    /// Lets an archived project change again. For its owners.
    async fn unarchive_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: UnarchiveProjectInput,
    ) -> Result<UnarchiveProjectPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = project_id(&input.id)?;
        let (project, user_errors) = payload(service::unarchive(ctx.app(), viewer, id).await)?;
        Ok(UnarchiveProjectPayload {
            project,
            user_errors,
        })
    }

    /// Takes somebody into a project. For its owners.
    async fn add_project_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and as what.")] input: AddProjectMemberInput,
    ) -> Result<AddProjectMemberPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let (id, user) = (project_id(&input.project_id)?, user_id(&input.user_id)?);
        let result = service::add_member(ctx.app(), viewer, id, user, input.role.into()).await;
        let (member, user_errors) = told(result.map(ProjectMember))?;
        Ok(AddProjectMemberPayload {
            member,
            user_errors,
        })
    }

    /// Gives a member another role. For the project's owners; at least one is left.
    async fn update_project_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and as what.")] input: UpdateProjectMemberInput,
    ) -> Result<UpdateProjectMemberPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let (id, user) = (project_id(&input.project_id)?, user_id(&input.user_id)?);
        let result = service::update_member(ctx.app(), viewer, id, user, input.role.into()).await;
        let (member, user_errors) = told(result.map(ProjectMember))?;
        Ok(UpdateProjectMemberPayload {
            member,
            user_errors,
        })
    }

    /// Takes somebody out of a project. For its owners, and for everybody themselves; at least one
    /// owner is left. What is assigned to who left stays theirs.
    async fn remove_project_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who.")] input: RemoveProjectMemberInput,
    ) -> Result<RemoveProjectMemberPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let (id, user) = (project_id(&input.project_id)?, user_id(&input.user_id)?);
        match service::remove_member(ctx.app(), viewer, id, user).await {
            Ok(()) => Ok(RemoveProjectMemberPayload {
                removed_user_id: Some(input.user_id),
                user_errors: Vec::new(),
            }),
            Err(TaskError::Refused(user_errors)) => Ok(RemoveProjectMemberPayload {
                removed_user_id: None,
                user_errors,
            }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Sorts a result into the two channels: what a form can show, and what is an error of the answer.
fn payload(
    result: Result<project::Model, TaskError>,
) -> Result<(Option<Project>, Vec<UserError>), ApiError> {
    match result {
        Err(TaskError::ProjectConflict(now)) => {
            let error = UserError::new(
                UserErrorCode::Conflict,
                format!(
                    "The project was changed meanwhile: it has version {} now. Look at it and try again.",
                    now.version
                ),
                &["input", "expectedVersion"],
            );
            Ok((Some(Project(*now)), vec![error]))
        }
        result => told(result.map(Project)),
    }
}

fn project_id(id: &str) -> Result<ProjectId, ApiError> {
    Kind::Project.decode(id).map(ProjectId)
}

fn user_id(id: &str) -> Result<UserId, ApiError> {
    Kind::User.decode(id).map(UserId)
}
