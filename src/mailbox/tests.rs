//! The page through its router.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::router;
use crate::delivery::Outcome;
use crate::delivery::log::LogFolder;
use crate::delivery::push::{Platform, PushMessage};
use crate::delivery::sms::SmsMessage;

struct Answer {
    status: StatusCode,
    kind: String,
    body: String,
}

/// Asks the page, and checks what every answer must carry.
async fn get(folder: &Path, path: &str) -> Answer {
    let app: Router = router(folder.to_owned());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'none'"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    let (status, kind) = (response.status(), header("content-type"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Answer { status, kind, body }
}

fn mail(subject: &str, html: &str) -> String {
    format!(
        "Date: Sun, 22 Nov 2026 01:45:01 +0000\r\nFrom: Taskflow <taskflow@example.org>\r\n\
         To: \"Ann & <b>\" <ann@example.org>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"=_1\"\r\n\r\n\
         --=_1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Grüße </pre><script>1</script>=\r\n, Ann\r\n--=_1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         {html}\r\n--=_1--\r\n"
    )
}

#[tokio::test]
async fn an_empty_mailbox_says_where_mail_will_be() {
    let folder = tempfile::tempdir().unwrap();
    for folder in [folder.path().to_owned(), folder.path().join("not <there>")] {
        let answer = get(&folder, "/mailbox").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.kind.starts_with("text/html"));
        assert!(answer.body.contains("No messages yet"));
        let shown = folder
            .display()
            .to_string()
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        assert!(answer.body.contains(&shown), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_newest_mail_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    for second in 10..60 {
        for tenth in 0..5 {
            let name = format!("20261122T0145{second}.{tenth}00000Z-0123456789abcdef.eml");
            fs::write(
                folder.path().join(name),
                mail(&format!("Mail {second}.{tenth}."), ""),
            )
            .unwrap();
        }
    }
    fs::write(folder.path().join("notes.txt"), "").unwrap();
    fs::write(folder.path().join(".20261122T014599.000000Z-0.eml.1-0"), "").unwrap();
    let list = get(folder.path(), "/mailbox").await.body;
    assert!(list.contains("<title>Taskflow · Mailbox</title>"));
    assert!(list.contains("http-equiv=\"refresh\""));
    assert_eq!(list.matches("<li>").count(), 200);
    assert!(list.contains("200 of 250 in"));
    assert!(list.find("Mail 59.4.").unwrap() < list.find("Mail 59.3.").unwrap());
    assert!(!list.contains("Mail 19.4."));
    assert!(list.contains("Ann &amp; &lt;b&gt; &lt;ann@example.org&gt;"));
    assert!(list.contains("2026-11-22 01:45:01 UTC"));
    assert!(list.contains("href=\"/mailbox/20261122T014559.400000Z-0123456789abcdef.eml\""));
}

#[tokio::test]
async fn what_is_in_a_mail_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    let html = "<p title=\"x\">Hello &amp; \"good\" day</p><script>alert(1)</script>";
    fs::write(
        folder.path().join("a.eml"),
        mail("<script>alert('s')</script>", html),
    )
    .unwrap();
    for path in ["/mailbox", "/mailbox/a.eml"] {
        let page = get(folder.path(), path).await.body;
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;s&#39;)&lt;/script&gt;"));
    }
    let page = get(folder.path(), "/mailbox/a.eml").await.body;
    assert!(page.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\" srcdoc=\""));
    assert!(
        page.contains(
            "&lt;p title=&quot;x&quot;&gt;Hello &amp;amp; &quot;good&quot; day&lt;/p&gt;"
        )
    );
    assert!(page.contains("<pre>Grüße &lt;/pre&gt;&lt;script&gt;1&lt;/script&gt;, Ann"));
    assert!(page.contains("Taskflow &lt;taskflow@example.org&gt;"));
    let raw = get(folder.path(), "/mailbox/a.eml/raw").await;
    assert_eq!(raw.kind, "text/plain; charset=utf-8");
    assert_eq!(raw.body, mail("<script>alert('s')</script>", html));
}

