use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;

use super::{Limits, Params, check, expand};
use crate::settings::Settings;

fn limits() -> Limits {
    let settings = Settings::load(None, &BTreeMap::new(), &std::env::temp_dir()).unwrap();
    Limits {
        settings: settings.graphql,
        auth_fields: &["login", "register"],
        list_fields: &["list"],
    }
}

fn refusal(query: &str) -> Option<String> {
    refusal_of(Params {
        query: Some(query.to_owned()),
        ..Params::default()
    })
}

fn refusal_of(params: Params) -> Option<String> {
    check(&limits(), params).err().map(|error| {
        let error = async_graphql::Error::from(error);
        let code = error.extensions.unwrap().get("code").unwrap().to_string();
        format!("{code} {}", error.message)
    })
}

/// Both sides of a limit: what has n of something passes, what has one more does not.
fn limit(n: usize, what: &str, make: impl Fn(usize) -> String) {
    assert_eq!(refusal(&make(n)), None, "{n} {what}");
    let refused = refusal(&make(n + 1)).unwrap_or_default();
    assert!(
        refused.starts_with("\"QUERY_TOO_COMPLEX\"") && refused.contains(what),
        "{refused}"
    );
}

#[test]
fn each_number_holds_at_n_and_n_plus_one() {
    limit(32_768, "bytes", |n| format!("{{a}}{}", " ".repeat(n - 3)));
    limit(2_000, "tokens", |n| {
        format!("{{a{{{}}}}}", "b ".repeat(n - 5))
    });
    limit(2_000, "tokens", |n| {
        format!(
            "{{a{{{}}}}}",
            "... on T{b}".repeat((n - 5) / 6) + &"b ".repeat((n - 5) % 6)
        )
    });
    limit(64, "levels of brackets", |n| {
        format!("{{a(b:{}{})}}", "[".repeat(n - 2), "]".repeat(n - 2))
    });
    limit(12, "levels of fields", |n| {
        format!("{}a{}", "{a".repeat(n - 1) + "{", "}".repeat(n))
    });
    limit(12, "levels of fields", |n| {
        format!(
            "{{...F}} fragment F on T {{ ... {{{}a{}}}}}",
            "a{".repeat(n - 1),
            "}".repeat(n - 1)
        )
    });
    limit(30, "aliases", |n| {
        (0..n).fold("{a{".to_owned(), |text, i| text + &format!("x{i}:b ")) + "}}"
    });
    limit(30, "aliases", |n| {
        format!("{{a{{{}}}}} fragment F on T {{x:b}}", "...F ".repeat(n))
    });
    limit(50, "directives", |n| format!("{{a {}}}", "@x ".repeat(n)));
    limit(20, "fields at the root", |n| {
        format!("{{{}}}", "a ".repeat(n))
    });
    limit(20, "fields at the root", |n| {
        format!("{{...F {}}} fragment F on T {{a}}", "a ".repeat(n - 1))
    });
    limit(5_000, "selections", |n| {
        // The field at the root, 50 spreads of 98 fields, and plain fields.
        let spreads = "...F ".repeat(50);
        let plain = "b ".repeat(n - 1 - 50 * 99);
        format!(
            "{{a{{{spreads}{plain}}}}} fragment F on T {{{}}}",
            "b ".repeat(98)
        )
    });
}

#[test]
fn bombs_are_refused_in_linear_time() {
    for levels in [24, 31, 200] {
        let mut bomb = "{...F0}".to_owned();
        for i in 0..levels {
            write!(bomb, "fragment F{i} on T{{...F{0} ...F{0}}}", i + 1).unwrap();
        }
        write!(bomb, "fragment F{levels} on T{{a}}").unwrap();
        let document = async_graphql::parser::parse_query(&bomb).unwrap();
        let counts = expand::count(&document, &[], &serde_json::Value::Null).unwrap();
        assert!(counts.visits <= bomb.len(), "{} visits", counts.visits);
        assert!(refusal(&bomb).is_some());
    }
    for brackets in ["{", "[", "("] {
        assert!(
            refusal(&brackets.repeat(30_000))
                .unwrap()
                .contains("brackets")
        );
    }
    assert!(
        refusal("{...A} fragment A on T{...B} fragment B on T{...A}")
            .unwrap()
            .contains("itself")
    );
    assert!(refusal("{...Nowhere}").unwrap().contains("no fragment"));
}

