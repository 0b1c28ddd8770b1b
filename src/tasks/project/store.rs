//! The statements about projects and their members.

use std::collections::HashMap;

use entity::project::{Column, Entity, Model};
use entity::project_member::{self, Column as MemberColumn, Role};
use entity::{ProjectId, UserId, Viewer, project};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, WindowStatement};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::db::keyset::{self, Key};
use crate::db::line::{self, Line};
use crate::db::{DbError, Tx};
use crate::graphql::{CursorTime, Page};

/// Where a page of projects ended: the name it is sorted by, and the id.
pub type ProjectKeys = (String, ProjectId);

/// Where a page of members ended: since when they belong to the project, and who.
pub type MemberKeys = (CursorTime, UserId);

/// What somebody is in a project, and whether anything in it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What they are; none for who does not belong to it.
    pub role: Option<Role>,
    /// Whether it is archived.
    pub is_archived: bool,
}

/// Writes a new project.
pub async fn insert(tx: &Tx, project: Model) -> Result<(), DbError> {
    Entity::insert(project.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// A project and nobody else's hands on it until the end of the transaction: whoever changes
/// something in it is through, and whoever wants to has to wait. Who comes later cannot get in
/// between.
pub async fn lock(tx: &Tx, id: ProjectId) -> Result<Option<Model>, DbError> {
    line::have_alone(tx, [line(id)]).await?;
    find(tx.conn(), id).await
}

/// Where those stand who change a project, and those who change something in it.
fn line(id: ProjectId) -> Line {
    Line::of("project", id.0)
}

/// Writes a project that was locked before.
pub async fn save(tx: &Tx, project: Model) -> Result<(), DbError> {
    let row = project.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Takes the next numbers of a project for new tasks, and answers the first of them. None when the
/// project is archived. The row stays locked to the end of the transaction, so that no number is
/// given twice; call it after all other locks.
///
/// # Errors
/// The database's failure.
pub async fn take_numbers(tx: &Tx, id: ProjectId, count: i32) -> Result<Option<i32>, DbError> {
    let rows = Entity::update_many()
        .col_expr(Column::LastNumber, Expr::col(Column::LastNumber).add(count))
        .filter(Column::Id.eq(id))
        .filter(Column::ArchivedAt.is_null())
        .exec_with_returning(tx.conn())
        .await?;
    Ok(rows.first().map(|row| row.last_number - count + 1))
}

/// What somebody is in those of these projects that exist, at this moment. Until the end of the
/// transaction they are neither archived nor are their members changed; new tasks can be made
/// meanwhile.
///
/// # Errors
/// The database's failure.
pub async fn standings(
    tx: &Tx,
    ids: Vec<ProjectId>,
    user: UserId,
) -> Result<HashMap<ProjectId, Standing>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    line::share(tx, ids.iter().copied().map(line)).await?;
    let projects = find_many(tx.conn(), ids.clone()).await?;
    let roles = roles_of(tx.conn(), user, ids).await?;
    let standing = |project: Model| {
        let standing = Standing {
            role: roles.get(&project.id).copied(),
            is_archived: project.archived_at.is_some(),
        };
        (project.id, standing)
    };
    Ok(projects.into_iter().map(standing).collect())
}

/// A project, whoever asks.
///
/// # Errors
/// The database's failure.
pub async fn find(db: &impl ConnectionTrait, id: ProjectId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Projects by id, whoever asks: what the viewer sees is decided before.
///
/// # Errors
/// The database's failure.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<ProjectId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

/// A project, if the viewer may see it.
///
/// # Errors
/// The database's failure.
pub async fn find_visible(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    id: ProjectId,
) -> Result<Option<Model>, DbError> {
    Ok(Entity::visible_to(viewer)
        .filter(Column::Id.eq(id))
        .one(db)
        .await?)
}

/// Those of some projects that the viewer may see.
pub async fn find_all_visible(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    ids: Vec<ProjectId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::visible_to(viewer)
        .filter(Column::Id.is_in(ids))
        .all(db)
        .await?)
}

/// Which projects a list has.
#[derive(Clone, Debug)]
pub struct ProjectFilter {
    /// A text in lower case that is in the name or the key.
    pub search: Option<String>,
    /// Whether archived ones are among them.
    pub include_archived: bool,
}

impl ProjectFilter {
    fn select(&self, viewer: &Viewer) -> Select<Entity> {
        let mut query = Entity::visible_to(viewer);
        if let Some(text) = &self.search {
            query = query.filter(project::matches(text));
        }
        if !self.include_archived {
            query = query.filter(Column::ArchivedAt.is_null());
        }
        query
    }
}

/// A page of the projects the viewer may see, by name.
pub async fn list(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    filter: &ProjectFilter,
    page: &Page<ProjectKeys>,
) -> Result<Vec<Model>, DbError> {
    let mut query = filter.select(viewer);
    if let Some((name, id)) = &page.after {
        query = query.filter(keyset::after(&[
            Key {
                expr: Expr::col(Column::NameNorm),
                order: Order::Asc,
                last: name.clone().into(),
            },
            Key {
                expr: Expr::col(Column::Id),
                order: Order::Asc,
                last: (*id).into(),
            },
        ]));
    }
    Ok(query
        .order_by_asc(Column::NameNorm)
        .order_by_asc(Column::Id)
        .limit(page.limit())
        .all(db)
        .await?)
}

/// How many projects a list has in all.
pub async fn count(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    filter: &ProjectFilter,
) -> Result<u64, DbError> {
    Ok(filter.select(viewer).count(db).await?)
}

/// What somebody is in a project.
///
/// # Errors
/// The database's failure.
pub async fn role(
    db: &impl ConnectionTrait,
    project: ProjectId,
    user: UserId,
) -> Result<Option<Role>, DbError> {
    let member = find_member(db, project, user).await?;
    Ok(member.map(|member| member.role))
}

/// A member of a project.
pub async fn find_member(
    db: &impl ConnectionTrait,
    project: ProjectId,
    user: UserId,
) -> Result<Option<project_member::Model>, DbError> {
    Ok(project_member::Entity::find_by_id((project, user))
        .one(db)
        .await?)
}

/// What somebody is in those of these projects they belong to.
///
/// # Errors
/// The database's failure.
pub async fn roles_of(
    db: &impl ConnectionTrait,
    user: UserId,
    projects: Vec<ProjectId>,
) -> Result<HashMap<ProjectId, Role>, DbError> {
    let members = project_member::Entity::find()
        .filter(MemberColumn::UserId.eq(user))
        .filter(MemberColumn::ProjectId.is_in(projects))
        .all(db)
        .await?;
    Ok(members
        .into_iter()
        .map(|member| (member.project_id, member.role))
        .collect())
}

/// Writes a new member.
pub async fn insert_member(tx: &Tx, member: project_member::Model) -> Result<(), DbError> {
    project_member::Entity::insert(member.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Writes a member whose project was locked before.
pub async fn save_member(tx: &Tx, member: project_member::Model) -> Result<(), DbError> {
    let row = member.into_active_model().reset_all();
    project_member::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Takes somebody out of a project that was locked before.
pub async fn delete_member(tx: &Tx, project: ProjectId, user: UserId) -> Result<(), DbError> {
    project_member::Entity::delete_by_id((project, user))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The owners of a project beside somebody.
pub async fn other_owners(
    tx: &Tx,
    project: ProjectId,
    user: UserId,
) -> Result<Vec<UserId>, DbError> {
    Ok(project_member::Entity::find()
        .select_only()
        .column(MemberColumn::UserId)
        .filter(MemberColumn::ProjectId.eq(project))
        .filter(MemberColumn::Role.eq(Role::Owner))
        .filter(MemberColumn::UserId.ne(user))
        .into_tuple()
        .all(tx.conn())
        .await?)
}

/// The same page of the members of each of some projects, those who belong to it longest first: one
/// statement, however many projects.
///
/// # Errors
/// The database's failure.
pub async fn members_of_many(
    db: &impl ConnectionTrait,
    projects: Vec<ProjectId>,
    after: Option<MemberKeys>,
    limit: u64,
) -> Result<Vec<project_member::Model>, DbError> {
    let (of, place) = (Alias::new("numbered"), Alias::new("place"));
    let columns = [
        MemberColumn::ProjectId,
        MemberColumn::UserId,
        MemberColumn::Role,
        MemberColumn::CreatedAt,
    ];
    let window = WindowStatement::partition_by(MemberColumn::ProjectId)
        .order_by(MemberColumn::CreatedAt, Order::Asc)
        .order_by(MemberColumn::UserId, Order::Asc)
        .take();
    let mut numbered = Query::select();
    numbered
        .columns(columns)
        .expr_window_as(Expr::cust("ROW_NUMBER()"), window, place.clone())
        .from(project_member::Entity)
        .and_where(MemberColumn::ProjectId.is_in(projects));
    if let Some((since, user)) = after {
        numbered.cond_where(keyset::after(&[
            Key {
                expr: Expr::col(MemberColumn::CreatedAt),
                order: Order::Asc,
                last: since.into(),
            },
            Key {
                expr: Expr::col(MemberColumn::UserId),
                order: Order::Asc,
                last: user.into(),
            },
        ]));
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = Query::select()
        .columns(columns)
        .from_subquery(numbered, of)
        .and_where(Expr::col(place.clone()).lte(limit))
        .order_by(MemberColumn::ProjectId, Order::Asc)
        .order_by(place, Order::Asc)
        .take();
    let statement = db.get_database_backend().build(&query);
    Ok(project_member::Model::find_by_statement(statement)
        .all(db)
        .await?)
}

/// How many members each of some projects has.
///
/// # Errors
/// The database's failure.
pub async fn count_members(
    db: &impl ConnectionTrait,
    projects: Vec<ProjectId>,
) -> Result<HashMap<ProjectId, i64>, DbError> {
    let rows: Vec<(ProjectId, i64)> = project_member::Entity::find()
        .select_only()
        .column(MemberColumn::ProjectId)
        .column_as(MemberColumn::UserId.count(), "members")
        .filter(MemberColumn::ProjectId.is_in(projects))
        .group_by(MemberColumn::ProjectId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}
