//! Text of others made safe and plain to print.
//!
//! **Invariant**: what is shown to people moves no cursor, breaks no line, turns no text around and hides no character; two names that
//! differ are shown differently where only their normal form (NFC, NFD) sets them apart. JSON does not pass here.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// From here on, scripts join letters by zero-width characters, and emoji are made with them.
const FIRST_JOINED: char = '\u{590}';

/// Shows a text of others: what is not to be seen in it is escaped.
pub(crate) fn plain(text: &str) -> String {
    escaped(text, |_| false)
}

/// Shows a name, as of a stream: as [`plain`], and what is not composed (NFC) is escaped.
pub(crate) fn plain_name(text: &str) -> String {
    if unicode_normalization::is_nfc(text) {
        return plain(text);
    }
    escaped(text, |c| {
        let is_composing = canonical_combining_class(c) != 0 || is_conjoining_jamo(c);
        is_composing || std::iter::once(c).nfc().next() != Some(c)
    })
}

/// Shows lines that were put together here, of which a part may come from elsewhere.
pub(crate) fn lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(plain).collect();
    lines.join("\n")
}

fn escaped(text: &str, is_unwanted: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if is_unwanted(c) || is_hidden(c) || is_deceptive_joiner(before, c, chars.peek().copied()) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        before = Some(c);
    }
    shown
}

/// Returns whether a character controls what is printed, or leaves nothing to be seen.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' // soft hyphen
            | '\u{34f}' // grapheme joiner
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}' // zero-width space
            | '\u{2028}' | '\u{2029}' // line and paragraph separator
            | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
            | '\u{feff}' // byte order mark
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}') // tags and variants
}

/// Returns whether a zero-width joiner or variant stands where no script or emoji has one.
fn is_deceptive_joiner(before: Option<char>, c: char, after: Option<char>) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c >= FIRST_JOINED);
    match c {
        '\u{200c}' | '\u{200d}' => !joins(before) || !joins(after),
        '\u{fe00}'..='\u{fe0f}' => !joins(before),
        _ => false,
    }
}

/// Returns whether a vowel or final consonant of Hangul composes with what stands before it.
fn is_conjoining_jamo(c: char) -> bool {
    matches!(c, '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_or_hides_is_escaped_and_everything_else_is_shown() {
        for (text, shown) in [
            ("a\nb\u{1b}[31m\u{7f}\u{9b}", r"a\nb\u{1b}[31m\u{7f}\u{9b}"),
            (
                "inv\u{202e}gpj.exe\u{2066}\u{2069}",
                r"inv\u{202e}gpj.exe\u{2066}\u{2069}",
            ),
            (
                "a\u{2028}b\u{2029}\u{61c}\u{200e}",
                r"a\u{2028}b\u{2029}\u{61c}\u{200e}",
            ),
            ("pay\u{200b}pal\u{feff}", r"pay\u{200b}pal\u{feff}"),
            ("ad\u{200d}min x\u{fe0f}", r"ad\u{200d}min x\u{fe0f}"),
            ("Zürich 🏦 漢字 \\ \"", "Zürich 🏦 漢字 \\ \""),
            (
                "👩\u{200d}🚀 ❤\u{fe0f} می\u{200c}خواهم",
                "👩\u{200d}🚀 ❤\u{fe0f} می\u{200c}خواهم",
            ),
            ("cafe\u{301}", "cafe\u{301}"),
        ] {
            assert_eq!(plain(text), shown, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn names_that_differ_in_their_normal_form_alone_are_shown_differently() {
        assert_eq!(
            plain_name("café"),
            "café",
            "a composed name is shown as it is"
        );
        assert_eq!(plain_name("cafe\u{301}"), r"cafe\u{301}");
        assert_eq!(
            plain_name("\u{212b}"),
            r"\u{212b}",
            "an ångström sign is no Å"
        );
        for composed in ["café", "Å", "한국", "ệ", "plain"] {
            let apart: String = composed.nfd().collect();
            let shown = |text: &str| plain_name(text).nfc().collect::<String>();
            assert_eq!(
                shown(composed) == shown(&apart),
                composed == apart,
                "{composed} is told from what only looks like it"
            );
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("a\nb\u{2028}c\n"), "a\nb\\u{2028}c\n");
        assert_eq!(lines(&plain("a\nb")), r"a\nb", "what is escaped stays so");
    }
}
