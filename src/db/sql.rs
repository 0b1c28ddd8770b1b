//! Statements that are written as text: where one is a part of every change, building it from objects takes longer than
//! all else that is done with it.

use chrono::Datelike;
use sea_orm::{
    ActiveModelTrait, DatabaseBackend, EntityName, EntityTrait, IdenStatic, Iterable, Statement,
    Value,
};
use serde_json::{Map, Value as Json};

use crate::crypto;

/// A statement, or a part of one, for both databases. Each `$` of its text stands for the next of its values; text that
/// has another meaning of `$` must be a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sql {
    text: String,
    values: Vec<Value>,
}

/// A column that the database works out, the same in each row: its name, the text, and the value of that.
pub type Computed = (&'static str, &'static str, Value);

/// As many rows are still written one by one, which costs less.
const FEW: usize = 4;

impl Sql {
    /// This text with these values.
    pub fn new(text: &str, values: impl IntoIterator<Item = Value>) -> Self {
        Self {
            text: text.to_owned(),
            values: values.into_iter().collect(),
        }
    }

    /// Inserts rows, at least one, which all set the same columns.
    ///
    /// PostgreSQL is given more than a few as one value: it and the driver remember statements by their text, and each number
    /// of rows would be another one, to be understood and planned anew.
    pub fn insert<A: ActiveModelTrait>(
        backend: DatabaseBackend,
        rows: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::insert_with(backend, rows, None)
    }

    /// The same with one more column.
    pub fn insert_with<A: ActiveModelTrait>(
        backend: DatabaseBackend,
        rows: impl IntoIterator<Item = A>,
        computed: Option<Computed>,
    ) -> Self {
        let mut columns = Vec::new();
        let mut all = Vec::new();
        let mut count = 0;
        for mut row in rows {
            let mut place = 0;
            for column in <A::Entity as EntityTrait>::Column::iter() {
                let Some(value) = row.take(column).into_value() else {
                    continue;
                };
                if count == 0 {
                    columns.push(column.as_str());
                }
                debug_assert_eq!(columns.get(place), Some(&column.as_str()));
                all.push(value);
                place += 1;
            }
            count += 1;
        }
        debug_assert_eq!(all.len(), count * columns.len());
        let table = A::Entity::default().table_name();
        let mut sql = Self::new("INSERT INTO ", []);
        sql.text.push_str(table);
        sql.text.push_str(" (");
        sql.names(&columns);
        if let Some((name, ..)) = &computed {
            sql.text.push_str(", ");
            sql.text.push_str(name);
        }
        if count > FEW
            && !columns.is_empty()
            && backend == DatabaseBackend::Postgres
            && let Some(rows) = as_json(&columns, &all)
        {
            sql.text.push_str(") SELECT ");
            sql.names(&columns);
            if let Some((_, text, value)) = computed {
                sql = sql.and(", ", []).and(text, [value]);
            }
            sql.text.push_str(" FROM jsonb_populate_recordset(NULL::");
            sql.text.push_str(table);
            return sql.and(", $)", [rows.into()]);
        }
        let mut all = all.into_iter();
        for place in 0..count {
            sql.text
                .push_str(if place == 0 { ") VALUES (" } else { ", (" });
            for column in 0..columns.len() {
                sql.text.push_str(if column == 0 { "$" } else { ", $" });
            }
            sql.values.extend(all.by_ref().take(columns.len()));
            if let Some((_, text, value)) = &computed {
                sql = sql.and(", ", []).and(text, [value.clone()]);
            }
            sql.text.push(')');
        }
        sql
    }

    fn names(&mut self, columns: &[&str]) {
        for (place, column) in columns.iter().enumerate() {
            self.text.push_str(if place == 0 { "\"" } else { ", \"" });
            self.text.push_str(column);
            self.text.push('"');
        }
    }

    /// The same, answering all columns of the rows that were written. By their names: an older server must not be
    /// surprised by a column that it does not know.
    #[must_use]
    pub fn returning<E: EntityTrait>(mut self) -> Self {
        let columns: Vec<_> = E::Column::iter().map(|column| column.as_str()).collect();
        self.text.push_str(" RETURNING ");
        self.names(&columns);
        self
    }

    /// The same with more behind it.
    #[must_use]
    pub fn and(mut self, text: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.text.push_str(text);
        self.values.extend(values);
        self
    }

    /// The statement, its values numbered.
    pub fn statement(self, backend: DatabaseBackend) -> Statement {
        let mut all = Numbered::new(backend);
        all.add(self);
        all.statement()
    }
}

/// Rows as PostgreSQL reads them from JSON; none if it does not read one of the values as it was meant.
fn as_json(columns: &[&str], values: &[Value]) -> Option<Json> {
    let rows = values.chunks(columns.len()).map(|row| {
        let fields = columns.iter().zip(row);
        let fields = fields.map(|(name, value)| Some(((*name).to_owned(), one_as_json(value)?)));
        fields.collect::<Option<Map<_, _>>>().map(Json::Object)
    });
    rows.collect()
}

