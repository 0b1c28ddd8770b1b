//! What is to be seen of a text, and what deceives who reads it.

/// One harmless line: line breaks and tabs become a space, other control characters and those that turn the direction of
/// writing go, and the length is cut.
pub fn one_line(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    // `=?` begins an encoded word (RFC 2047): a reader would decode it, and show what was just taken out.
    let line = words.join(" ").replace("=?", "= ?");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Signs that nobody sees and that change how others read: control characters that are no space, the
/// bidirectional controls (UAX 9), blanks without width, fillers of Hangul and Braille, and tags.
pub fn is_unseen(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let empty = matches!(
        c,
        '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{2800}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}'
    );
    bidi || empty || (c.is_control() && !c.is_whitespace())
}

/// Whether there is nothing to see in a text.
pub fn is_blank(text: &str) -> bool {
    // These join letters and pictures, and are nothing by themselves.
    let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}');
    text.chars()
        .all(|c| c.is_whitespace() || is_unseen(c) || joins(c))
}

/// Signs that make a text look like another: controls, line ends of Unicode, what is not seen, and
/// what turns the direction of what follows around.
pub fn is_deceptive(c: char) -> bool {
    c.is_control() || is_unseen(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// One line of 1 to `most` characters.
pub fn is_line(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(is_deceptive) && !is_blank(text)
}

/// Some lines of 1 to `most` characters.
pub fn is_text(text: &str, most: usize) -> bool {
    let deceptive = |c: char| is_deceptive(c) && !matches!(c, '\n' | '\r' | '\t');
    (1..=most).contains(&text.chars().count()) && !text.chars().any(deceptive)
}
