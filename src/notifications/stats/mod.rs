//! What became of everything that was told: for administrators.

mod api;
mod store;

pub use self::api::StatsQuery;
