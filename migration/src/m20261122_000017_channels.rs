//! Deliveries on every channel: which address, by whom, and what its vendor says of it.

use sea_orm_migration::prelude::*;

use crate::columns::{key_text, text, time};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// One delivery an event, a person, a channel and an address.
const ONCE: [&str; 4] = ["event_id", "recipient_id", "channel", "target"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [
            ColumnDef::new("notification_id").uuid().null().take(),
            key_text(manager, "target").default("").take(),
            text("driver").null().take(),
            key_text(manager, "provider_id").null().take(),
            time("held_until").null().take(),
            time("sent_at").null().take(),
            time("delivered_at").null().take(),
        ] {
            let add = Table::alter().table("deliveries").add_column(column).take();
            manager.alter_table(add).await?;
        }
        let failing = ColumnDef::new("is_manual")
            .boolean()
            .not_null()
            .default(false)
            .take();
        for column in [
            ColumnDef::new("status_code").integer().null().take(),
            text("response").null().take(),
            failing,
        ] {
            let add = Table::alter()
                .table("delivery_attempts")
                .add_column(column)
                .take();
            manager.alter_table(add).await?;
        }
        once(manager, &ONCE).await?;
        let db = manager.get_connection();
        for statement in [
            "CREATE INDEX ix_deliveries_notification ON deliveries (notification_id)
             WHERE notification_id IS NOT NULL",
            "CREATE INDEX ix_deliveries_provider ON deliveries (provider_id)
             WHERE provider_id IS NOT NULL",
            "CREATE INDEX ix_deliveries_held ON deliveries (recipient_id) WHERE state = 'held'",
            "CREATE INDEX ix_deliveries_webhook ON deliveries (target, id)
             WHERE channel = 'webhook'",
            "CREATE INDEX ix_deliveries_created ON deliveries (created_at)",
            "UPDATE deliveries SET state = 'suppressed' WHERE state = 'skipped'",
            "UPDATE deliveries SET sent_at = finished_at WHERE state = 'sent'",
        ] {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in [
            // What there was no place for.
            "DELETE FROM deliveries WHERE channel <> 'email'",
            "UPDATE deliveries SET state = 'skipped' WHERE state = 'suppressed'",
            "UPDATE deliveries SET state = 'queued' WHERE state IN ('held', 'sending')",
            "UPDATE deliveries SET state = 'sent' WHERE state = 'delivered'",
            "UPDATE deliveries SET state = 'failed' WHERE state = 'bounced'",
        ] {
            db.execute_unprepared(statement).await?;
        }
        for index in [
            "ix_deliveries_created",
            "ix_deliveries_webhook",
            "ix_deliveries_held",
            "ix_deliveries_provider",
            "ix_deliveries_notification",
        ] {
            let drop = Index::drop().name(index).table("deliveries").to_owned();
            manager.drop_index(drop).await?;
        }
        once(manager, &ONCE[..3]).await?;
        for (table, columns) in [
            (
                "delivery_attempts",
                ["is_manual", "response", "status_code"].as_slice(),
            ),
            (
                "deliveries",
                &[
                    "delivered_at",
                    "sent_at",
                    "held_until",
                    "provider_id",
                    "driver",
                    "target",
                    "notification_id",
                ],
            ),
        ] {
            for column in columns {
                let drop = Table::alter().table(table).drop_column(*column).take();
                manager.alter_table(drop).await?;
            }
        }
        Ok(())
    }
}

/// Has these columns say which delivery is the same one.
async fn once(manager: &SchemaManager<'_>, columns: &[&'static str]) -> Result<(), DbErr> {
    let name = "uq_deliveries_once";
    let drop = Index::drop().name(name).table("deliveries").to_owned();
    manager.drop_index(drop).await?;
    let mut index = Index::create();
    index.name(name).table("deliveries").unique();
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}
