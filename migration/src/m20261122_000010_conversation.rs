//! What people say about tasks: labels, comments, and who follows.

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
                    .table("labels")
                    .col(id("id").primary_key())
                    .col(text("name"))
                    .col(key_text(manager, "name_norm").unique_key())
                    .col(text("color"))
                    .col(id("creator_id"))
                    .col(time("created_at"))
                    .col(time("updated_at"))
                    .foreign_key(&mut references(
                        ("labels", "creator_id"),
                        "users",
                        ForeignKeyAction::Restrict,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_table(pair("task_labels", ("task_id", "tasks"), ("label_id", "labels")).take())
            .await?;
        manager
            .create_index(second(
                "ix_task_labels_label",
                "task_labels",
                "label_id",
                "task_id",
            ))
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("comments")
                    .col(id("id").primary_key())
                    .col(id("task_id"))
                    .col(id("author_id"))
                    .col(text("body"))
                    .col(time("created_at"))
                    .col(time("edited_at").null())
                    .foreign_key(&mut references(
                        ("comments", "task_id"),
                        "tasks",
                        ForeignKeyAction::Cascade,
                    ))
                    .foreign_key(&mut references(
                        ("comments", "author_id"),
                        "users",
                        ForeignKeyAction::Restrict,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_index(second("ix_comments_task", "comments", "task_id", "id"))
            .await?;
        manager
            .create_table(
                pair(
                    "comment_mentions",
                    ("comment_id", "comments"),
                    ("user_id", "users"),
                )
                .take(),
            )
            .await?;
        manager
            .create_index(second(
                "ix_comment_mentions_user",
                "comment_mentions",
                "user_id",
                "comment_id",
            ))
            .await?;
        manager
            .create_table(
                pair("task_watchers", ("task_id", "tasks"), ("user_id", "users"))
                    .col(ColumnDef::new("muted").boolean().not_null())
                    .col(time("created_at"))
                    .take(),
            )
            .await?;
        manager
            .create_index(second(
                "ix_task_watchers_user",
                "task_watchers",
                "user_id",
                "task_id",
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "task_watchers",
                "comment_mentions",
                "comments",
                "task_labels",
                "labels",
            ],
        )
        .await
    }
}

/// A table that ties two others; a row goes with either.
fn pair(
    table: &'static str,
    first: (&'static str, &'static str),
    second: (&'static str, &'static str),
) -> TableCreateStatement {
    let mut create = Table::create();
    create
        .table(table)
        .col(id(first.0))
        .col(id(second.0))
        .primary_key(Index::create().col(first.0).col(second.0));
    for (column, other) in [first, second] {
        create.foreign_key(&mut references(
            (table, column),
            other,
            ForeignKeyAction::Cascade,
        ));
    }
    create
}

/// The way from the other side.
fn second(
    name: &'static str,
    table: &'static str,
    column: &'static str,
    tie: &'static str,
) -> IndexCreateStatement {
    Index::create()
        .name(name)
        .table(table)
        .col(column)
        .col(tie)
        .take()
}
