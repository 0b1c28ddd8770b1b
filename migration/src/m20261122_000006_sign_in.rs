//! Sessions that know their device and their last refresh token, what ended before its time, tokens
//! that are sent by mail, and wrong passwords.

use sea_orm_migration::prelude::*;

use crate::columns::{drop_tables, id, key_text, references, text, time};
use crate::m20261122_000001_accounts;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The refresh tokens of the old table say nothing of their session, so nothing in it can be
        // kept: everybody signs in once more.
        drop_tables(manager, &["sessions"]).await?;
        sessions(manager).await?;
        revocations(manager).await?;
        one_time_tokens(manager).await?;
        login_failures(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "login_failures",
            "one_time_tokens",
            "revocations",
            "sessions",
        ];
        drop_tables(manager, &tables).await?;
        m20261122_000001_accounts::sessions(manager).await
    }
}

fn bytes(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary().not_null().take()
}

fn index(name: &str, table: &'static str, column: &'static str) -> IndexCreateStatement {
    Index::create().name(name).table(table).col(column).take()
}

async fn sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("sessions")
                .col(id("id").primary_key())
                .col(id("user_id"))
                .col(bytes("family_hash"))
                .col(bytes("refresh_hash"))
                .col(bytes("previous_hash").null())
                .col(bytes("successor").null())
                .col(time("rotated_at").null())
                .col(ColumnDef::new("generation").integer().not_null())
                .col(text("device_name").null())
                .col(text("user_agent").null())
                .col(text("address"))
                .col(time("created_at"))
                .col(time("last_used_at"))
                .col(time("expires_at"))
                .col(time("revoked_at").null())
                .col(text("revoke_reason").null())
                .foreign_key(&mut references(
                    ("sessions", "user_id"),
                    "users",
                    ForeignKeyAction::Cascade,
                ))
                .take(),
        )
        .await?;
    let mut unique = index("uq_sessions_family_hash", "sessions", "family_hash");
    manager.create_index(unique.unique().take()).await?;
    manager
        .create_index(index("ix_sessions_user", "sessions", "user_id"))
        .await
}

async fn revocations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("revocations")
                .col(id("id").primary_key())
                .col(id("user_id"))
                .col(id("session_id").null())
                .col(ColumnDef::new("epoch").integer().null())
                .col(time("until"))
                .take(),
        )
        .await?;
    manager
        .create_index(index("ix_revocations_until", "revocations", "until"))
        .await
}

async fn one_time_tokens(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("one_time_tokens")
                .col(id("id").primary_key())
                .col(bytes("hash"))
                .col(id("user_id").null())
                .col(text("purpose"))
                .col(text("address").null())
                .col(text("previous_address").null())
                .col(text("network").null())
                .col(time("created_at"))
                .col(time("expires_at"))
                .col(time("used_at").null())
                .foreign_key(&mut references(
                    ("one_time_tokens", "user_id"),
                    "users",
                    ForeignKeyAction::Cascade,
                ))
                .take(),
        )
        .await?;
    let mut unique = index("uq_one_time_tokens_hash", "one_time_tokens", "hash");
    manager.create_index(unique.unique().take()).await?;
    let of_user = index("ix_one_time_tokens_user", "one_time_tokens", "user_id");
    manager.create_index(of_user).await?;
    let of_time = index(
        "ix_one_time_tokens_expires_at",
        "one_time_tokens",
        "expires_at",
    );
    manager.create_index(of_time).await
}

async fn login_failures(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("login_failures")
                .col(id("account"))
                .col(key_text(manager, "network"))
                .col(ColumnDef::new("failures").integer().not_null())
                .col(time("window_ends_at"))
                .col(time("last_at"))
                .col(time("locked_until").null())
                .primary_key(Index::create().col("account").col("network"))
                .take(),
        )
        .await?;
    manager
        .create_index(index(
            "ix_login_failures_window_ends_at",
            "login_failures",
            "window_ends_at",
        ))
        .await
}
