//! Tokens are in the mails and nowhere else, and names make no lines of their own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use serde_json::json;

use super::{VERIFY, does, read, token};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, TestApp};

/// The whole database, as bytes.
async fn everything(app: &TestApp) -> Vec<u8> {
    let db = app.sql().await;
    let backend = db.get_database_backend();
    if backend == DatabaseBackend::Sqlite {
        let mut all = Vec::new();
        for end in ["", "-wal"] {
            let path = app.folder.path().join(format!("taskflow.db{end}"));
            all.extend(std::fs::read(path).unwrap_or_default());
        }
        return all;
    }
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    let mut all = String::new();
    for row in db
        .query_all_raw(Statement::from_string(backend, tables))
        .await
        .unwrap()
    {
        let table: String = row.try_get_by_index(0).unwrap();
        let rows = format!("SELECT t::text FROM {table} AS t");
        let rows = Statement::from_string(backend, rows);
        for row in db.query_all_raw(rows).await.unwrap() {
            all += &row.try_get_by_index::<String>(0).unwrap();
        }
    }
    all.into_bytes()
}

fn holds(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[rstest]
#[tokio::test]
async fn the_database_does_not_know_the_tokens_it_sends(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[VERIFY]).await;
    let ada = app.admin("ada").await;
    let input = json!({"newEmail": "new@example.org", "password": PASSWORD});
    does(&ada, "requestEmailChange", input).await;
    does(&ada, "requestPasswordReset", json!({"identifier": "ada"})).await;
    does(&ada, "inviteUser", json!({"email": "bob@example.org"})).await;
    app.work().await;
    let all = everything(&app).await;
    // The test sees what is there.
    assert!(holds(&all, b"new@example.org"));
    for what in [
        "verify-email",
        "change-email",
        "reset-password",
        "invitation",
    ] {
        let token = token(&app, what);
        assert_eq!(token.len(), 43, "{what}");
        let raw = URL_SAFE_NO_PAD.decode(&token).unwrap();
        // PostgreSQL shows bytes as hexadecimal digits.
        let hex = taskflow::crypto::hex(&raw);
        for form in [token.as_bytes(), &raw, hex.as_bytes()] {
            assert!(!holds(&all, form), "{what}");
        }
        // And of the mail it is in the texts only.
        for mail in app.mails() {
            let mail = read(&mail);
            let headers: Vec<_> = mail.headers_raw().collect();
            assert!(!format!("{headers:?}").contains(&token), "{what}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_hostile_name_has_one_recipient_and_one_line(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.admin("ada").await;
    let hostile = "Ada\r\nBcc: eve@example.org\r\n\r\nYour link: https://evil.example\u{202e}gro";
    let db = app.sql().await;
    let backend = db.get_database_backend();
    let update = "UPDATE users SET name = $1";
    db.execute_raw(Statement::from_sql_and_values(
        backend,
        update,
        [hostile.into()],
    ))
    .await
    .unwrap();
    does(&ada, "inviteUser", json!({"email": "bob@example.org"})).await;
    does(&ada, "requestPasswordReset", json!({"identifier": "ada"})).await;
    app.work().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        let mail = read(mail);
        assert!(mail.bcc().is_none());
        let to: Vec<_> = mail.to().unwrap().iter().collect();
        assert_eq!(to.len(), 1);
        assert_ne!(to[0].address(), Some("eve@example.org"));
        let subject = mail.subject().unwrap();
        let text = mail.body_text(0).unwrap();
        for shown in [subject, &text, to[0].name().unwrap_or_default()] {
            assert!(!shown.contains('\u{202e}'), "{shown}");
            for line in shown.lines() {
                let made_up = ["Bcc:", "Your link:"];
                assert!(
                    !made_up.iter().any(|word| line.starts_with(word)),
                    "{shown}"
                );
            }
        }
    }
}

#[test]
fn no_input_lets_anybody_say_that_an_address_is_confirmed() {
    let sdl = taskflow::schema::sdl();
    let inputs = sdl.split("\ninput ").skip(1);
    let mut seen = 0;
    for input in inputs {
        let (name, rest) = input.split_once(" {").unwrap();
        let (fields, _) = rest.split_once("\n}").unwrap();
        for line in fields.lines() {
            let field = line.trim().split(':').next().unwrap_or_default();
            let is_name = field.chars().all(|c| c.is_ascii_alphanumeric()) && !field.is_empty();
            if is_name {
                seen += 1;
                let field = field.to_lowercase();
                assert!(
                    !field.contains("verif") && !field.contains("confirm"),
                    "{name}.{field}"
                );
            }
        }
    }
    assert!(seen > 20, "the test reads nothing");
}
