//! SMS and push messages: by files, where no vendor is set, and by vendors that fail in every way.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use chrono::TimeDelta;
use entity::delivery::{self, Channel};
use rstest::rstest;
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use super::{deliveries, logged, sends, sets, states};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::free_port;
use crate::support::{Person, TestApp};

const NUMBER: &str = "+4915123456789";

/// The code that was sent last.
fn code(app: &TestApp) -> String {
    let sms = logged(app, ".sms.json");
    let text = sms.last().unwrap()["text"].as_str().unwrap();
    let digits = text.split(|c: char| !c.is_ascii_digit());
    digits
        .into_iter()
        .find(|word| word.len() == 6)
        .unwrap()
        .to_owned()
}

async fn has_a_phone(app: &TestApp, person: &Person) {
    let reply = sends(
        person,
        "setPhoneNumber",
        json!({"number": "+49 151 / 234 567-89"}),
        "",
    )
    .await;
    assert_eq!(reply.data()["setPhoneNumber"]["userErrors"], json!([]));
    app.work().await;
    let code = json!({"code": code(app)});
    let wanted = "phoneNumber { number pendingNumber }";
    let reply = sends(person, "confirmPhoneNumber", code, wanted).await;
    let phone = &reply.data()["confirmPhoneNumber"]["phoneNumber"];
    assert_eq!(
        phone,
        &json!({"number": NUMBER, "pendingNumber": null}),
        "{reply:?}"
    );
}

/// Somebody who wants to be told of assignments by SMS.
async fn wants_sms(person: &Person) {
    let sms = json!({"type": "TASK_ASSIGNED", "channel": "SMS", "enabled": true});
    let no_mail = json!({"type": "TASK_ASSIGNED", "channel": "EMAIL", "enabled": false});
    sets(person, json!({"preferences": [sms, no_mail]})).await;
}

async fn gives(app: &TestApp, ada: &Person, bob: &Person) {
    ada.creates(json!({"title": "Call <me>", "assigneeId": bob.id}))
        .await;
    // So many SMS a minute, and no more.
    app.clock.advance(TimeDelta::seconds(2));
    app.work().await;
}

#[rstest]
#[tokio::test]
async fn a_number_is_ones_own_with_the_code_that_went_there(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    for number in ["0151 234", "+49", "call me", "+0049151234567"] {
        let reply = sends(&bob, "setPhoneNumber", json!({"number": number}), "").await;
        assert_eq!(reply.user_error("setPhoneNumber").0, "INVALID", "{number}");
    }
    wants_sms(&bob).await;
    has_a_phone(&app, &bob).await;
    gives(&app, &ada, &bob).await;
    let sms = logged(&app, ".sms.json");
    assert_eq!(sms.len(), 2);
    let told = sms
        .iter()
        .find(|sms| sms["text"].as_str().unwrap().contains("Call"))
        .unwrap();
    assert_eq!(told["to"], NUMBER);
    assert_eq!(
        told["text"],
        "Taskflow: Name of ada assigned you a task: Call <me>."
    );
    // A code is good once, and five guesses are all there are.
    let confirm = "confirmPhoneNumber";
    sends(
        &bob,
        "setPhoneNumber",
        json!({"number": "+49151000000"}),
        "",
    )
    .await;
    app.clock.advance(TimeDelta::seconds(2));
    app.work().await;
    let newest = app
        .number("SELECT count(*) FROM phone_numbers WHERE pending_number IS NOT NULL")
        .await;
    assert_eq!(newest, 1);
    for _ in 0..5 {
        let reply = sends(&bob, confirm, json!({"code": "not it"}), "").await;
        assert_eq!(reply.user_error(confirm).0, "INVALID_TOKEN");
    }
    let codes = logged(&app, ".sms.json");
    let right: Vec<String> = codes
        .iter()
        .filter_map(|sms| {
            let words = sms["text"].as_str()?.split(|c: char| !c.is_ascii_digit());
            words
                .into_iter()
                .find(|word| word.len() == 6)
                .map(str::to_owned)
        })
        .collect();
    for code in right {
        let reply = sends(&bob, confirm, json!({"code": code}), "").await;
        assert_eq!(
            reply.user_error(confirm).0,
            "INVALID_TOKEN",
            "five tries are over"
        );
    }
    let query = "{ notificationSettings { phoneNumber { number } } }";
    let reply = bob.graphql(query, json!({})).await;
    assert_eq!(
        reply.data()["notificationSettings"]["phoneNumber"]["number"],
        NUMBER
    );
    sends_nothing_to(&bob, "removePhoneNumber").await;
    let reply = bob.graphql(query, json!({})).await;
    assert_eq!(
        reply.data()["notificationSettings"]["phoneNumber"],
        Value::Null
    );
}

