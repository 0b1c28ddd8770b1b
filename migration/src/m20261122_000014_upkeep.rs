//! What administrators do with jobs: try again, discard, pause a queue. And what finds the entries of
//! an event, before it is deleted. And the jobs that a process died with.

use sea_orm_migration::prelude::*;

use crate::columns::{drop_tables, id, key_text, text, time};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [
            time("retried_at").null().take(),
            text("discard_reason").null().take(),
        ] {
            let add = Table::alter().table("jobs").add_column(column).take();
            manager.alter_table(add).await?;
        }
        manager
            .create_table(
                Table::create()
                    .table("paused_queues")
                    .col(key_text(manager, "name").primary_key())
                    .col(time("paused_at"))
                    .col(id("paused_by").null())
                    .take(),
            )
            .await?;
        let db = manager.get_connection();
        db.execute_unprepared(
            "CREATE INDEX ix_idempotency_keys_created ON idempotency_keys (created_at)",
        )
        .await?;
        db.execute_unprepared(
            "CREATE INDEX ix_jobs_suspect ON jobs (queue, run_at)
             WHERE state = 'ready' AND crash_count > 0",
        )
        .await?;
        manager
            .create_index(
                Index::create()
                    .name("ix_stream_entries_event")
                    .table("stream_entries")
                    .col("event_id")
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name("ix_stream_entries_event")
            .table("stream_entries")
            .to_owned();
        manager.drop_index(index).await?;
        let index = Index::drop()
            .name("ix_idempotency_keys_created")
            .table("idempotency_keys")
            .to_owned();
        manager.drop_index(index).await?;
        let index = Index::drop()
            .name("ix_jobs_suspect")
            .table("jobs")
            .to_owned();
        manager.drop_index(index).await?;
        drop_tables(manager, &["paused_queues"]).await?;
        for column in ["discard_reason", "retried_at"] {
            let drop = Table::alter().table("jobs").drop_column(column).take();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}
