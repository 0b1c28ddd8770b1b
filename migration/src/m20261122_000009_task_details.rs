//! What a team keeps about a task: its project and number, its parent, its dates, when it was
//! finished and deleted, and its history.

use sea_orm_migration::prelude::*;

use crate::columns::{drop_tables, id, key_text, references, text, time};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The columns both shapes of the table have.
const KEPT: &str = "id, title, description, status, priority, enabled, due_at, creator_id, \
     assignee_id, version, created_at, updated_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite cannot add a foreign key to a table, nor drop a column that has one: the table is
        // made anew.
        rename_away(manager).await?;
        manager.create_table(tasks(manager, true)).await?;
        let db = manager.get_connection();
        db.execute_unprepared(&format!(
            "INSERT INTO tasks ({KEPT}, due_order, completed_at)
             SELECT {KEPT}, COALESCE(due_at, '9999-12-31T23:59:59+00:00'),
                    CASE WHEN status = 'completed' THEN updated_at END
             FROM tasks_before"
        ))
        .await?;
        drop_tables(manager, &["tasks_before"]).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        manager
            .create_table(
                Table::create()
                    .table("task_history")
                    .col(id("id").primary_key())
                    .col(id("task_id"))
                    .col(id("actor_id"))
                    .col(text("field"))
                    .col(text("old_value").null())
                    .col(text("new_value").null())
                    .col(time("created_at"))
                    .foreign_key(&mut references(
                        ("task_history", "task_id"),
                        "tasks",
                        ForeignKeyAction::Cascade,
                    ))
                    .foreign_key(&mut references(
                        ("task_history", "actor_id"),
                        "users",
                        ForeignKeyAction::Restrict,
                    ))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ix_task_history_task")
                    .table("task_history")
                    .col("task_id")
                    .col("id")
                    .take(),
            )
            .await?;
        let results = ColumnDef::new("result_ids").json_binary().take();
        manager
            .alter_table(
                Table::alter()
                    .table("idempotency_keys")
                    .add_column(results)
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table("idempotency_keys")
                    .drop_column("result_ids")
                    .take(),
            )
            .await?;
        drop_tables(manager, &["task_history"]).await?;
        rename_away(manager).await?;
        manager.create_table(tasks(manager, false)).await?;
        let db = manager.get_connection();
        db.execute_unprepared(&format!(
            "INSERT INTO tasks ({KEPT}) SELECT {KEPT} FROM tasks_before WHERE deleted_at IS NULL"
        ))
        .await?;
        drop_tables(manager, &["tasks_before"]).await?;
        for (name, column) in OLD_INDEXES {
            let index = Index::create()
                .name(name)
                .table("tasks")
                .col(column)
                .col("created_at")
                .col("id")
                .take();
            manager.create_index(index).await?;
        }
        let index = Index::create()
            .name("ix_tasks_created")
            .table("tasks")
            .col("created_at")
            .col("id")
            .take();
        manager.create_index(index).await
    }
}

const OLD_INDEXES: [(&str, &str); 2] = [
    ("ix_tasks_creator_id", "creator_id"),
    ("ix_tasks_assignee_id", "assignee_id"),
];

/// The names of indexes are the schema's, so the old ones go first.
async fn rename_away(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let old = OLD_INDEXES.map(|(name, _)| name);
    let new: Vec<String> = indexes()
        .iter()
        .filter_map(|index| index.get_index_spec().get_name().map(str::to_owned))
        .collect();
    for name in old.into_iter().chain(new.iter().map(String::as_str)) {
        let mut drop = Index::drop();
        drop.name(name).table("tasks").if_exists();
        manager.drop_index(drop).await?;
    }
    let rename = Table::rename().table("tasks", "tasks_before").take();
    manager.rename_table(rename).await
}

/// The table as it is from here on, or as it was before.
fn tasks(manager: &SchemaManager<'_>, detailed: bool) -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table("tasks")
        .col(id("id").primary_key())
        .col(key_text(manager, "title"))
        .col(text("description").null())
        .col(text("status"))
        .col(text("priority"))
        .col(ColumnDef::new("enabled").boolean().not_null())
        .col(time("due_at").null())
        .col(id("creator_id"))
        .col(id("assignee_id").null())
        .col(ColumnDef::new("version").integer().not_null())
        .col(time("created_at"))
        .col(time("updated_at"));
    for column in ["creator_id", "assignee_id"] {
        table.foreign_key(&mut references(
            ("tasks", column),
            "users",
            ForeignKeyAction::Restrict,
        ));
    }
    table
        .check((
            "ck_tasks_status",
            Expr::col("status").is_in(["pending", "in_progress", "completed"]),
        ))
        .check((
            "ck_tasks_priority",
            Expr::col("priority").is_in(["low", "medium", "high"]),
        ));
    if detailed {
        table
            .col(id("project_id").null())
            .col(ColumnDef::new("number").integer())
            .col(id("parent_id").null())
            .col(time("start_at").null())
            .col(ColumnDef::new("start_on").date())
            .col(ColumnDef::new("due_on").date())
            .col(time("due_order"))
            .col(time("completed_at").null())
            .col(time("deleted_at").null())
            .foreign_key(&mut references(
                ("tasks", "project_id"),
                "projects",
                ForeignKeyAction::Restrict,
            ))
            .foreign_key(&mut references(
                ("tasks", "parent_id"),
                "tasks",
                ForeignKeyAction::SetNull,
            ))
            .check((
                "ck_tasks_number",
                Expr::col("project_id")
                    .is_null()
                    .eq(Expr::col("number").is_null()),
            ))
            .check((
                "ck_tasks_due",
                Expr::col("due_at")
                    .is_null()
                    .or(Expr::col("due_on").is_null()),
            ))
            .check((
                "ck_tasks_start",
                Expr::col("start_at")
                    .is_null()
                    .or(Expr::col("start_on").is_null()),
            ));
    }
    table.take()
}

/// One for each way a task is somebody's, in the order of the default list; one for each order; one
/// for each look-up.
fn indexes() -> Vec<IndexCreateStatement> {
    let lists: [(&'static str, &[&'static str]); 8] = [
        ("ix_tasks_creator", &["creator_id", "created_at", "id"]),
        ("ix_tasks_assignee", &["assignee_id", "created_at", "id"]),
        ("ix_tasks_project", &["project_id", "created_at", "id"]),
        ("ix_tasks_created", &["created_at", "id"]),
        ("ix_tasks_updated", &["updated_at", "id"]),
        ("ix_tasks_due", &["due_order", "id"]),
        ("ix_tasks_parent", &["parent_id", "created_at", "id"]),
        ("ix_tasks_deleted", &["deleted_at"]),
    ];
    let mut all: Vec<_> = lists
        .into_iter()
        .map(|(name, columns)| {
            let mut index = Index::create();
            index.name(name).table("tasks");
            for column in columns {
                index.col(*column);
            }
            if name == "ix_tasks_deleted" {
                index.and_where(Expr::col("deleted_at").is_not_null());
            }
            index.take()
        })
        .collect();
    all.push(
        Index::create()
            .name("ux_tasks_number")
            .table("tasks")
            .col("project_id")
            .col("number")
            .unique()
            .take(),
    );
    all
}
