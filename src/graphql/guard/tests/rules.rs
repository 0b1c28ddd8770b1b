//! The rules that are no numbers.

use async_graphql::parser::types::{DocumentOperations, Selection};
use serde_json::{Value, json};

use super::{limits, params, refusal, refusal_by, refusal_of, refuses};
use crate::graphql::guard::check;

const INVALID: &str = "GRAPHQL_VALIDATION_FAILED";

#[test]
fn fragments_are_there_and_used_and_do_not_contain_themselves() {
    for circle in [
        "{...A}fragment A on T{...A}",
        "{...A}fragment A on T{...B}fragment B on T{...A}",
        "{a{...A}}fragment A on T{a{...B}}fragment B on T{b ...{...A}}",
    ] {
        refuses(circle, INVALID, "contains itself");
    }
    refuses("{...Nowhere}", INVALID, "no fragment `Nowhere`");
    refuses("{a}fragment A on T{a}", INVALID, "`A` is never used");
    refuses(
        "{a}fragment A on T{...B}fragment B on T{...A}",
        INVALID,
        "never used",
    );
}

#[test]
fn one_secret_is_checked_in_an_operation() {
    for query in [
        "mutation{a:login b:login}",
        "mutation{a:login ...on M{register}}",
        "mutation{a:login ...F}fragment F on M{b:login}",
    ] {
        refuses(query, "QUERY_TOO_COMPLEX", "one secret");
    }
    assert_eq!(refusal("mutation{login other}"), None);
}

#[test]
fn a_mutation_has_no_response_key_twice_at_its_root() {
    for query in [
        "mutation{a{x}a{y}}",
        "mutation{a{x}...F}fragment F on M{a{y}}",
        "mutation{a{x}...{a{x}}}",
        "mutation{a{x}a:a{x}}",
    ] {
        refuses(query, INVALID, "`a` stands twice");
    }
    assert_eq!(refusal("mutation{a{x}b:a{y}}"), None);
    assert_eq!(refusal("{a{x}a{y}}"), None);
}

#[test]
fn a_subscription_has_one_field_at_its_root_under_no_condition() {
    refuses("subscription{a b}", INVALID, "exactly one");
    refuses(
        "subscription{a ...F}fragment F on S{b}",
        INVALID,
        "exactly one",
    );
    refuses("subscription{__typename}", INVALID, "`__typename` is none");
    refuses(
        "subscription{a:__typename}",
        INVALID,
        "`__typename` is none",
    );
    for query in [
        "subscription{a @skip(if:false)}",
        "subscription($x:Boolean!){a @include(if:$x)}",
        "subscription{...@include(if:true){a}}",
        "subscription{...F @skip(if:false)}fragment F on S{a}",
        "subscription{...F}fragment F on S{a @skip(if:false)}",
    ] {
        refuses(query, INVALID, "cannot be skipped");
    }
    assert_eq!(refusal("subscription{...F}fragment F on S{a}"), None);
    assert_eq!(refusal("subscription{a{b @skip(if:true)}}"), None);
}

#[test]
fn introspection_that_is_off_is_refused_in_words() {
    let mut limits = limits();
    limits.introspection = false;
    for query in [
        "{__schema{types{name}}}",
        "{a x:__type(name:\"T\"){name}}",
        "{...F}fragment F on T{...{__schema{types{name}}}}",
    ] {
        let refused = refusal_by(&limits, params(query, Value::Null)).unwrap();
        assert_eq!(
            refused,
            format!("{INVALID}: Introspection is off on this server.")
        );
        assert_eq!(refusal(query), None);
    }
    let query = "{__typename a{__typename}}";
    assert_eq!(refusal_by(&limits, params(query, Value::Null)), None);
}

