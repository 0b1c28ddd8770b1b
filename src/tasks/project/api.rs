//! Projects in GraphQL: the objects and the queries.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::project_member::Role;
use entity::{ProjectId, project, project_member};

use super::TaskError;
use super::store::{self, MemberKeys, ProjectFilter};
use crate::accounts::User;
use crate::app::AppExt;
use crate::events::project_stream;
use crate::graphql::{ApiError, ContextExt, Kind, OpaqueCursor, PageArgs, search_text};
use crate::tasks::loaders::{load_cursor, load_member_count, load_members, load_role};
use crate::tasks::policy::{self, Command};
use crate::tasks::task::required_user;

/// The order of projects, for its cursors.
const BY_NAME: &str = "project_name";
/// The order of members, for its cursors.
const BY_TIME: &str = "member_since";

/// What a member may do in a project. `docs/API.md` has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Role")]
pub enum ProjectRole {
    /// See.
    Viewer,
    /// See and comment.
    Commenter,
    /// Also make, change and delete tasks.
    Editor,
    /// Also change the project and who belongs to it.
    Owner,
}

/// Tasks that a group of people share. Its members and administrators see it.
#[derive(Clone, Debug)]
pub struct Project(pub project::Model);

/// Tasks that a group of people share. Its members and administrators see it.
#[Object]
impl Project {
    /// The id, as `project_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Project.encode(self.0.id.0)
    }

    /// What the keys of its tasks begin with: `OPS` of `OPS-42`. Never changes.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// The name, of 1 to 100 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is about, in 1 to 2,000 characters; null when the name says it all.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed: the project itself, not its tasks or its members.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// Since when nothing in it changes any more; null while it is in use.
    async fn archived_at(&self) -> Option<DateTime<Utc>> {
        self.0.archived_at
    }

    /// Starts at 1 and is raised by every change of the project itself. Give it as
    /// `expectedVersion` to `updateProject`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Who made it.
    async fn creator(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.0.creator_id).await
    }

    /// Who belongs to it, those who do so longest first.
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<
        Connection<OpaqueCursor, ProjectMember, ProjectMemberConnectionFields, EmptyFields>,
        ApiError,
    > {
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read::<MemberKeys>(BY_TIME)?;
        let mut members = load_members(ctx, self.0.id, page.after, page.limit()).await?;
        let has_next = page.cut(&mut members);
        let fields = ProjectMemberConnectionFields { project: self.0.id };
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(members.into_iter().map(|member| {
            let cursor = OpaqueCursor::new(BY_TIME, (member.created_at, member.user_id));
            Edge::new(cursor, ProjectMember(member))
        }));
        Ok(connection)
    }

    /// What the signed-in person is in it; null for an administrator who does not belong to it.
    async fn viewer_role(&self, ctx: &Context<'_>) -> Result<Option<ProjectRole>, ApiError> {
        Ok(load_role(ctx, self.0.id).await?.map(Into::into))
    }

    /// Whether the signed-in person may change its name and description. Nobody may while it is
    /// archived.
    async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.0.archived_at.is_none() && self.viewer_may(ctx, Command::Manage).await?)
    }

    /// Whether the signed-in person may archive and unarchive it.
    async fn viewer_can_archive(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        self.viewer_may(ctx, Command::Manage).await
    }

    /// Whether the signed-in person may make tasks in it. Nobody may while it is archived.
    async fn viewer_can_create_task(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.0.archived_at.is_none() && self.viewer_may(ctx, Command::Edit).await?)
    }

    /// Whether the signed-in person may say who belongs to it. Nobody may while it is archived.
    async fn viewer_can_manage_members(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.0.archived_at.is_none() && self.viewer_may(ctx, Command::Manage).await?)
    }

    /// The place of the newest event in the stream that `taskChanged(projectId)` follows. Read it
    /// before the list of its tasks, in an operation of its own, and subscribe with `after`: then
    /// nothing is missed in between.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        load_cursor(ctx, project_stream(self.0.id)).await
    }
}

