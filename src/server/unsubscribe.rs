//! The page that turns mails off (RFC 8058). A look changes nothing: programs that search mails follow
//! their links, too. A click does, whoever's program sends it: the link is the key, and nobody signs in.

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use entity::notified::Category;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::app::App;
use crate::limits::{Bucket, Charge, Key};
use crate::notifications::settings::{Subject, Type};
use crate::notifications::{unsubscribe, unsubscribes};
use crate::telemetry;
use crate::transport::client_address;

/// No script at all; the style is that of the other page behind mails.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// What a click sends, by form or as multipart (RFC 8058, sections 3.1 and 3.2).
const FIELD: &str = "List-Unsubscribe";
const VALUE: &str = "One-Click";

/// The largest body. What has to be in it are 26 bytes.
const MOST_BYTES: usize = 4_096;

pub fn router(app: &App) -> Router {
    Router::new()
        .route("/unsubscribe/{token}", get(look).post(click))
        .with_state(app.clone())
}

async fn look(State(app): State<App>, Path(token): Path<String>, request: Request) -> Response {
    if let Err(refusal) = admit(&app, sender(&app, &request)).await {
        return refusal;
    }
    match unsubscribes(&app, &token) {
        Some(subject) => respond(StatusCode::OK, &question(subject)),
        None => unknown(),
    }
}

async fn click(State(app): State<App>, Path(token): Path<String>, request: Request) -> Response {
    if let Err(refusal) = admit(&app, sender(&app, &request)).await {
        return refusal;
    }
    let Some(subject) = unsubscribes(&app, &token) else {
        return unknown();
    };
    let (parts, body) = request.into_parts();
    let body = match read(&app, body).await {
        Ok(body) => body,
        Err(status) => return respond(status, &question(subject)),
    };
    if !is_click(&parts.headers, &body) {
        return respond(StatusCode::BAD_REQUEST, &question(subject));
    }
    match unsubscribe(&app, &token).await {
        Ok(Some(subject)) => respond(StatusCode::OK, &done(subject)),
        Ok(None) => unknown(),
        Err(error) => {
            tracing::error!(
                error = telemetry::chain(&error),
                "mails could not be turned off"
            );
            respond(StatusCode::INTERNAL_SERVER_ERROR, &failed())
        }
    }
}

fn sender(app: &App, request: &Request) -> IpAddr {
    let hops = app.settings.server.trusted_proxies;
    client_address(request.headers(), request.extensions(), hops)
}

/// Counts the request by where it came from.
async fn admit(app: &App, address: IpAddr) -> Result<(), Response> {
    let charge = Charge::one(Bucket::Unsubscribe, Key::address(address));
    let Err(refused) = app.limiter.take(&[charge]).await else {
        return Ok(());
    };
    let mut response = respond(StatusCode::TOO_MANY_REQUESTS, &busy());
    if let Some(wait) = refused.retry_after {
        // Whole seconds, and not a moment too early.
        let seconds = wait.as_secs().saturating_add(1);
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Err(response)
}

async fn read(app: &App, body: Body) -> Result<Vec<u8>, StatusCode> {
    let patience = Duration::from_secs(app.settings.server.operation_timeout_seconds);
    let body = timeout(patience, to_bytes(body, MOST_BYTES)).await;
    let body = body.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(body.into())
}

/// Whether a body says `List-Unsubscribe=One-Click`, in either of the two forms.
fn is_click(headers: &HeaderMap, body: &[u8]) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media
        .map_or(Ok(""), HeaderValue::to_str)
        .unwrap_or_default();
    let mut parameters = media.split(';').map(str::trim);
    let kind = parameters.next().unwrap_or_default();
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        let boundary = parameters.find_map(|it| parameter(it, "boundary"));
        return boundary.is_some_and(|boundary| has_part(boundary, body));
    }
    let is_form = kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    is_form && form_urlencoded::parse(body).any(|(name, value)| name == FIELD && value == VALUE)
}

/// The value of `name=value` or `name="value"` (RFC 2045, section 5.1), for values without blanks.
fn parameter<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let (name, value) = text.split_once('=')?;
    let value = value.trim().trim_matches('"');
    (name.trim().eq_ignore_ascii_case(wanted) && !value.is_empty()).then_some(value)
}

