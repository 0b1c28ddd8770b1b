//! The HTML of the mailbox. Everything that comes from a mail goes through [`escape`].
//!
//! Writing to a `String` cannot fail, so the results of `write!` are not looked at.

use std::fmt::Write;
use std::path::Path;

use mail_parser::{Address, Message, PartType};

use super::files::{Listing, Row};

const STYLE: &str = include_str!("style.css");

/// The list. Refreshes itself, so that a mail shows up while one looks.
pub(super) fn list(folder: &Path, listing: &Listing) -> String {
    let folder = escape(&folder.display().to_string());
    let mut body = String::new();
    if listing.rows.is_empty() {
        let _ = write!(
            body,
            "<div class=\"empty\"><p>No mail yet</p><p class=\"dim\">Mail is written to <code>{folder}</code> \
             and shows up here.</p></div>"
        );
    } else {
        body.push_str("<ol class=\"mails\">");
        for row in &listing.rows {
            push_row(&mut body, row);
        }
        let _ = write!(
            body,
            "</ol><p class=\"dim\">{} of {} in <code>{folder}</code>, newest first</p>",
            listing.rows.len(),
            listing.total
        );
    }
    document(
        "<meta http-equiv=\"refresh\" content=\"5\">",
        "<h1>Mailbox</h1>",
        &body,
    )
}

fn push_row(body: &mut String, row: &Row) {
    let _ = write!(
        body,
        "<li><a href=\"/mailbox/{}\"><span class=\"subject\">{}</span><span class=\"to\">{}</span>{}</a></li>",
        escape(&row.name),
        subject(row.headers.as_ref()),
        people(row.headers.as_ref().and_then(Message::to)),
        date(row.headers.as_ref()),
    );
}

/// One mail; none when the file is no mail.
pub(super) fn message(name: &str, message: Option<&Message<'_>>) -> String {
    let mut body = format!(
        "<h1>{}</h1><dl><dt>From</dt><dd>{}</dd><dt>To</dt><dd>{}</dd><dt>Date</dt><dd>{}</dd></dl>",
        subject(message),
        people(message.and_then(Message::from)),
        people(message.and_then(Message::to)),
        date(message),
    );
    // Only parts that are there: the parser would make the one from the other.
    let mut htmls = message.into_iter().flat_map(Message::html_bodies);
    let html = htmls.find_map(|part| match &part.body {
        PartType::Html(html) => Some(html),
        _ => None,
    });
    let mut texts = message.into_iter().flat_map(Message::text_bodies);
    let text = texts.find_map(|part| match &part.body {
        PartType::Text(text) => Some(text),
        _ => None,
    });
    if let Some(html) = html {
        // A sandbox without scripts, forms and origin. Links may open, in a new tab: that is what one wants to try.
        let _ = write!(
            body,
            "<h2>HTML</h2><iframe title=\"The HTML part\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" \
             srcdoc=\"{}\"></iframe>",
            escape(&format!("<base target=\"_blank\">{html}"))
        );
    }
    if let Some(text) = text {
        let _ = write!(body, "<h2>Text</h2><pre>{}</pre>", escape(text));
    }
    let top = format!(
        "<nav><a href=\"/mailbox\">← All mail</a><a href=\"/mailbox/{}/raw\">Source</a></nav>",
        escape(name)
    );
    document("", &top, &body)
}

/// A sentence instead of a page.
pub(super) fn problem(text: &str) -> String {
    let body = format!("<div class=\"empty\"><p>{}</p></div>", escape(text));
    document("", "<nav><a href=\"/mailbox\">← All mail</a></nav>", &body)
}

fn document(head: &str, top: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">{head}\
         <title>Taskflow · Mailbox</title><style>{STYLE}</style></head>\
         <body><header>{top}</header><main>{body}</main></body></html>"
    )
}

fn subject(message: Option<&Message<'_>>) -> String {
    match message.and_then(Message::subject) {
        Some(subject) if !subject.trim().is_empty() => escape(subject),
        _ => "<i>No subject</i>".to_owned(),
    }
}

/// `Name <address>, …`
fn people(people: Option<&Address<'_>>) -> String {
    let mut shown = Vec::new();
    for person in people.into_iter().flat_map(Address::iter) {
        shown.push(match (person.name(), person.address()) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (one, other) => one.or(other).unwrap_or_default().to_owned(),
        });
    }
    escape(&shown.join(", "))
}

fn date(message: Option<&Message<'_>>) -> String {
    let Some(date) = message.and_then(Message::date) else {
        return String::new();
    };
    let exact = date.to_rfc3339();
    let shown = exact.replace('T', " ").replace('Z', " UTC");
    format!(
        "<time datetime=\"{}\">{}</time>",
        escape(&exact),
        escape(&shown)
    )
}

/// Makes a text harmless between tags and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
