//! Several replicas count together in Redis; without it each counts half for itself.

use rstest::rstest;
use serde_json::json;

use super::{PROXY, TYPENAME, app, fields, kept_out, left, logs_in, redis_is_up, rows, tasks};
use crate::support::Mode::Full;
use crate::support::TestApp;
use crate::support::process::{PATIENCE, free_port};
use crate::support::redis::RedisServer;
use crate::support::server::{Site, post};

/// A server on a Redis that the test may disturb, and a second replica.
async fn two(redis: &RedisServer, settings: &[(&str, &str)]) -> (TestApp, TestApp) {
    let mut all = vec![("REDIS_URL", redis.url())];
    all.extend_from_slice(settings);
    let one = app(Full, &all).await;
    let other = one.replica().await;
    redis_is_up(&other).await;
    (one, other)
}

#[tokio::test]
async fn two_replicas_share_one_limit() {
    let settings = [
        PROXY,
        ("TASKFLOW_LIMITS__CREATE_TASK", "5/1h"),
        ("TASKFLOW_LIMITS__LOGIN_ACCOUNT", "3/1h"),
    ];
    let one = app(Full, &settings).await;
    let other = one.replica().await;
    redis_is_up(&other).await;
    let ada = one.person("ada").await;
    let routers = [&one.router, &other.router];
    let mut refused = 0;
    for turn in 0..8 {
        let reply = ada
            .at(routers[turn % 2])
            .graphql(&tasks(1), json!({}))
            .await;
        refused += usize::from(reply.body.get("errors").is_some());
    }
    assert_eq!((refused, rows(&one, "tasks").await), (3, 5));
    let guess = async |app, address| {
        let reply = logs_in(app, address, "ada", "wrong").await;
        reply.body.get("errors").is_none()
    };
    assert!(guess(&one, "192.0.2.1").await);
    assert!(guess(&other, "192.0.2.2").await);
    assert!(guess(&one, "192.0.2.3").await);
    assert!(!guess(&other, "192.0.2.4").await);
    assert!(!guess(&one, "192.0.2.5").await);
}

#[tokio::test]
async fn while_many_ask_at_once_no_more_than_the_limit_get_through() {
    let settings = [("TASKFLOW_LIMITS__USER", "20/1h")];
    let one = app(Full, &settings).await;
    let other = one.replica().await;
    redis_is_up(&other).await;
    let ada = one.person("ada").await;
    let asking = (0..40).map(|turn| {
        let router = if turn % 2 == 0 {
            &one.router
        } else {
            &other.router
        };
        let ada = ada.at(router);
        async move { ada.graphql(TYPENAME, json!({})).await.status == 200 }
    });
    let through = futures_util::future::join_all(asking).await;
    assert_eq!(through.into_iter().filter(|through| *through).count(), 20);
}

#[tokio::test]
async fn without_redis_each_replica_gives_half_and_with_it_again_all_count_together() {
    let mut redis = RedisServer::start_private();
    let (one, other) = two(&redis, &[("TASKFLOW_LIMITS__USER", "10/1h")]).await;
    let ada = one.person("ada").await;
    let there = ada.at(&other.router);
    assert_eq!(left(&ada.graphql(&fields(8), json!({})).await), ("10", "2"));
    assert_eq!(
        left(&there.graphql(&fields(2), json!({})).await),
        ("10", "0")
    );
    kept_out(&ada.graphql(TYPENAME, json!({})).await, 429, 300..=360);

    redis.kill();
    for who in [&ada, &there] {
        assert_eq!(left(&who.graphql(&fields(4), json!({})).await), ("5", "1"));
        assert_eq!(left(&who.graphql(TYPENAME, json!({})).await), ("5", "0"));
        kept_out(&who.graphql(TYPENAME, json!({})).await, 429, 600..=720);
    }

    // It comes back empty.
    redis.start();
    redis_is_up(&one).await;
    redis_is_up(&other).await;
    assert_eq!(left(&ada.graphql(&fields(6), json!({})).await), ("10", "4"));
    assert_eq!(
        left(&there.graphql(&fields(4), json!({})).await),
        ("10", "0")
    );
    kept_out(&ada.graphql(TYPENAME, json!({})).await, 429, 300..=360);
}

