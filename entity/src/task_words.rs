//! The words of tasks, as the search compares them. Beside the tasks, so that a list does not read
//! them and a change of a status does not touch their index.

use sea_orm::entity::prelude::*;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::{TaskId, task};

/// A row of `task_words`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_words")]
pub struct Model {
    /// Of which task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: TaskId,
    /// The words of the title, folded, with a blank before and after each.
    pub title_words: String,
    /// The words of the description, likewise.
    pub description_words: String,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The words of a task.
    pub fn of(task: &task::Model) -> Self {
        Self::new(task.id, &task.title, task.description.as_deref())
    }

    /// The words of these texts.
    pub fn new(task_id: TaskId, title: &str, description: Option<&str>) -> Self {
        Self {
            task_id,
            title_words: spaced(title),
            description_words: spaced(description.unwrap_or_default()),
        }
    }
}

/// A text without capital letters and forms of the same letter; the accents stand by themselves.
pub fn folded(text: &str) -> impl Iterator<Item = char> {
    // Capital letters may hide in compatibility forms, and marks in capital letters.
    let plain = text.nfkd().flat_map(char::to_lowercase).nfkd();
    // Greek writes the last one of a word differently.
    plain.map(|sign| if sign == 'ς' { 'σ' } else { sign })
}

/// Of a longer word only the beginning counts; PostgreSQL takes no more than 2,046 bytes.
const WORD_CHARS: usize = 60;

/// The words of a text without what people do not care about when they search: capital letters,
/// accents, forms of the same letter, and everything that is neither letter nor digit. Both
/// databases get them like this, whatever their locale. Scripts that leave no blanks between words
/// (Chinese, Japanese) make a word of each sign.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            words.push(word.chars().take(WORD_CHARS).collect());
            word.clear();
        }
    };
    // A soft hyphen says where a word may be broken, and is no end of it.
    let counts = |sign: &char| !is_combining_mark(*sign) && *sign != '\u{ad}';
    for sign in folded(text).filter(counts) {
        if !sign.is_alphanumeric() {
            end(&mut word);
        } else if stands_alone(sign) {
            end(&mut word);
            end(&mut sign.to_string());
        } else {
            word.push(sign);
        }
    }
    end(&mut word);
    words
}

/// Han, Hiragana and Katakana.
fn stands_alone(sign: char) -> bool {
    matches!(
        u32::from(sign),
        0x3005..=0x3007 | 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff
            | 0x2_0000..=0x3_ffff
    )
}

fn spaced(text: &str) -> String {
    format!(" {} ", words(text).join(" "))
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_folded_and_nothing_else_is_left() {
        for (text, wanted) in [
            ("Write the Report", "write the report"),
            ("Über-Größe, naïve café!", "uber große naive cafe"),
            ("İstanbul \u{ff21}\u{ff22} ﬁn ℕ½", "istanbul ab fin n1 2"),
            ("ΟΔΟΣ", "οδοσ"),
            ("co\u{ad}operate", "cooperate"),
            ("日本語 iPhoneケース", "日 本 語 iphone ケ ー ス"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("a'b\"c*d:e&f|g(h)\\i NEAR/3", "a b c d e f g h i near 3"),
            ("\u{301}\u{0} – ☃", ""),
        ] {
            assert_eq!(words(text).join(" "), wanted, "{text}");
        }
        assert_eq!(words(&"x".repeat(2_000))[0].len(), 60);
    }
}
