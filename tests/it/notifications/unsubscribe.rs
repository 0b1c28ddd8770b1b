//! The link that turns mails off (RFC 8058): a look changes nothing, a click does.

use axum::body::Body;
use axum::http::{Request, header};
use mail_parser::MessageParser;
use rstest::rstest;
use serde_json::json;

use super::{sends, told, types};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Reply, TestApp};

/// The path of the link in the only mail with one.
fn link(app: &TestApp) -> String {
    let mails = app.mails();
    let mail = MessageParser::default()
        .parse(mails.last().unwrap().as_bytes())
        .unwrap();
    assert_eq!(
        mail.header_raw("List-Unsubscribe-Post").unwrap().trim(),
        "List-Unsubscribe=One-Click"
    );
    let url = mail.header_raw("List-Unsubscribe").unwrap().trim();
    let url = url.trim_matches(['<', '>']);
    assert!(
        mail.body_text(0).unwrap().contains(url),
        "people find it, too"
    );
    let url = url::Url::parse(url).unwrap();
    url.path().to_owned()
}

async fn click(app: &TestApp, path: &str, body: &str) -> Reply {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    app.anybody().send(request).await
}

#[rstest]
#[tokio::test]
async fn one_click_turns_off_what_the_mail_was_about(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    app.work().await;
    let path = link(&app);
    // Programs that look at all links of a mail change nothing.
    for _ in 0..2 {
        assert_eq!(app.anybody().get(&path).await.status, 200);
    }
    assert_eq!(click(&app, &path, "something=else").await.status, 400);
    assert_eq!(
        app.number("SELECT count(*) FROM notification_preferences")
            .await,
        0
    );
    for _ in 0..2 {
        let reply = click(&app, &path, "List-Unsubscribe=One-Click").await;
        assert_eq!(reply.status, 200);
    }
    ada.creates(json!({"title": "y", "assigneeId": bob.id}))
        .await;
    let comment = json!({"taskId": task, "body": "hi"});
    sends(&ada, "createComment", comment, "").await;
    app.work().await;
    assert_eq!(types(&bob).await.len(), 3, "the list has all of it");
    // The comment is another matter.
    assert_eq!(app.mails().len(), 2);
    assert_eq!(told(&bob).await[1]["channels"], json!([]));
}

#[rstest]
#[tokio::test]
async fn a_changed_token_does_nothing(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    ada.creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    app.work().await;
    let path = link(&app);
    let mut bytes = path.clone().into_bytes();
    let place = path.len() - 12;
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(bytes).unwrap();
    for path in [changed.as_str(), "/unsubscribe/x", &path[..path.len() - 1]] {
        assert_eq!(app.anybody().get(path).await.status, 404, "{path}");
        let reply = click(&app, path, "List-Unsubscribe=One-Click").await;
        assert_eq!(reply.status, 404, "{path}");
    }
    assert_eq!(
        app.number("SELECT count(*) FROM notification_preferences")
            .await,
        0
    );
}

#[rstest]
#[tokio::test]
async fn nobody_turns_off_what_is_about_their_account(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    app.person("ada").await;
    let ask = json!({"identifier": "ada"});
    sends(&app.anybody(), "requestPasswordReset", ask, "").await;
    app.work().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert!(!mails[0].contains("List-Unsubscribe"));
}
