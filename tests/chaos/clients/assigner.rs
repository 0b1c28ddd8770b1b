//! Somebody who gives tasks to others, each with an idempotency key, and asks again until there is
//! an answer. An answer is what the checker holds the servers to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use taskflow::graphql::Kind;
use tokio_util::sync::CancellationToken;

use super::{Account, ask};
use crate::checker::Ledger;
use crate::dice::Dice;
use crate::pause;

const CREATE: &str = "mutation C($input: CreateTaskInput!) { createTask(input: $input) {
    task { id } userErrors { code message } } }";
const ASSIGN: &str = "mutation A($input: AssignTaskInput!) { assignTask(input: $input) {
    task { id } userErrors { code message } } }";

/// Who gives tasks to whom, and how fast.
pub struct Assigner {
    pub name: String,
    pub by: Account,
    pub to: Vec<Account>,
    pub servers: Vec<SocketAddr>,
    pub ledger: Arc<Ledger>,
    pub dice: Dice,
    /// The longest pause between two tasks.
    pub pause_ms: usize,
    /// How much each task says.
    pub words: usize,
    /// Whether some tasks come in two steps, or go on to another.
    pub is_varied: bool,
}

impl Assigner {
    /// Assigns until stopped; gives up what is not answered long after that.
    pub async fn run(mut self, stop: CancellationToken, give_up: CancellationToken) {
        let client = reqwest::Client::new();
        let mut number = 0;
        while !stop.is_cancelled() {
            number += 1;
            let work = self.one(&client, number);
            tokio::select! { () = work => {}, () = give_up.cancelled() => return }
            pause(self.dice.millis(0, self.pause_ms)).await;
        }
    }

    /// Makes a task for somebody, at once or in two steps. A few go on to another, at once: then the
    /// first one's mail may be skipped.
    async fn one(&mut self, client: &reqwest::Client, number: usize) {
        let title = format!("{}-{number}", self.name);
        let to = self.dice.pick(&self.to).clone();
        let at_once = !self.is_varied || self.dice.percent(70);
        let input = json!({
            "title": title,
            "description": (self.words > 0).then(|| "𝄞".repeat(self.words)),
            "assigneeId": at_once.then_some(&to.id),
            "idempotencyKey": format!("{title}-create"),
        });
        let Some(task) = self
            .until_answered(client, CREATE, "createTask", input)
            .await
        else {
            return;
        };
        if at_once {
            self.ledger.acknowledge(&task, &to, &title);
        } else {
            self.assign(client, &task, &to, &title, 1).await;
        }
        if self.is_varied && self.to.len() > 1 && self.dice.percent(10) {
            let other = loop {
                let other = self.dice.pick(&self.to);
                if other.uuid != to.uuid {
                    break other.clone();
                }
            };
            self.assign(client, &task, &other, &title, 2).await;
        }
    }

    async fn assign(
        &mut self,
        client: &reqwest::Client,
        task: &str,
        to: &Account,
        title: &str,
        step: usize,
    ) {
        let input = json!({
            "taskId": task,
            "assigneeId": to.id,
            "idempotencyKey": format!("{title}-assign-{step}"),
        });
        if self
            .until_answered(client, ASSIGN, "assignTask", input)
            .await
            .is_some()
        {
            self.ledger.acknowledge(task, to, title);
        }
    }

    /// The id of the task; none when it was refused, which it never should be.
    async fn until_answered(
        &mut self,
        client: &reqwest::Client,
        query: &str,
        field: &str,
        input: Value,
    ) -> Option<String> {
        let mut tries = 0;
        loop {
            tries += 1;
            let server = *self.dice.pick(&self.servers);
            let begun = Instant::now();
            let variables = json!({"input": input});
            let answer = ask(client, server, Some(&self.by.token), query, variables).await;
            let Some(answer) = answer else {
                self.ledger.failed();
                pause(self.dice.millis(50, 200)).await;
                continue;
            };
            if let Some(id) = answer["data"][field]["task"]["id"].as_str() {
                self.ledger.answered(begun.elapsed(), tries);
                assert!(Kind::Task.decode(id).is_ok(), "{answer:#}");
                return Some(id.to_owned());
            }
            self.ledger.failed();
            if answer["errors"][0]["extensions"]["code"] != "UNAVAILABLE" {
                self.ledger
                    .violated(format!("{field} was answered with {answer}"));
                return None;
            }
            pause(self.dice.millis(50, 200)).await;
        }
    }
}
