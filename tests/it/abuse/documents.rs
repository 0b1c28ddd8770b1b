//! Documents.

use serde_json::json;

use super::{
    Abuse, COMPLEX, Embedded, INVALID, SYNTAX, TestApp, abuse, all_are_refused, bomb, many, nested,
};

fn bombs() -> Vec<Abuse> {
    let circle = "fragment A on Query { ...B } fragment B on Query { ... { ...A } }";
    let unused = |i| format!("fragment F{i} on Query {{ __typename }} ");
    vec![
        abuse("doubling to 31 levels", bomb(2, 31), COMPLEX),
        abuse("doubling to 140 levels", bomb(2, 140), COMPLEX),
        abuse("40 wide and 8 deep", bomb(40, 8), COMPLEX),
        abuse("400 wide and 2 deep", bomb(400, 2), COMPLEX),
        abuse("a circle", format!("{{ ...A }} {circle}"), INVALID),
        abuse(
            "a circle beside",
            format!("{{ __typename }} {circle}"),
            INVALID,
        ),
        abuse(
            "fragments nobody uses",
            format!("{{ __typename }} {}", many(200, unused)),
            INVALID,
        ),
        abuse(
            "one fragment many times",
            "{ __typename } fragment F on Query { __typename } fragment F on Query { __typename }",
            SYNTAX,
        ),
        abuse("a fragment that is not there", "{ ...Nowhere }", INVALID),
        abuse(
            "a fragment on no type",
            "{ ...F } fragment F on Nothing { x }",
            INVALID,
        ),
        abuse(
            "fragments on no type",
            format!(
                "{{ viewer {{ {} }} }}",
                many(90, |i| format!("... on Nothing{i} {{ x }} "))
            ),
            INVALID,
        ),
        abuse(
            "a fragment on a scalar",
            "{ ...F } fragment F on String { x }",
            INVALID,
        ),
        abuse(
            "a fragment on what is sent",
            "{ ...F } fragment F on CreateTaskInput { title }",
            INVALID,
        ),
    ]
}

fn brackets() -> Vec<Abuse> {
    vec![
        abuse("100,000 brackets", "[".repeat(100_000), COMPLEX),
        abuse("brackets", "[".repeat(30_000), COMPLEX),
        abuse("braces", "{".repeat(30_000), COMPLEX),
        abuse("braces of fields", "{ node ".repeat(4_000), COMPLEX),
        abuse("parentheses", "{ node(".repeat(4_000), COMPLEX),
        abuse(
            "a list of lists",
            format!("{{ node(id: {}) {{ id }} }}", nested(10_000, "[", "", "]")),
            COMPLEX,
        ),
        abuse(
            "an object of objects",
            format!(
                "{{ tasks(filter: {}) {{ totalCount }} }}",
                nested(70, "{ not: ", "{}", "}")
            ),
            COMPLEX,
        ),
        abuse(
            "list types",
            format!(
                "query Q($a: {}) {{ __typename }}",
                nested(10_000, "[", "Int", "]")
            ),
            COMPLEX,
        ),
        abuse(
            "a few list types",
            format!(
                "query Q($a: {}) {{ tasks(first: $a) {{ totalCount }} }}",
                nested(60, "[", "Int", "]")
            ),
            INVALID,
        ),
        abuse(
            "nested defaults",
            format!(
                "query Q($a: TaskFilter = {}) {{ tasks(filter: $a) {{ totalCount }} }}",
                nested(62, "{ not: ", "1", "}")
            ),
            INVALID,
        ),
        abuse(
            "a list of an unknown type with a default",
            "query Q($a: [Nothing] = [1]) { __typename }",
            INVALID,
        ),
        abuse(
            "a list of what is answered with a default",
            "query Q($a: [Task!] = [{ id: 1 }]) { __typename }",
            INVALID,
        ),
        // The parser takes the three quotes for an empty text and reads on behind them.
        abuse(
            "brackets behind a text without an end",
            format!("{{ node(id: [\"\"\" \" {}", "[".repeat(30_000)),
            SYNTAX,
        ),
        abuse(
            "braces behind a text without an end",
            format!("{{ node(id: \"\"\" \" ) {}", "{ a ".repeat(7_000)),
            SYNTAX,
        ),
    ]
}

