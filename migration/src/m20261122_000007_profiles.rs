//! What people say of themselves, and artists.

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
        // SQLite adds one column a statement.
        for mut column in columns() {
            let table = Table::alter().table("users").add_column(&mut column).take();
            manager.alter_table(table).await?;
        }
        manager
            .create_table(
                Table::create()
                    .table("artist_profiles")
                    .col(id("user_id").primary_key())
                    .col(text("stage_name"))
                    .col(key_text(manager, "stage_name_norm"))
                    .col(text("bio").null())
                    .col(ColumnDef::new("genres").json_binary().not_null())
                    .col(text("website").null())
                    .col(ColumnDef::new("links").json_binary().not_null())
                    .col(time("created_at"))
                    .col(time("updated_at"))
                    .foreign_key(&mut references(
                        ("artist_profiles", "user_id"),
                        "users",
                        ForeignKeyAction::Cascade,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ix_artist_profiles_directory")
                    .table("artist_profiles")
                    .col("stage_name_norm")
                    .col("user_id")
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["artist_profiles"]).await?;
        for column in columns() {
            let name = column.get_column_name();
            let table = Table::alter().table("users").drop_column(name).take();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

fn columns() -> [ColumnDef; 9] {
    [
        time("email_verified_at").null().take(),
        time("password_changed_at").null().take(),
        text("first_name").null().take(),
        text("last_name").null().take(),
        text("avatar_url").null().take(),
        text("locale").null().take(),
        text("timezone").null().take(),
        time("disabled_at").null().take(),
        id("disabled_by").null().take(),
    ]
}