async fn sends_nothing_to(person: &Person, mutation: &str) {
    let query = format!("mutation {{ {mutation} {{ userErrors {{ code }} }} }}");
    person.graphql(&query, json!({})).await.data();
}

#[rstest]
#[tokio::test]
async fn a_code_that_is_ten_minutes_old_is_over(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let bob = app.person("bob").await;
    sends(&bob, "setPhoneNumber", json!({"number": NUMBER}), "").await;
    app.work().await;
    let code = json!({"code": code(&app)});
    app.clock.advance(TimeDelta::minutes(11));
    let reply = sends(&bob, "confirmPhoneNumber", code, "").await;
    assert_eq!(reply.user_error("confirmPhoneNumber").0, "INVALID_TOKEN");
    let query = "{ notificationSettings { phoneNumber { number } } }";
    let reply = bob.graphql(query, json!({})).await;
    assert_eq!(
        reply.data()["notificationSettings"]["phoneNumber"]["number"],
        Value::Null
    );
}

#[rstest]
#[tokio::test]
async fn every_device_hears_and_is_one_persons(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let register = "registerDevice";
    let mut ids = Vec::new();
    for (platform, token) in [("FCM", "one"), ("FCM", "one"), ("APNS", "a0ff")] {
        let input = json!({"platform": platform, "token": token, "name": "Phone"});
        let reply = sends(&bob, register, input, "device { id }").await;
        ids.push(reply.data()[register]["device"]["id"].clone());
    }
    assert_eq!(ids[0], ids[1], "again does no harm");
    gives(&app, &ada, &bob).await;
    let pushed = logged(&app, ".push.json");
    assert_eq!(pushed.len(), 2);
    assert_eq!(
        pushed[0]["title"],
        "Name of ada assigned you a task: Call <me>"
    );
    assert_eq!(pushed[0]["data"]["type"], "TASK_ASSIGNED");
    assert!(
        pushed[0]["data"]["taskId"]
            .as_str()
            .unwrap()
            .starts_with("task_")
    );
    let input = json!({"platform": "FCM", "token": "one"});
    sends(&eve, register, input, "device { id }").await;
    gives(&app, &ada, &bob).await;
    assert_eq!(
        logged(&app, ".push.json").len(),
        3,
        "one of them is Eve's now"
    );
    // Somebody else's is not there, and one's own goes.
    let remove = "removeDevice";
    let reply = sends(&bob, remove, json!({"id": ids[0]}), "removedDeviceId").await;
    assert_eq!(reply.code(), "NOT_FOUND");
    let reply = sends(&bob, remove, json!({"id": ids[2]}), "removedDeviceId").await;
    assert_eq!(reply.data()[remove]["removedDeviceId"], ids[2]);
    for (platform, token) in [("APNS", "no hex"), ("FCM", ""), ("FCM", "two words")] {
        let input = json!({"platform": platform, "token": token});
        let reply = sends(&bob, register, input, "device { id }").await;
        assert_eq!(reply.user_error(register).0, "INVALID", "{token}");
    }
}

/// A Twilio that answers as it is told to.
#[derive(Clone, Default)]
struct Twilio(Arc<Mutex<(u16, Value, usize)>>);

impl Twilio {
    fn says(&self, status: u16, body: Value) {
        let mut book = self.0.lock().unwrap();
        (book.0, book.1) = (status, body);
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().2
    }

    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let path = "/2010-04-01/Accounts/{sid}/Messages.json";
        let router = Router::new()
            .route(path, post(answer))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

async fn answer(State(twilio): State<Twilio>) -> impl IntoResponse {
    let mut book = twilio.0.lock().unwrap();
    book.2 += 1;
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "90".parse().unwrap());
    let status = StatusCode::from_u16(book.0).unwrap();
    (status, headers, axum::Json(book.1.clone()))
}

/// An application whose SMS go to this Twilio, and somebody with a confirmed number.
async fn over_twilio(mode: Mode, url: &str) -> (TestApp, Person, Person) {
    let app = TestApp::with(
        mode,
        &[
            (
                "TASKFLOW_SMS__TWILIO__ACCOUNT_SID",
                "AC0123456789abcdef0123456789abcdef",
            ),
            ("TASKFLOW_SMS__TWILIO__AUTH_TOKEN", "secret"),
            ("TASKFLOW_SMS__FROM", "+15005550006"),
            ("TASKFLOW_SMS__TWILIO__ENDPOINT", url),
        ],
    )
    .await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let id = taskflow::graphql::Kind::User.decode(&bob.id).unwrap();
    let phone = entity::phone_number::Model {
        user_id: entity::UserId(id),
        number: Some(NUMBER.to_owned()),
        verified_at: Some(app.clock.now()),
        pending_number: None,
        code_id: None,
        code_expires_at: None,
        code_tries: 0,
    };
    entity::phone_number::Entity::insert(phone.into_active_model())
        .exec_without_returning(&app.sql().await)
        .await
        .unwrap();
    wants_sms(&bob).await;
    (app, ada, bob)
}

