//! Payloads of events as other systems read them: with the names, ids and enum values of the API.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Kind;

/// A payload with the names, ids and enum values of the API.
pub fn outward(payload: &Value) -> Map<String, Value> {
    let values = payload.as_object().into_iter().flatten();
    let told = values.map(|(name, value)| {
        let kind = match name.as_str() {
            "task_id" => Some(Kind::Task),
            "project_id" => Some(Kind::Project),
            "comment_id" => Some(Kind::Comment),
            "job_id" | "job_ids" => Some(Kind::Job),
            "session_id" | "session_ids" => Some(Kind::Session),
            "webhook_id" => Some(Kind::Webhook),
            "user_id" | "assignee_id" | "previous_assignee_id" | "recipients" => Some(Kind::User),
            _ => None,
        };
        let is_enum = matches!(name.as_str(), "fields" | "role" | "roles");
        let told = match kind {
            Some(kind) => each_text(value, &|text| match Uuid::parse_str(text) {
                Ok(id) => outward_id(kind, id),
                Err(_) => text.to_owned(),
            }),
            None if is_enum => each_text(value, &str::to_uppercase),
            None => value.clone(),
        };
        (camel_case(name), told)
    });
    told.collect()
}

/// An id as clients see it.
pub fn outward_id(kind: Kind, id: Uuid) -> String {
    kind.encode(id).0
}

/// A point in time: RFC 3339, to the microsecond, in UTC.
pub fn outward_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A text, or a list of texts, put otherwise.
fn each_text(value: &Value, put: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => put(text).into(),
        Value::Array(list) => list.iter().map(|value| each_text(value, put)).collect(),
        other => other.clone(),
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}
