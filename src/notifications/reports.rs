//! What vendors say later of messages they took: that they arrived, or came back. A report may come
//! twice, late, or out of order, and changes nothing then.

use std::collections::HashMap;

use entity::delivery::{self, Channel, State};

use sea_orm::ActiveEnum;

use super::{store, suppressions};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::delivery::callbacks::{Report, What};

/// Writes what vendors say, all of it or nothing.
///
/// # Errors
/// The database's failure.
pub async fn apply_reports(app: &App, reports: &[Report]) -> Result<(), DbError> {
    if reports.is_empty() {
        return Ok(());
    }
    app.db
        .write(|tx| async move {
            let ids = reports.iter().map(|report| report.message_id.clone());
            let rows = store::reports::find(tx.conn(), ids.collect()).await?;
            let mut of: HashMap<_, _> = rows
                .into_iter()
                .filter_map(|row| Some(((row.driver.clone()?, row.provider_id.clone()?), row)))
                .collect();
            for report in reports {
                let key = (report.driver.to_owned(), report.message_id.clone());
                if let Some(row) = of.get_mut(&key) {
                    apply(&tx, row, report).await?;
                }
            }
            Ok(())
        })
        .await
}

async fn apply(tx: &Tx, row: &mut delivery::Model, report: &Report) -> Result<(), DbError> {
    let reason = |word: &str| match &report.code {
        Some(code) => format!("{word} ({code})"),
        None => word.to_owned(),
    };
    let (state, reason, takes_none) = match report.what {
        What::Sent => return Ok(()),
        What::Delivered => (Some(State::Delivered), None, false),
        What::Bounced { permanent } => {
            let reason = reason("it came back");
            (Some(State::Bounced), Some(reason), permanent)
        }
        What::Failed => (
            Some(State::Failed),
            Some(reason("the vendor gave it up")),
            false,
        ),
        // To a telephone it is said by not taking the message.
        What::Unsubscribed if row.channel == Channel::Sms => (
            Some(State::Bounced),
            Some(reason("the recipient wants no more")),
            true,
        ),
        What::Complained => (None, Some(reason("the recipient complained")), true),
        What::Unsubscribed => (None, Some(reason("the recipient wants no more")), true),
    };
    if let (true, Some(address)) = (takes_none, &report.recipient)
        && matches!(row.channel, Channel::Email | Channel::Sms)
    {
        let said = reason.as_deref().unwrap_or_default();
        suppressions::add(tx, row.channel, address, said).await?;
    }
    let Some(state) = state.filter(|state| follows(row.state, *state)) else {
        return Ok(());
    };
    store::reports::note(tx, row.id, row.state, state, reason.as_deref(), report.at).await?;
    row.state = state;
    let (channel, state) = (row.channel.to_value(), state.to_value());
    metrics::counter!("deliveries_total", "channel" => channel, "state" => state).increment(1);
    Ok(())
}

/// Whether a delivery that stands so can come to stand so. What arrived may come back: not every mail
/// server knows its own people.
fn follows(now: State, next: State) -> bool {
    match next {
        State::Delivered | State::Failed => now == State::Sent,
        State::Bounced => matches!(now, State::Sent | State::Delivered),
        _ => false,
    }
}