#[tokio::test]
async fn with_a_redis_that_does_not_answer_requests_are_answered_all_the_same() {
    let redis = RedisServer::start_private();
    let settings = [
        ("TASKFLOW_LIMITS__USER", "10/1h"),
        ("TASKFLOW_LIMITS__REDIS_TIMEOUT_MS", "500"),
    ];
    let (one, _other) = two(&redis, &settings).await;
    let ada = one.person("ada").await;
    redis.pause();
    assert_eq!(left(&ada.graphql(&fields(4), json!({})).await), ("5", "1"));
    assert_eq!(left(&ada.graphql(TYPENAME, json!({})).await), ("5", "0"));
    kept_out(&ada.graphql(TYPENAME, json!({})).await, 429, 600..=720);
    redis.resume();
    redis_is_up(&one).await;
    let reply = ada.graphql(TYPENAME, json!({})).await;
    assert_eq!(left(&reply).0, "10");
}

/// Each makes Redis refuse to count, and then count again.
#[rstest]
#[case::full(&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"])]
#[case::read_only(&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"])]
#[tokio::test]
async fn a_redis_that_refuses_to_count_is_as_one_that_is_away(
    #[case] refuse: &'static [&'static str],
    #[case] agree: &'static [&'static str],
) {
    let redis = RedisServer::start_private();
    let (one, _other) = two(&redis, &[("TASKFLOW_LIMITS__USER", "10/1h")]).await;
    let ada = one.person("ada").await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut tell = async |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let _: () = command.query_async(&mut connection).await.unwrap();
    };
    assert_eq!(left(&ada.graphql(TYPENAME, json!({})).await), ("10", "9"));
    tell(refuse).await;
    assert_eq!(left(&ada.graphql(&fields(4), json!({})).await), ("5", "1"));
    assert_eq!(left(&ada.graphql(TYPENAME, json!({})).await), ("5", "0"));
    kept_out(&ada.graphql(TYPENAME, json!({})).await, 429, 600..=720);
    tell(agree).await;
    // It is left alone for a moment before it is asked again.
    let together = async {
        while left(&ada.graphql(TYPENAME, json!({})).await).0 != "10" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, together).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_forgot_the_script_is_told_it_again() {
    let redis = RedisServer::start_private();
    let (one, _other) = two(&redis, &[("TASKFLOW_LIMITS__USER", "10/1h")]).await;
    let ada = one.person("ada").await;
    ada.graphql(TYPENAME, json!({})).await.data();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut forget = redis::cmd("SCRIPT");
    let _: () = forget
        .arg("FLUSH")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(left(&ada.graphql(TYPENAME, json!({})).await), ("10", "8"));
}

#[tokio::test]
async fn the_log_tells_of_the_change_and_the_counter_of_each_time() {
    let mut redis = RedisServer::start_private();
    let port = free_port().to_string();
    let settings = [
        ("REDIS_URL", redis.url()),
        ("METRICS_PORT", port.as_str()),
        ("TASKFLOW_DATABASE__MIGRATE_ON_START", "true"),
    ];
    let site = Site::new(Full, &settings).await;
    let (mut server, address) = site.serve(&["serve"]).await;
    let ask = || post(address, None, TYPENAME, json!({}));
    ask().await;
    redis.kill();
    for _ in 0..20 {
        assert_eq!(ask().await["data"]["__typename"], "Query");
    }
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics"));
    let metrics = metrics.await.unwrap().text().await.unwrap();
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("rate_limit_fallback_total "));
    assert!(count.unwrap().parse::<u32>().unwrap() >= 20, "{metrics}");
    redis.start();
    let again = "rate limits are counted in Redis again";
    tokio::time::timeout(PATIENCE, async {
        while !server.stderr().contains(again) {
            ask().await;
        }
    })
    .await
    .unwrap();
    server.terminate();
    server.wait().await;
    let said = server.stderr();
    // The very first request may come before the first connection.
    let changes = said.matches("counted in this process alone").count();
    assert!((1..=2).contains(&changes), "{said}");
}
