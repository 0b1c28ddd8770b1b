//! The messages as a whole: what they say, and what no blank can make them say.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::catalog::{self, MESSAGES};
use super::*;

const PARTS: [MessagePart; 4] = [
    MessagePart::Subject,
    MessagePart::Text,
    MessagePart::Html,
    MessagePart::Short,
];

/// Everything any message has a blank for, with what must be escaped in it.
fn blanks() -> Value {
    json!({
        "recipient": "Ada <b> Lovelace",
        "actor": "Bob & Co",
        "inviter": "Bob & Co",
        "title": "Write <the> notes",
        "description": "Two lines\nof text",
        "excerpt": "Is it <done>?\nI think so.",
        "text": "First paragraph, with <tags> & signs.\n\nSecond paragraph,\nin two lines.",
        "fields": ["title", "due", "priority"],
        "priority": "high",
        "due": "2026-12-01T12:00:00Z",
        "task_id": "task_01h455vb4pex5vsknk084sn02q",
        "task_key": "OPS-12",
        "project": "Operations <1>",
        "role": "editor",
        "host": "hooks.example.org",
        "reason": "failing",
        "public_url": "https://tasks.example.org",
        "url": "https://tasks.example.org/tasks/OPS-12",
        "settings_url": "https://tasks.example.org/settings",
        "unsubscribe_url": "https://tasks.example.org/unsubscribe#t=TOKEN",
        "address": "ada@example.org",
        "link": "https://tasks.example.org/account#reset-password=TOKEN",
        "until": "2026-11-22T10:00:00Z",
        "network": "192.0.2.0/24",
        "code": "ABCDE-FGHJK",
        "minutes": 10,
        "reset": false,
    })
}

/// The blanks that may be null, as null.
fn with_nulls() -> Value {
    let mut blanks = blanks();
    for name in [
        "actor",
        "description",
        "due",
        "link",
        "network",
        "recipient",
        "settings_url",
        "task_key",
        "unsubscribe_url",
        "url",
    ] {
        blanks[name] = Value::Null;
    }
    blanks
}

fn reader(locale: Locale) -> Reader {
    let zone = match locale {
        Locale::En => Tz::UTC,
        Locale::De => Tz::Europe__Berlin,
    };
    Reader { locale, zone }
}

fn render(message: &str, locale: Locale, blanks: &Value) -> Result<Rendered, RenderError> {
    Templates::new()
        .unwrap()
        .render(message, &reader(locale), blanks)
}

/// Where the files of a message in a language are.
fn folder(message: &str, locale: Locale) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).join(message);
    match locale {
        Locale::En => folder,
        Locale::De => folder.join("de"),
    }
}

/// The messages as they are read, in files that are kept. `TASKFLOW_KEEP_MAILS=1` writes them anew:
/// look at them before they are committed.
#[test]
fn every_message_reads_as_it_is_kept() {
    let templates = Templates::new().unwrap();
    for message in MESSAGES {
        for locale in Locale::ALL {
            let rendered = templates.render(message.name, &reader(locale), &blanks());
            let rendered = rendered.unwrap();
            let plain = format!("Subject: {}\n\n{}", rendered.subject, rendered.text);
            for (file, now) in [
                ("expected.txt", plain),
                ("expected.html", rendered.html),
                ("expected.short.txt", format!("{}\n", rendered.short)),
            ] {
                let path = folder(message.name, locale).join(file);
                if std::env::var_os("TASKFLOW_KEEP_MAILS").is_some() {
                    fs::write(&path, &now).unwrap();
                }
                let kept = fs::read_to_string(&path).unwrap();
                assert!(now == kept, "{} is another now:\n{now}", path.display());
            }
        }
    }
}

#[test]
fn every_folder_is_in_the_list() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"));
    let folders: BTreeSet<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        // What the messages are made of, in a language.
        .filter(|name| Locale::of_tag(name).is_none())
        .collect();
    let listed: BTreeSet<_> = MESSAGES.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(folders, listed);
}

#[test]
fn what_may_be_null_leaves_no_trace() {
    let templates = Templates::new().unwrap();
    for message in MESSAGES {
        for locale in Locale::ALL {
            let name = message.name;
            let rendered = templates.render(name, &reader(locale), &with_nulls());
            let Rendered {
                subject,
                text,
                html,
                short,
            } = rendered.unwrap();
            for part in [&subject, &text, &short] {
                assert!(!part.contains("null"), "{name}: {part}");
                assert!(!part.contains("\n\n\n"), "{name}: {part}");
                assert!(!part.contains("  ,"), "{name}: {part}");
            }
            let account = !text.contains("settings") && !html.contains("unsubscribe#");
            assert!(account, "{name}: {text}");
        }
    }
}