fn one_as_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::BigInt(value) => (*value).into(),
        Value::String(value) => value.clone().into(),
        Value::Uuid(value) => value.map(|value| value.to_string()).into(),
        // Other years are written with a sign.
        Value::ChronoDate(Some(value)) if (0..=9999).contains(&value.year()) => {
            value.to_string().into()
        }
        Value::ChronoDateTimeUtc(Some(value)) if (0..=9999).contains(&value.year()) => {
            value.to_rfc3339().into()
        }
        // NULL would become the JSON that says so.
        Value::Json(Some(value)) if !value.is_null() => value.as_ref().clone(),
        Value::Json(None) | Value::ChronoDate(None) | Value::ChronoDateTimeUtc(None) => Json::Null,
        Value::Bytes(value) => {
            let hex = |bytes: &Vec<u8>| format!("\\x{}", crypto::hex(bytes));
            value.as_ref().map(hex).into()
        }
        _ => return None,
    })
}

/// A statement that is put together from parts.
#[derive(Debug)]
pub(super) struct Numbered {
    backend: DatabaseBackend,
    text: String,
    values: Vec<Value>,
}

impl Numbered {
    pub(super) fn new(backend: DatabaseBackend) -> Self {
        Self {
            backend,
            text: String::new(),
            values: Vec::new(),
        }
    }

    /// Adds text without values.
    pub(super) fn say(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a part.
    pub(super) fn add(&mut self, part: Sql) {
        let mut number = self.values.len();
        let mut pieces = part.text.split('$');
        self.text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            number += 1;
            if self.backend == DatabaseBackend::Postgres {
                self.text.push('$');
                push_number(&mut self.text, number);
            } else {
                // `$1` is a name to SQLite, and it looks each name up in a list of all.
                self.text.push('?');
            }
            self.text.push_str(piece);
        }
        self.values.extend(part.values);
        debug_assert_eq!(number, self.values.len(), "{}", self.text);
    }

    pub(super) fn statement(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.text, self.values)
    }
}

const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// In decimal digits, without the machinery that formats.
fn push_number(text: &mut String, number: usize) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(DIGITS[number % 10]);
}

#[cfg(test)]
mod tests {
    use entity::stream;
    use sea_orm::DatabaseBackend::{Postgres, Sqlite};
    use sea_orm::{NotSet, Set, Value};
    use serde_json::json;

    use super::{Numbered, Sql};

    fn counter(name: &str) -> stream::ActiveModel {
        stream::ActiveModel {
            name: Set(name.to_owned()),
            last_seq: Set(1),
            min_seq: NotSet,
        }
    }

    /// Text and values of an insert, with one more column and something behind it.
    fn inserted(backend: sea_orm::DatabaseBackend, names: &[&str]) -> (String, Vec<Value>) {
        let computed = Some(("min_seq", "1 + $", 7.into()));
        let rows = names.iter().map(|name| counter(name));
        let sql = Sql::insert_with(backend, rows, computed);
        let sql = sql.and(" ON CONFLICT (name) DO UPDATE SET last_seq = $", [9.into()]);
        let statement = sql.statement(backend);
        (statement.sql, statement.values.unwrap().0)
    }

    #[test]
    fn rows_are_inserted_by_the_columns_that_they_set() {
        let (text, values) = inserted(Sqlite, &["a", "it's $1"]);
        assert_eq!(
            text,
            "INSERT INTO streams (\"name\", \"last_seq\", min_seq) \
             VALUES (?, ?, 1 + ?), (?, ?, 1 + ?) \
             ON CONFLICT (name) DO UPDATE SET last_seq = ?"
        );
        let one = 1_i64;
        let expected: [Value; 7] = [
            "a".into(),
            one.into(),
            7.into(),
            "it's $1".into(),
            one.into(),
            7.into(),
            9.into(),
        ];
        assert_eq!(values, expected);
        let (text, _) = inserted(Postgres, &["a", "b", "c", "d"]);
        assert!(text.contains(", ($10, $11, 1 + $12) ON CONFLICT"), "{text}");
    }

    #[test]
    fn however_many_rows_postgresql_is_given_it_is_the_same_statement() {
        let (text, values) = inserted(Postgres, &["a", "it's $1", "c", "d", "e"]);
        assert_eq!(
            text,
            "INSERT INTO streams (\"name\", \"last_seq\", min_seq) \
             SELECT \"name\", \"last_seq\", 1 + $1 FROM jsonb_populate_recordset(NULL::streams, $2) \
             ON CONFLICT (name) DO UPDATE SET last_seq = $3"
        );
        let row = |name| json!({"name": name, "last_seq": 1});
        let rows = json!([row("a"), row("it's $1"), row("c"), row("d"), row("e")]);
        assert_eq!(values, [7.into(), rows.into(), 9.into()]);
        assert_eq!(inserted(Postgres, &["a"; 6]).0, text);
    }

    #[test]
    fn parts_are_numbered_through() {
        let mut all = Numbered::new(Postgres);
        for number in 0..12 {
            all.say(if number == 0 { "" } else { " " });
            all.add(Sql::new("$", [number.into()]));
        }
        let statement = all.statement();
        assert_eq!(statement.sql, "$1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12");
        assert_eq!(statement.values.unwrap().0.len(), 12);
    }
}