impl Project {
    /// Whether the table of the policy lets the signed-in person.
    async fn viewer_may(&self, ctx: &Context<'_>, command: Command) -> Result<bool, ApiError> {
        let role = load_role(ctx, self.0.id).await?;
        let mut actors = policy::members(ctx.viewer()?, role);
        Ok(actors.any(|actor| actor.may(command)))
    }
}

/// Somebody who belongs to a project.
#[derive(Clone, Debug)]
pub struct ProjectMember(pub project_member::Model);

/// Somebody who belongs to a project.
#[Object]
impl ProjectMember {
    /// Who.
    async fn user(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.0.user_id).await
    }

    /// As what.
    async fn role(&self) -> ProjectRole {
        self.0.role.into()
    }

    /// Since when.
    async fn since(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// What a connection of members says beside its edges.
#[derive(Debug)]
pub struct ProjectMemberConnectionFields {
    project: ProjectId,
}

#[Object]
impl ProjectMemberConnectionFields {
    /// How many members there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i64, ApiError> {
        load_member_count(ctx, self.project).await
    }
}

/// What a connection of projects says beside its edges.
#[derive(Debug)]
pub struct ProjectConnectionFields {
    filter: ProjectFilter,
}

#[Object]
impl ProjectConnectionFields {
    /// How many projects there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, viewer, filter) = (ctx.app(), ctx.viewer()?, &self.filter);
        Ok(app
            .db
            .read(|db| async move { store::count(&db, viewer, filter).await })
            .await?)
    }
}

/// Looking for projects.
#[derive(Debug, Default)]
pub struct ProjectQuery;

#[Object]
impl ProjectQuery {
    /// One project.
    async fn project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The project's id.")] id: ID,
    ) -> Option<Result<Project, ApiError>> {
        project_by_id(ctx, &id).await.transpose()
    }

    /// The projects the signed-in person belongs to; all for administrators. By name.
    async fn projects(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Only projects whose name or key contains this text, in any case.")]
        search: Option<String>,
        #[graphql(
            desc = "Whether archived projects are among them, too.",
            default = false
        )]
        include_archived: bool,
    ) -> Result<Connection<OpaqueCursor, Project, ProjectConnectionFields, EmptyFields>, ApiError>
    {
        let viewer = ctx.viewer()?;
        let search = search
            .map(|text| search_text(&text.trim().to_lowercase()))
            .transpose()?;
        let filter = ProjectFilter {
            search: search.filter(|text| !text.is_empty()),
            include_archived,
        };
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(BY_NAME)?;
        let (of, by) = (&page, &filter);
        let mut projects = ctx
            .app()
            .db
            .read(|db| async move { store::list(&db, viewer, by, of).await })
            .await?;
        let has_next = page.cut(&mut projects);
        let mut connection = Connection::with_additional_fields(
            has_previous,
            has_next,
            ProjectConnectionFields { filter },
        );
        connection.edges.extend(projects.into_iter().map(|project| {
            let cursor = OpaqueCursor::new(BY_NAME, (project.name_norm.clone(), project.id));
            Edge::new(cursor, Project(project))
        }));
        Ok(connection)
    }
}

async fn project_by_id(ctx: &Context<'_>, id: &str) -> Result<Option<Project>, ApiError> {
    ctx.viewer()?;
    find_project(ctx, ProjectId(Kind::Project.decode(id)?))
        .await
        .map(Some)
}

/// A project the viewer may see.
///
/// # Errors
/// `NOT_FOUND` for what does not exist and for what is none of the viewer's business.
pub async fn find_project(ctx: &Context<'_>, id: ProjectId) -> Result<Project, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    let project = app
        .db
        .read(|db| async move { store::find_visible(&db, viewer, id).await })
        .await?;
    Ok(Project(project.ok_or(TaskError::NotFound(Kind::Project))?))
}

/// Those of these projects that the viewer may see, by one query.
///
/// # Errors
/// The database's failure.
pub async fn find_projects(
    ctx: &Context<'_>,
    ids: Vec<ProjectId>,
) -> Result<HashMap<ProjectId, Project>, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = &ids;
    let projects = app
        .db
        .read(|db| async move { store::find_all_visible(&db, viewer, ids.clone()).await })
        .await?;
    Ok(projects
        .into_iter()
        .map(|project| (project.id, Project(project)))
        .collect())
}