/// The blanks a part of a message cannot do without.
fn needed(
    templates: &Templates,
    message: &str,
    part: MessagePart,
    locale: Locale,
) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let broken = |blanks: &Value| {
        let mut blanks = blanks.as_object().unwrap().clone();
        blanks.insert(helpers::ZONE.to_owned(), "UTC".into());
        let context = Context::from(Value::Object(blanks));
        let language = templates.language(locale);
        language.render(message, part, &context).is_err()
    };
    for all in [blanks(), with_nulls()] {
        assert!(!broken(&all), "{message}");
        for name in all.as_object().unwrap().keys() {
            let mut rest = all.clone();
            rest.as_object_mut().unwrap().remove(name);
            if broken(&rest) {
                needed.insert(name.clone());
            }
        }
    }
    needed
}

#[test]
fn a_message_has_the_same_blanks_in_every_language_and_no_other_than_these() {
    let templates = Templates::new().unwrap();
    let mut used = BTreeSet::new();
    for message in MESSAGES {
        for part in PARTS {
            let [en, de] = Locale::ALL.map(|locale| needed(&templates, message.name, part, locale));
            assert_eq!(en, de, "the {part} of {}", message.name);
            used.extend(en);
        }
    }
    // Each of them is an error when it is missing, so none can be forgotten by who fills them.
    let known: BTreeSet<_> = blanks().as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, known);
}

#[test]
fn what_users_write_is_text_in_every_message() {
    let hostile = "</td><script>alert(1)</script>\r\nBcc: a@b.c\n\n\u{202e}<img src=x onerror='x'>\
                   {{public_url}}{{{text}}}\" style=\"x:y\u{2028}-- ";
    let templates = Templates::new().unwrap();
    let texts = [
        "recipient",
        "actor",
        "inviter",
        "title",
        "description",
        "excerpt",
        "text",
        "task_id",
        "task_key",
        "project",
        "role",
        "host",
        "reason",
        "priority",
        "address",
        "network",
        "code",
    ];
    for message in MESSAGES {
        for locale in Locale::ALL {
            let honest = templates.render(message.name, &reader(locale), &blanks());
            let lines = |text: &str| text.lines().filter(|line| !line.starts_with('>')).count();
            let expected = lines(&honest.unwrap().text);
            for blank in texts {
                let mut blanks = blanks();
                blanks[blank] = hostile.into();
                let rendered = templates.render(message.name, &reader(locale), &blanks);
                let rendered = rendered.unwrap();
                let name = message.name;
                for line in [&rendered.subject, &rendered.short] {
                    assert_eq!(line.lines().count(), 1, "{name}: {line}");
                    assert!(!line.contains('\u{202e}'), "{name}: {line}");
                }
                // An announcement is an administrator's own text, and has lines of its own.
                if blank != "text" {
                    assert_eq!(lines(&rendered.text), expected, "{name}: {}", rendered.text);
                }
                assert!(!rendered.text.contains('\u{202e}'), "{name}");
                for raw in ["<script", "<img", "\u{202e}", "style=\"x:y", "'x'"] {
                    assert!(!rendered.html.contains(raw), "{name}, {blank}: {raw}");
                }
                assert!(rendered.html.ends_with("</html>\n"), "{name}");
            }
        }
    }
}

#[test]
fn links_lead_to_web_pages_only() {
    let templates = Templates::new().unwrap();
    for message in MESSAGES {
        for locale in Locale::ALL {
            for blank in [
                "public_url",
                "url",
                "settings_url",
                "unsubscribe_url",
                "link",
            ] {
                for wrong in ["javascript:alert(1)", "data:text/html,x", "//evil.example"] {
                    let mut blanks = blanks();
                    blanks[blank] = wrong.into();
                    let rendered = templates.render(message.name, &reader(locale), &blanks);
                    let Rendered { text, html, .. } = rendered.unwrap();
                    for part in [text, html] {
                        assert!(!part.contains(wrong), "{}, {blank}: {part}", message.name);
                    }
                }
            }
        }
    }
}

#[test]
fn templates_put_nothing_unescaped_and_no_value_of_theirs_in_an_attribute() {
    for message in MESSAGES {
        for locale in Locale::ALL {
            let texts = message.texts(locale);
            let mut all = vec![texts.subject, texts.text, texts.html, texts.short];
            for (_, text, html) in catalog::parts(locale) {
                all.extend([*text, *html]);
            }
            for text in all {
                assert!(!text.contains("{{{") && !text.contains("{{&"), "{text}");
                for (place, _) in text.match_indices("href=\"") {
                    let rest = &text[place..];
                    assert!(rest.starts_with("href=\"{{url "), "{rest}");
                }
            }
        }
    }
    assert_eq!(catalog::LAYOUT.matches(catalog::BODY).count(), 1);
}

