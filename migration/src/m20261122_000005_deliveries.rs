//! Messages to people, and the tries to send them.

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
        manager
            .create_table(
                Table::create()
                    .table("deliveries")
                    .col(id("id").primary_key())
                    .col(id("event_id"))
                    .col(id("recipient_id"))
                    .col(text("channel"))
                    .col(text("state"))
                    .col(text("reason").null())
                    .col(time("created_at"))
                    .col(time("finished_at").null())
                    .foreign_key(&mut references(
                        ("deliveries", "event_id"),
                        "events",
                        ForeignKeyAction::Restrict,
                    ))
                    .foreign_key(&mut references(
                        ("deliveries", "recipient_id"),
                        "users",
                        ForeignKeyAction::Cascade,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("uq_deliveries_once")
                    .table("deliveries")
                    .col("event_id")
                    .col("recipient_id")
                    .col("channel")
                    .unique()
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("delivery_attempts")
                    .col(id("id").primary_key())
                    .col(id("delivery_id"))
                    .col(text("outcome"))
                    .col(text("detail").null())
                    .col(time("started_at"))
                    .col(time("finished_at"))
                    .foreign_key(&mut references(
                        ("delivery_attempts", "delivery_id"),
                        "deliveries",
                        ForeignKeyAction::Cascade,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ix_delivery_attempts_delivery")
                    .table("delivery_attempts")
                    .col("delivery_id")
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["delivery_attempts", "deliveries"]).await
    }
}
