//! Each number holds at N and not at N + 1, however the document comes to it: written plainly,
//! through fragments, through inline fragments, under aliases.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Limits, Params, limits, params, refusal_by};
use crate::settings::GraphqlSettings;

/// Makes a document with exactly so many of something.
type Make = fn(usize) -> Params;

/// A number, and the ways to reach it.
struct Row {
    what: &'static str,
    set: fn(&mut GraphqlSettings) -> &mut usize,
    by_default: usize,
    ways: &'static [Make],
}

/// Of several operations, the one named A.
fn document(query: impl AsRef<str>) -> Params {
    let query = query.as_ref();
    Params {
        operation_name: query.contains("query A{").then(|| "A".to_owned()),
        ..params(query, Value::Null)
    }
}

/// Fields with names of their own.
fn fields(n: usize) -> String {
    let fields: Vec<_> = (0..n).map(|i| format!("f{i} ")).collect();
    fields.concat()
}

/// The same words, so many times.
fn times(n: usize, words: &str) -> String {
    words.repeat(n)
}

/// Words inside of so many of something.
fn inside(n: usize, open: &str, words: &str, close: &str) -> String {
    format!("{}{words}{}", open.repeat(n), close.repeat(n))
}

/// So many fragments, each in the one before it, and in the last of them these words.
fn chain(n: usize, words: &str) -> String {
    let mut text = String::new();
    for i in 1..n {
        write!(text, " fragment F{} on T{{...F{i}}}", i - 1).unwrap();
    }
    text + &format!(" fragment F{} on T{{{words}}}", n - 1)
}

