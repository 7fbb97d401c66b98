//! Breaking text that is wider than there is room for.
//!
//! **Invariant**: no line is wider than it may be, but for a character that is wider by itself. What is left out is
//! marked.

use console::measure_text_width;

/// How many lines one event may take; the rest of it is in the JSON.
const MAX_LINES: usize = 6;

/// By how much the lines after the first are moved to the right.
const INDENT: &str = "  ";

/// Breaks a text into lines of at most `width` columns, at a space where one lies near the end of the line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let indent = if lines.is_empty() { "" } else { INDENT };
        let room = width.saturating_sub(indent.len()).max(1);
        let end = fitting(rest, room);
        if end < rest.len() && lines.len() + 1 == MAX_LINES {
            let end = fitting(rest, room.saturating_sub(1));
            lines.push(format!("{indent}{}…", &rest[..end]));
            return lines;
        }
        let end = at_space(rest, end);
        lines.push(format!("{indent}{}", rest[..end].trim_end()));
        rest = rest[end..].trim_start();
    }
    lines
}

/// Fills a line up to `width` columns.
pub(crate) fn pad(line: &str, width: usize) -> String {
    let missing = width.saturating_sub(measure_text_width(line));
    format!("{line}{}", " ".repeat(missing))
}

/// Returns where the part ends that takes at most `room` columns, at least one character.
fn fitting(text: &str, room: usize) -> usize {
    let mut taken = 0;
    let mut buffer = [0; 4];
    for (at, c) in text.char_indices() {
        taken += measure_text_width(c.encode_utf8(&mut buffer));
        if taken > room && at > 0 {
            return at;
        }
    }
    text.len()
}

/// Returns a better place to break than `end`: behind the last space in the second half.
fn at_space(text: &str, end: usize) -> usize {
    if end == text.len() {
        return end;
    }
    let space = text[..end].rfind(' ').map(|space| space + 1);
    space.filter(|space| *space > end / 2).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost_in_silence() {
        assert_eq!(wrap("", 10), Vec::<String>::new());
        assert_eq!(wrap("short", 10), ["short"]);
        assert_eq!(wrap("one two three", 9), ["one two", "  three"]);
        assert_eq!(wrap("abcdefghijkl", 6), ["abcdef", "  ghij", "  kl"]);
        assert_eq!(
            wrap("漢字漢字", 5),
            ["漢字", "  漢", "  字"],
            "wide characters count twice"
        );
        let long = "x".repeat(1000);
        let lines = wrap(&long, 20);
        assert_eq!(lines.len(), MAX_LINES);
        assert!(
            lines[MAX_LINES - 1].ends_with('…'),
            "what is cut is marked: {lines:?}"
        );
        for width in [0, 1, 2, 3, 7] {
            for line in wrap("a 漢字 of {\"title\":\"…\"} e\u{301}", width) {
                let shown = measure_text_width(line.trim_start());
                assert!(shown <= width.max(2), "{line:?} fits into {width}");
            }
        }
    }
}