fn crowds() -> Vec<Abuse> {
    let operation = |i| format!("query Q{i} {{ __typename }} ");
    let arguments = many(280, |i| format!("a{i}: 1 "));
    vec![
        abuse(
            "10,000 aliases",
            format!("{{ {} }}", many(10_000, |i| format!("a{i}:x "))),
            COMPLEX,
        ),
        abuse(
            "31 aliases",
            format!(
                "{{ viewer {{ {} }} }}",
                many(31, |i| format!("a{i}: __typename "))
            ),
            COMPLEX,
        ),
        abuse(
            "10,000 known directives",
            format!("{{ __typename {} }}", "@skip".repeat(10_000)),
            COMPLEX,
        ),
        abuse(
            "some known directives",
            format!("{{ __typename {} }}", "@skip(if: true) ".repeat(50)),
            INVALID,
        ),
        abuse(
            "10,000 unknown directives",
            format!("{{ __typename {} }}", "@x".repeat(10_000)),
            COMPLEX,
        ),
        abuse(
            "some unknown directives",
            format!("{{ __typename {} }}", many(50, |i| format!("@x{i} "))),
            INVALID,
        ),
        abuse(
            "directives of variables",
            format!("query Q($a: Int {}) {{ __typename }}", "@x ".repeat(51)),
            COMPLEX,
        ),
        abuse(
            "500 repeated fields",
            format!("{{ viewer {{ {} }} }}", "__typename ".repeat(500)),
            COMPLEX,
        ),
        abuse(
            "500 repeated fields that merge",
            format!(
                "{{ tasks {{ nodes {{ {} }} }} }}",
                "creator { id } ".repeat(300)
            ),
            COMPLEX,
        ),
        abuse(
            "the same field with other arguments",
            format!(
                "{{ tasks({arguments}) {{ totalCount }} {} }}",
                "tasks { totalCount } ".repeat(15)
            ),
            INVALID,
        ),
        abuse("1,000 operations", many(1_000, operation), COMPLEX),
        abuse("21 operations", many(21, operation), COMPLEX),
        abuse("20 operations", many(20, operation), INVALID),
        abuse(
            "two operations of one name",
            "query A { __typename } query A { __typename }",
            SYNTAX,
        ),
        abuse(
            "an operation without a name beside another",
            "{ __typename } query A { __typename }",
            SYNTAX,
        ),
    ]
}

fn strangers() -> Vec<Abuse> {
    vec![
        abuse(
            "400 variables",
            format!(
                "query Q({}) {{ __typename }}",
                many(400, |i| format!("$a{i}: Int "))
            ),
            INVALID,
        ),
        abuse(
            "200 variables that are not defined",
            format!(
                "query {} {{ tasks {{ {} }} }}",
                "Q".repeat(10_000),
                many(200, |i| format!("f{i}(a: $x{i}) "))
            ),
            INVALID,
        ),
        abuse(
            "200 unknown fields",
            format!("{{ viewer {{ {} }} }}", many(200, |i| format!("f{i} "))),
            INVALID,
        ),
        abuse(
            "200 unknown arguments",
            format!(
                "{{ tasks({}) {{ totalCount }} }}",
                many(200, |i| format!("firsd{i}: 1 "))
            ),
            INVALID,
        ),
    ]
}