const ROWS: &[Row] = &[
    Row {
        what: "bytes of document",
        set: |settings| &mut settings.max_document_bytes,
        by_default: 32_768,
        ways: &[
            |n| document(format!("{{a}}{}", times(n - 3, " "))),
            |n| document(format!("{{a}}#{}", times(n - 4, "x"))),
            |n| document(format!("{{{}}}", times(n - 2, "x"))),
            |n| document(format!("{{a(b:\"{}\")}}", times(n - 9, "x"))),
            |n| document(format!("{{a(b:\"\"\"{}\"\"\")}}", times(n - 13, "x"))),
        ],
    },
    Row {
        what: "tokens",
        set: |settings| &mut settings.max_tokens,
        by_default: 2_000,
        ways: &[
            |n| document(format!("{{{}}}", fields(n - 2))),
            |n| {
                document(format!(
                    "{{a{{{}b}}}}",
                    inside((n - 7) / 3, "...{", "c ", "}") + &fields((n - 7) % 3)
                ))
            },
            |n| document(format!("{{a(b:[{}])}}", times(n - 9, "1 "))),
            // Numbers and texts may follow each other without a space.
            |n| document(format!("{{a(b:[{}])}}", times(n - 9, "-1"))),
            |n| document(format!("{{a(b:[{}])}}", times(n - 9, "0"))),
            |n| document(format!("{{a(b:[{}])}}", times(n - 9, "\"x\""))),
            |n| document(format!("{{a(b:[{}])}}", times(n - 9, "\"\"\"\"\"\""))),
        ],
    },
    Row {
        what: "levels of brackets",
        set: |settings| &mut settings.max_nesting,
        by_default: 64,
        ways: &[
            |n| document(format!("{{a(b:{})}}", inside(n - 2, "[", "", "]"))),
            |n| document(format!("{{a(b:{})}}", inside(n - 2, "{c:", "1", "}"))),
            |n| {
                document(
                    inside(n, "{a", "", "}")
                        .replace("a}", "}")
                        .replacen("{}", "{b}", 1),
                )
            },
            |n| document(format!("{{{}}}", inside(n - 1, "...{", "a", "}"))),
            |n| document(format!("{{...F0}}{}", chain(n - 1, "a"))),
            |n| document(format!("{{a{{...F0}}}}{}", chain(n - 4, "...{a{b}}"))),
        ],
    },
    Row {
        what: "bytes of variables",
        set: |settings| &mut settings.max_variables_bytes,
        by_default: 65_536,
        ways: &[
            |n| params("query($a:A){a(b:$a)}", json!({"a": times(n - 9, "x")})),
            |n| params("{a}", json!({"a": [times(n - 12, "x")]})),
            |n| params("{a}", json!({"a": {times(n - 17, "x"): 1}})),
            |n| params("{a}", json!({times(n - 10, "x"): 1})),
        ],
    },
    Row {
        what: "levels of variables",
        set: |settings| &mut settings.max_variables_depth,
        by_default: 32,
        ways: &[
            |n| {
                params(
                    "{a}",
                    json!({"a": (1..n).fold(json!(1), |inner, _| json!([inner]))}),
                )
            },
            |n| {
                params(
                    "{a}",
                    json!({"a": (1..n).fold(json!(1), |inner, _| json!({"b": inner}))}),
                )
            },
        ],
    },
    Row {
        what: "selections",
        set: |settings| &mut settings.max_selections,
        by_default: 5_000,
        ways: &[
            |n| document(format!("{{{}}}", fields(n))),
            |n| document(format!("{{a{{{}}}}}", fields(n - 1))),
            |n| document(format!("{{...{{{}}}}}", fields(n - 1))),
            |n| document(format!("{{...F}}fragment F on T{{{}}}", fields(n - 1))),
            // Each spread of F is four.
            |n| {
                document(format!(
                    "{{{}{}}}fragment F on T{{a b c}}",
                    times(n / 4, "...F "),
                    fields(n % 4)
                ))
            },
            // All operations are validated together.
            |n| document(format!("query A{{{}}} query B{{a}}", fields(n - 1))),
        ],
    },
    Row {
        what: "levels of fields",
        set: |settings| &mut settings.max_depth,
        by_default: 12,
        ways: &[
            |n| document(format!("{{{}}}", inside(n - 1, "a{", "b", "}"))),
            |n| document(format!("{{{}}}", inside(n - 1, "x:a{", "y:b", "}"))),
            |n| document(format!("{{{}}}", inside(n - 1, "...{a{", "b", "}}"))),
            |n| {
                document(format!(
                    "{{a{{...F}}}}fragment F on T{{{}}}",
                    inside(n - 2, "a{", "b", "}")
                ))
            },
            |n| {
                document(format!(
                    "query A{{a}} query B{{{}}}",
                    inside(n - 1, "a{", "b", "}")
                ))
            },
        ],
    },
    Row {
        what: "aliases",
        set: |settings| &mut settings.max_aliases,
        by_default: 30,
        ways: &[
            |n| document(format!("{{{}}}", times(n, "x:a "))),
            |n| document(format!("{{{}}}", inside(n - 1, "x:a{", "y:b", "}"))),
            |n| document(format!("{{{}}}", times(n, "...{x:a}"))),
            |n| document(format!("{{{}}}fragment F on T{{x:a}}", times(n, "...F "))),
        ],
    },
    Row {
        what: "directives",
        set: |settings| &mut settings.max_directives,
        by_default: 50,
        ways: &[
            |n| document(format!("{{a {}}}", times(n, "@x "))),
            |n| document(format!("query {}{{a}}", times(n, "@x "))),
            |n| document(format!("query($a:A {}){{a(b:$a)}}", times(n, "@x "))),
            |n| document(format!("{{...{}{{a}}}}", times(n, "@x "))),
            // As written: the two of the fragment count once, that of a spread for each.
            |n| {
                document(format!(
                    "{{{}}}fragment F on T @x{{a @x}}",
                    times(n - 2, "...F @x ")
                ))
            },
        ],
    },
    Row {
        what: "fields at the root",
        set: |settings| &mut settings.max_root_fields,
        by_default: 20,
        ways: &[
            |n| document(format!("{{{}}}", fields(n))),
            |n| document(format!("{{{}}}", times(n, "a "))),
            |n| document(format!("{{{}}}", times(n, "...{x:a}"))),
            |n| document(format!("{{{}...F}}fragment F on T{{a}}", fields(n - 1))),
        ],
    },
    Row {
        what: "repetitions of one response key",
        set: |settings| &mut settings.max_repeats,
        by_default: 100,
        ways: &[
            |n| document(format!("{{{}}}", times(n, "a "))),
            |n| document(format!("{{{}}}", times(n, "x:a "))),
            |n| document(format!("{{a{{{}}}}}", times(n, "b "))),
            |n| document(format!("{{a{{{}}}}}", times(n, "...{...on T{b}}"))),
            |n| {
                document(format!(
                    "{{a{{{}}}}}fragment F on T{{b}}",
                    times(n, "...F ")
                ))
            },
            // Merged: the fields of the same key are one.
            |n| {
                document(format!(
                    "{{{}a{{{}}}}}",
                    times(n - n / 2, "a{b}"),
                    times(n / 2, "b ")
                ))
            },
            |n| {
                document(format!(
                    "{{x{{{}}}x{{...F}}}}fragment F on T{{a{{b}}}}",
                    times(n - 1, "a{b}")
                ))
            },
            // Of one object or the other: no object is of both, but the work is the same.
            |n| {
                document(format!(
                    "{{node{{{}...on U{{id}}}}}}",
                    times(n - 1, "...on T{id}")
                ))
            },
        ],
    },
    Row {
        what: "operations",
        set: |settings| &mut settings.max_operations,
        by_default: 20,
        ways: &[|n| {
            let operations: Vec<_> = (1..=n)
                .map(|i| format!("query {}{{a}}", times(i, "A")))
                .collect();
            document(operations.concat())
        }],
    },
    Row {
        what: "points of cost",
        set: |settings| &mut settings.max_cost,
        by_default: 10_000,
        ways: &[
            |n| document(format!("{{{}}}", fields(n))),
            |n| document(format!("{{{}}}fragment F on T{{a}}", times(n, "...F "))),
            // The list, and twice the node and what is below it.
            |n| {
                document(format!(
                    "{{list(first:2){{node{{{}}}}}{}}}",
                    fields((n - 3) / 2),
                    fields((n - 3) % 2)
                ))
            },
            |n| {
                document(format!(
                    "{{...F}}fragment F on T{{list(first:2){{...on T{{node{{{}}}}}}}{}}}",
                    fields((n - 3) / 2),
                    fields((n - 3) % 2)
                ))
            },
            |n| {
                params(
                    &format!("query($n:Int){{list(first:$n){{node}}{}}}", fields(n - 6)),
                    json!({"n": 5}),
                )
            },
            |n| document(format!("{{nodes(ids:[1 2 3]){{id}}{}}}", fields(n - 4))),
            |n| {
                params(
                    &format!("query($n:[ID!]!){{nodes(ids:$n){{id}}{}}}", fields(n - 4)),
                    json!({"n": [1, 2, 3]}),
                )
            },
            // A kibibyte of arguments is a point, and again for each place it is used.
            |n| {
                document(format!(
                    "{{{}a(b:\"{}\")}}",
                    fields(n - 3),
                    times(2_048, "x")
                ))
            },
            |n| {
                params(
                    &format!("query($a:A){{{}a(b:$a)c(b:$a)}}", fields(n - 4)),
                    json!({"a": times(1_024, "x")}),
                )
            },
            // So are four items, however small: of a variable, of its default, of a literal.
            |n| {
                params(
                    &format!("query($a:A){{{}a(b:$a)c(b:$a)}}", fields(n - 4)),
                    json!({"a": [1, 2, 3, 4]}),
                )
            },
            |n| {
                document(format!(
                    "query($a:A=[1 2 3 4]){{{}a(b:$a)c(b:$a)}}",
                    fields(n - 4)
                ))
            },
            |n| document(format!("{{{}a(b:[1 {{c:1 d:1}} 3])}}", fields(n - 2))),
        ],
    },
    Row {
        what: "levels of introspection",
        set: |settings| &mut settings.max_introspection_depth,
        by_default: 20,
        ways: &[
            |n| document(format!("{{__schema{{{}}}}}", inside(n - 2, "a{", "b", "}"))),
            |n| {
                document(format!(
                    "{{__type{{{}}}}}",
                    inside(n - 2, "...{a{", "b", "}}")
                ))
            },
            |n| {
                document(format!(
                    "{{x:__schema{{...F}}}}fragment F on T{{{}}}",
                    inside(n - 2, "a{", "b", "}")
                ))
            },
            |n| {
                document(format!(
                    "{{__schema{{__schema{{{}}}}}}}",
                    inside(n - 3, "a{", "b", "}")
                ))
            },
        ],
    },
    Row {
        what: "selections of introspection",
        set: |settings| &mut settings.max_introspection_selections,
        by_default: 500,
        ways: &[
            |n| document(format!("{{__schema{{{}}}}}", fields(n - 1))),
            |n| document(format!("{{__schema{{...{{{}}}}}a b c}}", fields(n - 2))),
            |n| {
                document(format!(
                    "{{{}{}}}fragment F on T{{a b}}",
                    times(n / 4, "__type{...F}"),
                    times(n % 4, "__type ")
                ))
            },
        ],
    },
    Row {
        what: "lists of introspection inside each other",
        set: |settings| &mut settings.max_introspection_lists,
        by_default: 2,
        ways: &[
            |n| document(format!("{{__type{{{}}}}}", inside(n, "fields{", "b", "}"))),
            |n| {
                document(format!(
                    "{{__type{{{}}}}}",
                    inside(n, "x:possibleTypes{a{", "b", "}}")
                ))
            },
            |n| {
                document(format!(
                    "{{__type{{...F}}}}fragment F on T{{{}}}",
                    inside(n, "...{interfaces{", "b", "}}")
                ))
            },
        ],
    },
];

