//! A task as other systems read it: ids and enum values are those of the API.

use entity::TaskId;
use entity::task::Model;
use sea_orm::{ActiveEnum, ConnectionTrait};
use serde_json::{Value, json};

use super::store;
use crate::db::DbError;
use crate::graphql::{Kind, outward_id as id_of, outward_time as moment};
use crate::tasks::project;

/// What a task is like now; null if it is deleted.
///
/// # Errors
/// The database's failure.
pub async fn outward(db: &impl ConnectionTrait, id: TaskId) -> Result<Value, DbError> {
    match store::find(db, id).await? {
        Some(task) => outward_of(db, &task).await,
        None => Ok(Value::Null),
    }
}

/// The same of a task that was read already.
///
/// # Errors
/// The database's failure.
pub async fn outward_of(db: &impl ConnectionTrait, task: &Model) -> Result<Value, DbError> {
    if task.deleted_at.is_some() {
        return Ok(Value::Null);
    }
    let projects = project::find_many(db, task.project_id.into_iter().collect()).await?;
    let project_key = projects.first().map(|project| project.key.as_str());
    let key = project_key.zip(task.number);
    Ok(json!({
        "id": id_of(Kind::Task, task.id.0),
        "key": key.map(|(project, number)| format!("{project}-{number}")),
        "title": task.title,
        "description": task.description,
        "status": task.status.to_value().to_uppercase(),
        "priority": task.priority.to_value().to_uppercase(),
        "enabled": task.enabled,
        "startAt": task.start_at.map(moment),
        "startDate": task.start_on,
        "dueAt": task.due_at.map(moment),
        "dueDate": task.due_on,
        "projectId": task.project_id.map(|id| id_of(Kind::Project, id.0)),
        "projectKey": project_key,
        "parentId": task.parent_id.map(|id| id_of(Kind::Task, id.0)),
        "creatorId": id_of(Kind::User, task.creator_id.0),
        "assigneeId": task.assignee_id.map(|id| id_of(Kind::User, id.0)),
        "completedAt": task.completed_at.map(moment),
        "version": task.version,
        "createdAt": moment(task.created_at),
        "updatedAt": moment(task.updated_at),
    }))
}