#[test]
fn a_missing_blank_and_an_unknown_message_are_errors() {
    let mut blanks = blanks();
    blanks.as_object_mut().unwrap().remove("due");
    let error = render("task_assigned", Locale::En, &blanks).unwrap_err();
    assert!(matches!(
        error,
        RenderError::Broken {
            part: MessagePart::Text,
            ..
        }
    ));
    assert!(error.to_string().contains("due"), "{error}");
    for secret in ["Ada", "Bob", "Write"] {
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
    for name in ["", "task", "task_assigned/de", "../layout", "button"] {
        let error = render(name, Locale::En, &blanks).unwrap_err();
        assert!(matches!(error, RenderError::NoMessage(_)), "{name}");
    }
    for data in [json!([]), json!("x"), json!(null)] {
        let error = render("unlock", Locale::En, &data).unwrap_err();
        assert!(matches!(error, RenderError::NoNames(_)));
    }
}

#[test]
fn what_is_too_long_ends_while_it_is_rendered() {
    let mut blanks = blanks();
    blanks["recipient"] = "x".repeat(70_000).into();
    let error = render("task_assigned", Locale::De, &blanks).unwrap_err();
    let part = MessagePart::Text;
    assert!(matches!(error, RenderError::TooLong { part: found, .. } if found == part));
    // The writer takes nothing of what goes beyond.
    let mut out = Limited::default();
    io::Write::write_all(&mut out, &vec![b'x'; MOST_BYTES]).unwrap();
    assert!(io::Write::write_all(&mut out, b"y").is_err());
    assert_eq!((out.bytes.len(), out.is_full), (MOST_BYTES, true));
}

#[test]
fn the_longest_that_may_be_written_fits() {
    let templates = Templates::new().unwrap();
    for unit in ["'", "👍", "\n", "a\n"] {
        let mut blanks = blanks();
        for (blank, most) in [
            ("title", 200),
            ("description", 2_000),
            ("excerpt", 10_000),
            ("text", 20_000),
            ("recipient", 100),
            ("actor", 100),
        ] {
            blanks[blank] = unit.repeat(most).into();
        }
        for message in MESSAGES {
            for locale in Locale::ALL {
                let rendered = templates.render(message.name, &reader(locale), &blanks);
                let Rendered { subject, short, .. } = rendered.unwrap();
                assert!(subject.chars().count() <= SUBJECT_CHARS + 1);
                assert!(short.chars().count() <= SHORT_CHARS + 1);
            }
        }
    }
}

#[test]
fn a_password_that_was_reset_is_told_so() {
    let mut blanks = blanks();
    blanks["reset"] = json!(true);
    let rendered = render("password_changed", Locale::En, &blanks).unwrap();
    assert!(rendered.text.contains("with a link from a mail"));
    assert!(rendered.html.contains("All sessions were ended"));
}

#[test]
fn points_in_time_are_told_where_the_reader_is() {
    let templates = Templates::new().unwrap();
    for (zone, due, told) in [
        (
            "Europe/Berlin",
            "2026-12-01T12:00:00Z",
            "Due: 1 December 2026, 13:00 CET",
        ),
        (
            "Europe/Berlin",
            "2026-06-01T12:00:00Z",
            "Due: 1 June 2026, 14:00 CEST",
        ),
        (
            "Asia/Kathmandu",
            "2026-06-01T12:00:00Z",
            "Due: 1 June 2026, 17:45 UTC+05:45",
        ),
        ("Asia/Kathmandu", "2026-06-01", "Due: 1 June 2026"),
    ] {
        let zone = zone.parse().unwrap();
        let locale = Locale::En;
        let mut blanks = blanks();
        blanks["due"] = due.into();
        let rendered = templates.render("task_updated", &Reader { locale, zone }, &blanks);
        let text = rendered.unwrap().text;
        assert!(text.lines().any(|line| line == told), "{told}: {text}");
    }
}

/// It goes where others may look: on a locked screen, into a list that is kept.
#[test]
fn what_lets_somebody_in_stands_in_no_short_text_but_that_of_its_own() {
    let templates = Templates::new().unwrap();
    for message in MESSAGES {
        for locale in Locale::ALL {
            let rendered = templates.render(message.name, &reader(locale), &blanks());
            let short = rendered.unwrap().short;
            assert!(!short.contains("TOKEN"), "{short}");
            let has_code = short.contains("ABCDE");
            assert_eq!(has_code, message.name == "phone_code", "{short}");
        }
    }
}

/// One message of 160 signs, which needs the basic alphabet of GSM (3GPP TS 23.038): with any other
/// sign in it, it is two.
#[test]
fn the_code_for_a_phone_is_one_sms() {
    for locale in Locale::ALL {
        let mut blanks = blanks();
        blanks["code"] = "123456".into();
        let short = render("phone_code", locale, &blanks).unwrap().short;
        assert!(short.starts_with("123456 is") || short.starts_with("123456 ist"));
        assert!(short.contains("10 minutes") || short.contains("10 Minuten"));
        let basic = |c: char| c.is_ascii() && !"`^{}[]~|\\".contains(c) || "äöüÄÖÜß".contains(c);
        assert!(
            short.chars().all(basic) && short.chars().count() <= 160,
            "{short}"
        );
    }
}
