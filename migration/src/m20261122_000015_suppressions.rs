//! Addresses that take no mail, and the words of a mail that was tried and is tried again.

use sea_orm_migration::prelude::*;

use crate::columns::{drop_tables, key_text, text, time};

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
                    .table("suppressions")
                    .col(key_text(manager, "channel"))
                    .col(key_text(manager, "address"))
                    .col(text("reason"))
                    .col(time("created_at"))
                    .primary_key(Index::create().col("channel").col("address"))
                    .take(),
            )
            .await?;
        // SQLite adds one column at a time.
        for column in [
            ColumnDef::new("message").blob().take(),
            time("held_at").null().take(),
        ] {
            let add = Table::alter().table("deliveries").add_column(column).take();
            manager.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["held_at", "message"] {
            let drop = Table::alter()
                .table("deliveries")
                .drop_column(column)
                .take();
            manager.alter_table(drop).await?;
        }
        drop_tables(manager, &["suppressions"]).await
    }
}
