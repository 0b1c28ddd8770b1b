//! An event as other services read it: CloudEvents 1.0 (<https://cloudevents.io>), in JSON. The log
//! has ids alone; what they stand for is read when it is told. Ids and enum values are those of the
//! API.

use entity::{ProjectId, TaskId, UserId, event};
use sea_orm::{ActiveEnum, ConnectionTrait};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts;
use crate::db::{Db, DbError};
use crate::events;
use crate::graphql::{Kind, outward, outward_id as id_of, outward_time as moment};
use crate::tasks::task;

/// The ids in payloads that something is read of.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "so are they called there")]
struct Ids {
    task_id: Option<TaskId>,
    project_id: Option<ProjectId>,
    user_id: Option<UserId>,
}

/// The event as a CloudEvent of this source, with what its subject is like now.
///
/// # Errors
/// The database's failure.
pub async fn cloud_event(db: &Db, source: &str, event: &event::Model) -> Result<Value, DbError> {
    db.read(|db| async move { told(&db, source, event).await })
        .await
}

async fn told(
    db: &impl ConnectionTrait,
    source: &str,
    event: &event::Model,
) -> Result<Value, DbError> {
    let mut data = outward(&event.payload);
    data.insert(
        "actorId".to_owned(),
        event.actor_id.map(|id| id_of(Kind::User, id.0)).into(),
    );
    let mut sequence = None;
    let subject = ["taskId", "projectId", "userId"].iter();
    let subject = subject
        .filter_map(|key| data.get(*key))
        .find(|id| !id.is_null());
    let subject = subject.cloned();
    if let Ok(ids) = serde_json::from_value::<Ids>(event.payload.clone()) {
        match (event.topic.split_once('.'), ids) {
            (
                Some(("task", _)),
                Ids {
                    task_id: Some(id),
                    project_id,
                    ..
                },
            ) => {
                let stream = events::task_stream(id, project_id);
                sequence = events::seq_of(db, &stream, event.id).await?;
                data.insert("task".to_owned(), task::outward(db, id).await?);
            }
            (
                Some(("user", _)),
                Ids {
                    user_id: Some(id), ..
                },
            ) => {
                data.insert("user".to_owned(), user(db, id).await?);
            }
            (
                Some(("artist", _)),
                Ids {
                    user_id: Some(id), ..
                },
            ) => {
                data.insert("user".to_owned(), user(db, id).await?);
                data.insert("artist".to_owned(), artist(db, id).await?);
            }
            _ => {}
        }
    }
    let mut told = json!({
        "specversion": "1.0",
        "id": event.id.0,
        "source": source,
        "type": format!("taskflow.{}", event.topic),
        "time": moment(event.occurred_at),
        "datacontenttype": "application/json",
        "schemaversion": event.schema_version,
        "data": data,
    });
    // An attribute of CloudEvents is absent, not null.
    if let Some(subject) = subject {
        told["subject"] = subject;
    }
    if let Some(seq) = sequence {
        // The extension wants texts that sort like the numbers.
        told["sequence"] = format!("{seq:020}").into();
    }
    Ok(told)
}

/// What an account is like now; null if it is gone.
async fn user(db: &impl ConnectionTrait, id: UserId) -> Result<Value, DbError> {
    let Some(user) = accounts::find(db, id).await? else {
        return Ok(Value::Null);
    };
    let roles = accounts::roles(db, id).await?;
    let roles = roles.into_iter().map(|role| role.to_value().to_uppercase());
    // Everybody has this one, so no table does.
    let roles: Vec<_> = std::iter::once("USER".to_owned()).chain(roles).collect();
    Ok(json!({
        "id": id_of(Kind::User, id.0),
        "username": user.username,
        "email": user.email,
        "emailVerified": user.email_verified_at.is_some(),
        "name": user.name,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "avatarUrl": user.avatar_url,
        "locale": user.locale,
        "timezone": user.timezone,
        "status": user.status.to_value().to_uppercase(),
        "roles": roles,
        "createdAt": moment(user.created_at),
        "updatedAt": moment(user.updated_at),
    }))
}

/// What an artist profile is like now; null if its owner is no artist any more.
async fn artist(db: &impl ConnectionTrait, id: UserId) -> Result<Value, DbError> {
    let profiles = accounts::find_artist_profiles(db, vec![id]).await?;
    let Some(profile) = profiles.into_iter().next() else {
        return Ok(Value::Null);
    };
    Ok(json!({
        "id": id_of(Kind::Artist, id.0),
        "stageName": profile.stage_name,
        "bio": profile.bio,
        "genres": profile.genres,
        "website": profile.website,
        "links": profile.links,
        "createdAt": moment(profile.created_at),
        "updatedAt": moment(profile.updated_at),
    }))
}