#[tokio::test]
async fn names_lead_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("mailbox");
    fs::create_dir(&inner).unwrap();
    fs::write(folder.path().join("secret.eml"), "secret").unwrap();
    fs::write(inner.join("secret.txt"), "secret").unwrap();
    fs::create_dir(inner.join("folder.eml")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.eml", inner.join("link.eml")).unwrap();
    for name in [
        "missing.eml",
        "missing.sms.json",
        "..%2Fsecret.push.json",
        "secret.txt",
        "link.eml",
        "folder.eml",
        "..%2Fsecret.eml",
        "..%5Csecret.eml",
        "%2E%2E%2Fsecret.eml",
        ".%00.eml",
        ".eml",
    ] {
        for path in [format!("/mailbox/{name}"), format!("/mailbox/{name}/raw")] {
            let answer = get(&inner, &path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert!(!answer.body.contains("secret"), "{path}");
        }
    }
}

/// An SMS and a push message as they are written to the folder.
async fn log(folder: &Path, second: u32) {
    let at = format!("2026-11-22T01:45:{second}Z").parse().unwrap();
    let log = LogFolder::new(folder.to_owned());
    let text = "123456 is your </p><script>alert(1)</script>\ncode";
    let sms = SmsMessage {
        id: "sms_1".to_owned(),
        to: "+49<b>151".to_owned(),
        text: text.to_owned(),
    };
    let written = log.write_sms(&sms, at).await;
    assert!(matches!(written, Outcome::Sent { .. }));
    let data = BTreeMap::from([("<i>".to_owned(), "\"><script>".to_owned())]);
    let token = "0123456789abcdef-<script>-and-more";
    let push = PushMessage {
        id: "a-2".to_owned(),
        platform: Platform::Fcm,
        token: token.to_owned(),
        title: "<title>".to_owned(),
        body: "Ann & <Bob>".to_owned(),
        data,
        collapse_key: None,
        critical: false,
        expires_at: None,
    };
    let written = log.write_push(&push, at).await;
    assert!(matches!(written, Outcome::Sent { .. }));
}

#[tokio::test]
async fn every_kind_stands_in_one_list_by_time() {
    let folder = tempfile::tempdir().unwrap();
    for second in [10, 30] {
        let name = format!("20261122T0145{second}.000000Z-0123456789abcdef.eml");
        let mail = mail(&format!("Mail {second}."), "");
        fs::write(folder.path().join(name), mail).unwrap();
    }
    log(folder.path(), 20).await;
    let list = get(folder.path(), "/mailbox").await.body;
    assert!(list.contains("4 of 4 in"));
    let places: Vec<_> = ["Mail 30.", "123456 is your", "&lt;title&gt;", "Mail 10."]
        .map(|text| list.find(text).unwrap())
        .into();
    let others = places[0]..places[3];
    assert!(places[1..3].iter().all(|place| others.contains(place)));
    assert_eq!(list.matches("2026-11-22 01:45:20 UTC").count(), 2);
    for mark in ["kind mail\">Mail", "kind sms\">SMS", "kind push\">Push"] {
        assert!(list.contains(mark), "{mark}");
    }
    assert!(list.contains("href=\"/mailbox/sms_1.sms.json\""));
}

#[tokio::test]
async fn what_is_in_an_sms_and_a_push_message_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path(), 20).await;
    let sms = get(folder.path(), "/mailbox/sms_1.sms.json").await.body;
    let told = "123456 is your &lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;\ncode</p>";
    assert!(sms.contains(told), "{sms}");
    assert!(sms.contains("+49&lt;b&gt;151"));
    let push = get(folder.path(), "/mailbox/a-2.push.json").await.body;
    for told in [
        "fcm",
        "&lt;title&gt;",
        "Ann &amp; &lt;Bob&gt;",
        "<dt>&lt;i&gt;</dt><dd>&quot;&gt;&lt;script&gt;</dd>",
        "<dd>0123456789abcdef…</dd>",
    ] {
        assert!(push.contains(told), "{told} in {push}");
    }
    let list = get(folder.path(), "/mailbox").await.body;
    for page in [sms, push, list] {
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
    }
    let raw = get(folder.path(), "/mailbox/a-2.push.json/raw").await;
    assert_eq!(raw.kind, "text/plain; charset=utf-8");
    assert!(raw.body.contains("-and-more"));
}

#[tokio::test]
async fn files_that_are_broken_are_shown_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let contents: [&[u8]; 5] = [b"", b"{", b"\xff", b"[]", b"{\"at\": \"soon\", \"to\": 1}"];
    for (number, bytes) in contents.iter().enumerate() {
        for end in ["sms.json", "push.json"] {
            let name = format!("{number}.{end}");
            fs::write(folder.path().join(&name), bytes).unwrap();
            let answer = get(folder.path(), &format!("/mailbox/{name}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}");
            assert!(answer.body.contains("Cannot be read"), "{name}");
            assert!(answer.body.contains(&name));
        }
    }
    fs::write(folder.path().join("empty.eml"), "").unwrap();
    let list = get(folder.path(), "/mailbox").await.body;
    assert_eq!(list.matches("Cannot be read").count(), 11);
}

#[tokio::test]
async fn a_mail_shows_its_headers_of_interest() {
    let folder = tempfile::tempdir().unwrap();
    let head = "Message-ID: <1.2.email@example.org>\r\nAuto-Submitted: auto-generated\r\n\
                List-Unsubscribe: <https://example.org/u#\"><script>>\r\n\
                List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    let mail = format!("{head}{}", mail("Hello", "<p>Hello</p>"));
    fs::write(folder.path().join("a.eml"), mail).unwrap();
    let page = get(folder.path(), "/mailbox/a.eml").await.body;
    for shown in [
        "<dt>Message-ID</dt><dd>&lt;1.2.email@example.org&gt;</dd>",
        "<dt>Auto-Submitted</dt><dd>auto-generated</dd>",
        "<dt>List-Unsubscribe</dt><dd>&lt;https://example.org/u#&quot;&gt;&lt;script&gt;&gt;</dd>",
        "<dt>List-Unsubscribe-Post</dt><dd>List-Unsubscribe=One-Click</dd>",
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    assert!(!page.contains("<dt>Reply-To</dt>"));
}

#[tokio::test]
async fn what_is_no_mail_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let contents: [&[u8]; 4] = [
        b"",
        b"\xff\xfe\0",
        b"Subject: =?utf-8?b?4oCu?=\r\n\r\n",
        b"no mail at all",
    ];
    for (number, bytes) in contents.iter().enumerate() {
        fs::write(folder.path().join(format!("{number}.eml")), bytes).unwrap();
        let answer = get(folder.path(), &format!("/mailbox/{number}.eml")).await;
        assert_eq!(answer.status, StatusCode::OK, "{number}");
    }
    assert!(get(folder.path(), "/mailbox").await.body.contains("4 of 4"));
}

#[tokio::test]
async fn the_frameworks_own_answers_are_guarded_too() {
    let folder = tempfile::tempdir().unwrap();
    let answer = get(folder.path(), "/mailbox/%FF.eml").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_told_without_details() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let answer = get(&file, "/mailbox").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.body.contains("os error"));
}
