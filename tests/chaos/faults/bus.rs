//! A bus that loses, repeats and exchanges what it carries: the messages of Redis's subscriptions.
//! Answers to commands go through as they are.

use crate::dice::Dice;

/// Reads what Redis sends on one connection, and answers what arrives of it.
pub struct Mangler {
    dice: Dice,
    unread: Vec<u8>,
    /// A message that is to come after the next one.
    held: Vec<u8>,
}

impl Mangler {
    /// Begins at the beginning of a connection.
    pub fn new(dice: Dice) -> Self {
        Self {
            dice,
            unread: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Takes what was read, and answers what is to be sent on: three of ten messages are not as
    /// they were.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.unread.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(end) = frame(&self.unread) {
            let frame: Vec<u8> = self.unread.drain(..end).collect();
            if !is_message(&frame) {
                out.extend(frame);
                continue;
            }
            match self.dice.below(10) {
                0 => {}
                1 => out.extend([frame.as_slice(), &frame].concat()),
                2 if self.held.is_empty() => self.held = frame,
                _ => {
                    out.extend(frame);
                    out.append(&mut self.held);
                }
            }
        }
        out
    }
}

fn is_message(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(b'*' | b'>'))
        && frame
            .windows(11)
            .take(8)
            .any(|part| part == b"$7\r\nmessage")
}

/// Where the first whole answer ends (RESP2 and RESP3).
fn frame(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let number = || {
        std::str::from_utf8(bytes.get(1..line)?)
            .ok()?
            .parse::<usize>()
            .ok()
    };
    let mut end = line + 2;
    match bytes[0] {
        b'$' | b'=' | b'!' => {
            if let Some(length) = number() {
                end += length + 2;
            }
        }
        b'*' | b'>' | b'~' | b'%' => {
            let each = if bytes[0] == b'%' { 2 } else { 1 };
            for _ in 0..number().unwrap_or(0) * each {
                end += frame(bytes.get(end..)?)?;
            }
        }
        _ => {}
    }
    (end <= bytes.len()).then_some(end)
}
