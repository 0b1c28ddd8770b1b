//! Labels in GraphQL.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::label::name_norm;
use entity::{LabelId, TaskId, label};

use super::{service, store};
use crate::accounts::User;
use crate::app::AppExt;
use crate::db::DbError;
use crate::graphql::{ApiError, ContextExt, Kind, Loader, OpaqueCursor, PageArgs, search_text};
use crate::tasks::loaders::loaders;
use crate::tasks::task::required_user;

/// The order of the list, for its cursors.
const BY_NAME: &str = "name";

/// What is loaded together of labels.
#[derive(Debug, Default)]
pub struct Loaders {
    of_tasks: Loader<TaskId, Vec<label::Model>, ApiError>,
    /// That they stand on a task the viewer may not see.
    unseen: Loader<LabelId, bool, ApiError>,
}

/// A word to sort tasks by, the same for the whole server. Everybody who is signed in sees it.
#[derive(Clone, Debug)]
pub struct Label(pub label::Model);

/// A word to sort tasks by, the same for the whole server. Everybody who is signed in sees it.
#[Object]
impl Label {
    /// The id, as `label_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Label.encode(self.0.id.0)
    }

    /// The word, of 1 to 50 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The colour, as `#rrggbb`.
    async fn color(&self) -> &str {
        &self.0.color
    }

    /// Who made it.
    async fn creator(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.0.creator_id).await
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// Whether the signed-in person may change it: its creator, as long as they see all tasks it
    /// stands on, and administrators.
    async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        may_change(ctx, &self.0).await
    }

    /// Whether the signed-in person may delete it: its creator, as long as they see all tasks it
    /// stands on, and administrators.
    async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        may_change(ctx, &self.0).await
    }
}

async fn may_change(ctx: &Context<'_>, label: &label::Model) -> Result<bool, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    if !service::may_change(viewer, label) {
        return Ok(false);
    }
    let fetch = |labels: Vec<LabelId>| async move {
        let labels = &labels;
        let unseen = app
            .db
            .read(|db| async move { store::on_unseen(&db, viewer, labels.clone()).await })
            .await?;
        Ok(unseen.into_iter().map(|label| (label, true)).collect())
    };
    let unseen = loaders(ctx)?.labels.unseen.load(label.id, fetch).await?;
    Ok(unseen.is_none())
}

/// What a connection of labels says beside its edges.
#[derive(Debug)]
pub struct LabelConnectionFields {
    search: Option<String>,
}

#[Object]
impl LabelConnectionFields {
    /// How many labels there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, text) = (ctx.app(), self.search.as_deref());
        Ok(app
            .db
            .read(|db| async move { store::count(&db, text).await })
            .await?)
    }
}

/// Looking for labels.
#[derive(Debug, Default)]
pub struct LabelQuery;

#[Object]
impl LabelQuery {
    /// The labels of this server, by name.
    async fn labels(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Only labels whose name contains this text, in any case.")] search: Option<
            String,
        >,
    ) -> Result<Connection<OpaqueCursor, Label, LabelConnectionFields, EmptyFields>, ApiError> {
        ctx.viewer()?;
        let search = search
            .map(|text| search_text(text.trim()).map(|text| name_norm(&text)))
            .transpose()?;
        let search = search.filter(|text| !text.is_empty());
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(BY_NAME)?;
        let (app, text, asked) = (ctx.app(), search.as_deref(), &page);
        let mut labels = app
            .db
            .read(|db| async move { store::list(&db, text, asked).await })
            .await?;
        let has_next = page.cut(&mut labels);
        let fields = LabelConnectionFields { search };
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(labels.into_iter().map(|label| {
            let cursor = OpaqueCursor::new(BY_NAME, (label.name_norm.clone(), label.id));
            Edge::new(cursor, Label(label))
        }));
        Ok(connection)
    }
}

/// The labels of a task by name, fetched together with those of the other tasks of this answer.
///
/// # Errors
/// The database's failure.
pub async fn labels_of(ctx: &Context<'_>, task: TaskId) -> Result<Vec<Label>, ApiError> {
    let app = ctx.app();
    let fetch = |tasks: Vec<TaskId>| async move {
        let tasks = &tasks;
        let (ids, labels) = app
            .db
            .read(|db| async move {
                let ids = store::of_tasks(&db, tasks.clone()).await?;
                let all = ids.values().flatten().copied().collect();
                let labels = store::find_many(&db, all).await?;
                Ok::<_, DbError>((ids, labels))
            })
            .await?;
        let of_task = |(task, ids): (TaskId, std::collections::BTreeSet<LabelId>)| {
            let labels = labels.iter().filter(|label| ids.contains(&label.id));
            (task, labels.cloned().collect())
        };
        Ok(ids.into_iter().map(of_task).collect())
    };
    let labels = loaders(ctx)?.labels.of_tasks.load(task, fetch).await?;
    Ok(labels.unwrap_or_default().into_iter().map(Label).collect())
}

/// Labels by id, by one query.
///
/// # Errors
/// The database's failure.
pub async fn find_labels(
    ctx: &Context<'_>,
    ids: Vec<LabelId>,
) -> Result<HashMap<LabelId, Label>, ApiError> {
    ctx.viewer()?;
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (app, ids) = (ctx.app(), &ids);
    let labels = app
        .db
        .read(|db| async move { store::find_many(&db, ids.clone()).await })
        .await?;
    Ok(labels
        .into_iter()
        .map(|label| (label.id, Label(label)))
        .collect())
}
