//! How somebody came to be mentioned: by id, or by a name in the text.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_id = ColumnDef::new("by_id")
            .boolean()
            .not_null()
            .default(false)
            .take();
        manager
            .alter_table(
                Table::alter()
                    .table("comment_mentions")
                    .add_column(by_id)
                    .take(),
            )
            .await?;
        // Whom the text does not name was mentioned by id. Of a name that begins with another (`@adam`
        // and `ada`) the text names both: that was not kept before, and is not worth a parser here.
        let place = match manager.get_database_backend() {
            DbBackend::Postgres => "strpos",
            _ => "instr",
        };
        let update = format!(
            "UPDATE comment_mentions SET by_id = TRUE WHERE NOT EXISTS (
                 SELECT 1 FROM comments, users
                 WHERE comments.id = comment_mentions.comment_id
                   AND users.id = comment_mentions.user_id
                   AND {place}(lower(comments.body), '@' || users.username_norm) > 0)"
        );
        manager.get_connection().execute_unprepared(&update).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table("comment_mentions")
                    .drop_column("by_id")
                    .take(),
            )
            .await
    }
}
