//! Those who use the servers, and never believe what was not answered.

pub mod assigner;
pub mod subscriber;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use taskflow::graphql::Kind;
use uuid::Uuid;

use crate::pause;

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Account {
    /// As clients see it.
    pub id: String,
    /// As the database has it.
    pub uuid: Uuid,
    pub token: String,
}

/// Makes an account; tries again until that is answered.
pub async fn register(client: &reqwest::Client, server: SocketAddr, name: &str) -> Account {
    let query = "mutation R($input: RegisterInput!) { register(input: $input) {
        accessToken user { id } userErrors { message } } }";
    let input = json!({
        "email": format!("{name}@example.org"),
        "password": "Correct-Horse-7-Battery",
        "name": format!("Name of {name}"),
    });
    for _ in 0..20 {
        let variables = json!({"input": input});
        if let Some(answer) = ask(client, server, None, query, variables).await {
            let payload = &answer["data"]["register"];
            let (token, id) = (
                payload["accessToken"].as_str(),
                payload["user"]["id"].as_str(),
            );
            if let (Some(token), Some(id)) = (token, id) {
                let uuid = Kind::User.decode(id).expect("the id of a user");
                return Account {
                    id: id.to_owned(),
                    uuid,
                    token: token.to_owned(),
                };
            }
            panic!("no account: {answer:#}");
        }
        pause(Duration::from_millis(200)).await;
    }
    panic!("no account: the server does not answer");
}

/// Sends an operation; none when no whole answer came.
pub async fn ask(
    client: &reqwest::Client,
    server: SocketAddr,
    token: Option<&str>,
    query: &str,
    variables: Value,
) -> Option<Value> {
    let mut request = client
        .post(format!("http://{server}/graphql"))
        .timeout(Duration::from_secs(10))
        .json(&json!({"query": query, "variables": variables}));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.ok()?.json().await.ok()
}
