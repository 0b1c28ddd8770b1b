//! Users, their roles, their sessions.

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
                    .table("users")
                    .col(id("id").primary_key())
                    .col(text("email").null())
                    .col(key_text(manager, "email_norm").null())
                    .col(text("username").null())
                    .col(key_text(manager, "username_norm").null())
                    .col(text("name"))
                    .col(key_text(manager, "name_norm"))
                    .col(text("password_hash").null())
                    .col(text("status"))
                    .col(
                        ColumnDef::new("token_epoch")
                            .integer()
                            .not_null()
                            .default(0),
                    )
                    .col(time("created_at"))
                    .col(time("updated_at"))
                    .col(time("last_login_at").null())
                    .check((
                        "ck_users_login_name",
                        Expr::col("email_norm")
                            .is_not_null()
                            .or(Expr::col("username_norm").is_not_null()),
                    ))
                    .check((
                        "ck_users_status",
                        Expr::col("status").is_in(["active", "disabled"]),
                    ))
                    .take(),
            )
            .await?;
        for column in ["email_norm", "username_norm"] {
            manager
                .create_index(
                    Index::create()
                        .name(format!("uq_users_{column}"))
                        .table("users")
                        .col(column)
                        .unique()
                        .take(),
                )
                .await?;
        }
        manager
            .create_index(
                Index::create()
                    .name("ix_users_directory")
                    .table("users")
                    .col("name_norm")
                    .col("id")
                    .take(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("user_roles")
                    .col(id("user_id"))
                    .col(text("role"))
                    .col(time("granted_at"))
                    .primary_key(Index::create().col("user_id").col("role"))
                    .foreign_key(&mut references(
                        ("user_roles", "user_id"),
                        "users",
                        ForeignKeyAction::Cascade,
                    ))
                    .take(),
            )
            .await?;

        sessions(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["sessions", "user_roles", "users"]).await
    }
}

/// The first shape of `sessions`; the change of the sign-in makes it anew.
pub async fn sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("sessions")
                .col(id("id").primary_key())
                .col(id("user_id"))
                .col(ColumnDef::new("refresh_hash").binary().not_null())
                .col(ColumnDef::new("generation").integer().not_null())
                .col(time("created_at"))
                .col(time("last_used_at"))
                .col(time("expires_at"))
                .col(time("revoked_at").null())
                .foreign_key(&mut references(
                    ("sessions", "user_id"),
                    "users",
                    ForeignKeyAction::Cascade,
                ))
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("uq_sessions_refresh_hash")
                .table("sessions")
                .col("refresh_hash")
                .unique()
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_sessions_user")
                .table("sessions")
                .col("user_id")
                .take(),
        )
        .await
}
