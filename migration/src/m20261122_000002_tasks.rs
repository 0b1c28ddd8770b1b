//! Tasks, and the idempotency keys of the mutations that make and assign them.

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
                    .table("tasks")
                    .col(id("id").primary_key())
                    // Searched and compared, so both databases fold its case alike.
                    .col(key_text(manager, "title"))
                    .col(text("description").null())
                    .col(text("status"))
                    .col(text("priority"))
                    .col(ColumnDef::new("enabled").boolean().not_null())
                    .col(time("due_at").null())
                    .col(id("creator_id"))
                    .col(id("assignee_id").null())
                    .col(ColumnDef::new("version").integer().not_null())
                    .col(time("created_at"))
                    .col(time("updated_at"))
                    .foreign_key(&mut references(
                        ("tasks", "creator_id"),
                        "users",
                        ForeignKeyAction::Restrict,
                    ))
                    .foreign_key(&mut references(
                        ("tasks", "assignee_id"),
                        "users",
                        ForeignKeyAction::Restrict,
                    ))
                    .check((
                        "ck_tasks_status",
                        Expr::col("status").is_in(["pending", "in_progress", "completed"]),
                    ))
                    .check((
                        "ck_tasks_priority",
                        Expr::col("priority").is_in(["low", "medium", "high"]),
                    ))
                    .take(),
            )
            .await?;
        // The order of the default list, once for each way a task is somebody's.
        for column in ["creator_id", "assignee_id"] {
            manager
                .create_index(
                    Index::create()
                        .name(format!("ix_tasks_{column}"))
                        .table("tasks")
                        .col(column)
                        .col("created_at")
                        .col("id")
                        .take(),
                )
                .await?;
        }
        manager
            .create_index(
                Index::create()
                    .name("ix_tasks_created")
                    .table("tasks")
                    .col("created_at")
                    .col("id")
                    .take(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("idempotency_keys")
                    .col(id("user_id"))
                    .col(text("operation"))
                    .col(text("key"))
                    .col(ColumnDef::new("input_hash").binary().not_null())
                    .col(id("result_id"))
                    .col(time("created_at"))
                    .primary_key(Index::create().col("user_id").col("operation").col("key"))
                    .foreign_key(&mut references(
                        ("idempotency_keys", "user_id"),
                        "users",
                        ForeignKeyAction::Cascade,
                    ))
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["idempotency_keys", "tasks"]).await
    }
}
