//! Projects: tasks that a group of people share.

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
                    .table("projects")
                    .col(id("id").primary_key())
                    .col(key_text(manager, "key").unique_key())
                    .col(text("name"))
                    .col(key_text(manager, "name_norm"))
                    .col(text("description").null())
                    .col(id("creator_id"))
                    // The number of the newest task. Raised when a task is made.
                    .col(ColumnDef::new("last_number").integer().not_null())
                    .col(time("archived_at").null())
                    .col(ColumnDef::new("version").integer().not_null())
                    .col(time("created_at"))
                    .col(time("updated_at"))
                    .foreign_key(&mut references(
                        ("projects", "creator_id"),
                        "users",
                        ForeignKeyAction::Restrict,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ix_projects_directory")
                    .table("projects")
                    .col("name_norm")
                    .col("id")
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("project_members")
                    .col(id("project_id"))
                    .col(id("user_id"))
                    .col(text("role"))
                    .col(time("created_at"))
                    .primary_key(Index::create().col("project_id").col("user_id"))
                    .foreign_key(&mut references(
                        ("project_members", "project_id"),
                        "projects",
                        ForeignKeyAction::Cascade,
                    ))
                    .foreign_key(&mut references(
                        ("project_members", "user_id"),
                        "users",
                        ForeignKeyAction::Cascade,
                    ))
                    .check((
                        "ck_project_members_role",
                        Expr::col("role").is_in(["owner", "editor", "commenter", "viewer"]),
                    ))
                    .take(),
            )
            .await?;
        // The projects of a person: asked for by every read of tasks.
        manager
            .create_index(
                Index::create()
                    .name("ix_project_members_user")
                    .table("project_members")
                    .col("user_id")
                    .col("project_id")
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["project_members", "projects"]).await
    }
}