fn lengths() -> Vec<Abuse> {
    let long = "x".repeat(30_000);
    vec![
        abuse(
            "one byte too many",
            format!("{{ __typename }}{}", " ".repeat(32_755)),
            COMPLEX,
        ),
        abuse("a long name", format!("{{ {long} }}"), INVALID),
        abuse("a long alias", format!("{{ {long}: nothing }}"), INVALID),
        abuse("a long fragment", format!("{{ ...{long} }}"), INVALID),
        abuse(
            "a long type",
            format!("{{ ... on {long} {{ id }} }}"),
            INVALID,
        ),
        abuse(
            "a long variable",
            format!("query Q(${long}: Int) {{ __typename }}"),
            INVALID,
        ),
        abuse(
            "a long type of a variable",
            format!("query Q($a: {long}) {{ __typename }}"),
            INVALID,
        ),
        abuse(
            "a long directive",
            format!("{{ __typename @{long} }}"),
            INVALID,
        ),
        abuse(
            "a long argument",
            format!("{{ tasks({long}: 1) {{ totalCount }} }}"),
            INVALID,
        ),
        abuse(
            "a long word",
            format!("{{ tasks(filter: {{status: {{eq: {long}}}}}) {{ totalCount }} }}"),
            INVALID,
        ),
        abuse(
            "a long text",
            format!("{{ tasks(first: \"{long}\") {{ totalCount }} }}"),
            INVALID,
        ),
        abuse(
            "a long block",
            format!("{{ tasks(first: \"\"\"{long}\"\"\") {{ totalCount }} }}"),
            INVALID,
        ),
        abuse("a long comment", format!("{{ nothing }} #{long}"), INVALID),
        abuse(
            "a text of escapes",
            format!(
                "{{ tasks(first: \"{}\") {{ totalCount }} }}",
                "\\u0041".repeat(4_000)
            ),
            INVALID,
        ),
        abuse(
            "half of a pair",
            "{ tasks(after: \"\\ud83d\") { totalCount } }",
            SYNTAX,
        ),
        abuse(
            "a number out of all range",
            "{ tasks(first: 1e400) { totalCount } }",
            SYNTAX,
        ),
        abuse(
            "a large number",
            "{ tasks(first: 99999999999999999999) { totalCount } }",
            INVALID,
        ),
        abuse(
            "a long number",
            format!("{{ tasks(first: {}) {{ totalCount }} }}", "9".repeat(300)),
            INVALID,
        ),
        abuse(
            "a fraction",
            "{ tasks(first: 1.5) { totalCount } }",
            INVALID,
        ),
        abuse("nothing", "", SYNTAX),
        abuse("a mark and nothing", "\u{feff}", SYNTAX),
        abuse("other marks", "{ \u{202e}__typename }", SYNTAX),
        abuse("a zero", "{ __typename \u{0} }", SYNTAX),
        abuse("letters of others", "{ \u{dc}ber }", SYNTAX),
        abuse("a selection of nothing", "{ }", SYNTAX),
        abuse("a schema", "type Query { x: Int }", SYNTAX),
    ]
}

#[tokio::test]
async fn documents_made_to_harm_are_refused_and_the_next_one_is_served() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    for group in [bombs(), brackets(), crowds(), strangers(), lengths()] {
        all_are_refused(&app, &ada, group).await;
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM tasks").await, 0);
}

#[tokio::test]
async fn what_is_at_the_limits_is_answered() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    ada.creates(json!({"title": "One"})).await;
    let fields = "title status creator { name } ".repeat(10);
    for query in [
        bomb(2, 4),
        format!("{{ {} }}", "__typename ".repeat(20)),
        format!("{{ viewer {{ user {{ {} }} }} }}", "id ".repeat(100)),
        format!("{{ tasks(first: 100) {{ nodes {{ {fields} }} }} }}"),
        format!("{{ {} }}", nested(30, "... { ", "__typename", "}")),
        format!("\u{feff}{{ __typename }} # \u{1F600}{}", "x".repeat(30_000)),
    ] {
        let reply = ada.graphql(&query, json!({})).await;
        reply.data();
    }
}
