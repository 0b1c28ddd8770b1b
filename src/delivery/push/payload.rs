//! What fits: both services take 4096 bytes of JSON.

/// The most bytes a message may have. Source: "About FCM messages", and "Generating a remote notification" of Apple.
pub(super) const MOST: usize = 4096;

/// A title, a body and data that fit together with what surrounds them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    /// The first line.
    pub(super) title: String,
    /// The text.
    pub(super) body: String,
    /// Whether the data has to be left out.
    pub(super) without_data: bool,
}

/// Shortens the body until all fits into `most` bytes of JSON, and when that is not enough the title. `size` is the
/// length of the JSON with both empty, with the data or without. Data that fills the message by itself is left out: to
/// be told is worth more than to be led to the right page.
pub(super) fn fit(title: &str, body: &str, most: usize, size: impl Fn(bool) -> usize) -> Fitted {
    let without_data = size(true) > most;
    let room = most.saturating_sub(size(!without_data));
    let title = shorten(title, room);
    let body = shorten(body, room - json_len(&title).min(room));
    Fitted {
        title,
        body,
        without_data,
    }
}

/// The text, or its beginning and an ellipsis, so that it takes at most `room` bytes within a JSON string. Cut between
/// characters. Empty when there is not even room for the ellipsis.
fn shorten(text: &str, room: usize) -> String {
    const ELLIPSIS: char = '…';
    if json_len(text) <= room {
        return text.to_owned();
    }
    let Some(room) = room.checked_sub(ELLIPSIS.len_utf8()) else {
        return String::new();
    };
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += char_len(*c);
        used <= room
    });
    let mut short: String = kept.collect();
    short.truncate(short.trim_end().len());
    short.push(ELLIPSIS);
    short
}

/// The bytes a text takes between the quotation marks of a JSON string, as serde_json writes it (RFC 8259 section 7).
fn json_len(text: &str) -> usize {
    text.chars().map(char_len).sum()
}

fn char_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_body_is_shortened_first() {
        let size = |with_data| if with_data { 10 } else { 5 };
        let fitted = |most| {
            let Fitted {
                title,
                body,
                without_data,
            } = fit("Title", "Some words", most, size);
            (title, body, without_data)
        };
        let all = |title: &str, body: &str, without| (title.to_owned(), body.to_owned(), without);
        assert_eq!(fitted(25), all("Title", "Some words", false));
        assert_eq!(fitted(24), all("Title", "Some w…", false));
        assert_eq!(fitted(23), all("Title", "Some…", false));
        assert_eq!(fitted(15), all("Title", "", false));
        assert_eq!(fitted(14), all("T…", "", false));
        assert_eq!(fitted(10), all("", "", false));
        assert_eq!(fitted(9), all("T…", "", true));
        assert_eq!(fitted(0), all("", "", true));
    }

    #[test]
    fn what_json_escapes_takes_more() {
        assert_eq!(shorten("\"\"\"", 6), "\"\"\"");
        assert_eq!(shorten("\"\"\"", 5), "\"…");
        assert_eq!(shorten("ééé", 5), "é…");
    }

    proptest! {
        #[test]
        fn lengths_are_those_of_the_writer(text in any::<String>(), room in 0_usize..40) {
            let length = |text: &str| serde_json::to_string(text).unwrap().len() - 2;
            prop_assert_eq!(json_len(&text), length(&text));
            let short = shorten(&text, room);
            prop_assert!(length(&short) <= room);
            prop_assert!(text.starts_with(short.trim_end_matches('…')) || short == text);
        }
    }
}
