//! The one place that maps a kind of job to its handler.

use std::sync::Arc;

use crate::app::App;
use crate::jobs::{Claimed, Handler, JobError, Outcome, Runner};
use crate::notifications;

/// A worker of this process.
pub fn runner(app: &App) -> Runner {
    let handler: Handler = {
        let app = app.clone();
        Arc::new(move |claimed| {
            let app = app.clone();
            Box::pin(async move { handle(&app, &claimed).await })
        })
    };
    Runner::new(
        app.db.clone(),
        app.bus.clone(),
        app.settings.jobs.clone(),
        handler,
    )
}

async fn handle(app: &App, claimed: &Claimed) -> Result<Outcome, JobError> {
    match claimed.job.kind.as_str() {
        notifications::DISPATCH => notifications::dispatch(app, claimed).await,
        notifications::DELIVER => notifications::deliver(app, claimed).await,
        // Written by a newer version: leave it to a worker of that version.
        kind => Ok(Outcome::Retry {
            after: None,
            error: format!("this version has no handler for jobs of the kind `{kind}`"),
        }),
    }
}
