//! The page behind the links of mails.

use std::collections::BTreeMap;

use axum::http::header;
use serde_json::json;

use crate::support::Mode::Embedded;
use crate::support::TestApp;

const DOCUMENTS: &str = include_str!("../../../web/account/documents.json");

const PRODUCTION: [(&str, &str); 7] = [
    ("TASKFLOW_ENV", "production"),
    ("JWT_PRIVATE_KEY_FILE", "unused.pem"),
    ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ("TASKFLOW_MAIL__TRANSPORT", "none"),
    ("TASKFLOW_SERVER__PUBLIC_URL", "https://me.example"),
    ("ALLOWED_ORIGINS", "https://me.example"),
    ("TASKFLOW_DATABASE__MIGRATE_ON_START", "true"),
];

fn documents() -> BTreeMap<String, String> {
    serde_json::from_str(DOCUMENTS).unwrap()
}

#[tokio::test]
async fn the_page_is_served_in_development_and_in_production_and_trusts_its_own_files_only() {
    for settings in [&[][..], &PRODUCTION[..]] {
        let app = TestApp::with(Embedded, settings).await;
        for (path, media) in [
            ("/account", "text/html"),
            ("/account/account.js", "text/javascript"),
            ("/account/account.css", "text/css"),
            ("/account/documents.json", "application/json"),
        ] {
            let reply = app.anybody().get(path).await;
            assert_eq!(reply.status, 200, "{path}");
            let header = |name| reply.headers[name].to_str().unwrap();
            assert!(header(header::CONTENT_TYPE).starts_with(media), "{path}");
            assert_eq!(header(header::CACHE_CONTROL), "no-cache", "{path}");
            assert_eq!(header(header::REFERRER_POLICY), "no-referrer", "{path}");
            let csp = header(header::CONTENT_SECURITY_POLICY);
            assert!(
                csp.starts_with("default-src 'none'; script-src 'self';"),
                "{csp}"
            );
            assert!(
                csp.contains("frame-ancestors 'none'") && !csp.contains("unsafe"),
                "{csp}"
            );
        }
        for path in [
            "/account/",
            "/account/no.js",
            "/account/..%2fgraphiql%2fVERSION",
        ] {
            let status = app.anybody().get(path).await.status;
            assert_eq!(status, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn the_page_has_no_script_or_style_in_it_and_asks_nobody_else() {
    let app = TestApp::start(Embedded).await;
    for path in ["/account", "/account/account.js", "/account/account.css"] {
        let text = app.anybody().get(path).await.body;
        let text = text.as_str().unwrap();
        let handlers = [
            " onclick=",
            " onload=",
            " onsubmit=",
            " style=",
            "javascript:",
        ];
        let others = [
            "http://",
            "https://",
            "innerHTML",
            "eval(",
            "@import",
            "url(",
        ];
        for word in handlers.into_iter().chain(others) {
            assert!(!text.contains(word), "{path}: {word}");
        }
        if path == "/account" {
            assert_eq!(text.matches("<script").count(), 1);
            assert!(text.contains("<script src=\"account/account.js\" defer></script>"));
            assert!(!text.contains("<style"));
        }
    }
}

#[tokio::test]
async fn what_the_page_asks_fits_the_schema_also_where_only_known_documents_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.json"), r#"{"1": "{ __typename }"}"#).unwrap();
    let path = folder.path().display().to_string();
    let only = [
        ("TASKFLOW_PERSISTED_DOCUMENTS__FOLDER", path.as_str()),
        ("TASKFLOW_PERSISTED_DOCUMENTS__ONLY", "true"),
    ];
    for settings in [&[][..], &only[..]] {
        let app = TestApp::with(Embedded, settings).await;
        for (name, document) in documents() {
            let input = match name.as_str() {
                "register" => json!({"name": "x", "password": "x", "invitation": "x"}),
                "resetPassword" => json!({"token": "x", "newPassword": "x"}),
                _ => json!({"token": "x"}),
            };
            let variables = match name.as_str() {
                "passwordPolicy" => json!({}),
                "passwordStrength" => json!({"password": "x", "names": ["x"]}),
                _ => json!({"input": input}),
            };
            let reply = app.anybody().graphql(&document, variables).await;
            let data = reply.data();
            if name.starts_with("password") {
                assert!(data["passwordPolicy"].is_object(), "{name}");
            } else {
                assert!(
                    data[&name]["userErrors"][0]["message"].is_string(),
                    "{name}: {data}"
                );
            }
        }
        let other = app.anybody().graphql("{ a: __typename }", json!({})).await;
        assert_eq!(other.body.get("errors").is_some(), !settings.is_empty());
    }
}
