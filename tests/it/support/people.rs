//! People who use the application.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A good password for everyone.
pub const PASSWORD: &str = "Correct-Horse-7-Battery";

/// Somebody who sends requests through the router.
#[derive(Clone)]
pub struct Person {
    router: Router,
    pub token: Option<String>,
    pub refresh_token: String,
    pub id: String,
    pub name: String,
}

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Person {
    pub fn new(router: Router, token: Option<String>) -> Self {
        Self {
            router,
            token,
            refresh_token: String::new(),
            id: String::new(),
            name: String::new(),
        }
    }

    pub async fn register(router: Router, name: &str) -> Self {
        let anybody = Self::new(router, None);
        let reply = anybody
            .graphql(
                "mutation R($input: RegisterInput!) { register(input: $input) {
                   accessToken refreshToken user { id } userErrors { code message field } } }",
                json!({"input": {
                    "email": format!("{name}@example.org"),
                    "username": name,
                    "password": PASSWORD,
                    "name": format!("Name of {name}"),
                }}),
            )
            .await;
        anybody.signed_in(name, &reply, "register")
    }

    pub async fn logged_in_again(&self) -> Self {
        let reply = self
            .without_token()
            .graphql(
                "mutation L($input: LoginInput!) { login(input: $input) {
                   accessToken refreshToken user { id } userErrors { code message field } } }",
                json!({"input": {"identifier": self.name, "password": PASSWORD}}),
            )
            .await;
        self.signed_in(&self.name, &reply, "login")
    }

    fn signed_in(&self, name: &str, reply: &Reply, field: &str) -> Self {
        let payload = &reply.data()[field];
        let text = |key: &str| {
            let value = &payload[key];
            value
                .as_str()
                .unwrap_or_else(|| panic!("{key} in {reply:?}"))
                .to_owned()
        };
        Self {
            router: self.router.clone(),
            token: Some(text("accessToken")),
            refresh_token: text("refreshToken"),
            id: payload["user"]["id"].as_str().expect("an id").to_owned(),
            name: name.to_owned(),
        }
    }

    pub fn without_token(&self) -> Self {
        Self::new(self.router.clone(), None)
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same person at another replica.
    pub fn at(&self, router: &Router) -> Self {
        Self {
            router: router.clone(),
            ..self.clone()
        }
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Reply {
        self.post(&json!({"query": query, "variables": variables}))
            .await
    }

    /// Sends the body of a request as it is.
    pub async fn post(&self, body: &Value) -> Reply {
        let mut request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/graphql-response+json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = Body::from(body.to_string());
        self.send(request.body(body).expect("a request")).await
    }

    /// Gets a page.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Reply {
            status,
            headers,
            body,
        }
    }

    /// Makes a task and answers its id.
    pub async fn creates(&self, input: Value) -> String {
        let reply = self
            .graphql(
                "mutation C($input: CreateTaskInput!) { createTask(input: $input) {
                   task { id } userErrors { code message field } } }",
                json!({"input": input}),
            )
            .await;
        let id = &reply.data()["createTask"]["task"]["id"];
        id.as_str()
            .unwrap_or_else(|| panic!("a task in {reply:?}"))
            .to_owned()
    }

    pub async fn assigns(&self, task: &str, to: &Self) -> Reply {
        self.graphql(
            "mutation A($input: AssignTaskInput!) { assignTask(input: $input) {
               task { id version assignee { id } } userErrors { code message field } } }",
            json!({"input": {"taskId": task, "assigneeId": to.id}}),
        )
        .await
    }

    /// Makes a project and answers its id.
    pub async fn creates_project(&self, key: &str) -> String {
        let reply = self
            .graphql(
                "mutation P($input: CreateProjectInput!) { createProject(input: $input) {
                   project { id } userErrors { code message field } } }",
                json!({"input": {"key": key, "name": format!("Project {key}")}}),
            )
            .await;
        let id = &reply.data()["createProject"]["project"]["id"];
        id.as_str()
            .unwrap_or_else(|| panic!("a project in {reply:?}"))
            .to_owned()
    }

    /// Takes somebody into a project.
    pub async fn adds_member(&self, project: &str, who: &Self, role: &str) {
        let reply = self
            .graphql(
                "mutation M($input: AddProjectMemberInput!) { addProjectMember(input: $input) {
                   member { role } userErrors { code message field } } }",
                json!({"input": {"projectId": project, "userId": who.id, "role": role}}),
            )
            .await;
        let member = &reply.data()["addProjectMember"]["member"];
        assert_eq!(member["role"], json!(role), "{reply:?}");
    }

    /// Takes somebody out of a project.
    pub async fn removes_member(&self, project: &str, who: &Self) -> Reply {
        self.graphql(
            "mutation M($input: RemoveProjectMemberInput!) { removeProjectMember(input: $input) {
               removedUserId userErrors { code message field } } }",
            json!({"input": {"projectId": project, "userId": who.id}}),
        )
        .await
    }

    /// The place of the newest event about this person.
    pub async fn event_cursor(&self) -> String {
        let reply = self.graphql("{ viewer { eventCursor } }", json!({})).await;
        reply.data()["viewer"]["eventCursor"]
            .as_str()
            .expect("a cursor")
            .to_owned()
    }
}

impl Reply {
    /// The data of an answer without errors.
    pub fn data(&self) -> &Value {
        assert!(self.body.get("errors").is_none(), "{:#}", self.body);
        &self.body["data"]
    }

    /// The code of the first error.
    pub fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("an error in {:#}", self.body))
    }

    /// The code and the field of the first user error of a mutation.
    pub fn user_error(&self, mutation: &str) -> (String, String) {
        let error = &self.data()[mutation]["userErrors"][0];
        let field = error["field"].as_array().map(|parts| {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            parts.join(".")
        });
        (
            error["code"].as_str().unwrap_or_default().to_owned(),
            field.unwrap_or_default(),
        )
    }
}