#[test]
fn fields_of_one_response_key_are_the_same_field() {
    for query in [
        "{x:a x:b}",
        "{a(b:1)a(b:2)}",
        "{a(b:1)a}",
        "{a(b:1)a(c:1)}",
        "{a(b:1 c:2)a(b:1 c:3)}",
        "{a(b:{c:1})a(b:{c:2})}",
        "{a(b:$x)a(b:$y)}",
        "{x:a ...{x:b}}",
        "{x:a ...on Query{x:b}}",
        "{...on Query{x:a}x:b}",
        "{x:a ...F}fragment F on Query{x:b}",
        // What is selected of one field is merged.
        "{a{x:b}a{x:c}}",
        "{a{b{x:c}}...F}fragment F on Query{a{b{x:d}}}",
        // An interface may be any of its objects.
        "{node{...on Node{x:id}...on T{x:child{id}}}}",
        "{node{...on T{x:id}...on U{x:id}...on Node{x:child}}}",
        "{node{...on T{x:id}...on T{x:child}}}",
    ] {
        refuses(query, INVALID, "stands for different fields");
    }
    for query in [
        "{a(b:1 c:[2])a(c:[2]b:1)}",
        "{a{b}a{c}}",
        // No object is both.
        "{node{...on T{x:child{id}}...on U{x:id}}}",
        "{node{...on T{x:child{y:a}}...on U{x:child{y:b}}}}",
        "{node{...on T{...{x:a}}...on U{...{x:b}}}}",
    ] {
        assert_eq!(refusal(query), None, "{query}");
    }
}

#[test]
fn a_condition_on_typename_is_put_where_the_library_looks() {
    let query = "query($x:Boolean!){a{t:__typename @include(if:$x) @skip(if:false)}__typename}";
    let checked = check(&limits(), params(query, json!({"x": true}))).unwrap();
    let DocumentOperations::Single(operation) = &checked.document.settled.operations else {
        panic!("one operation");
    };
    let items = &operation.node.selection_set.node.items;
    let Selection::Field(a) = &items[0].node else {
        panic!("a field");
    };
    let Selection::InlineFragment(around) = &a.node.selection_set.node.items[0].node else {
        panic!("a fragment");
    };
    assert_eq!(around.node.directives.len(), 2);
    let Selection::Field(inner) = &around.node.selection_set.node.items[0].node else {
        panic!("a field");
    };
    assert_eq!(inner.node.response_key().node, "t");
    assert!(inner.node.directives.is_empty());
    assert!(matches!(items[1].node, Selection::Field(_)));
    refuses("{__typename(a:1)}", INVALID, "no arguments");
    refuses("{a{__typename{b}}}", INVALID, "no arguments");
}

#[test]
fn the_operation_is_named_when_there_are_several() {
    let two = "query A{a}query B{b}";
    let named = |name: &str| {
        let mut params = params(two, Value::Null);
        params.operation_name = Some(name.to_owned());
        refusal_of(params)
    };
    refuses(two, INVALID, "say which");
    assert_eq!(named("A"), None);
    assert!(named("C").unwrap().contains("no operation with this"));
}

#[test]
fn a_syntax_error_tells_the_place_and_repeats_nothing() {
    for query in [
        "",
        " ",
        "#",
        "\u{feff}",
        "{",
        "{}",
        "{ a ( secret }",
        "secret",
        "{a(b:1e400)}",
        "{a(b:01secret)}",
    ] {
        let refused = refusal(query).unwrap();
        assert!(
            refused.starts_with("GRAPHQL_PARSE_FAILED"),
            "{query}: {refused}"
        );
        assert!(!refused.contains("secret"), "{refused}");
    }
    assert_eq!(refusal("\u{feff}{a}"), None);
}

#[test]
fn documents_are_kept_but_for_those_with_texts_in_them() {
    let limits = limits();
    let is_known = |query: &str| {
        let checked = |query| check(&limits, params(query, json!(null))).expect("it passes");
        limits.known.keep(checked(query).document());
        checked(query).is_known
    };
    assert!(is_known("{ known(number: 1) { id } }"));
    assert!(is_known("query($n: Int) { known(number: $n) { id } }"));
    assert!(!is_known(r#"{ known(either: {text: "secret"}) { id } }"#));
    assert!(!is_known(
        r#"{ known(either: {text: """secret"""}) { id } }"#
    ));
}
