//! Counts the text before it is parsed: a parser recurses, and 100,000 brackets are its end.

use super::too_complex;
use crate::graphql::ApiError;
use crate::settings::GraphqlSettings;

pub fn check(text: &str, limits: &GraphqlSettings) -> Result<(), ApiError> {
    if text.len() > limits.max_document_bytes {
        return Err(too_complex("bytes of document", limits.max_document_bytes));
    }
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at = line_end(bytes, at);
                continue;
            }
            b'"' => string_end(bytes, at),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => end_of(bytes, at, |byte| {
                byte.is_ascii_alphanumeric() || byte == b'_'
            }),
            b'0'..=b'9' | b'-' => end_of(bytes, at, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-')
            }),
            b'.' if bytes[at..].starts_with(b"...") => at + 3,
            _ => at + 1,
        };
        match byte {
            b'(' | b'[' | b'{' => nesting += 1,
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        tokens += 1;
        if tokens > limits.max_tokens {
            return Err(too_complex("tokens", limits.max_tokens));
        }
        if nesting > limits.max_nesting {
            return Err(too_complex("levels of brackets", limits.max_nesting));
        }
    }
    Ok(())
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'))
        .map_or(bytes.len(), |length| from + length)
}

/// The end of a run of bytes; at least one byte on.
fn end_of(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[from..]
        .iter()
        .position(|byte| !belongs(*byte))
        .map_or(bytes.len(), |length| from + length.max(1))
}

/// The end of a string or a block string; of the text if it is not closed, which the parser
/// refuses.
fn string_end(bytes: &[u8], from: usize) -> usize {
    let block = bytes[from..].starts_with(b"\"\"\"");
    let mut at = from + if block { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if block && bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !block => at += 2,
            b'"' if block && bytes[at..].starts_with(b"\"\"\"") => return at + 3,
            b'"' if !block => return at + 1,
            b'\n' if !block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}
