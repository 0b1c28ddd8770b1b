//! What is looked at is linear in what was sent, whatever that is.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Params, counted, limits, params, refuses};

/// What a byte may cost, in things looked at: its text once, its selection some three times, its
/// value as often.
const PER_BYTE: usize = 8;

/// Fragments that each spread the next one so many times.
fn bomb(wide: usize, deep: usize) -> String {
    let mut text = "{...F0}".to_owned();
    for i in 0..deep {
        let spreads = format!("...F{} ", i + 1).repeat(wide);
        write!(text, "fragment F{i} on T{{{spreads}}}").unwrap();
    }
    text + &format!("fragment F{deep} on T{{a}}")
}

/// Documents that are made to be expensive.
type Abuse = (&'static str, Params);

fn of(query: impl AsRef<str>) -> Params {
    params(query.as_ref(), Value::Null)
}

fn many(n: usize, write: impl Fn(usize) -> String) -> String {
    (0..n).map(write).collect()
}

/// By what is selected.
fn selections() -> Vec<Abuse> {
    vec![
        ("doubling", of(bomb(2, 31))),
        ("doubling often", of(bomb(2, 60))),
        ("doubling too deep", of(bomb(2, 140))),
        ("forty wide and eight deep", of(bomb(40, 8))),
        ("wide", of(bomb(400, 2))),
        ("braces", of("{".repeat(30_000))),
        ("braces of fields", of("{a".repeat(10_000))),
        ("brackets", of(format!("{{a(b:{}", "[".repeat(30_000)))),
        ("list types", of(format!("query($a:{}", "[".repeat(30_000)))),
        ("parentheses", of("{a(".repeat(10_000))),
        (
            "aliases",
            of(format!("{{{}}}", many(2_500, |i| format!("a{i}:b ")))),
        ),
        (
            "directives",
            of(format!("{{a {}}}", "@skip(if:true)".repeat(2_000))),
        ),
        (
            "unknown directives",
            of(format!("{{a {}}}", "@x".repeat(10_000))),
        ),
        (
            "repetitions",
            of(format!("{{a{{{}}}}}", "b ".repeat(1_900))),
        ),
        (
            "repetitions that merge",
            of(format!("{{{}}}", "a{b{c}}".repeat(280))),
        ),
        ("operations", of(many(600, |i| format!("query Q{i}{{a}}")))),
        (
            "operations of one fragment",
            of(many(20, |i| format!("query Q{i}{{...F}}"))
                + &format!("fragment F on T{{{}}}", many(200, |i| format!("f{i} ")))),
        ),
    ]
}

/// By what is written.
fn texts() -> Vec<Abuse> {
    vec![
        ("one long name", of(format!("{{{}}}", "a".repeat(30_000)))),
        (
            "one long text",
            of(format!("{{a(b:\"{}\")}}", "a".repeat(30_000))),
        ),
        (
            "one long block",
            of(format!("{{a(b:\"\"\"{}\"\"\")}}", "a\n".repeat(15_000))),
        ),
        (
            "a text without an end",
            of(format!("{{a(b:\"\"\"{}", "\\\"\"\"".repeat(8_000))),
        ),
        (
            "one long comment",
            of(format!("{{a}}#{}", "a".repeat(30_000))),
        ),
        (
            "arguments",
            of(format!("{{a({})}}", many(600, |i| format!("b{i}:1 ")))),
        ),
        (
            "the same arguments twice",
            of({
                let arguments = many(280, |i| format!("b{i}:1 "));
                format!("{{a({arguments})a({arguments})}}")
            }),
        ),
        (
            "the same arguments again and again",
            of({
                let arguments = many(160, |i| format!("b{i}:1 "));
                format!(
                    "{{{}}}fragment F on T{{a({arguments})}}fragment G on T{{a({arguments})}}",
                    many(90, |i| format!("x{i}{{...F ...G}}"))
                )
            }),
        ),
    ]
}

/// By what is sent along, and the rest.
fn values() -> Vec<Abuse> {
    let deep = |n: usize| (0..n).fold(json!(1), |inner, _| json!([inner]));
    vec![
        (
            "variables",
            of(format!(
                "query({}){{a}}",
                many(480, |i| format!("$a{i}:A "))
            )),
        ),
        (
            "defaults",
            of(format!(
                "query($a:Input={}1{}){{a}}",
                "{inside:".repeat(60),
                "}".repeat(60)
            )),
        ),
        ("deep variables", params("{a}", json!({"a": deep(60)}))),
        (
            "wide variables",
            params("query($a:[Int]){a(b:$a)}", json!({"a": vec![1; 12_000]})),
        ),
        (
            "objects of variables",
            params(
                "query($a:Input){known(input:$a)}",
                json!({"a": {"title": "x", "many": vec![json!({"title": "x"}); 2_000]}}),
            ),
        ),
        (
            "one value used everywhere",
            params(
                &format!("query($a:A){{{}}}", many(200, |i| format!("f{i}(b:$a)"))),
                json!({"a": "x".repeat(60_000)}),
            ),
        ),
        (
            "introspection in circles",
            of(format!(
                "{{__schema{{types{}{}}}}}",
                "{fields{type".repeat(25),
                "}}".repeat(25)
            )),
        ),
        (
            "fragments nobody uses",
            of(format!(
                "{{a}}{}",
                many(200, |i| format!("fragment F{i} on T{{a}}"))
            )),
        ),
        (
            "a circle",
            of("{...F0}fragment F0 on T{...F1}fragment F1 on T{...F0}"),
        ),
    ]
}

#[test]
fn what_is_looked_at_is_linear_in_what_was_sent() {
    let abuses = [selections(), texts(), values()].concat();
    for (what, params) in abuses {
        let variables = params.variables.as_ref();
        let bytes = params.query.as_ref().map_or(0, String::len)
            + variables.map_or(0, |v| json!(v).to_string().len());
        // Only what is within its limit is written out.
        let most = PER_BYTE * bytes + 6 * limits().settings.max_selections;
        let (refused, steps) = counted(&limits(), params);
        assert!(
            steps <= most,
            "{what}: {steps} steps for {bytes} bytes, {refused:?}"
        );
    }
}

#[test]
fn twice_the_document_is_at_most_twice_the_work() {
    let work = |levels| counted(&limits(), params(&bomb(2, levels), Value::Null)).1;
    assert!(work(40) <= 2 * work(20) + 100, "{} {}", work(20), work(40));
}

#[test]
fn bombs_are_refused() {
    for levels in [13, 24, 31, 60] {
        refuses(&bomb(2, levels), "QUERY_TOO_COMPLEX", "selections");
    }
    refuses(&bomb(2, 140), "QUERY_TOO_COMPLEX", "levels of brackets");
    refuses(&bomb(40, 8), "QUERY_TOO_COMPLEX", "selections");
    for brackets in ["{", "[", "("] {
        refuses(&brackets.repeat(30_000), "QUERY_TOO_COMPLEX", "brackets");
    }
}

#[test]
fn the_parser_reads_on_behind_a_text_without_an_end_so_the_guard_does_not_let_it() {
    // Three quotes without an end are an empty text and the beginning of another to the parser.
    let short = "{a(b:[\"\"\" \" [1]])}";
    assert!(async_graphql::parser::parse_query(short).is_ok());
    refuses(short, "GRAPHQL_PARSE_FAILED", "line 1, column 7");
    let brackets = format!("{{a(b:[\"\"\" \" {}", "[".repeat(30_000));
    refuses(&brackets, "GRAPHQL_PARSE_FAILED", "has no end");
    refuses("{a(b:\"x\n\")}", "GRAPHQL_PARSE_FAILED", "has no end");
    refuses("{a(b:\"x\r\")}", "GRAPHQL_PARSE_FAILED", "has no end");
}
