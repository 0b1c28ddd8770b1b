//! Finds who is mentioned in a text.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// More people than this are not mentioned by name in one text.
const MOST: usize = 50;
/// The length of a user name.
const NAME_CHARS: RangeInclusive<usize> = 3..=50;

/// The user names behind an `@`, in lower case, each once; of more than 50 the first. An `@` inside
/// a word, an address (`ada@example.org`, `@ada@example.org`) or a path is none.
pub fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices('@') {
        if names.len() == MOST {
            break;
        }
        let (before, behind) = (&text[..at], &text[at + 1..]);
        let end = behind
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(behind.len());
        let (name, rest) = behind.split_at(end);
        if NAME_CHARS.contains(&name.len()) && begins_word(before) && ends_word(rest) {
            names.insert(name.to_ascii_lowercase());
        }
    }
    names
}

fn begins_word(before: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '%' | '/' | '@');
    !before.chars().next_back().is_some_and(goes_on)
}

fn ends_word(rest: &str) -> bool {
    let mut rest = rest.chars();
    match rest.next() {
        // The end of a sentence, or the middle of an address.
        Some('.' | '-') => !rest.next().is_some_and(char::is_alphanumeric),
        Some(c) => !c.is_alphanumeric() && !matches!(c, '_' | '@' | '/'),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST, names};

    fn found(text: &str) -> Vec<String> {
        names(text).into_iter().collect()
    }

    #[test]
    fn names_stand_by_themselves() {
        for (text, wanted) in [
            ("@ada", vec!["ada"]),
            (
                "Ask @Ada, @bob7 (or @eve).\n@ada?",
                vec!["ada", "bob7", "eve"],
            ),
            ("\u{201e}@ada\u{201c} \u{2026}@bob!", vec!["ada", "bob"]),
            ("@ada's and @bob's", vec!["ada", "bob"]),
            ("ada@example.org", vec![]),
            ("@ada@example.org", vec![]),
            ("https://example.org/@ada", vec![]),
            ("@ada/package @example.org @ada-bob @ada_bob", vec![]),
            ("x@ada \u{e4}@ada _@ada @@ada", vec![]),
            ("@ada\u{e4} @ab @", vec![]),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
        let long = "x".repeat(50);
        assert_eq!(found(&format!("@{long} @{long}x")), [long]);
    }

    #[test]
    fn of_very_many_the_first_count() {
        let names: Vec<_> = (100..400).map(|n| format!("ada{n}")).collect();
        let text = format!("@{}", names.join(" @"));
        let wanted = &names[..50];
        assert_eq!(found(&text), wanted);
        assert_eq!(wanted.len(), MOST);
    }

    /// A piece of a text, and who is mentioned in it.
    fn piece() -> impl Strategy<Value = (String, Option<String>)> {
        let name = "[A-Za-z0-9]{3,50}";
        prop_oneof![
            name.prop_map(|name| (format!("@{name}"), Some(name))),
            name.prop_map(|name| (name, None)),
            (name, name).prop_map(|(a, b)| (format!("{a}@{b}"), None)),
            (name, name).prop_map(|(a, b)| (format!("@{a}@{b}.org"), None)),
            (name, name).prop_map(|(a, b)| (format!("@{a}_{b}"), None)),
            "[A-Za-z0-9]{51,60}".prop_map(|name| (format!("@{name}"), None)),
            "[A-Za-z0-9]{0,2}".prop_map(|name| (format!("@{name}"), None)),
            ("[\u{e0}-\u{f6}]", name).prop_map(|(a, b)| (format!("{a}@{b}"), None)),
        ]
    }

    proptest! {
        #[test]
        fn exactly_the_names_between_other_pieces_are_found(
            pieces in prop::collection::vec((piece(), "( |\n|, |: |! \\(|\\. |; \")"), 0..40),
        ) {
            let mut text = String::new();
            let mut wanted: Vec<String> = Vec::new();
            for ((piece, name), between) in pieces {
                text.push_str(&piece);
                text.push_str(&between);
                wanted.extend(name.map(|name| name.to_lowercase()));
            }
            wanted.sort_unstable();
            wanted.dedup();
            prop_assert_eq!(found(&text), wanted);
        }

        #[test]
        fn whatever_is_found_stands_behind_an_at(text in "[@a-c.\u{e4} _-]{0,60}|\\PC*") {
            for name in found(&text) {
                let stands = text.to_lowercase().contains(&format!("@{name}"));
                prop_assert!(stands && (3..=50).contains(&name.len()), "{}", name);
            }
        }
    }
}
