//! The same work by async-graphql and nothing of ours: what GraphQL costs on the library that ours is built on. A
//! document is parsed and validated each time, since the library keeps none.

use std::sync::Arc;

use async_graphql::{Context, EmptySubscription, ID, Object, Request, Schema, SimpleObject};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::sockets::New;
use super::{Limit, TASK, TASKS, written};

pub type Api = Schema<Query, Mutation, EmptySubscription>;

pub fn api() -> Api {
    Schema::new(Query, Mutation, EmptySubscription)
}

/// Answers a request.
pub async fn answer(
    State(limit): State<Arc<Limit>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StatusCode> {
    let viewer = limit.viewer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let request: Request = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let request = request.data(limit.clone()).data(viewer);
    written(&limit.api.execute(request).await)
}

#[derive(SimpleObject)]
struct Task {
    id: ID,
    title: String,
    description: Option<String>,
    status: String,
    priority: String,
    created_at: DateTime<Utc>,
    assignee: Option<Person>,
    creator: Option<Person>,
}

#[derive(SimpleObject)]
struct Person {
    id: ID,
    name: String,
}

pub struct Query;

#[Object]
impl Query {
    async fn ping(&self) -> &str {
        "pong"
    }

    async fn task(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Task>> {
        let (limit, viewer) = of(ctx);
        let id: Uuid = id.parse()?;
        let query = sqlx::query(TASK).bind(viewer).bind(id);
        let row = query.fetch_optional(&limit.pool).await?;
        let task = |row: PgRow| {
            Ok(Task {
                id: key(row.try_get(0)?),
                title: row.try_get(1)?,
                description: row.try_get(2)?,
                status: row.try_get(3)?,
                priority: row.try_get(4)?,
                created_at: row.try_get(5)?,
                assignee: None,
                creator: None,
            })
        };
        row.map(task).transpose()
    }

    async fn my_tasks(&self, ctx: &Context<'_>, first: i64) -> async_graphql::Result<Vec<Task>> {
        let (limit, viewer) = of(ctx);
        let query = sqlx::query(TASKS).bind(viewer).bind(first);
        let rows = query.fetch_all(&limit.pool).await?;
        let task = |row: PgRow| {
            let person = |place: usize| {
                Ok::<_, sqlx::Error>(Person {
                    id: key(row.try_get(place)?),
                    name: row.try_get(place + 1)?,
                })
            };
            Ok(Task {
                id: key(row.try_get(0)?),
                title: row.try_get(1)?,
                description: None,
                status: row.try_get(2)?,
                priority: row.try_get(3)?,
                created_at: row.try_get(4)?,
                assignee: Some(person(5)?),
                creator: Some(person(7)?),
            })
        };
        rows.into_iter().map(task).collect()
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn create_task(
        &self,
        ctx: &Context<'_>,
        title: String,
        assignee_id: ID,
    ) -> async_graphql::Result<Task> {
        let (limit, viewer) = of(ctx);
        let to = assignee_id.parse()?;
        let new = New { title, to };
        let made = limit.followers.create(&limit.pool, viewer, new).await?;
        let made = made.create_task;
        Ok(Task {
            id: key(made.id),
            title: made.title,
            description: None,
            status: made.status.to_owned(),
            priority: "medium".to_owned(),
            created_at: made.created_at,
            assignee: None,
            creator: None,
        })
    }
}

fn of<'a>(ctx: &'a Context<'_>) -> (&'a Limit, Uuid) {
    let limit: &Arc<Limit> = ctx.data_unchecked();
    (limit, *ctx.data_unchecked())
}

fn key(id: Uuid) -> ID {
    ID(id.to_string())
}