#[test]
fn a_list_costs_its_page_times_its_items() {
    // The list, and a hundred times a node with 98 fields below it: 1 + 100 · 99 is 9,901.
    limit(98, "points of cost", |n| {
        format!("{{list(first:100){{node{{{}}}}}}}", "a ".repeat(n)) + &" ".repeat(n % 2)
    });
    let doubling = |levels: usize| {
        let mut text = "{list(first:100){nodes{...F0}}}".to_owned();
        for i in 0..levels {
            write!(text, "fragment F{i} on T{{...F{0} ...F{0}}}", i + 1).unwrap();
        }
        text + &format!("fragment F{levels} on T{{a{{b}}}}")
    };
    assert_eq!(refusal(&doubling(4)), None);
    assert!(refusal(&doubling(10)).unwrap().contains("points of cost"));
    let by_variable = |first: serde_json::Value| {
        refusal_of(Params {
            query: Some(format!(
                "query($n:Int){{list(first:$n){{node{{{}}}}}}}",
                "a ".repeat(150)
            )),
            variables: serde_json::json!({"n": first}).as_object().cloned(),
            ..Params::default()
        })
    };
    assert_eq!(by_variable(serde_json::json!(50)), None);
    assert!(
        by_variable(serde_json::json!(100))
            .unwrap()
            .contains("points of cost")
    );
    assert!(
        by_variable(serde_json::json!("many"))
            .unwrap()
            .contains("points of cost")
    );
}

#[test]
fn introspection_of_introspection_is_refused() {
    let lists = |n: usize| {
        format!(
            "{{__type(name:\"T\"){{{}name{}}}}}",
            "possibleTypes{".repeat(n),
            "}".repeat(n)
        )
    };
    assert_eq!(refusal(&lists(2)), None);
    assert!(refusal(&lists(3)).unwrap().contains("inside each other"));
    let wide = |n: usize| format!("{{__schema{{types{{{}}}}}}}", "name ".repeat(n));
    assert_eq!(refusal(&wide(498)), None);
    assert!(
        refusal(&wide(499))
            .unwrap()
            .contains("selections of introspection")
    );
    // Operations share the work of validation, so they share the limit.
    let mut many = String::new();
    for i in 0..60 {
        write!(many, "query Q{i}{{...F}}").unwrap();
    }
    let bomb = many + &format!("fragment F on T{{{}}}", "a ".repeat(90));
    assert!(
        refusal(&bomb)
            .unwrap()
            .contains("selections with its fragments")
    );
}

#[test]
fn repeated_root_fields_and_guesses_are_refused() {
    assert!(refusal("mutation{a{x} a{y}}").unwrap().contains("twice"));
    assert!(
        refusal("mutation{a{x} ...F} fragment F on M{a{y}}")
            .unwrap()
            .contains("twice")
    );
    assert_eq!(refusal("mutation{a{x} b:a{y}}"), None);
    assert!(
        refusal("mutation{a:login b:login}")
            .unwrap()
            .contains("once")
    );
    assert!(
        refusal("mutation{a:login ... on M{register}}")
            .unwrap()
            .contains("once")
    );
    assert!(
        refusal("subscription{a b}")
            .unwrap()
            .contains("exactly one")
    );
    assert_eq!(refusal("subscription{...F} fragment F on S{a}"), None);
}

#[test]
fn variables_are_bounded_and_required_ones_present() {
    let with = |query: &str, variables: serde_json::Value| {
        refusal_of(Params {
            query: Some(query.to_owned()),
            variables: variables.as_object().cloned(),
            ..Params::default()
        })
    };
    let deep = |n: usize| (0..n).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    assert_eq!(
        with("query($a:A){a}", serde_json::json!({"a": deep(31)})),
        None
    );
    assert!(
        with("query($a:A){a}", serde_json::json!({"a": deep(32)}))
            .unwrap()
            .contains("levels of variables")
    );
    assert!(
        with(
            "query($a:A){a}",
            serde_json::json!({"a": "x".repeat(70_000)})
        )
        .unwrap()
        .contains("bytes of variables")
    );
    assert!(
        with("query($a:A!){a}", serde_json::json!({}))
            .unwrap()
            .contains("$a")
    );
    assert!(
        with("query($a:A!){a}", serde_json::json!({"a": null}))
            .unwrap()
            .contains("$a")
    );
    assert_eq!(with("query($a:A!=1){a}", serde_json::json!({})), None);
}

#[test]
fn a_syntax_error_tells_the_place_and_repeats_nothing() {
    let refused = refusal("{ a ( secret }").unwrap();
    assert!(refused.contains("GRAPHQL_PARSE_FAILED") && refused.contains("line 1"));
    assert!(!refused.contains("secret"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[{}()\\[\\]\"#@$:.!a-c0-9 \\n\\\\-]{0,200}") {
        let _refused = refusal(&text);
    }

    #[test]
    fn a_parsed_document_is_never_counted_as_fewer_tokens_than_it_has(names in prop::collection::vec("[a-z]{1,3}", 1..50)) {
        let query = format!("{{{}}}", names.join(" "));
        let mut tight = limits();
        tight.settings.max_tokens = names.len() + 1;
        let params = Params { query: Some(query), ..Params::default() };
        prop_assert!(check(&tight, params).is_err());
    }
}
