//! Hearing of notifications, in GraphQL.

use async_graphql::{Context, SimpleObject, Subscription};
use entity::Viewer;
use futures_util::{Stream, StreamExt};

use super::api::Notification;
use super::{notified_stream, store};
use crate::app::{App, AppExt};
use crate::events::{Entry, Start};
use crate::graphql::{ApiError, ContextExt};
use crate::tasks::task::to_the_first_error;

/// The signed-in person was told something.
#[derive(Clone, Debug, SimpleObject)]
pub struct NotificationReceivedEvent {
    /// The place of this event. Keep the last one, and give it as `after` when subscribing again:
    /// nothing is missed. Drop an event whose cursor was seen before.
    cursor: String,
    /// What was told, as it is now; null when it is not kept any more.
    notification: Option<Notification>,
}

/// Hearing of notifications.
#[derive(Debug, Default)]
pub struct NotificationSubscription;

#[Subscription]
impl NotificationSubscription {
    /// Everything the signed-in person is told, in order. With `after`, first what came since that
    /// cursor. Fails with `CURSOR_EXPIRED` when that is not kept any more: read the list anew, and go
    /// on from its `eventCursor`.
    async fn notification_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The cursor after which to begin; with what comes from now on when not given."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Box<NotificationReceivedEvent>, ApiError>>, ApiError>
    {
        let viewer = ctx.viewer()?.clone();
        let start = Start::read(after.as_deref())?;
        let app = ctx.app().clone();
        let stream = notified_stream(viewer.user_id);
        // On the heap: what began it has its room for as long as it lasts.
        let entries = Box::pin(app.feed.follow(stream, start)).await?;
        let events = entries.then(move |entry| {
            let (app, viewer) = (app.clone(), viewer.clone());
            Box::pin(async move { tell(&app, &viewer, &*entry?).await.map(Box::new) })
        });
        Ok(to_the_first_error(ctx, events))
    }
}

async fn tell(
    app: &App,
    viewer: &Viewer,
    Entry { cursor, event }: &Entry,
) -> Result<NotificationReceivedEvent, ApiError> {
    let row = app
        .db
        .read(|db| async move { store::find_of_event(&db, event.id, viewer.user_id).await })
        .await?;
    Ok(NotificationReceivedEvent {
        cursor: cursor.encode(),
        notification: row.map(Notification),
    })
}
