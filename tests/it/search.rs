//! The search: which tasks, in which order, for whom; and nothing that is typed breaks it.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const SEARCH: &str =
    "query($search: String, $first: Int, $after: String, $filter: TaskFilter, $orderBy: [TaskOrder!]) {
    tasks(search: $search, first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes { id title } totalCount pageInfo { hasNextPage endCursor } } }";

async fn search(person: &Person, text: &str) -> Reply {
    person
        .graphql(SEARCH, json!({"search": text, "first": 100}))
        .await
}

fn titles(reply: &Reply) -> Vec<String> {
    let nodes = reply.data()["tasks"]["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| node["title"].as_str().unwrap().to_owned())
        .collect()
}

async fn found(person: &Person, text: &str) -> Vec<String> {
    let reply = search(person, text).await;
    let titles = titles(&reply);
    assert_eq!(reply.data()["tasks"]["totalCount"], titles.len(), "{text}");
    titles
}

#[rstest]
#[tokio::test]
async fn all_words_must_be_there_and_those_of_the_title_come_first(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for (title, description) in [
        (
            "Call the supplier",
            Some("About the report of last year; reports and reporting"),
        ),
        ("Reports of the year", None),
        ("Write the Report", Some("For Zoë Müller")),
        ("Größe in Ἀθῆναι prüfen", None),
        ("日本語のレポート", None),
        ("Fix C++ & \"quotes\" 100%", Some("a'b:c*d")),
    ] {
        ada.creates(json!({"title": title, "description": description}))
            .await;
    }
    let report = [
        "Write the Report",
        "Reports of the year",
        "Call the supplier",
    ];
    for (text, wanted) in [
        // The whole word, the beginning of one, the description.
        ("report", report.to_vec()),
        ("REPORT", report.to_vec()),
        ("reports", vec!["Reports of the year", "Call the supplier"]),
        ("rep year", vec!["Reports of the year", "Call the supplier"]),
        ("zoe muller", vec!["Write the Report"]),
        ("ort", vec![]),
        ("report missing", vec![]),
        ("GROSSE", vec![]),
        ("große", vec!["Größe in Ἀθῆναι prüfen"]),
        ("prufen αθηναι", vec!["Größe in Ἀθῆναι prüfen"]),
        ("日本", vec!["日本語のレポート"]),
        ("レポート", vec!["日本語のレポート"]),
        ("c++ quotes", vec!["Fix C++ & \"quotes\" 100%"]),
        ("100%", vec!["Fix C++ & \"quotes\" 100%"]),
        ("b c d", vec!["Fix C++ & \"quotes\" 100%"]),
        // No word, no task.
        ("", vec![]),
        ("  %_*\"'&|!:() ", vec![]),
    ] {
        assert_eq!(found(&ada, text).await, wanted, "{text}");
    }
    // Operators are words like others.
    for text in [
        "report OR supplier",
        "report NOT year",
        "NEAR(report year)",
        "title_words : report",
        "report | supplier",
        "!report",
        "report <-> year -x",
        "^report",
        "{title_words}: report",
    ] {
        search(&ada, text).await.data();
    }
    assert!(
        found(&ada, "report OR year").await.is_empty(),
        "nobody wrote \"or\""
    );
}

#[rstest]
#[tokio::test]
async fn the_search_knows_what_is_now(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, root) = (
        app.person("ada").await,
        app.person("bob").await,
        app.admin("root").await,
    );
    let task = ada
        .creates(json!({"title": "Old words", "description": "long"}))
        .await;
    let update =
        "mutation($input: UpdateTaskInput!) { updateTask(input: $input) { userErrors { code } } }";
    let change = async |input: Value| {
        let reply = ada.graphql(update, json!({"input": input})).await;
        assert_eq!(reply.data()["updateTask"]["userErrors"], json!([]));
    };
    change(json!({"id": task, "title": "New words", "description": null})).await;
    assert_eq!(found(&ada, "new").await, ["New words"]);
    for gone in ["old", "long"] {
        assert!(found(&ada, gone).await.is_empty(), "{gone}");
    }
    change(json!({"id": task, "status": "COMPLETED"})).await;
    assert_eq!(found(&ada, "new").await, ["New words"]);
    // Others do not find what they may not see.
    assert!(found(&bob, "new").await.is_empty());
    assert_eq!(found(&root, "new").await, ["New words"]);
    ada.assigns(&task, &bob).await.data();
    assert_eq!(found(&bob, "new").await, ["New words"]);
    // Disabled as in every list.
    app.execute("UPDATE tasks SET enabled = false").await;
    assert!(found(&ada, "new").await.is_empty());
    let with = json!({"search": "new", "filter": {"enabled": {"eq": false}}});
    assert_eq!(titles(&ada.graphql(SEARCH, with).await), ["New words"]);
    app.execute("UPDATE tasks SET enabled = true").await;
    let delete = "mutation($id: ID!) { deleteTask(input: {id: $id}) { userErrors { code } } }";
    ada.graphql(delete, json!({"id": task})).await.data();
    for person in [&ada, &root] {
        assert!(found(person, "new").await.is_empty());
    }
    // With the row go its words, and the index takes a new task with the same ones.
    app.execute("DELETE FROM task_history").await;
    app.execute("DELETE FROM tasks").await;
    assert_eq!(app.number("SELECT count(*) FROM task_words").await, 0);
    ada.creates(json!({"title": "New words"})).await;
    assert_eq!(found(&ada, "new").await, ["New words"]);
}

