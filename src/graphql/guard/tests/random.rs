//! Documents nobody thought of: none makes the guard stop working, and its counts are those of the
//! document written out by hand.

use std::collections::HashMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{limits, params, refusal_of};
use crate::graphql::guard::expand::{self, Counts};
use crate::graphql::guard::{Limits, merge, scan};

/// A document without fragments: every spread is replaced by what it spreads.
enum Tree<'a> {
    Field(&'a Field, Vec<Tree<'a>>),
    Fragment(Vec<Tree<'a>>),
}

fn write_out<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet) -> Vec<Tree<'a>> {
    let mut trees = Vec::new();
    for selection in &set.items {
        trees.push(match &selection.node {
            Selection::Field(field) => Tree::Field(
                &field.node,
                write_out(document, &field.node.selection_set.node),
            ),
            Selection::InlineFragment(fragment) => {
                Tree::Fragment(write_out(document, &fragment.node.selection_set.node))
            }
            Selection::FragmentSpread(spread) => {
                let fragment = &document.fragments[&spread.node.fragment_name.node];
                Tree::Fragment(write_out(document, &fragment.node.selection_set.node))
            }
        });
    }
    trees
}

/// All trees below, these among them.
fn all<'t, 'a>(trees: &'t [Tree<'a>]) -> Vec<&'t Tree<'a>> {
    let mut found = Vec::new();
    for tree in trees {
        found.push(tree);
        let (Tree::Field(_, inside) | Tree::Fragment(inside)) = tree;
        found.extend(all(inside));
    }
    found
}

fn is_introspection(field: &Field) -> bool {
    matches!(field.name.node.as_str(), "__schema" | "__type")
}

/// The most fields for which this holds, one inside the other.
fn levels(
    trees: &[Tree<'_>],
    counts: &dyn Fn(&Field) -> bool,
    into: &dyn Fn(&Field) -> bool,
) -> usize {
    let of = |tree: &Tree<'_>| match tree {
        Tree::Fragment(inside) => levels(inside, counts, into),
        Tree::Field(field, inside) if into(field) => {
            usize::from(counts(field)) + levels(inside, counts, into)
        }
        Tree::Field(field, _) => usize::from(counts(field)),
    };
    trees.iter().map(of).max().unwrap_or(0)
}

fn nesting(trees: &[Tree<'_>]) -> usize {
    if trees.is_empty() {
        return 0;
    }
    let inside = |tree: &Tree<'_>| match tree {
        Tree::Field(_, inside) | Tree::Fragment(inside) => nesting(inside),
    };
    1 + trees.iter().map(inside).max().unwrap_or(0)
}

fn cost(trees: &[Tree<'_>]) -> usize {
    let of = |tree: &Tree<'_>| match tree {
        Tree::Fragment(inside) => cost(inside),
        Tree::Field(field, _) if is_introspection(field) => 1,
        Tree::Field(field, inside) => {
            let first = field
                .get_argument("first")
                .map(|first| first.node.to_string());
            let items = match (field.name.node.as_str(), first) {
                ("list", None) => 20,
                ("list", Some(first)) => first.parse().unwrap_or(100).min(100),
                _ => 1,
            };
            1 + items * cost(inside)
        }
    };
    trees.iter().map(of).sum()
}

