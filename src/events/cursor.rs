//! A place in a stream, as clients keep it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{hex, sha256};

/// Where a client stands in a stream. Opaque on the wire, where it tells nobody which stream it is of: who
/// sees a task need not see its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the stream is recognised by.
    mark: String,
    /// The epoch of the database the number was given in.
    pub epoch: String,
    /// The last entry the client has.
    pub seq: i64,
}

impl Cursor {
    /// A place in the stream of this name.
    pub fn new(stream: &str, epoch: &str, seq: i64) -> Self {
        Self {
            mark: mark(epoch, stream),
            epoch: epoch.to_owned(),
            seq,
        }
    }

    /// Whether it is a place in the stream of this name.
    pub fn is_of(&self, stream: &str) -> bool {
        self.mark == mark(&self.epoch, stream)
    }

    /// The text form.
    pub fn encode(&self) -> String {
        let Self { mark, epoch, seq } = self;
        URL_SAFE_NO_PAD.encode(format!("2\n{seq}\n{mark}\n{epoch}"))
    }

    /// Reads the text form; none if it is not one.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut parts = text.splitn(4, '\n');
        if parts.next()? != "2" {
            return None;
        }
        let seq = parts.next()?.parse().ok().filter(|seq| *seq >= 0)?;
        let mark = parts.next()?.to_owned();
        let epoch = parts.next()?.to_owned();
        Some(Self { mark, epoch, seq })
    }
}

/// Names have ids in them that nobody guesses, so their hash is as good and tells nothing.
fn mark(epoch: &str, stream: &str) -> String {
    hex(&sha256(format!("{epoch}\n{stream}"))[..16])
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::Cursor;

    #[test]
    fn a_cursor_survives_its_text_form_and_nonsense_is_none() {
        let cursor = Cursor::new("assigned:7", "e", 42);
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for nonsense in ["", "x", "Mg", "MgplCi0xCmE", "\u{1F600}"] {
            assert_eq!(Cursor::decode(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_cursor_knows_its_stream_and_does_not_tell_it() {
        let cursor = Cursor::new("project:0197", "e", 42);
        assert!(cursor.is_of("project:0197") && !cursor.is_of("project:0198"));
        let bytes = URL_SAFE_NO_PAD.decode(cursor.encode()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            !text.contains("0197") && !text.contains("project"),
            "{text}"
        );
    }
}
