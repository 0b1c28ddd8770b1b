//! The table in the settings.

use taskflow::settings::Bucket;

use super::settings;
use crate::support::Mode::Embedded;
use crate::support::process::free_port;
use crate::support::server::{Site, post};
use serde_json::json;

fn table(env: &[(&str, &str)]) -> Vec<String> {
    let settings = settings(env);
    let in_words = |bucket: Bucket| {
        let rate = settings.rate(bucket)?;
        Some(format!("{} {rate}", bucket.name()))
    };
    Bucket::ALL.into_iter().filter_map(in_words).collect()
}

const PRODUCTION: [(&str, &str); 5] = [
    ("TASKFLOW_ENV", "production"),
    ("JWT_SECRET", "0123456789-0123456789-0123456789"),
    ("TASKFLOW_MAIL__TRANSPORT", "none"),
    ("TASKFLOW_SERVER__PUBLIC_URL", "https://tasks.example.org"),
    ("ALLOWED_ORIGINS", "https://tasks.example.org"),
];

#[test]
fn the_profile_sources_has_exactly_their_numbers() {
    assert_eq!(
        table(&[("TASKFLOW_LIMITS__PROFILE", "sources")]),
        [
            "global 1000/1m",
            "user 100/1m",
            "address 60/1m",
            "general 100/15m",
            "login_address 5/15m",
            "register_address 3/1h",
            "create_task 20/1m",
            "create_tasks 100/15m",
            "update_task 100/15m",
        ]
    );
}

#[test]
fn production_counts_names_too_and_nobody_for_everybody() {
    assert_eq!(
        table(&PRODUCTION),
        [
            "user 600/1m",
            "anonymous 60/1m",
            "login_address 50/15m",
            "login_account 20/15m",
            "register_address 10/1h",
            "register_account 3/1h",
            "account_mail_address 10/1h",
            "account_mail_account 3/1h",
            "create_task 20/1m",
            "create_tasks 200/1m",
            "update_task 600/1m",
            "assign_task 30/1m",
            "assign_tasks 200/1m",
            "create_comment 20/1m",
            "register_document 200/1h",
            "unsubscribe 60/1m",
            "call_webhook 20/1m",
        ]
    );
}

#[test]
fn development_raises_what_production_has() {
    let (development, production) = (settings(&[]), settings(&PRODUCTION));
    for bucket in Bucket::ALL {
        match (development.rate(bucket), production.rate(bucket)) {
            (Some(here), Some(there)) => {
                assert_eq!(here.seconds, there.seconds, "{}", bucket.name());
                assert!(here.limit >= 100 * there.limit, "{}", bucket.name());
            }
            (here, there) => assert_eq!(here, there, "{}", bucket.name()),
        }
    }
}

#[test]
fn each_bucket_can_be_set_and_turned_off_over_its_profile() {
    for bucket in Bucket::ALL {
        let name = format!("TASKFLOW_LIMITS__{}", bucket.name().to_uppercase());
        let set = settings(&[(&name, "7/2h")]);
        assert_eq!(set.rate(bucket).unwrap().to_string(), "7/2h");
        let line = format!("{} = \"7/2h\"", bucket.name());
        assert!(set.print().lines().any(|found| found == line), "{line}");
        assert_eq!(settings(&[(&name, "off")]).rate(bucket), None);
    }
}

#[test]
fn the_settings_in_effect_show_the_numbers_of_the_profile() {
    let print = settings(&PRODUCTION).print();
    for line in [
        "# profile = \"production\"",
        "# create_task = \"20/1m\"",
        "# global = \"off\"",
    ] {
        assert!(
            print.lines().any(|found| found == line),
            "{line} in {print}"
        );
    }
}

#[test]
fn production_is_warned_of_what_protects_nobody() {
    let warnings = |more: &[(&str, &str)]| {
        let env = [&PRODUCTION[..], more].concat();
        settings(&env).warnings().join("\n")
    };
    let proxied = ("TASKFLOW_SERVER__TRUSTED_PROXIES", "1");
    assert!(warnings(&[]).contains("server.trusted_proxies is 0"));
    assert!(!warnings(&[proxied]).contains("limits"));
    let off = ("TASKFLOW_LIMITS__LOGIN_ACCOUNT", "off");
    assert!(warnings(&[proxied, off]).contains("limits: off in production: login_account"));
    let raised = ("TASKFLOW_LIMITS__PROFILE", "development");
    assert!(warnings(&[proxied, raised]).contains("protect nobody"));
    // The address of everybody stands for the address of who has no name.
    let sources = ("TASKFLOW_LIMITS__PROFILE", "sources");
    let told = warnings(&[proxied, sources]);
    assert!(
        told.contains("login_account, register_account, account_mail_address, account_mail_account, assign_task"),
        "{told}"
    );
    assert!(!told.contains("anonymous"), "{told}");
}

#[tokio::test]
async fn what_was_let_through_and_what_was_not_is_counted_by_bucket() {
    let port = free_port().to_string();
    let settings = [
        ("TASKFLOW_LIMITS__ANONYMOUS", "3/1h"),
        ("METRICS_PORT", port.as_str()),
    ];
    let site = Site::new(Embedded, &settings).await;
    let (_server, address) = site.serve(&["serve"]).await;
    for _ in 0..5 {
        post(address, None, "{ __typename }", json!({})).await;
    }
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    // Supervisors ask here, too: this port is never full of clients.
    for path in ["livez", "readyz", "health"] {
        let url = format!("http://127.0.0.1:{port}/{path}");
        assert_eq!(reqwest::get(url).await.unwrap().status(), 200, "{path}");
    }
    for line in [
        "rate_limit_decisions_total{bucket=\"anonymous\",outcome=\"allowed\"} 3",
        "rate_limit_decisions_total{bucket=\"anonymous\",outcome=\"refused\"} 2",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
}
