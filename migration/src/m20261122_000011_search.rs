//! The search in tasks: their words, folded, and the index of the database over them; and indexes
//! for the orders and filters of lists.

use entity::TaskId;
use entity::task_words::Model;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};
use uuid::Uuid;

use crate::columns::{drop_tables, id, references, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Rows that are read, and written, at once.
const BATCH: u64 = 1_000;

/// A generated column keeps itself. The words have no signs that mean something in the text form of
/// a `tsvector`, and that form, unlike `to_tsvector`, follows no dictionary and no locale.
const POSTGRES: [&str; 2] = [
    "ALTER TABLE task_words ADD COLUMN words tsvector NOT NULL
         GENERATED ALWAYS AS ((title_words || description_words)::tsvector) STORED",
    // Without a list of what is still to be sorted in, which every search would have to read.
    "CREATE INDEX ix_task_words_words ON task_words USING gin (words) WITH (fastupdate = off)",
];

/// FTS5 with the contents of `task_words`; triggers keep it. `ascii` ends words at blanks and leaves
/// every other letter alone: the words are folded already.
const SQLITE: [&str; 5] = [
    "CREATE VIRTUAL TABLE task_fts USING fts5(
         title_words, description_words, content='task_words', content_rowid='row_id',
         tokenize='ascii', prefix='1 2 3', detail='none', columnsize=0)",
    "INSERT INTO task_fts(task_fts) VALUES ('rebuild')",
    "CREATE TRIGGER task_words_inserted AFTER INSERT ON task_words BEGIN
         INSERT INTO task_fts(rowid, title_words, description_words)
         VALUES (new.row_id, new.title_words, new.description_words);
     END",
    "CREATE TRIGGER task_words_deleted AFTER DELETE ON task_words BEGIN
         INSERT INTO task_fts(task_fts, rowid, title_words, description_words)
         VALUES ('delete', old.row_id, old.title_words, old.description_words);
     END",
    "CREATE TRIGGER task_words_updated AFTER UPDATE ON task_words BEGIN
         INSERT INTO task_fts(task_fts, rowid, title_words, description_words)
         VALUES ('delete', old.row_id, old.title_words, old.description_words);
         INSERT INTO task_fts(rowid, title_words, description_words)
         VALUES (new.row_id, new.title_words, new.description_words);
     END",
];

/// The expressions are those of the orders, letter by letter.
const INDEXES: [(&str, &str); 4] = [
    (
        "ix_tasks_priority",
        "(CASE priority WHEN 'low' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END), id",
    ),
    (
        "ix_tasks_completed",
        "(COALESCE(completed_at, '9999-12-31T23:59:59+00:00')), id",
    ),
    ("ix_tasks_assignee_due", "assignee_id, due_order, id"),
    ("ix_tasks_status", "status, created_at, id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let mut table = Table::create();
        table.table("task_words");
        // What FTS5 knows a row by must be a whole number that stays, and tasks have none.
        if is_sqlite {
            table
                .col(ColumnDef::new("row_id").integer().primary_key())
                .col(id("task_id").unique_key());
        } else {
            table.col(id("task_id").primary_key());
        }
        table
            .col(text("title_words"))
            .col(text("description_words"))
            .foreign_key(&mut references(
                ("task_words", "task_id"),
                "tasks",
                ForeignKeyAction::Cascade,
            ));
        manager.create_table(table).await?;
        fill(manager).await?;
        let db = manager.get_connection();
        let statements: &[&str] = if is_sqlite { &SQLITE } else { &POSTGRES };
        for statement in statements {
            db.execute_unprepared(statement).await?;
        }
        for (name, columns) in INDEXES {
            db.execute_unprepared(&format!("CREATE INDEX {name} ON tasks ({columns})"))
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for (name, _) in INDEXES {
            db.execute_unprepared(&format!("DROP INDEX {name}")).await?;
        }
        // The triggers go with their table.
        drop_tables(manager, &["task_words"]).await?;
        if manager.get_database_backend() == DbBackend::Sqlite {
            drop_tables(manager, &["task_fts"]).await?;
        }
        Ok(())
    }
}

/// The words of the tasks that are there.
async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let mut after = Uuid::nil();
    loop {
        let query = Query::select()
            .columns(["id", "title", "description"])
            .from("tasks")
            .and_where(Expr::col("id").gt(after))
            .order_by("id", Order::Asc)
            .limit(BATCH)
            .take();
        let rows = db.query_all(&query).await?;
        let mut insert = Query::insert();
        insert
            .into_table("task_words")
            .columns(["task_id", "title_words", "description_words"]);
        for row in &rows {
            after = row.try_get("", "id")?;
            let title: String = row.try_get("", "title")?;
            let description: Option<String> = row.try_get("", "description")?;
            let words = Model::new(TaskId(after), &title, description.as_deref());
            insert.values_panic([
                after.into(),
                words.title_words.into(),
                words.description_words.into(),
            ]);
        }
        if rows.is_empty() {
            return Ok(());
        }
        manager.exec_stmt(insert).await?;
    }
}