#[rstest]
#[tokio::test]
async fn a_search_has_its_limits(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for title in ["one", "one two", "one three"] {
        ada.creates(json!({"title": title})).await;
    }
    for bad in [
        json!({"search": "x".repeat(201)}),
        json!({"search": "nul\u{0}"}),
        json!({"orderBy": [{"field": "RELEVANCE"}]}),
    ] {
        assert_eq!(
            ada.graphql(SEARCH, bad.clone()).await.code(),
            "BAD_USER_INPUT",
            "{bad}"
        );
    }
    // As long as it may be, and as many words as that has.
    let letters: Vec<String> = ('a'..='z').chain('α'..='ω').map(String::from).collect();
    search(&ada, &letters.join(" ")).await.data();
    let title = "Many words ".repeat(18);
    ada.creates(json!({"title": title.trim()})).await;
    assert_eq!(found(&ada, title.trim()).await, [title.trim()]);
    search(&ada, &"字".repeat(200)).await.data();
    let long = "x".repeat(200);
    ada.creates(json!({"title": long})).await;
    assert_eq!(found(&ada, &long).await, [long]);
    // A cursor belongs to what was looked for.
    let first = ada
        .graphql(SEARCH, json!({"search": "one", "first": 1}))
        .await;
    let cursor = first.data()["tasks"]["pageInfo"]["endCursor"].clone();
    let other = json!({"search": "two", "after": cursor});
    assert_eq!(ada.graphql(SEARCH, other).await.code(), "BAD_USER_INPUT");
    let same = ada
        .graphql(SEARCH, json!({"search": " ONE!", "after": cursor}))
        .await;
    assert_eq!(titles(&same).len(), 2);
    // Another order, and the worst first.
    for (order, wanted) in [
        (
            json!([{"field": "CREATED_AT"}]),
            ["one", "one two", "one three"],
        ),
        (
            json!([{"field": "RELEVANCE"}]),
            ["one", "one two", "one three"],
        ),
    ] {
        let reply = ada
            .graphql(SEARCH, json!({"search": "one", "orderBy": order}))
            .await;
        assert_eq!(titles(&reply), wanted);
    }
}

/// Whatever the tasks and the search: what is found is what a plain reading of the rule says, in the
/// same order on both databases, and its pages are it.
#[rstest]
#[tokio::test]
async fn a_search_finds_what_it_says_page_by_page(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let mut runner = TestRunner::deterministic();
    let word =
        || prop::sample::select(vec!["Ab", "abc", "Äbd", "b", "bc", "AND", "c-d", "É", "ab"]);
    let text =
        |most: usize| prop::collection::vec(word(), 1..most).prop_map(|words| words.join(" "));
    let mut samples = Vec::new();
    for n in 0..25 {
        let (title, body) = (text(4), text(6)).new_tree(&mut runner).unwrap().current();
        let title = format!("{title} {n}");
        ada.creates(json!({"title": title, "description": body}))
            .await;
        samples.push((title, body));
    }
    let folded = |text: &str| {
        let text = text
            .to_lowercase()
            .replace('ä', "a")
            .replace('é', "e")
            .replace('-', " ");
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for _ in 0..25 {
        let (query, first) = (text(3), 1..6_u32).new_tree(&mut runner).unwrap().current();
        let mut asked = folded(&query);
        asked.sort();
        asked.dedup();
        let all = asked.clone();
        asked.retain(|word| {
            !all.iter()
                .any(|other| other != word && other.starts_with(word.as_str()))
        });
        let mut wanted = Vec::new();
        for (nth, (title, body)) in samples.iter().enumerate() {
            let (in_title, in_body) = (folded(title), folded(body));
            let begun = |words: &[String], word: &String| {
                words.iter().any(|of| of.starts_with(word.as_str()))
            };
            if asked
                .iter()
                .all(|word| begun(&in_title, word) || begun(&in_body, word))
            {
                let rank: i32 = asked
                    .iter()
                    .map(|word| {
                        if in_title.contains(word) {
                            3
                        } else if begun(&in_title, word) {
                            2
                        } else {
                            0
                        }
                    })
                    .sum();
                wanted.push((-rank, std::cmp::Reverse(nth), title.clone()));
            }
        }
        wanted.sort();
        let wanted: Vec<_> = wanted.into_iter().map(|(.., title)| title).collect();
        let (mut paged, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({"search": query, "first": first, "after": after});
            let reply = ada.graphql(SEARCH, variables).await;
            paged.extend(titles(&reply));
            let info = &reply.data()["tasks"]["pageInfo"];
            if info["hasNextPage"] == false {
                break;
            }
            after = info["endCursor"].clone();
        }
        assert_eq!(paged, wanted, "{query} by {first}");
    }
}

/// What was there before the search was is found, too.
#[rstest]
#[tokio::test]
async fn the_migration_fills_the_index(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    ada.creates(json!({"title": "Überall", "description": "Café"}))
        .await;
    let changes = app.app.db.changes().await.unwrap();
    let at = changes
        .iter()
        .position(|change| change.name.contains("search"))
        .unwrap();
    let after = u32::try_from(changes.len() - at).unwrap();
    app.app.db.migrate_down(after).await.unwrap();
    app.app.db.migrate_up().await.unwrap();
    for text in ["uberall", "cafe"] {
        assert_eq!(found(&ada, text).await, ["Überall"]);
    }
    ada.creates(json!({"title": "Later"})).await;
    assert_eq!(found(&ada, "late").await, ["Later"]);
}
