//! Counts the text before it is parsed: a parser recurses, and 100,000 brackets are its end.
//!
//! It has to see the same tokens as the parser. Where the two could differ, it refuses: the parser
//! takes a block string that is never closed for an empty string and goes on reading behind it.

use super::too_complex;
use crate::graphql::{ApiError, ErrorCode};
use crate::settings::GraphqlSettings;

pub fn check(text: &str, limits: &GraphqlSettings, steps: &mut usize) -> Result<(), ApiError> {
    if text.len() > limits.max_document_bytes {
        return Err(too_complex("bytes of document", limits.max_document_bytes));
    }
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let (end, is_token) = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => (at + 1, false),
            b'#' => (line_end(bytes, at), false),
            // A byte order mark, which may stand anywhere.
            0xEF if bytes[at..].starts_with(b"\xEF\xBB\xBF") => (at + 3, false),
            b'"' => (
                string_end(bytes, at).ok_or_else(|| unclosed(text, at))?,
                true,
            ),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                (run_end(bytes, at, belongs), true)
            }
            b'0'..=b'9' | b'-' => (number_end(bytes, at), true),
            b'.' if bytes[at..].starts_with(b"...") => (at + 3, true),
            _ => (at + 1, true),
        };
        *steps += end - at;
        at = end;
        match byte {
            b'(' | b'[' | b'{' => nesting += 1,
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ if !is_token => continue,
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

fn unclosed(text: &str, at: usize) -> ApiError {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    ApiError::new(
        ErrorCode::GraphqlParseFailed,
        format!(
            "The document is not GraphQL: the string at line {line}, column {column} has no end."
        ),
    )
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    run_end(bytes, from, |byte| !matches!(byte, b'\n' | b'\r'))
}

/// The end of a run of bytes; at least one byte on.
fn run_end(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from + 1..).unwrap_or_default();
    let length = rest.iter().position(|byte| !belongs(*byte));
    from + 1 + length.unwrap_or(rest.len())
}

/// The end of a number as the grammar has it: `1-1` and `00` are two.
fn number_end(bytes: &[u8], from: usize) -> usize {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        let other = rest.iter().position(|byte| !byte.is_ascii_digit());
        from + other.unwrap_or(rest.len())
    };
    let whole = from + usize::from(bytes[from] == b'-');
    let mut at = match bytes.get(whole) {
        Some(b'0') => whole + 1,
        Some(b'1'..=b'9') => digits(whole),
        _ => return from + 1,
    };
    if bytes.get(at) == Some(&b'.') && digits(at + 1) > at + 1 {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        let power = at + 1 + usize::from(sign);
        if digits(power) > power {
            at = digits(power);
        }
    }
    at
}

/// The end of a string or a block string; none if it is not closed.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let block = bytes[from..].starts_with(b"\"\"\"");
    let mut at = from + if block { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if block && bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !block => at += 2,
            b'"' if block && bytes[at..].starts_with(b"\"\"\"") => return Some(at + 3),
            b'"' if !block => return Some(at + 1),
            b'\n' | b'\r' if !block => return None,
            _ => at += 1,
        }
    }
    None
}
