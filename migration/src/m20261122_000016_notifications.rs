//! What people are told, and how they want to be told.

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
        notifications(manager).await?;
        settings(manager).await?;
        addresses(manager).await?;
        announcements(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "announcements",
                "phone_numbers",
                "devices",
                "notification_preferences",
                "notification_settings",
                "notifications",
            ],
        )
        .await
    }
}

fn of_user(table: &'static str) -> ForeignKeyCreateStatement {
    references((table, "user_id"), "users", ForeignKeyAction::Cascade)
}

async fn notifications(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("notifications")
                .col(id("id").primary_key())
                .col(id("user_id"))
                .col(id("event_id"))
                .col(key_text(manager, "dedupe_key"))
                .col(text("kind"))
                .col(text("category"))
                .col(text("priority"))
                .col(text("title"))
                .col(text("body"))
                .col(text("url").null())
                .col(id("actor_id").null())
                .col(id("task_id").null())
                .col(id("comment_id").null())
                .col(id("project_id").null())
                .col(ColumnDef::new("in_app").boolean().not_null())
                .col(time("created_at"))
                .col(time("read_at").null())
                .col(time("archived_at").null())
                .col(time("expires_at").null())
                .foreign_key(&mut of_user("notifications"))
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("uq_notifications_once")
                .table("notifications")
                .col("user_id")
                .col("dedupe_key")
                .unique()
                .take(),
        )
        .await?;
    let db = manager.get_connection();
    for index in [
        // The list, the archive, and how many are unread.
        "CREATE INDEX ix_notifications_list ON notifications (user_id, id)
         WHERE in_app AND archived_at IS NULL",
        "CREATE INDEX ix_notifications_archive ON notifications (user_id, id)
         WHERE in_app AND archived_at IS NOT NULL",
        "CREATE INDEX ix_notifications_unread ON notifications (user_id, id)
         WHERE in_app AND archived_at IS NULL AND read_at IS NULL",
        // What became of an announcement.
        "CREATE INDEX ix_notifications_announcement ON notifications (dedupe_key)
         WHERE kind = 'announcement'",
        // From an entry of a stream to what was said.
        "CREATE INDEX ix_notifications_event ON notifications (event_id, user_id)",
    ] {
        db.execute_unprepared(index).await?;
    }
    Ok(())
}

async fn settings(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("notification_settings")
                .col(id("user_id").primary_key())
                .col(ColumnDef::new("quiet_rules").json_binary().not_null())
                .col(time("paused_until").null())
                .col(time("updated_at"))
                .foreign_key(&mut of_user("notification_settings"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("notification_preferences")
                .col(id("user_id"))
                .col(key_text(manager, "subject"))
                .col(key_text(manager, "channel"))
                .col(ColumnDef::new("enabled").boolean().not_null())
                .col(time("updated_at"))
                .primary_key(Index::create().col("user_id").col("subject").col("channel"))
                .foreign_key(&mut of_user("notification_preferences"))
                .take(),
        )
        .await
}

async fn addresses(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("devices")
                .col(id("id").primary_key())
                .col(id("user_id"))
                .col(key_text(manager, "platform"))
                .col(key_text(manager, "token"))
                .col(text("name").null())
                .col(time("created_at"))
                .col(time("last_seen_at"))
                .col(time("invalid_at").null())
                .foreign_key(&mut of_user("devices"))
                .take(),
        )
        .await?;
    // A device is one person's: who signs in there next takes it over.
    for (name, columns, unique) in [
        ("uq_devices_token", ["platform", "token"], true),
        ("ix_devices_user", ["user_id", "id"], false),
    ] {
        let mut index = Index::create();
        index.name(name).table("devices");
        for column in columns {
            index.col(column);
        }
        if unique {
            index.unique();
        }
        manager.create_index(index).await?;
    }
    manager
        .create_table(
            Table::create()
                .table("phone_numbers")
                .col(id("user_id").primary_key())
                .col(text("number").null())
                .col(time("verified_at").null())
                .col(text("pending_number").null())
                .col(id("code_id").null())
                .col(time("code_expires_at").null())
                .col(ColumnDef::new("code_tries").integer().not_null())
                .foreign_key(&mut of_user("phone_numbers"))
                .take(),
        )
        .await
}

async fn announcements(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("announcements")
                .col(id("id").primary_key())
                .col(id("sender_id"))
                .col(key_text(manager, "dedupe_key").null())
                .col(text("category"))
                .col(text("priority"))
                .col(text("title"))
                .col(text("body"))
                .col(text("url").null())
                .col(ColumnDef::new("channels").json_binary().null())
                .col(ColumnDef::new("everyone").boolean().not_null())
                .col(time("created_at"))
                .col(time("send_at"))
                .col(time("expires_at").null())
                .foreign_key(&mut references(
                    ("announcements", "sender_id"),
                    "users",
                    ForeignKeyAction::Restrict,
                ))
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("uq_announcements_key")
                .table("announcements")
                .col("dedupe_key")
                .unique()
                .take(),
        )
        .await
}
