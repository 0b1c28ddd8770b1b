//! Reading rows by the places of their columns, for what is read most. The library's own way asks for each column
//! by its name and writes a text for each NULL, which is most of the cost of a page.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Reads a row of either database, without asking for each value whether it is of a type that fits: the columns are
/// those of our migrations, and a test compares with the library's way. `$body` is compiled for each database, with
/// `$columns` the driver's own row.
macro_rules! read_row {
    ($row:expr, |$columns:ident| $body:expr) => {{
        use sea_orm::sqlx::Row;
        let row: &sea_orm::QueryResult = $row;
        let read = if let Some($columns) = row.try_as_pg_row() {
            (|| Ok($body))()
        } else if let Some($columns) = row.try_as_sqlite_row() {
            (|| Ok($body))()
        } else {
            Err(sea_orm::sqlx::Error::RowNotFound)
        };
        read.map_err($crate::row::failure)
    }};
}

pub(crate) use read_row;

/// A failure of the driver as the library tells it.
pub(crate) fn failure(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// What the database says as text, of a type of ours.
pub(crate) fn word<T>(text: &str) -> Result<T, sqlx::Error>
where
    T: sea_orm::ActiveEnum<Value = String>,
{
    T::try_from_value(&text.to_owned())
        .map_err(|error| sqlx::Error::Decode(error.to_string().into()))
}
