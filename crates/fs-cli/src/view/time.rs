//! Times, as ages where somebody looks at a terminal.

use fs_format::Timestamp;

use crate::view::View;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What is older is told by its date.
const OLDEST_AGE: i64 = 60 * DAY;

/// How far another machine's clock may be ahead without being remarkable.
const AHEAD: i64 = MINUTE;

impl View {
    /// Returns a time as it is shown: how long ago on a terminal, in full elsewhere.
    pub(crate) fn time(&self, at: Timestamp) -> String {
        let Some(now) = self.now else {
            return at.to_string();
        };
        match now.saturating_sub(at.unix_nanos()) {
            ahead if ahead < -AHEAD => at.to_string(),
            age if age < MINUTE => "just now".to_owned(),
            age if age < HOUR => format!("{} min ago", age / MINUTE),
            age if age < 2 * DAY => format!("{} h ago", age / HOUR),
            age if age < OLDEST_AGE => format!("{} d ago", age / DAY),
            _ => format!("on {}", at.to_string().chars().take(10).collect::<String>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Extent;

    #[test]
    fn ages_are_for_terminals() {
        let at = Timestamp::parse_canonical("2026-11-21T10:00:00.000000001Z").unwrap();
        let shown = |age: i64| {
            let now = Some(at.unix_nanos() + age);
            View {
                width: 80,
                now,
                extent: Extent::READABLE,
            }
            .time(at)
        };
        for (age, expected) in [
            (0, "just now"),
            (-AHEAD, "just now"),
            (MINUTE - 1, "just now"),
            (MINUTE, "1 min ago"),
            (HOUR - 1, "59 min ago"),
            (3 * HOUR, "3 h ago"),
            (2 * DAY - 1, "47 h ago"),
            (2 * DAY, "2 d ago"),
            (OLDEST_AGE, "on 2026-11-21"),
            (i64::MAX - at.unix_nanos(), "on 2026-11-21"),
        ] {
            assert_eq!(shown(age), expected, "{age} ns later");
        }
        assert_eq!(
            shown(-AHEAD - 1),
            at.to_string(),
            "what is ahead of the clock has no age"
        );
        let view = View {
            width: 80,
            now: None,
            extent: Extent::READABLE,
        };
        assert_eq!(view.time(at), at.to_string(), "no clock, no age");
    }
}
