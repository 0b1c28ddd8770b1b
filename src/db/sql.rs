//! Statements that are written as text: where one is a part of every change, building it from objects takes longer than
//! all else that is done with it.

use sea_orm::{
    ActiveModelTrait, DatabaseBackend, EntityName, EntityTrait, IdenStatic, Iterable, Statement,
    Value,
};

/// A statement, or a part of one, for both databases. Each `$` of its text stands for the next of its values; text that
/// has another meaning of `$` must be a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    /// This text with these values.
    pub fn new(text: &str, values: impl IntoIterator<Item = Value>) -> Self {
        Self {
            text: text.to_owned(),
            values: values.into_iter().collect(),
        }
    }

    /// Inserts rows, at least one, which all set the same columns.
    pub fn insert<A: ActiveModelTrait>(rows: impl IntoIterator<Item = A>) -> Self {
        let mut sql = Self::new("INSERT INTO \"", []);
        sql.text.push_str(A::Entity::default().table_name());
        let mut between = "\" (\"";
        let mut width = 0;
        for mut row in rows {
            for column in <A::Entity as EntityTrait>::Column::iter() {
                let Some(value) = row.take(column).into_value() else {
                    continue;
                };
                if between != ", (" {
                    sql.text.push_str(between);
                    sql.text.push_str(column.as_str());
                    between = "\", \"";
                    width += 1;
                }
                sql.values.push(value);
            }
            sql.text.push_str(if between == ", (" {
                between
            } else {
                "\") VALUES ("
            });
            between = ", (";
            for place in 0..width {
                sql.text.push_str(if place == 0 { "$" } else { ", $" });
            }
            sql.text.push(')');
        }
        debug_assert_eq!(sql.text.matches('$').count(), sql.values.len());
        sql
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
        let mut all = Numbered::default();
        all.add(self);
        all.statement(backend)
    }
}

/// A statement that is put together from parts.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    text: String,
    values: Vec<Value>,
}

impl Numbered {
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
            self.text.push('$');
            push_number(&mut self.text, number);
            self.text.push_str(piece);
        }
        self.values.extend(part.values);
        debug_assert_eq!(number, self.values.len(), "{}", self.text);
    }

    pub(super) fn statement(self, backend: DatabaseBackend) -> Statement {
        Statement::from_sql_and_values(backend, self.text, self.values)
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
    use sea_orm::{DatabaseBackend, NotSet, Set, Value};

    use super::{Numbered, Sql};

    fn counter(name: &str) -> stream::ActiveModel {
        stream::ActiveModel {
            name: Set(name.to_owned()),
            last_seq: Set(1),
            min_seq: NotSet,
        }
    }

    #[test]
    fn rows_are_inserted_by_the_columns_that_they_set() {
        let rows = [counter("a"), counter("it's $1 or \"b\"")];
        let sql =
            Sql::insert(rows).and(" ON CONFLICT (name) DO UPDATE SET last_seq = $", [9.into()]);
        let statement = sql.statement(DatabaseBackend::Postgres);
        assert_eq!(
            statement.sql,
            "INSERT INTO \"streams\" (\"name\", \"last_seq\") VALUES ($1, $2), ($3, $4) \
             ON CONFLICT (name) DO UPDATE SET last_seq = $5"
        );
        let values: [Value; 5] = [
            "a".into(),
            1_i64.into(),
            "it's $1 or \"b\"".into(),
            1_i64.into(),
            9.into(),
        ];
        assert_eq!(statement.values.unwrap().0, values);
    }

    #[test]
    fn parts_are_numbered_through() {
        let mut all = Numbered::default();
        for number in 0..12 {
            all.say(if number == 0 { "" } else { " " });
            all.add(Sql::new("$", [number.into()]));
        }
        let statement = all.statement(DatabaseBackend::Sqlite);
        assert_eq!(statement.sql, "$1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12");
        assert_eq!(statement.values.unwrap().0.len(), 12);
    }
}
