//! Each helper in templates of its own.

use handlebars::no_escape;
use serde_json::json;

use super::*;

fn registry(locale: Locale, is_html: bool) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    if !is_html {
        registry.register_escape_fn(no_escape);
    }
    register(&mut registry, locale, is_html);
    registry
}

fn filled(template: &str, data: &Value) -> Result<String, RenderError> {
    registry(Locale::En, false).render_template(template, data)
}

fn data() -> Value {
    json!({
        ZONE: "Europe/Berlin",
        "at": "2026-07-01T12:00:00Z",
        "nothing": null,
        "empty": " ",
        "name": "Ada",
        "yes": true,
        "zero": 0,
        "link": "https://tasks.example.org/a?b=c#d",
        "fields": ["title", "due", "mood"],
        "numbers": [1],
        "some": "a\r\nb\n\nc\n",
        "marks": "<b>\n&",
    })
}

#[test]
fn values_become_what_people_read() {
    for (template, read) in [
        ("{{date at}}", "1 July 2026, 14:00 CEST"),
        ("{{default nothing name}}", "Ada"),
        ("{{default empty \"x\"}}", "x"),
        ("{{default name \"x\"}}", "Ada"),
        ("{{default zero \"x\"}}", "0"),
        ("{{truncate name 3}}", "Ada"),
        ("{{truncate name 2}}", "A…"),
        ("{{truncate \"a bc\" 3}}", "a…"),
        ("{{truncate name 0}}", ""),
        ("{{truncate \"äöü👍x\" 4}}", "äöü…"),
        ("{{truncate nothing 4}}", ""),
        ("{{#if yes}}a{{else}}b{{/if}}", "a"),
        ("{{#if nothing}}a{{else if name}}b{{/if}}", "b"),
        ("{{#unless empty}}a{{else}}b{{/unless}}", "b"),
        ("{{#if (url nothing)}}a{{else}}b{{/if}}", "b"),
        ("{{words \"field\" fields}}", "title, due date and mood"),
        ("{{word \"role\" \"OWNER\"}}", "owner"),
        ("{{lang}}", "en"),
        ("{{quote some}}", "> a\n> b\n>\n> c"),
        ("{{lines some}}", "a\nb\n\nc"),
    ] {
        assert_eq!(filled(template, &data()).unwrap(), read, "{template}");
    }
    let german = registry(Locale::De, true);
    for (template, read) in [
        ("{{date at}}", "1. Juli 2026, 14:00 Uhr (MESZ)"),
        ("{{words \"field\" fields}}", "Titel, Fälligkeit und mood"),
        ("{{lines marks}}", "&lt;b&gt;<br>\n&amp;"),
        ("{{quote marks}}", "&lt;b&gt;<br>\n&amp;"),
        ("{{default nothing \"<i>\"}}", "&lt;i&gt;"),
        ("{{lang}}", "de"),
    ] {
        assert_eq!(german.render_template(template, &data()).unwrap(), read);
    }
}

#[test]
fn one_is_singular() {
    let template = "{{plural n one=\"task\" other=\"tasks\"}}";
    for (n, form) in [
        (json!(0), "tasks"),
        (json!(1), "task"),
        (json!(-1), "task"),
        (json!(2), "tasks"),
        (json!(1.0), "tasks"),
        (json!(1.5), "tasks"),
        (json!(i64::MIN + 1), "tasks"),
        (json!(u64::MAX), "tasks"),
    ] {
        assert_eq!(filled(template, &json!({"n": n})).unwrap(), form, "{n}");
    }
}

#[test]
fn links_lead_to_web_pages() {
    let bad = |text: &str| assert_eq!(web_address(text, &[]), None, "{text}");
    for text in [
        "",
        "tasks.example.org",
        "//example.org",
        "/path",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "ftp://example.org",
        "mailto:a@b.c",
        "https://",
        "https://bank.example@evil.example/",
        "https://:x@evil.example/",
    ] {
        bad(text);
    }
    for (text, read) in [
        ("https://tasks.example.org", "https://tasks.example.org"),
        ("HTTP://Example.org/A", "http://example.org/A"),
        (
            "https://example.org/a b\"<",
            "https://example.org/a%20b%22%3C",
        ),
        (" https://example.org/\n", "https://example.org/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example.org/#t=a", "https://example.org/#t=a"),
    ] {
        assert_eq!(web_address(text, &[]).as_deref(), Some(read));
    }
}

#[test]
fn parts_of_a_path_stay_parts() {
    let template = "{{url base \"tasks\" part}}";
    for (base, part, read) in [
        ("https://a.example", json!("x"), "https://a.example/tasks/x"),
        (
            "https://a.example/sub/?q#f",
            json!("a/b?c#d ä"),
            "https://a.example/sub/tasks/a%2Fb%3Fc%23d%20%C3%A4",
        ),
        ("https://a.example", json!(".."), "https://a.example/tasks"),
        ("https://a.example", json!(7), "https://a.example/tasks/7"),
        ("javascript:x", json!("a"), ""),
    ] {
        let data = json!({"base": base, "part": part});
        assert_eq!(filled(template, &data).unwrap(), read);
    }
}

#[test]
fn what_is_missing_or_of_the_wrong_kind_is_an_error_without_the_value() {
    for template in [
        "{{gone}}",
        "{{#if gone}}{{/if}}",
        "{{#unless gone}}{{/unless}}",
        "{{#if}}{{/if}}",
        "{{date gone}}",
        "{{date name}}",
        "{{date nothing}}",
        "{{date zero}}",
        "{{default gone \"x\"}}",
        "{{default nothing gone}}",
        "{{default nothing}}",
        "{{truncate gone 3}}",
        "{{truncate name}}",
        "{{truncate name -1}}",
        "{{truncate name name}}",
        "{{truncate fields 3}}",
        "{{plural gone one=\"a\" other=\"b\"}}",
        "{{plural name one=\"a\" other=\"b\"}}",
        "{{plural zero one=\"a\"}}",
        "{{url gone}}",
        "{{url zero}}",
        "{{url link gone}}",
        "{{url link nothing}}",
        "{{url link fields}}",
        "{{lines gone}}",
        "{{quote gone}}",
        "{{lines fields}}",
        "{{word \"role\" gone}}",
        "{{words \"field\" name}}",
        "{{words \"field\" numbers}}",
        "{{#each fields}}x{{/each}}",
        "{{log name}}",
        "{{> no_such_part}}",
    ] {
        let error = filled(template, &data()).unwrap_err().to_string();
        assert!(!error.contains("Ada"), "{template}: {error}");
    }
    // Nothing is told without a zone.
    assert!(filled("{{date \"2026-07-01\"}}", &json!({})).is_err());
}