/// The most fields of one response key, after merging.
fn repeats(sets: &[&[Tree<'_>]]) -> usize {
    let mut keys: HashMap<String, Vec<&[Tree<'_>]>> = HashMap::new();
    let mut open: Vec<&Tree<'_>> = sets.iter().flat_map(|set| set.iter()).collect();
    while let Some(tree) = open.pop() {
        match tree {
            Tree::Fragment(inside) => open.extend(inside),
            Tree::Field(field, inside) => {
                let key = field.response_key().node.to_string();
                keys.entry(key).or_default().push(inside);
            }
        }
    }
    keys.values()
        .map(|sets| sets.len().max(repeats(sets)))
        .max()
        .unwrap_or(0)
}

/// What the guard should count of a document with one operation, in the order of `numbers`.
fn by_hand(document: &ExecutableDocument) -> [usize; 8] {
    let (_, operation) = document.operations.iter().next().unwrap();
    let trees = write_out(document, &operation.node.selection_set.node);
    let every = |_: &Field| true;
    let is_list = |field: &Field| {
        let name = field.name.node.as_str();
        matches!(
            name,
            "fields" | "inputFields" | "interfaces" | "possibleTypes"
        )
    };
    let has_alias =
        |tree: &&&Tree<'_>| matches!(tree, Tree::Field(field, _) if field.alias.is_some());
    // Introspection, at its outermost.
    let (mut depth, mut selections, mut lists) = (0, 0, 0);
    let mut open: Vec<&Tree<'_>> = trees.iter().collect();
    while let Some(tree) = open.pop() {
        match tree {
            Tree::Field(field, inside) if is_introspection(field) => {
                depth = depth.max(1 + levels(inside, &every, &every));
                selections += 1 + all(inside).len();
                lists = lists.max(levels(inside, &is_list, &every));
            }
            Tree::Field(_, inside) | Tree::Fragment(inside) => open.extend(inside),
        }
    }
    [
        all(&trees).len(),
        nesting(&trees),
        levels(&trees, &every, &|field| !is_introspection(field)),
        cost(&trees),
        all(&trees).iter().filter(has_alias).count(),
        depth,
        selections,
        lists,
    ]
}

/// A selection to be, before it is known which fragments there are.
#[derive(Clone, Debug)]
enum Plan {
    Leaf(&'static str),
    Field(&'static str, Vec<Plan>),
    Fragment(&'static str, Vec<Plan>),
    Spread(usize),
}

/// One field for each response key, so that nothing is refused for being two.
const FIELDS: [&str; 11] = [
    "a",
    "b",
    "x:a",
    "y:list",
    "list(first:3)",
    "z:list(first:$n)",
    "__typename",
    "__type",
    "__schema @skip(if:true)",
    "fields @x",
    "possibleTypes",
];

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let leaf = prop_oneof![
        3 => prop::sample::select(&FIELDS[..]).prop_map(Plan::Leaf),
        1 => (0..4_usize).prop_map(Plan::Spread),
    ];
    let plan = leaf.prop_recursive(4, 24, 5, |inner| {
        let set = prop::collection::vec(inner, 1..5);
        let fragments = ["...", "...on T", "...@include(if:true)"];
        prop_oneof![
            3 => (prop::sample::select(&FIELDS[..]), set.clone()).prop_map(|(name, set)| Plan::Field(name, set)),
            1 => (prop::sample::select(fragments.to_vec()), set).prop_map(|(open, set)| Plan::Fragment(open, set)),
        ]
    });
    prop::collection::vec(plan, 1..5)
}

/// The text of a set; a spread is of a fragment after `next`, so that none contains itself.
fn print(plans: &[Plan], next: usize, of: usize, used: &mut Vec<usize>) -> String {
    let print = |plan: &Plan| match plan {
        Plan::Leaf(name) => format!("{name} "),
        Plan::Field(name, set) | Plan::Fragment(name, set) => {
            format!("{name}{{{}}}", print(set, next, of, used))
        }
        Plan::Spread(_) if next >= of => "a ".to_owned(),
        Plan::Spread(which) => {
            let which = next + which % (of - next);
            used.push(which);
            format!("...F{which} @y ")
        }
    };
    plans.iter().map(print).collect::<Vec<_>>().concat()
}

/// A document of an operation and the fragments it uses.
fn documents() -> impl Strategy<Value = String> {
    let fragments = prop::collection::vec(plans(), 0..4);
    (plans(), fragments).prop_map(|(operation, fragments)| {
        let (mut used, of) = (Vec::new(), fragments.len());
        let set = print(&operation, 0, of, &mut used);
        let mut parts = vec![format!("query($n:Int){{{set}}}")];
        for (i, fragment) in fragments.iter().enumerate() {
            if used.contains(&i) {
                let set = print(fragment, i + 1, of, &mut used);
                parts.push(format!("fragment F{i} on T{{{set}}}"));
            }
        }
        parts.concat()
    })
}

fn generous() -> Limits {
    let mut limits = limits();
    limits.settings.max_selections = 3_000;
    limits
}

/// What the guard counts; none when it is more than anybody wants to write out by hand.
fn counted(document: &ExecutableDocument) -> Option<Counts> {
    let limits = generous();
    let counts = expand::count(
        document,
        &limits,
        &serde_json::Map::new(),
        &HashMap::new(),
        &mut 0,
    );
    let counts = counts.unwrap_or_else(|_| panic!("it can be counted"));
    (counts.selections <= limits.settings.max_selections).then_some(counts)
}

fn numbers(counts: &Counts) -> [usize; 8] {
    [
        counts.selections,
        counts.nesting,
        counts.depth,
        counts.cost,
        counts.aliases,
        counts.introspection_depth,
        counts.introspection_selections,
        counts.introspection_lists,
    ]
}

proptest! {
    #[test]
    fn what_is_counted_is_what_is_there_when_it_is_written_out(text in documents()) {
        let document = parse_query(&text).unwrap();
        if let Some(counts) = counted(&document) {
            prop_assert_eq!(numbers(&counts), by_hand(&document), "{}", text);
            prop_assert_eq!(counts.directives, text.matches('@').count(), "{}", text);
        }
    }

    #[test]
    fn a_key_is_counted_as_often_as_it_stands_after_merging(text in documents(), most in 1..6_usize) {
        let document = parse_query(&text).unwrap();
        if counted(&document).is_some() {
            let (_, operation) = document.operations.iter().next().unwrap();
            let trees = write_out(&document, &operation.node.selection_set.node);
            let mut limits = generous();
            limits.settings.max_repeats = most;
            let refused = merge::check(&document, &limits, &mut 0).is_err();
            prop_assert_eq!(refused, repeats(&[&trees]) > most, "{}", text);
        }
    }

    #[test]
    fn merging_takes_each_selection_up_once(text in documents()) {
        let document = parse_query(&text).unwrap();
        if let Some(counts) = counted(&document) {
            let mut steps = 0;
            merge::check(&document, &generous(), &mut steps).ok();
            // Once for itself, and once to compare it with the first of its key and its argument.
            prop_assert!(steps <= 3 * counts.selections, "{} of {}", steps, counts.selections);
        }
    }

    #[test]
    fn tokens_are_counted_one_by_one(tokens in prop::collection::vec(prop::sample::select(vec![
        "a", "on", "_1", "{", "}", "(", ")", "[", "]", "...", "$", "@", ":", "!", "=", "|", "&",
        "0", "-1", "1.5", "1e3", "-0.5E-3", "\"\"", "\"x\\\"\"", "\"\"\"\"\"\"", "\"\"\"\" \\\"\"\" \n\"\"\"",
    ]), 1..60), gap in prop::sample::select(vec![" ", ",", "\n", "\r\n", "\t#{[(\"\n", "\u{feff}"])) {
        let text = tokens.join(gap);
        let mut settings = limits().settings;
        settings.max_nesting = 60;
        settings.max_tokens = tokens.len();
        prop_assert!(scan::check(&text, &settings, &mut 0).is_ok(), "{}", text);
        settings.max_tokens -= 1;
        prop_assert!(scan::check(&text, &settings, &mut 0).is_err(), "{}", text);
    }

    #[test]
    fn no_text_stops_the_guard(text in "\\PC{0,200}") {
        let _refused = refusal_of(params(&text, Value::Null));
    }

    #[test]
    fn no_text_of_the_letters_of_graphql_stops_the_guard(text in "[{}()\\[\\]\"#@$:.!=|a-cT0-9 \\n\\r\\\\-]{0,200}") {
        let _refused = refusal_of(params(&text, json!({"a": 1})));
    }

    #[test]
    fn no_document_with_something_put_in_stops_the_guard(
        text in documents(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![
            "{", "}", "\"", "\"\"\"", "\\", "\\u12", "\\ud800", "$a", "@", "...", "(a:", ")", "[", "1e400", "-",
            "\u{feff}", "\u{0}", "\u{1F600}", "query A{", "fragment F0 on T{a}", "subscription", "mutation", "\r", "#",
        ]), any::<bool>()), 1..6),
    ) {
        let mut letters: Vec<char> = text.chars().collect();
        for (place, words, removes) in edits {
            let at = place.index(letters.len());
            let end = if removes { at + 1 } else { at };
            letters.splice(at..end, words.chars());
        }
        let text: String = letters.into_iter().collect();
        let _refused = refusal_of(params(&text, json!({"n": [{"a": null}], "a": "x"})));
    }

    #[test]
    fn no_value_stops_the_guard(value in values()) {
        let query = "query($input:Input $either:Either $words:[Word!] $a:A){known(input:$input either:$either words:$words){id}b(c:$a)}";
        for name in ["input", "either", "words", "a"] {
            let mut variables = serde_json::Map::new();
            variables.insert(name.to_owned(), value.clone());
            let _refused = refusal_of(params(query, Value::Object(variables)));
        }
    }
}

/// Values whose fields often have the right names.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["ONE", "x", "", "2026-11-22T01:45:00Z", "\u{0}"])
            .prop_map(Value::from),
    ];
    let names = [
        "title", "when", "word", "words", "number", "inside", "many", "matrix", "id", "text", "",
        "$",
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(prop::sample::select(names.to_vec()), inner, 0..5).prop_map(
                |fields| fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            ),
        ]
    })
}
