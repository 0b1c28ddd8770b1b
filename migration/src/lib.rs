//! The changes of Taskflow's database: one a file, each with a way up and a way down, each in a
//! transaction, the same for SQLite and PostgreSQL.

pub use sea_orm_migration::{MigrationStatus, MigratorTrait};

mod columns;
mod m20261122_000001_accounts;
mod m20261122_000002_tasks;
mod m20261122_000003_events;
mod m20261122_000004_jobs;
mod m20261122_000005_deliveries;
mod m20261122_000006_sign_in;
mod m20261122_000007_profiles;
mod m20261122_000008_projects;
mod m20261122_000009_task_details;
mod m20261122_000010_conversation;
mod m20261122_000011_search;
mod m20261122_000012_mentions;
mod m20261122_000013_told;
mod m20261122_000014_upkeep;
mod m20261122_000015_suppressions;
mod m20261122_000016_notifications;
mod m20261122_000017_channels;
mod m20261122_000018_webhooks;

/// Every change, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_accounts::Migration),
            Box::new(m20261122_000002_tasks::Migration),
            Box::new(m20261122_000003_events::Migration),
            Box::new(m20261122_000004_jobs::Migration),
            Box::new(m20261122_000005_deliveries::Migration),
            Box::new(m20261122_000006_sign_in::Migration),
            Box::new(m20261122_000007_profiles::Migration),
            Box::new(m20261122_000008_projects::Migration),
            Box::new(m20261122_000009_task_details::Migration),
            Box::new(m20261122_000010_conversation::Migration),
            Box::new(m20261122_000011_search::Migration),
            Box::new(m20261122_000012_mentions::Migration),
            Box::new(m20261122_000013_told::Migration),
            Box::new(m20261122_000014_upkeep::Migration),
            Box::new(m20261122_000015_suppressions::Migration),
            Box::new(m20261122_000016_notifications::Migration),
            Box::new(m20261122_000017_channels::Migration),
            Box::new(m20261122_000018_webhooks::Migration),
        ]
    }
}
