//! Whether the assignee of a task was told that it is theirs.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let told = ColumnDef::new("assignee_told")
            .boolean()
            .not_null()
            .default(true)
            .take();
        let add = Table::alter().table("tasks").add_column(told).take();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter()
            .table("tasks")
            .drop_column("assignee_told")
            .take();
        manager.alter_table(drop).await
    }
}
