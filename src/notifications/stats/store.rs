//! The statements that count.

use entity::delivery::{Channel, Column, Entity, State};
use entity::{AnnouncementId, NotificationId, Timestamp, notification};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Select,
};

use crate::db::{DbError, least_id_at};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// What was made from then on.
    pub from: Timestamp,
    /// And before then.
    pub to: Timestamp,
    /// Only what tells of this.
    pub announcement: Option<AnnouncementId>,
}

impl Range {
    fn key(&self) -> Option<String> {
        self.announcement.map(|id| format!("announcement:{}", id.0))
    }
}

/// How many deliveries stand where, by channel and driver.
pub async fn deliveries(
    db: &impl ConnectionTrait,
    range: &Range,
) -> Result<Vec<(Channel, Option<String>, State, i64)>, DbError> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::Channel)
        .column(Column::Driver)
        .column(Column::State)
        .column_as(Expr::col(Column::Id).count(), "count")
        .filter(Column::CreatedAt.gte(range.from))
        .filter(Column::CreatedAt.lt(range.to))
        .group_by(Column::Channel)
        .group_by(Column::Driver)
        .group_by(Column::State);
    if let Some(key) = range.key() {
        let told = Query::select()
            .column(notification::Column::Id)
            .from(notification::Entity)
            .and_where(notification::Column::DedupeKey.eq(key))
            .and_where(Expr::cust("kind = 'announcement'"))
            .take();
        query = query.filter(Column::NotificationId.in_subquery(told));
    }
    Ok(query.into_tuple().all(db).await?)
}

fn told(range: &Range) -> Select<notification::Entity> {
    let query = notification::Entity::find()
        .filter(Expr::cust("in_app"))
        // Ids sort by time, and have an index.
        .filter(notification::Column::Id.gte(NotificationId(least_id_at(range.from))))
        .filter(notification::Column::Id.lt(NotificationId(least_id_at(range.to))));
    match range.key() {
        Some(key) => query
            .filter(notification::Column::DedupeKey.eq(key))
            .filter(Expr::cust("kind = 'announcement'")),
        None => query,
    }
}

/// How many notifications stand in lists, and how many of them were read.
pub async fn notifications(
    db: &impl ConnectionTrait,
    range: &Range,
) -> Result<(u64, u64), DbError> {
    let all = told(range).count(db).await?;
    let read = told(range)
        .filter(notification::Column::ReadAt.is_not_null())
        .count(db)
        .await?;
    Ok((all, read))
}
