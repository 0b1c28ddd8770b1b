//! Projects: tasks that a group of people share.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LikeExpr, Query};

use crate::user::escape_like;
use crate::{ProjectId, Timestamp, UserId, Viewer, project_member};

/// A row of `projects`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "projects")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProjectId,
    /// What the numbers of its tasks begin with, as `OPS`.
    pub key: String,
    /// 1 to 100 characters.
    pub name: String,
    /// The name as it is compared and sorted.
    pub name_norm: String,
    /// 1 to 2,000 characters, or none.
    pub description: Option<String>,
    /// Who made it.
    pub creator_id: UserId,
    /// The number of its newest task.
    pub last_number: i32,
    /// Since when nothing in it changes any more.
    pub archived_at: Option<Timestamp>,
    /// Starts at 1 and is raised by every change of the project itself.
    pub version: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The projects a viewer may see: those they belong to; all for admins. Every read starts here.
    pub fn visible_to(viewer: &Viewer) -> Select<Self> {
        if viewer.is_admin() {
            return Self::find();
        }
        let own = Query::select()
            .column(project_member::Column::ProjectId)
            .from(project_member::Entity)
            .and_where(project_member::Column::UserId.eq(viewer.user_id))
            .take();
        Self::find().filter(Column::Id.in_subquery(own))
    }
}

/// Projects whose name or key contains the text, which must be in lower case.
pub fn matches(text: &str) -> Condition {
    let pattern = |text: &str| LikeExpr::new(format!("%{}%", escape_like(text))).escape('\\');
    Condition::any()
        .add(Column::NameNorm.like(pattern(text)))
        .add(Column::Key.like(pattern(&text.to_uppercase())))
}
