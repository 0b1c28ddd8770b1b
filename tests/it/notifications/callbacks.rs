//! What vendors call back with moves a delivery, when they sign it.

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::delivery::{self, State};
use entity::suppression;
use rstest::rstest;
use sea_orm::EntityTrait;
use sea_orm::sea_query::Expr;
use serde_json::json;
use url::form_urlencoded;

use super::deliveries;
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Reply, TestApp};

const TOKEN: &str = "twilio's token";
const SID: &str = "SM0123456789abcdef0123456789abcdef";

/// An application with one message that Twilio took.
async fn with_a_message(mode: Mode) -> TestApp {
    let app = TestApp::with(
        mode,
        &[
            (
                "TASKFLOW_SMS__TWILIO__ACCOUNT_SID",
                "AC0123456789abcdef0123456789abcdef",
            ),
            ("TASKFLOW_SMS__TWILIO__AUTH_TOKEN", TOKEN),
            ("TASKFLOW_SMS__FROM", "+15005550006"),
            ("TASKFLOW_SERVER__PUBLIC_URL", "https://tasks.example.org"),
        ],
    )
    .await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    ada.creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    app.work().await;
    delivery::Entity::update_many()
        .col_expr(
            delivery::Column::Channel,
            Expr::value(delivery::Channel::Sms),
        )
        .col_expr(delivery::Column::Driver, Expr::value("twilio"))
        .col_expr(delivery::Column::ProviderId, Expr::value(SID))
        .exec(&app.sql().await)
        .await
        .unwrap();
    app
}

/// A call as Twilio makes it, signed with this token.
async fn calls(app: &TestApp, token: &str, fields: &[(&str, &str)]) -> Reply {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let url = "https://tasks.example.org/callbacks/twilio".to_owned();
    let signed = sorted
        .iter()
        .fold(url, |text, (name, value)| text + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let request = Request::post("/callbacks/twilio")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature)
        .body(Body::from(body))
        .unwrap();
    app.anybody().send(request).await
}

#[rstest]
#[tokio::test]
async fn a_message_arrives_and_may_come_back(#[values(Embedded, Full)] mode: Mode) {
    let app = with_a_message(mode).await;
    let state = async || deliveries(&app).await.remove(0);
    let fields = |status| {
        [
            ("MessageSid", SID),
            ("MessageStatus", status),
            ("To", "+49151"),
        ]
    };
    // Of somebody else's, or changed: nothing.
    assert_eq!(
        calls(&app, "another", &fields("delivered")).await.status,
        403
    );
    assert_eq!(state().await.state, State::Sent);
    let unknown = [
        ("MessageSid", "SM9999999999abcdef0123456789abcdef"),
        ("MessageStatus", "delivered"),
    ];
    assert_eq!(calls(&app, TOKEN, &unknown).await.status, 204);
    assert_eq!(state().await.state, State::Sent);
    for _ in 0..2 {
        assert_eq!(calls(&app, TOKEN, &fields("sent")).await.status, 204);
        assert_eq!(calls(&app, TOKEN, &fields("delivered")).await.status, 204);
        let row = state().await;
        assert_eq!(row.state, State::Delivered);
        assert!(row.delivered_at.is_some());
    }
    let failed = [fields("undelivered").as_slice(), &[("ErrorCode", "30003")]].concat();
    assert_eq!(calls(&app, TOKEN, &failed).await.status, 204);
    let row = state().await;
    assert_eq!(row.state, State::Bounced);
    assert!(row.reason.unwrap().contains("30003"));
    // It does not arrive after that.
    calls(&app, TOKEN, &fields("delivered")).await;
    assert_eq!(state().await.state, State::Bounced);
    let listed = suppression::Entity::find()
        .all(&app.sql().await)
        .await
        .unwrap();
    assert!(
        listed
            .iter()
            .all(|row| row.channel == delivery::Channel::Sms)
    );
}

#[rstest]
#[tokio::test]
async fn vendors_that_are_not_set_up_are_not_heard(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    for vendor in ["twilio", "sendgrid", "ses"] {
        let path = format!("/callbacks/{vendor}");
        let request = Request::post(&path).body(Body::from("{}")).unwrap();
        assert_eq!(app.anybody().send(request).await.status, 404, "{vendor}");
        assert_eq!(app.anybody().get(&path).await.status, 405, "{vendor}");
    }
}
