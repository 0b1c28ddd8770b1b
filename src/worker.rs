//! The one place that maps a kind of job to its handler.

use std::sync::Arc;

use crate::app::App;
use crate::jobs::{Buried, Claimed, Handler, JobError, Outcome, Runner, SINK_QUEUE, WEBHOOK_QUEUE};
use crate::{notifications, sink};

/// All workers of this process, one a queue.
pub fn runners(app: &App) -> [Runner; 3] {
    // Other services are told beside what people wait for, and with less.
    let few = (app.settings.jobs.concurrency / 4).max(1);
    [
        runner(app),
        runner(app).on(SINK_QUEUE, few),
        runner(app).on(WEBHOOK_QUEUE, few),
    ]
}

/// The worker of the default queue.
pub fn runner(app: &App) -> Runner {
    let handler: Handler = {
        let app = app.clone();
        Arc::new(move |claimed| {
            let app = app.clone();
            Box::pin(async move { handle(&app, &claimed).await })
        })
    };
    // A delivery ends with its job, or it would wait for ever.
    let buried: Buried =
        Arc::new(|tx, jobs| Box::pin(async move { notifications::give_up(&tx, &jobs).await }));
    Runner::new(
        app.db.clone(),
        app.bus.clone(),
        app.settings.jobs.clone(),
        handler,
    )
    .telling(buried)
}

async fn handle(app: &App, claimed: &Arc<Claimed>) -> Result<Outcome, JobError> {
    match claimed.job.kind.as_str() {
        notifications::DISPATCH => notifications::dispatch(app, claimed).await,
        notifications::DELIVER => notifications::deliver(app, claimed).await,
        sink::SEND => sink::send(app, claimed).await,
        // Written by a newer version: leave it to a worker of that version.
        kind => Ok(Outcome::Retry {
            after: None,
            error: format!("this version has no handler for jobs of the kind `{kind}`"),
        }),
    }
}
