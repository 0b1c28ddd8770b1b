//! What webhooks are told of an event: `{type, timestamp, data}`, as Standard Webhooks recommends.
//! The log has ids alone; what the task is like is read when the message is made.

use entity::{TaskId, event, task};
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::db::DbError;
use crate::graphql::{Kind, outward, outward_id, outward_time};
use crate::tasks::task as tasks;

/// A body has fewer bytes than this.
const MOST_BYTES: usize = 20_000;

#[derive(Debug, Deserialize)]
struct Ids {
    task_id: Option<TaskId>,
}

/// The task that an event is about, if it is about one that there is.
///
/// # Errors
/// The database's failure.
pub async fn subject(
    db: &impl ConnectionTrait,
    event: &event::Model,
) -> Result<Option<task::Model>, DbError> {
    let ids = serde_json::from_value(event.payload.clone());
    match ids.ok().and_then(|ids: Ids| ids.task_id) {
        Some(id) => tasks::find(db, id).await,
        None => Ok(None),
    }
}

/// The body of the message of an event.
///
/// # Errors
/// The database's failure.
pub async fn body(
    db: &impl ConnectionTrait,
    event: &event::Model,
    subject: Option<&task::Model>,
) -> Result<String, DbError> {
    let mut data = outward(&event.payload);
    // Who else is told is the business of none of them.
    data.remove("recipients");
    let actor = event.actor_id.map(|id| outward_id(Kind::User, id.0));
    data.insert("actorId".to_owned(), actor.into());
    if data.contains_key("taskId") {
        let task = match subject {
            Some(task) => tasks::outward_of(db, task).await?,
            None => Value::Null,
        };
        data.insert("task".to_owned(), task);
    }
    Ok(cut(json!({
        "type": event.topic,
        "timestamp": outward_time(event.occurred_at),
        "data": data,
    })))
}

/// The body as text. One that is too long loses the end of the description, and says so.
fn cut(mut body: Value) -> String {
    let whole = body.to_string();
    let description = body["data"]["task"]["description"].as_str();
    let Some(description) = description.filter(|_| whole.len() >= MOST_BYTES) else {
        return whole;
    };
    let description = description.to_owned();
    body["data"]["truncated"] = true.into();
    body["data"]["task"]["description"] = "".into();
    let room = MOST_BYTES.saturating_sub(body.to_string().len() + 1);
    let mut used = 0;
    let fits = description.char_indices().find(|(_, letter)| {
        used += written(*letter);
        used > room
    });
    let end = fits.map_or(description.len(), |(start, _)| start);
    body["data"]["task"]["description"] = description[..end].into();
    body.to_string()
}

/// How many bytes a letter has in a text of JSON.
fn written(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MOST_BYTES, cut};

    #[test]
    fn a_long_text_is_cut_between_letters_and_the_rest_stays() {
        let body = |text: &str| json!({"data": {"task": {"description": text, "version": 3}}});
        let short = body("\u{1}\"ä");
        assert_eq!(cut(short.clone()), short.to_string());
        for letter in ["x", "ä", "\u{1f600}", "\"", "\u{1}", "\n"] {
            for count in [MOST_BYTES / 4, MOST_BYTES] {
                let text = letter.repeat(count);
                let told = cut(body(&text));
                assert!(told.len() < MOST_BYTES, "{letter:?} {}", told.len());
                let read: Value = serde_json::from_str(&told).unwrap();
                let kept = read["data"]["task"]["description"].as_str().unwrap();
                assert!(text.starts_with(kept));
                assert_eq!(read["data"]["task"]["version"], 3);
                let is_cut = kept.len() < text.len();
                assert_eq!(read["data"]["truncated"] == true, is_cut, "{letter:?}");
                if is_cut {
                    assert!(told.len() > MOST_BYTES - 10, "{letter:?} {}", told.len());
                }
            }
        }
    }
}
