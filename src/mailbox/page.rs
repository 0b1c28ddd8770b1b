//! The HTML of the mailbox. Everything that comes from a message goes through [`escape`].
//!
//! Writing to a `String` cannot fail, so the results of `write!` are not looked at.

use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use mail_parser::{Address, Message, PartType};

use super::files::{Content, Kind, Listing, Row};
use crate::delivery::log::{LoggedPush, LoggedSms};

const STYLE: &str = include_str!("style.css");

/// How much of a text the list shows, and of a token the page, in characters.
const GLANCE: usize = 120;
const TOKEN: usize = 16;

/// What else a mail says about itself that one may want to look at.
const HEADERS: [&str; 5] = [
    "Reply-To",
    "Message-ID",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// The list. Refreshes itself, so that a message shows up while one looks.
pub(super) fn list(folder: &Path, listing: &Listing) -> String {
    let folder = escape(&folder.display().to_string());
    let mut body = String::new();
    if listing.rows.is_empty() {
        let _ = write!(
            body,
            "<div class=\"empty\"><p>No messages yet</p><p class=\"dim\">Mails, SMS and push messages are written to \
             <code>{folder}</code> and show up here.</p></div>"
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
    let (what, to, at) = match &row.content {
        Content::Mail(mail) => (subject(mail), people(mail.to()), date(mail)),
        Content::Sms(sms) => (glance(&sms.text), escape(&sms.to), time(&row.at)),
        Content::Push(push) => {
            let told = format!("{}: {}", push.platform, push.body);
            (glance(&push.title), glance(&told), time(&row.at))
        }
        Content::Broken => (BROKEN.to_owned(), escape(&row.name), time(&row.at)),
    };
    let _ = write!(
        body,
        "<li><a href=\"/mailbox/{}\">{}<span class=\"subject\">{what}</span><span class=\"to\">{to}</span>{at}</a></li>",
        escape(&row.name),
        mark(row.kind),
    );
}

/// The mark of a kind.
fn mark(kind: Kind) -> &'static str {
    match kind {
        Kind::Mail => "<span class=\"kind mail\">Mail</span>",
        Kind::Sms => "<span class=\"kind sms\">SMS</span>",
        Kind::Push => "<span class=\"kind push\">Push</span>",
    }
}

const BROKEN: &str = "<i>Cannot be read</i>";

/// One message.
pub(super) fn message(name: &str, kind: Kind, content: &Content) -> String {
    let body = match content {
        Content::Mail(message) => mail(message),
        Content::Sms(message) => sms(message),
        Content::Push(message) => push(message),
        Content::Broken => format!(
            "<h1>{}{BROKEN}</h1><div class=\"empty\"><p>The file <code>{}</code> is not what its name says.</p>\
             <p class=\"dim\">It may be damaged, or of another version. Its source is what there is of it.</p></div>",
            mark(kind),
            escape(name)
        ),
    };
    let top = format!(
        "<nav><a href=\"/mailbox\">← All messages</a><a href=\"/mailbox/{}/raw\">Source</a></nav>",
        escape(name)
    );
    document("", &top, &body)
}

fn mail(message: &Message<'_>) -> String {
    let mut facts = vec![
        ("From", people(message.from())),
        ("To", people(message.to())),
        ("Date", date(message)),
    ];
    for name in HEADERS {
        let value = message.header_raw(name).map(str::trim).unwrap_or_default();
        if !value.is_empty() {
            facts.push((name, escape(value)));
        }
    }
    let mut body = heading(Kind::Mail, &subject(message));
    push_facts(&mut body, &facts);
    // Only parts that are there: the parser would make the one from the other.
    let html = message.html_bodies().find_map(|part| match &part.body {
        PartType::Html(html) => Some(html),
        _ => None,
    });
    let text = message.text_bodies().find_map(|part| match &part.body {
        PartType::Text(text) => Some(text),
        _ => None,
    });
    body.push_str("<div class=\"parts\">");
    if let Some(html) = html {
        // A sandbox without scripts, forms and origin. Links may open, in a new tab: that is what one wants to try.
        let _ = write!(
            body,
            "<section><h2>HTML</h2><iframe title=\"The HTML part\" \
             sandbox=\"allow-popups allow-popups-to-escape-sandbox\" srcdoc=\"{}\"></iframe></section>",
            escape(&format!("<base target=\"_blank\">{html}"))
        );
    }
    if let Some(text) = text {
        let _ = write!(
            body,
            "<section><h2>Text</h2><pre>{}</pre></section>",
            escape(text)
        );
    }
    body.push_str("</div>");
    body
}

fn sms(message: &LoggedSms) -> String {
    let mut body = heading(Kind::Sms, &format!("To {}", escape(&message.to)));
    let length = message.text.chars().count().to_string();
    let facts = [("Date", time(&message.at)), ("Characters", length)];
    push_facts(&mut body, &facts);
    let _ = write!(
        body,
        "<div class=\"phone\"><p class=\"bubble\">{}</p></div>",
        escape(&message.text)
    );
    body
}

fn push(message: &LoggedPush) -> String {
    let mut body = heading(Kind::Push, &escape(&message.title));
    let facts = [
        ("Platform", escape(&message.platform)),
        ("Device", beginning(&message.token, TOKEN)),
        ("Date", time(&message.at)),
    ];
    push_facts(&mut body, &facts);
    let _ = write!(
        body,
        "<div class=\"phone\"><div class=\"card\"><p class=\"dim\">Taskflow</p><p class=\"subject\">{}</p>\
         <p class=\"told\">{}</p></div></div>",
        escape(&message.title),
        escape(&message.body)
    );
    if !message.data.is_empty() {
        body.push_str("<h2>Data</h2>");
        let data: Vec<_> = (message.data.iter())
            .map(|(name, value)| (name.as_str(), escape(value)))
            .collect();
        push_facts(&mut body, &data);
    }
    body
}

/// The heading of a message, whose text is escaped already.
fn heading(kind: Kind, text: &str) -> String {
    format!("<h1>{}{text}</h1>", mark(kind))
}

/// Names, and values that are escaped already.
fn push_facts(body: &mut String, facts: &[(&str, String)]) {
    body.push_str("<dl>");
    for (name, value) in facts {
        let _ = write!(body, "<dt>{}</dt><dd>{value}</dd>", escape(name));
    }
    body.push_str("</dl>");
}

/// A sentence instead of a page.
pub(super) fn problem(text: &str) -> String {
    let body = format!("<div class=\"empty\"><p>{}</p></div>", escape(text));
    document(
        "",
        "<nav><a href=\"/mailbox\">← All messages</a></nav>",
        &body,
    )
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

fn subject(message: &Message<'_>) -> String {
    match message.subject() {
        Some(subject) if !subject.trim().is_empty() => escape(subject),
        _ => "<i>No subject</i>".to_owned(),
    }
}

/// The beginning of a text in one line.
fn glance(text: &str) -> String {
    beginning(
        &text.split_whitespace().collect::<Vec<_>>().join(" "),
        GLANCE,
    )
}

/// The beginning of a text.
fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => escape(&format!("{}…", &text[..end])),
        None => escape(text),
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

fn date(message: &Message<'_>) -> String {
    let Some(date) = message.date() else {
        return String::new();
    };
    let exact = date.to_rfc3339();
    let shown = exact.replace('T', " ").replace('Z', " UTC");
    stamp(&exact, &shown)
}

fn time(at: &DateTime<Utc>) -> String {
    let exact = at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    stamp(&exact, &at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn stamp(exact: &str, shown: &str) -> String {
    format!(
        "<time datetime=\"{}\">{}</time>",
        escape(exact),
        escape(shown)
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
