//! The event log, the streams that order it, and the epoch cursors are bound to.

use sea_orm_migration::prelude::*;

use crate::columns::{drop_tables, id, key_text, references, text, time};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("events")
                    .col(id("id").primary_key())
                    .col(text("topic"))
                    .col(ColumnDef::new("schema_version").integer().not_null())
                    .col(ColumnDef::new("payload").json_binary().not_null())
                    .col(id("actor_id").null())
                    .col(time("occurred_at"))
                    .col(text("trace").null())
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("streams")
                    .col(key_text(manager, "name").primary_key())
                    .col(ColumnDef::new("last_seq").big_integer().not_null())
                    .col(ColumnDef::new("min_seq").big_integer().not_null())
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("stream_entries")
                    .col(key_text(manager, "stream"))
                    .col(ColumnDef::new("seq").big_integer().not_null())
                    .col(id("event_id"))
                    .primary_key(Index::create().col("stream").col("seq"))
                    .foreign_key(&mut references(
                        ("stream_entries", "event_id"),
                        "events",
                        ForeignKeyAction::Restrict,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("server_state")
                    .col(text("key").primary_key())
                    .col(text("value"))
                    .take(),
            )
            .await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a random value made once; no clock orders it"
        )]
        let epoch = uuid::Uuid::new_v4().simple().to_string();
        manager
            .execute(
                Query::insert()
                    .into_table("server_state")
                    .columns(["key", "value"])
                    .values_panic(["epoch".into(), epoch.into()])
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &["server_state", "stream_entries", "streams", "events"],
        )
        .await
    }
}