/// Whether one of the parts between the boundaries is the field with its value (RFC 7578, section 4).
fn has_part(boundary: &str, body: &[u8]) -> bool {
    let Ok(body) = std::str::from_utf8(body) else {
        return false;
    };
    // A part begins after the line of its boundary; before the first there is no part.
    let boundary = format!("--{boundary}");
    let mut parts = body.split(&boundary).skip(1);
    parts.any(|part| {
        let Some((head, value)) = part.split_once("\r\n\r\n") else {
            return false;
        };
        let is_field = head.split("\r\n").any(|line| {
            let (name, value) = line.split_once(':').unwrap_or_default();
            let mut parameters = value.split(';').map(str::trim).skip(1);
            name.trim().eq_ignore_ascii_case("content-disposition")
                && parameters.find_map(|it| parameter(it, "name")) == Some(FIELD)
        });
        is_field && value.strip_suffix("\r\n") == Some(VALUE)
    })
}

fn unknown() -> Response {
    let page = page(
        "This link is not good",
        "<p>Perhaps it was cut off on its way, or the account is gone. Nothing was changed.</p>\
         <p>Who is signed in can turn e-mails off in the settings of notifications.</p>",
    );
    respond(StatusCode::NOT_FOUND, &page)
}

fn respond(status: StatusCode, page: &str) -> Response {
    let mut response = (status, Html(page.to_owned())).into_response();
    let csp = HeaderValue::from_static(CSP);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    response
}

/// What a look shows. The form is sent to the page's own address.
fn question(subject: Subject) -> String {
    let about = about(subject);
    let body = format!(
        "<p>You will get no more e-mails {about}. Nothing is changed yet.</p>\
         <form method=\"post\"><button name=\"{FIELD}\" value=\"{VALUE}\">Turn them off</button></form>"
    );
    page("Turn these e-mails off?", &body)
}

fn done(subject: Subject) -> String {
    let about = about(subject);
    let body = format!(
        "<p>You get no more e-mails {about}. Only what concerns the security of your account, or is \
         critical, may still come by e-mail.</p>\
         <p>You can turn them on again at any time, in the settings of your notifications.</p>"
    );
    page("They are turned off", &body)
}

fn busy() -> String {
    page(
        "Too many requests",
        "<p>Nothing was changed. Try it again later.</p>",
    )
}

fn failed() -> String {
    page(
        "That did not work",
        "<p>Something went wrong on our side, and nothing was changed. Try it again later.</p>",
    )
}

/// The other files are named from `/unsubscribe/…`, wherever a proxy has put that.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} · Taskflow</title><link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"../account/account.css\"></head>\
         <body><main><p class=\"product\">Taskflow</p><h1>{title}</h1>{body}</main></body></html>\n"
    )
}

