//! The queue of work.

use sea_orm_migration::prelude::*;

use crate::columns::{drop_tables, id, text, time};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let count = |name: &'static str| ColumnDef::new(name).integer().not_null().take();
        manager
            .create_table(
                Table::create()
                    .table("jobs")
                    .col(id("id").primary_key())
                    .col(text("queue"))
                    .col(text("kind"))
                    .col(text("dedupe_key").null())
                    .col(ColumnDef::new("payload").json_binary().not_null())
                    .col(text("state"))
                    .col(count("attempt"))
                    .col(count("crash_count"))
                    .col(count("max_attempts"))
                    .col(time("run_at"))
                    .col(text("lease_owner").null())
                    .col(ColumnDef::new("lease_token").big_integer().not_null())
                    .col(time("lease_until").null())
                    .col(text("last_error").null())
                    .col(time("created_at"))
                    .col(time("done_at").null())
                    .col(text("trace").null())
                    .check((
                        "ck_jobs_state",
                        Expr::col("state").is_in(["ready", "running", "done", "dead"]),
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("uq_jobs_dedupe_key")
                    .table("jobs")
                    .col("dedupe_key")
                    .unique()
                    .take(),
            )
            .await?;
        // Only what waits or runs is indexed for the worker: the history of done jobs may grow
        // without making a claim dearer.
        let db = manager.get_connection();
        for index in [
            "CREATE INDEX ix_jobs_ready ON jobs (queue, run_at) WHERE state = 'ready'",
            "CREATE INDEX ix_jobs_running ON jobs (lease_until) WHERE state = 'running'",
            "CREATE INDEX ix_jobs_dead ON jobs (done_at) WHERE state = 'dead'",
        ] {
            db.execute_unprepared(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["jobs"]).await
    }
}
