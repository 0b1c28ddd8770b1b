//! Addresses of other systems that are told of events, and what they are told.

use sea_orm_migration::prelude::*;

use crate::columns::{drop_tables, id, references, text, time};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("webhook_endpoints")
            .col(id("id").primary_key())
            .col(id("user_id").null())
            .col(id("project_id").null())
            .col(id("created_by"))
            .col(text("url"))
            .col(text("description").null())
            .col(ColumnDef::new("event_types").json_binary().null())
            .col(ColumnDef::new("headers").json_binary().not_null())
            .col(ColumnDef::new("secret").blob().not_null())
            .col(ColumnDef::new("old_secrets").json_binary().not_null())
            .col(ColumnDef::new("enabled").boolean().not_null())
            .col(text("disabled_reason").null())
            .col(ColumnDef::new("rate_per_minute").integer().not_null())
            .col(time("first_failure_at").null())
            .col(time("slow_until").null())
            .col(time("created_at"))
            .col(time("updated_at"));
        for (column, other) in [
            ("user_id", "users"),
            ("project_id", "projects"),
            ("created_by", "users"),
        ] {
            table.foreign_key(&mut references(
                ("webhook_endpoints", column),
                other,
                ForeignKeyAction::Cascade,
            ));
        }
        manager.create_table(table).await?;
        for (name, column) in [
            ("ix_webhook_endpoints_user", "user_id"),
            ("ix_webhook_endpoints_project", "project_id"),
        ] {
            manager
                .create_index(
                    Index::create()
                        .name(name)
                        .table("webhook_endpoints")
                        .col(column)
                        .col("id")
                        .take(),
                )
                .await?;
        }
        manager
            .create_table(
                Table::create()
                    .table("webhook_messages")
                    .col(id("event_id").primary_key())
                    .col(text("kind"))
                    .col(text("payload"))
                    .col(time("created_at"))
                    .foreign_key(&mut references(
                        ("webhook_messages", "event_id"),
                        "events",
                        ForeignKeyAction::Cascade,
                    ))
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["webhook_messages", "webhook_endpoints"]).await
    }
}