/// With every number out of the way.
fn generous() -> Limits {
    let mut limits = limits();
    for row in ROWS {
        *(row.set)(&mut limits.settings) = 1_000_000;
    }
    // The parser has its own end at this depth.
    limits.settings.max_nesting = 64;
    limits
}

#[test]
fn each_number_holds_at_n_and_not_at_n_plus_one() {
    for row in ROWS {
        for (way, make) in row.ways.iter().enumerate() {
            for n in [24, 25] {
                let mut limits = generous();
                *(row.set)(&mut limits.settings) = n;
                let (within, beyond) = (make(n), make(n + 1));
                let name = format!("{} {}, way {way}: {:?}", n, row.what, beyond.query);
                assert_eq!(refusal_by(&limits, within), None, "{name}");
                let refused = refusal_by(&limits, beyond);
                let refused = refused.unwrap_or_else(|| panic!("it passes: {name}"));
                let wanted = format!(
                    "QUERY_TOO_COMPLEX: The request has more than {n} {}",
                    row.what
                );
                assert!(refused.starts_with(&wanted), "{refused}: {name}");
            }
        }
    }
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    for row in ROWS {
        let number = *(row.set)(&mut limits().settings);
        assert_eq!(number, row.by_default, "{}", row.what);
    }
}

#[test]
fn a_page_whose_size_is_not_known_counts_as_the_largest() {
    let mut limits = generous();
    limits.settings.max_cost = 100;
    for first in [
        json!("many"),
        json!(null),
        json!(-1),
        json!(1_000_000),
        json!({}),
    ] {
        let query = "query($n:Int){list(first:$n){node}}";
        let refused = refusal_by(&limits, params(query, json!({"n": first})));
        assert!(refused.unwrap().contains("points of cost"), "{first}");
    }
    for (query, passes) in [
        ("{list{node}}", true),
        ("{list(first:null){node}}", true),
        ("{list(first:99){node}}", true),
        ("{list(first:100){node}}", false),
        ("{list(first:\"1\"){node}}", false),
        ("query($n:Int=1){list(first:$n){node}}", false),
        ("query($n:[ID!]!=[]){nodes(ids:$n){id}}", false),
        ("{nodes(ids:1){id}}", true),
    ] {
        let refused = refusal_by(&limits, document(query));
        let for_cost = refused.is_some_and(|refused| refused.contains("points of cost"));
        assert_eq!(for_cost, !passes, "{query}");
    }
}

#[test]
fn an_introspection_of_graphiql_passes() {
    let query = include_str!("introspection.graphql");
    assert_eq!(refusal_by(&limits(), document(query)), None);
}
