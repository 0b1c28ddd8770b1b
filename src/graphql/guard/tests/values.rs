//! Values and the types they have to fit.

use serde_json::{Value, json};

use super::{SDL, limits, params, refusal_of};
use crate::graphql::guard::types::{Definition, Types};
use crate::graphql::guard::{Params, check};

const INVALID: &str = "GRAPHQL_VALIDATION_FAILED: ";

/// The refusal without its code, which is always the same.
fn words(params: Params) -> Option<String> {
    refusal_of(params).map(|refused| {
        let words = refused.strip_prefix(INVALID);
        words.unwrap_or_else(|| panic!("{refused}")).to_owned()
    })
}

fn input(value: &Value) -> Option<String> {
    let query = "query($input:Input){known(input:$input){id}}";
    words(params(query, json!({"input": value})))
}

/// The smallest input, and more.
fn with(more: Value) -> Value {
    let mut value = json!({"title": "x"});
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn document(query: &str) -> Option<String> {
    words(params(query, Value::Null))
}

#[test]
fn a_variable_that_fits_its_type_passes() {
    for good in [
        json!(null),
        json!({"title": "x"}),
        with(json!({"when": null})),
        with(json!({"when": "2026-11-22T01:45:00.123456789+05:30"})),
        with(json!({"word": "ONE", "words": ["ONE", "TWO"]})),
        // One value stands for a list of it.
        with(json!({"words": "TWO", "many": {"title": "y"}, "matrix": 1})),
        with(json!({"words": [], "matrix": [[1], null, 2]})),
        with(json!({"number": i32::MAX, "ratio": 1, "on": false})),
        with(json!({"number": i32::MIN, "ratio": 1.5, "id": 7})),
        with(json!({"id": "7", "size": 4})),
        with(json!({"inside": with(json!({"inside": null}))})),
    ] {
        assert_eq!(input(&good), None, "{good}");
    }
}

#[test]
fn a_day_exists_or_is_refused_by_its_place() {
    assert_eq!(input(&with(json!({"day": "2024-02-29"}))), None);
    for day in ["2026-02-30", "2026-13-01", "2026-11-22T00:00:00Z"] {
        let refused = input(&with(json!({"day": day}))).unwrap();
        assert!(refused.contains("$input.day"), "{refused}");
        assert!(refused.contains("a day that exists"), "{refused}");
        assert!(!refused.contains(day), "{refused}");
    }
}

#[test]
fn a_variable_that_does_not_fit_is_named_by_its_place_and_not_repeated() {
    for (bad, place, expected) in [
        (json!("hunter2"), "$input", "type Input"),
        (json!(["hunter2"]), "$input", "type Input"),
        (json!(7), "$input", "type Input"),
        (
            json!({}),
            "$input.title",
            "needs a value of the type String!",
        ),
        (json!({"title": null}), "$input.title", "type String!"),
        (json!({"title": 5}), "$input.title", "type String"),
        (
            with(json!({"when": "hunter2"})),
            "$input.when",
            "type DateTime",
        ),
        (
            with(json!({"when": "2026-02-30T00:00:00Z"})),
            "$input.when",
            "RFC 3339",
        ),
        (
            with(json!({"when": "2026-11-22"})),
            "$input.when",
            "RFC 3339",
        ),
        (with(json!({"when": 0})), "$input.when", "RFC 3339"),
        (with(json!({"word": "hunter2"})), "$input.word", "type Word"),
        (with(json!({"word": "one"})), "$input.word", "type Word"),
        (with(json!({"word": 1})), "$input.word", "type Word"),
        (
            with(json!({"words": ["ONE", "hunter2"]})),
            "$input.words[1]",
            "type Word",
        ),
        (
            with(json!({"words": [null]})),
            "$input.words[0]",
            "type Word!",
        ),
        (
            with(json!({"words": {"hunter2": 1}})),
            "$input.words",
            "type Word",
        ),
        (with(json!({"number": 1.5})), "$input.number", "type Int"),
        (
            with(json!({"number": 2_147_483_648_u32})),
            "$input.number",
            "type Int",
        ),
        (with(json!({"number": "1"})), "$input.number", "type Int"),
        (with(json!({"number": true})), "$input.number", "type Int"),
        (with(json!({"ratio": "1.5"})), "$input.ratio", "type Float"),
        (with(json!({"on": "yes"})), "$input.on", "type Boolean"),
        (with(json!({"on": 1})), "$input.on", "type Boolean"),
        (with(json!({"id": 1.5})), "$input.id", "type ID"),
        (with(json!({"id": true})), "$input.id", "type ID"),
        (with(json!({"id": {"hunter2": 1}})), "$input.id", "type ID"),
        (
            with(json!({"inside": {"title": "x", "many": [{"title": 5}]}})),
            "$input.inside.many[0].title",
            "type String",
        ),
        (
            with(json!({"many": [{"title": "x"}, {"title": 5}]})),
            "$input.many[1].title",
            "type String",
        ),
        (
            with(json!({"matrix": [[1, "hunter2"]]})),
            "$input.matrix[0][1]",
            "type Int",
        ),
        (with(json!({"size": null})), "$input.size", "type Int!"),
        (
            with(json!({"other": "hunter2"})),
            "$input",
            "has no field `other`",
        ),
        (
            with(json!({"Title": "hunter2"})),
            "$input",
            "has no field `Title`",
        ),
    ] {
        let refused = input(&bad).unwrap_or_else(|| panic!("it passes: {bad}"));
        assert!(
            refused.starts_with(&format!("`{place}")),
            "{bad}: {refused}"
        );
        assert!(refused.contains(expected), "{bad}: {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn one_of_several_fields_is_exactly_one() {
    let either = |value: Value| {
        let query = "query($e:Either){known(either:$e){id}}";
        words(params(query, json!({"e": value})))
    };
    assert_eq!(either(json!({"number": 1})), None);
    assert_eq!(document("{known(either:{text:\"x\"}){id}}"), None);
    for bad in [
        json!({}),
        json!({"number": null}),
        json!({"number": 1, "text": "x"}),
    ] {
        assert!(
            either(bad.clone()).unwrap().contains("exactly one"),
            "{bad}"
        );
    }
    assert!(
        document("{known(either:{}){id}}")
            .unwrap()
            .contains("exactly one")
    );
}

#[test]
fn a_value_in_the_document_fits_its_place() {
    for good in [
        "{known(input:{title:\"x\" word:ONE words:TWO when:\"2026-11-22T01:45:00Z\"}){id}}",
        "{known(input:null words:[ONE TWO] number:1){id}}",
        "{node{...on T{child(input:{title:\"\"\"x\"\"\"}){id}}}}",
        // What the schema does not know is the library's.
        "{unknown(input:5){id}}",
        "{known(other:5){unknown(input:5)}}",
    ] {
        assert_eq!(document(good), None, "{good}");
    }
    for (bad, place) in [
        ("{known(input:\"hunter2\"){id}}", "known(input)"),
        ("{known(input:{}){id}}", "known(input).title"),
        ("{known(input:{title:hunter2}){id}}", "known(input).title"),
        (
            "{known(input:{title:\"x\" when:\"hunter2\"}){id}}",
            "known(input).when",
        ),
        // An enum is a word in a document, a text in variables.
        (
            "{known(input:{title:\"x\" word:\"ONE\"}){id}}",
            "known(input).word",
        ),
        (
            "{known(input:{title:\"x\" word:hunter2}){id}}",
            "known(input).word",
        ),
        ("{known(words:[ONE null]){id}}", "known(words)[1]"),
        ("{known(number:2147483648){id}}", "known(number)"),
        ("{known(number:1.0){id}}", "known(number)"),
        ("{known(input:{title:\"x\" other:1}){id}}", "known(input)"),
        ("{node{...on T{child(input:5){id}}}}", "child(input)"),
        (
            "{...F}fragment F on Query{known(number:\"hunter2\"){id}}",
            "known(number)",
        ),
        ("{a @include(if:5)}", "@include(if)"),
        ("{...@skip(if:null){a}}", "@skip(if)"),
        ("mutation{known(input:{title:1}){id}}", "known(input).title"),
        (
            "subscription{event(input:{title:1}){id}}",
            "event(input).title",
        ),
        ("query($a:Int=\"hunter2\"){known(number:$a){id}}", "$a"),
        ("query($a:[Input!]=[{title:1}]){a(b:$a)}", "$a[0].title"),
        ("query($a:Word=\"ONE\"){a(b:$a)}", "$a"),
        ("query($a:Int!=null){a(b:$a)}", "$a"),
        ("{__type(name:5){name}}", "__type(name)"),
    ] {
        let refused = document(bad).unwrap_or_else(|| panic!("it passes: {bad}"));
        assert!(
            refused.starts_with(&format!("`{place}")),
            "{bad}: {refused}"
        );
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let two = "query A{a}query B{known(number:\"hunter2\"){id}}";
    let mut of_a = params(two, Value::Null);
    of_a.operation_name = Some("A".to_owned());
    assert!(words(of_a).unwrap().starts_with("`known(number)`"));
}

#[test]
fn a_variable_is_of_a_type_the_server_takes_and_has_a_value() {
    for ty in [
        "Nothing",
        "[Nothing]",
        "T",
        "[[Query!]!]!",
        "Node",
        "__Type",
    ] {
        let query = format!("query($a:{ty}){{a(b:$a)}}");
        assert!(document(&query).unwrap().contains("does not take"), "{ty}");
    }
    // The library would stop the whole thread here.
    assert!(document("query($a:[Nothing]=[1]){a(b:$a)}").is_some());
    let needs = "query($a:A!){a(b:$a)}";
    assert!(document(needs).unwrap().starts_with("`$a` needs a value"));
    let null = words(params(needs, json!({"a": null})));
    assert!(null.unwrap().starts_with("`$a` must be a value"));
    assert_eq!(document("query($a:A!=1){a(b:$a)}"), None);
    assert_eq!(
        words(params(needs, json!({"a": {"b": [1]}, "unknown": "x"}))),
        None
    );
}

#[test]
fn a_variable_stands_only_where_its_type_fits() {
    for (definition, place, fits) in [
        ("$a:Int", "known(number:$a){id}", true),
        ("$a:Int!", "known(number:$a){id}", true),
        ("$a:String", "known(number:$a){id}", false),
        ("$a:[Int]", "known(number:$a){id}", false),
        ("$a:[Word!]", "known(words:$a){id}", true),
        ("$a:[Word!]!", "known(words:$a){id}", true),
        ("$a:[Word]", "known(words:$a){id}", false),
        // A list of one has to be written as a list.
        ("$a:Word!", "known(words:$a){id}", false),
        ("$a:Word!", "known(words:[$a]){id}", true),
        ("$a:Word", "known(words:[$a]){id}", false),
        ("$a:Word=ONE", "known(words:[$a]){id}", true),
        ("$a:Word=null", "known(words:[$a]){id}", false),
        ("$a:String!", "known(input:{title:$a}){id}", true),
        ("$a:String", "known(input:{title:$a}){id}", false),
        ("$a:String=\"x\"", "known(input:{title:$a}){id}", true),
        // The place has a default of its own.
        ("$a:Int", "known(input:{title:\"x\" size:$a}){id}", true),
        (
            "$a:[[Int!]]",
            "known(input:{title:\"x\" matrix:$a}){id}",
            true,
        ),
        (
            "$a:[[Int]]",
            "known(input:{title:\"x\" matrix:$a}){id}",
            false,
        ),
        (
            "$a:[Int!]",
            "known(input:{title:\"x\" matrix:[$a]}){id}",
            true,
        ),
        ("$a:Boolean!", "b @skip(if:$a)", true),
        ("$a:Boolean", "b @skip(if:$a)", false),
        ("$a:Boolean=true", "b @include(if:$a)", true),
        ("$a:Boolean", "__typename @include(if:$a)", false),
        ("$a:String!", "__type(name:$a){name}", true),
        ("$a:String", "__type(name:$a){name}", false),
    ] {
        let values = json!({"a": null});
        for query in [
            format!("query({definition}){{{place}}}"),
            format!("query({definition}){{...F}}fragment F on Query{{{place}}}"),
        ] {
            // Where a value is needed and none is sent, that is what is told.
            let needs = definition.contains('!') && !definition.contains('[');
            let sent = match definition {
                _ if !needs => json!({}),
                text if text.contains("Int") => json!({"a": 1}),
                text if text.contains("Boolean") => json!({"a": true}),
                _ => json!({"a": "ONE"}),
            };
            let sent = if definition.ends_with("]!") {
                json!({"a": ["ONE"]})
            } else {
                sent
            };
            let refused = words(params(&query, sent));
            assert_eq!(refused.is_none(), fits, "{query}: {refused:?}");
            if let Some(refused) = refused {
                assert!(
                    refused.contains("the variable $a may be something else"),
                    "{refused}"
                );
            }
            if definition.contains('=') && fits {
                // The default makes it fit, and null is not the default.
                assert!(words(params(&query, values.clone())).is_some(), "{query}");
            }
        }
    }
}

#[test]
fn a_default_is_handed_on_and_what_is_not_given_stays_so() {
    let query = "query($a:Boolean=true $b:Int=1 $c:Int $d:Int=2){a(b:$b c:$c d:$d) @skip(if:$a)}";
    let given = json!({"d": null, "unknown": "x"});
    let checked = check(&limits(), params(query, given)).unwrap();
    let values = serde_json::to_value(&checked.variables).unwrap();
    assert_eq!(values, json!({"a": true, "b": 1, "d": null}));
}

#[test]
fn the_schema_is_read() {
    let types = Types::read(SDL).unwrap();
    assert_eq!(types.unknown_scalars(), ["A"]);
    assert!(types.is_object("T") && !types.is_object("Node") && !types.is_object("Input"));
    assert!(matches!(types.get("Either"), Some(Definition::Input(object)) if object.one_of));
    assert!(types.get("Nothing").is_none());
    assert!(Types::read("nonsense").is_err());
}
