//! The place of an event in a stream.

use sea_orm::entity::prelude::*;

use crate::EventId;

/// A row of `stream_entries`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stream_entries")]
pub struct Model {
    /// Which stream.
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: String,
    /// The place in it: 1, 2, 3 … with no hole.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// Which event.
    pub event_id: EventId,
}

/// An entry belongs to one event.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The event at this place.
    #[sea_orm(
        belongs_to = "super::event::Entity",
        from = "Column::EventId",
        to = "super::event::Column::Id"
    )]
    Event,
}

impl Related<super::event::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Event.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
