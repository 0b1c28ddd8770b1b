//! Words for what the code has names for.

use crate::settings::Locale;

/// Of what kind, its name in the code, English, German.
const WORDS: &[(&str, &str, &str, &str)] = &[
    ("priority", "low", "low", "niedrig"),
    ("priority", "medium", "medium", "mittel"),
    ("priority", "high", "high", "hoch"),
    ("role", "viewer", "viewer", "Betrachter"),
    ("role", "commenter", "commenter", "Kommentator"),
    ("role", "editor", "editor", "Bearbeiter"),
    ("role", "owner", "owner", "Eigentümer"),
    ("field", "title", "title", "Titel"),
    ("field", "description", "description", "Beschreibung"),
    ("field", "status", "status", "Status"),
    ("field", "priority", "priority", "Priorität"),
    ("field", "enabled", "activation", "Aktivierung"),
    ("field", "start", "start date", "Beginn"),
    ("field", "due", "due date", "Fälligkeit"),
    ("field", "assignee", "assignee", "Zuständigkeit"),
    ("field", "labels", "labels", "Labels"),
    ("field", "parent", "parent task", "übergeordnete Aufgabe"),
    ("field", "project", "project", "Projekt"),
    (
        "webhook",
        "failing",
        "no delivery has succeeded for several days.",
        "seit mehreren Tagen war keine Zustellung erfolgreich.",
    ),
    (
        "webhook",
        "gone",
        "the receiver answered that the address is gone for good (410).",
        "der Empfänger hat geantwortet, dass es die Adresse nicht mehr gibt (410).",
    ),
];

/// The word for a name, in any case. A name without a word is shown as it is: a field that is new should
/// not keep a message from being sent.
pub(super) fn word<'a>(kind: &str, name: &'a str, locale: Locale) -> &'a str {
    let found = WORDS
        .iter()
        .find(|(of, known, ..)| *of == kind && known.eq_ignore_ascii_case(name));
    match (found, locale) {
        (Some((_, _, en, _)), Locale::En) => en,
        (Some((_, _, _, de)), Locale::De) => de,
        (None, _) => name,
    }
}

/// `a, b and c`.
pub(super) fn list(words: &[&str], locale: Locale) -> String {
    let and = match locale {
        Locale::En => " and ",
        Locale::De => " und ",
    };
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{}{and}{last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        assert_eq!(word("field", "due", Locale::En), "due date");
        assert_eq!(word("field", "due", Locale::De), "Fälligkeit");
        assert_eq!(word("priority", "HIGH", Locale::De), "hoch");
        assert_eq!(word("priority", "due", Locale::De), "due");
        assert_eq!(word("field", "mood", Locale::En), "mood");
    }

    #[test]
    fn lists() {
        assert_eq!(list(&[], Locale::En), "");
        assert_eq!(list(&["a"], Locale::De), "a");
        assert_eq!(list(&["a", "b"], Locale::De), "a und b");
        assert_eq!(list(&["a", "b", "c"], Locale::En), "a, b and c");
    }
}