/// Which e-mails, after that word.
fn about(subject: Subject) -> &'static str {
    match subject {
        Subject::Category(category) => match category {
            Category::System => "about this server",
            Category::Workflow => "about tasks, comments and projects",
            Category::Integration => "about what is connected to this server",
            Category::Consent => "about what you agreed to",
            Category::Security => "about the security of your account",
            Category::Marketing => "with news and offers",
        },
        Subject::Type(kind) => match kind {
            Type::TaskAssigned => "about tasks that are assigned to you",
            Type::TaskUnassigned => "about tasks that are taken from you",
            Type::TaskUpdated => "about changes of tasks you follow",
            Type::TaskCompleted => "about tasks you follow that are completed",
            Type::TaskDeleted => "about tasks you follow that are deleted",
            Type::TaskRestored => "about tasks you follow that come back",
            Type::CommentAdded => "about comments on tasks you follow",
            Type::Mentioned => "about comments that mention you",
            Type::ProjectMemberAdded => "about projects that you become a member of",
            Type::PasswordChanged => "about changes of your password",
            Type::EmailChanged => "about changes of your e-mail address",
            Type::SessionReused => "about sessions of yours that are ended for your safety",
            Type::WebhookDisabled => "about webhooks that are turned off",
            Type::Announcement => "with announcements",
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn is_click_of(media: &str, body: &str) -> bool {
        let mut headers = HeaderMap::new();
        if !media.is_empty() {
            headers.insert(header::CONTENT_TYPE, media.parse().unwrap());
        }
        is_click(&headers, body.as_bytes())
    }

    #[test]
    fn a_click_is_a_form_of_either_kind() {
        let form = "application/x-www-form-urlencoded";
        for (media, body) in [
            (form, "List-Unsubscribe=One-Click"),
            (
                "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
                "List-Unsubscribe=One-Click",
            ),
            (form, "a=b&List-Unsubscribe=One-Click&c"),
            (form, "List%2DUnsubscribe=One%2dClick"),
            ("", "List-Unsubscribe=One-Click"),
        ] {
            assert!(is_click_of(media, body), "{media} {body}");
        }
        for (media, body) in [
            (form, ""),
            (form, "List-Unsubscribe"),
            (form, "List-Unsubscribe=Two-Clicks"),
            (form, "list=One-Click"),
            ("text/plain", "List-Unsubscribe=One-Click"),
            ("application/json", "{\"List-Unsubscribe\":\"One-Click\"}"),
            ("multipart/form-data", "List-Unsubscribe=One-Click"),
        ] {
            assert!(!is_click_of(media, body), "{media} {body}");
        }
    }

    #[test]
    fn a_click_may_be_one_of_several_parts() {
        // RFC 8058, section 8.2, and what browsers and libraries make of it.
        let part = |boundary: &str, head: &str, value: &str| {
            format!("--{boundary}\r\n{head}\r\n\r\n{value}\r\n--{boundary}--\r\n")
        };
        let head = "Content-Disposition: form-data; name=\"List-Unsubscribe\"";
        for (media, body) in [
            (
                "multipart/form-data; boundary=---FormBoundaryjWmhtjORrn",
                part("---FormBoundaryjWmhtjORrn", head, VALUE),
            ),
            (
                "Multipart/Form-Data; charset=utf-8; Boundary=\"a:b c'd\"",
                part("a:b c'd", head, VALUE),
            ),
            (
                "multipart/form-data; boundary=x",
                part(
                    "x",
                    "content-type: text/plain\r\ncontent-disposition:form-data;name=List-Unsubscribe",
                    VALUE,
                ),
            ),
            (
                "multipart/form-data; boundary=x",
                format!(
                    "preamble\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n{}",
                    part("x", head, VALUE)
                ),
            ),
        ] {
            assert!(is_click_of(media, &body), "{media} {body}");
        }
        for (boundary, body) in [
            ("x", part("x", head, "Two-Clicks")),
            (
                "x",
                part("x", "Content-Disposition: form-data; name=\"a\"", VALUE),
            ),
            ("x", part("x", "X: y; name=List-Unsubscribe", VALUE)),
            ("y", part("x", head, VALUE)),
            ("x", format!("{head}\r\n\r\n{VALUE}\r\n")),
            ("x", String::new()),
            ("", part("", head, VALUE)),
        ] {
            let media = format!("multipart/form-data; boundary={boundary}");
            assert!(!is_click_of(&media, &body), "{boundary} {body}");
        }
    }

    #[test]
    fn a_page_has_no_script_and_says_which_mails() {
        let mut all = HashSet::new();
        for subject in Subject::all() {
            let (before, after) = (question(subject), done(subject));
            for page in [&before, &after] {
                assert!(page.contains(about(subject)), "{subject}");
                for word in [
                    "<script",
                    "<style",
                    " style=",
                    " onclick=",
                    "javascript:",
                    "http",
                ] {
                    assert!(!page.contains(word), "{word}");
                }
            }
            assert_eq!(before.matches("<form method=\"post\">").count(), 1);
            assert!(before.contains("name=\"List-Unsubscribe\" value=\"One-Click\""));
            assert!(!after.contains("<form"));
            all.insert(about(subject));
        }
        assert_eq!(all.len(), Subject::all().count());
    }

    #[test]
    fn every_answer_forbids_scripts() {
        for response in [
            respond(StatusCode::OK, &question(Subject::Type(Type::Mentioned))),
            unknown(),
        ] {
            let headers = response.headers();
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], CSP);
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        }
        assert!(!CSP.contains("script-src") && CSP.starts_with("default-src 'none'"));
    }
}
