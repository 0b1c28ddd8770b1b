//! A place in a stream, as clients keep it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where a client stands in a stream. Opaque on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stream's name.
    pub stream: String,
    /// The epoch of the database the number was given in.
    pub epoch: String,
    /// The last entry the client has.
    pub seq: i64,
}

impl Cursor {
    /// The text form.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("1\n{}\n{}\n{}", self.epoch, self.seq, self.stream))
    }

    /// Reads the text form; none if it is not one.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut parts = text.splitn(4, '\n');
        if parts.next()? != "1" {
            return None;
        }
        let epoch = parts.next()?.to_owned();
        let seq = parts.next()?.parse().ok().filter(|seq| *seq >= 0)?;
        let stream = parts.next()?.to_owned();
        Some(Self { stream, epoch, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_survives_its_text_form_and_nonsense_is_none() {
        let cursor = Cursor {
            stream: "assigned:7".to_owned(),
            epoch: "e".to_owned(),
            seq: 42,
        };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for nonsense in ["", "x", "MQ", "MQplCi0xCmE", "\u{1F600}"] {
            assert_eq!(Cursor::decode(nonsense), None, "{nonsense}");
        }
    }
}