fn taken() -> Value {
    json!({"sid": "SM0123456789abcdef0123456789abcdef", "status": "queued", "error_code": null})
}

#[rstest]
#[tokio::test]
async fn a_vendor_that_is_busy_is_asked_again_not_before_it_says(
    #[values(Embedded, Full)] mode: Mode,
) {
    let twilio = Twilio::default();
    twilio.says(429, json!({"code": 20429, "message": "Too Many Requests"}));
    let (app, ada, bob) = over_twilio(mode, &twilio.start().await).await;
    gives(&app, &ada, &bob).await;
    assert_eq!(
        states(&app).await,
        [(Channel::Sms, delivery::State::Queued)]
    );
    assert_eq!(twilio.calls(), 1);
    twilio.says(201, taken());
    app.clock.advance(TimeDelta::seconds(80));
    app.work().await;
    assert_eq!(twilio.calls(), 1, "it asked for 90 seconds");
    app.clock.advance(TimeDelta::seconds(15));
    app.work().await;
    let row = deliveries(&app).await.remove(0);
    assert_eq!(row.state, delivery::State::Sent);
    assert_eq!(row.driver.as_deref(), Some("twilio"));
    assert_eq!(
        row.provider_id.as_deref(),
        Some("SM0123456789abcdef0123456789abcdef")
    );
}

#[rstest]
#[tokio::test]
async fn a_vendor_nobody_reaches_is_tried_five_times_and_then_given_up(
    #[values(Embedded, Full)] mode: Mode,
) {
    let url = format!("http://127.0.0.1:{}", free_port());
    let (app, ada, bob) = over_twilio(mode, &url).await;
    gives(&app, &ada, &bob).await;
    for tried in 1..=5 {
        let count = "SELECT count(*) FROM delivery_attempts";
        assert_eq!(app.number(count).await, tried);
        app.clock.advance(TimeDelta::hours(1));
        app.work().await;
    }
    let row = deliveries(&app).await.remove(0);
    assert_eq!(row.state, delivery::State::Failed);
    let reason = row.reason.unwrap();
    assert!(reason.starts_with("given up after 5 tries"), "{reason}");
    assert!(!reason.contains(NUMBER), "{reason}");
    assert_eq!(
        app.number("SELECT count(*) FROM jobs WHERE state = 'dead'")
            .await,
        1
    );
}

#[rstest]
#[tokio::test]
async fn who_told_the_network_to_stop_gets_no_more(#[values(Embedded, Full)] mode: Mode) {
    let twilio = Twilio::default();
    twilio.says(
        400,
        json!({"code": 21610, "message": "unsubscribed", "status": 400}),
    );
    let (app, ada, bob) = over_twilio(mode, &twilio.start().await).await;
    gives(&app, &ada, &bob).await;
    gives(&app, &ada, &bob).await;
    assert_eq!(twilio.calls(), 1);
    let rows = deliveries(&app).await;
    assert_eq!(rows[0].state, delivery::State::Failed);
    assert_eq!(rows[1].state, delivery::State::Suppressed);
    assert_eq!(rows[1].reason.as_deref(), Some("suppressed"));
}

#[rstest]
#[tokio::test]
async fn wrong_credentials_burn_no_tries_and_all_is_sent_afterwards(
    #[values(Embedded, Full)] mode: Mode,
) {
    let twilio = Twilio::default();
    twilio.says(401, json!({"code": 20003, "message": "Authenticate"}));
    let (app, ada, bob) = over_twilio(mode, &twilio.start().await).await;
    for _ in 0..3 {
        gives(&app, &ada, &bob).await;
    }
    assert_eq!(twilio.calls(), 1, "the breaker is open");
    assert_eq!(
        app.number("SELECT count(*) FROM delivery_attempts").await,
        0
    );
    twilio.says(201, taken());
    for _ in 0..3 {
        app.clock.advance(TimeDelta::minutes(30));
        app.work().await;
    }
    let sent = (Channel::Sms, delivery::State::Sent);
    assert_eq!(states(&app).await, [sent; 3]);
}
