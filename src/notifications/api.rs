//! The addresses that take no mail, in GraphQL.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::suppression::Model;

use super::{store, suppressions};
use crate::accounts::Actor;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, OpaqueCursor, PageArgs, UserError};

/// The order of the list, for its cursors.
const BY_ADDRESS: &str = "address";

/// An e-mail address that no mail is sent to, because a mail server said that it takes none.
#[derive(Debug, SimpleObject)]
pub struct Suppression {
    /// The address, in lower case.
    address: String,
    /// What the mail server said.
    reason: String,
    /// When it said so last.
    created_at: DateTime<Utc>,
}

impl From<Model> for Suppression {
    fn from(row: Model) -> Self {
        Self {
            address: row.address,
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}

/// Which address may get mail again.
#[derive(InputObject)]
pub struct RemoveSuppressionInput {
    /// The e-mail address, in any spelling.
    address: String,
}

/// The address that may get mail again.
#[derive(Debug, SimpleObject)]
pub struct RemoveSuppressionPayload {
    /// What stood on the list; null when the address was not on it.
    suppression: Option<Suppression>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// What a connection of these addresses says beside its edges.
#[derive(Debug)]
pub struct SuppressionConnectionFields;

#[Object]
impl SuppressionConnectionFields {
    /// How many addresses there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let app = ctx.app();
        Ok(app
            .db
            .read(|db| async move { store::count_suppressions(&db).await })
            .await?)
    }
}

/// Looking at the addresses that take no mail.
#[derive(Debug, Default)]
pub struct SuppressionQuery;

#[Object]
impl SuppressionQuery {
    /// The e-mail addresses that no mail is sent to, by address. For administrators.
    async fn suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<
        Connection<OpaqueCursor, Suppression, SuppressionConnectionFields, EmptyFields>,
        ApiError,
    > {
        let actor = Actor::Viewer(ctx.viewer()?);
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(BY_ADDRESS)?;
        let mut rows = suppressions::list(ctx.app(), actor, &page).await?;
        let has_next = page.cut(&mut rows);
        let fields = SuppressionConnectionFields;
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(rows.into_iter().map(|row| {
            let cursor = OpaqueCursor::new(BY_ADDRESS, row.address.clone());
            Edge::new(cursor, row.into())
        }));
        Ok(connection)
    }
}

/// Looking after the addresses that take no mail.
#[derive(Debug, Default)]
pub struct SuppressionMutation;

#[Object]
impl SuppressionMutation {
    /// Lets an e-mail address get mail again that a mail server said takes none. For administrators.
    /// Whoever confirms the address anew does the same.
    async fn remove_suppression(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which address may get mail again.")] input: RemoveSuppressionInput,
    ) -> Result<RemoveSuppressionPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let row = suppressions::remove(ctx.app(), actor, &input.address).await?;
        Ok(RemoveSuppressionPayload {
            suppression: row.map(Into::into),
            user_errors: Vec::new(),
        })
    }
}
