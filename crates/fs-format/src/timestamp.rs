//! Instants, in nanoseconds.
//!
//! **Invariant**: an instant is written in one way only, always UTC with nine digits, so that the order of texts is the
//! order of time. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use serde::{Deserialize, Serialize};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

/// A text is not an instant of the form `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ` in the range of [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an instant of the form YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ between 1970 and 2261")]
#[non_exhaustive]
pub struct TimestampError;

/// An instant from 1970-01-01T00:00:00Z to 2261-12-31T23:59:59.999999999Z, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant.
    pub const MIN: Self = Self(0);

    /// The latest instant.
    pub const MAX: Self = Self(9_214_646_400 * NANOS_PER_SECOND - 1);

    /// The latest `created_at` of a transaction: a day before [`Timestamp::MAX`].
    pub const LATEST_CREATED_AT: Self = Self(Self::MAX.0 - NANOS_PER_DAY);

    /// Returns the instant that lies `nanos` after the Unix epoch; `None` outside the range.
    pub fn from_unix_nanos(nanos: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0)
            .contains(&nanos)
            .then_some(Self(nanos))
    }

    /// Returns the nanoseconds since the Unix epoch.
    pub fn unix_nanos(&self) -> i64 {
        self.0
    }

    /// Returns the whole milliseconds since the Unix epoch.
    pub fn unix_millis(&self) -> u64 {
        self.0.unsigned_abs() / 1_000_000
    }

    /// Returns the next instant, one nanosecond later; `None` after the last.
    pub fn successor(&self) -> Option<Self> {
        Self::from_unix_nanos(self.0 + 1)
    }

    /// Returns the earliest `created_at` of a transaction whose newest parent has this one: the next instant.
    ///
    /// After [`Timestamp::LATEST_CREATED_AT`] there is none, and the child is dated like its parent: a file that is
    /// dated there, by whomever, stops nobody from appending.
    pub fn of_next_child(&self) -> Self {
        Self(self.0 + 1).min(Self::LATEST_CREATED_AT)
    }

    /// Parses the canonical text, `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`.
    ///
    /// # Errors
    /// [`TimestampError`] for any other text, also for another way of writing the same instant.
    pub fn parse_canonical(text: &str) -> Result<Self, TimestampError> {
        canonical(text.as_bytes()).ok_or(TimestampError)
    }

    /// Parses RFC 3339 with any offset and any number of digits, as formats 1 and 2 have it.
    pub(crate) fn parse_rfc3339(text: &str) -> Result<Self, TimestampError> {
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError)?;
        parsed
            .timestamp_nanos_opt()
            .and_then(Self::from_unix_nanos)
            .ok_or(TimestampError)
    }
}

fn canonical(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; 30] = text.try_into().ok()?;
    for (at, separator) in [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'.'),
        (29, b'Z'),
    ] {
        if text[at] != separator {
            return None;
        }
    }
    let year = i32::try_from(digits(&text[0..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, digits(&text[5..7])?, digits(&text[8..10])?)?;
    let (hour, minute, second) = (
        digits(&text[11..13])?,
        digits(&text[14..16])?,
        digits(&text[17..19])?,
    );
    let time = date.and_hms_nano_opt(hour, minute, second, digits(&text[20..29])?)?;
    time.and_utc()
        .timestamp_nanos_opt()
        .and_then(Timestamp::from_unix_nanos)
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |value: u32, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u32::from(digit - b'0'))
    })
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::from_timestamp_nanos(self.0);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.nanosecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::parse_canonical(text)
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> Self {
        at.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        Self::parse_canonical(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_range_ends_with_2261() {
        assert_eq!(Timestamp::MIN.to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(Timestamp::MAX.to_string(), "2261-12-31T23:59:59.999999999Z");
        assert_eq!(Timestamp::MAX.successor(), None);
        assert_eq!(Timestamp::from_unix_nanos(-1), None);
        assert_eq!(Timestamp::from_unix_nanos(i64::MAX), None);
        assert_eq!(
            Timestamp::from_unix_nanos(1_999_999),
            Some(Timestamp(1_999_999))
        );
        assert_eq!(Timestamp(1_999_999).unix_millis(), 1);
    }

    #[test]
    fn a_transaction_is_dated_before_the_last_day() {
        let latest = Timestamp::LATEST_CREATED_AT;
        assert_eq!(latest.to_string(), "2261-12-30T23:59:59.999999999Z");
        assert_eq!(Timestamp(latest.0 - 1).of_next_child(), latest);
        assert_eq!(
            latest.of_next_child(),
            latest,
            "what is dated at the end stops nobody, and nobody goes beyond it"
        );
    }

    #[test]
    fn only_the_canonical_text_parses() {
        for text in [
            "2026-11-20T20:31:00Z",
            "2026-11-20T20:31:00.123Z",
            "2026-11-20T20:31:00.123456789+00:00",
            "2026-11-20t20:31:00.123456789z",
            "2026-11-20 20:31:00.123456789Z",
            "2026-02-29T20:31:00.123456789Z",
            "2026-11-20T20:31:60.123456789Z",
            "2026-11-20T24:00:00.000000000Z",
            "1969-12-31T23:59:59.999999999Z",
            "2262-01-01T00:00:00.000000000Z",
            "+026-11-20T20:31:00.123456789Z",
            "",
        ] {
            assert_eq!(
                Timestamp::parse_canonical(text),
                Err(TimestampError),
                "{text:?} is not canonical"
            );
        }
    }

    #[test]
    fn any_rfc3339_text_is_read_from_old_files() {
        let at = Timestamp::parse_canonical("2026-11-21T08:03:35.280000000Z").unwrap();
        for text in [
            "2026-11-21T08:03:35.28+00:00",
            "2026-11-21T09:33:35.280+01:30",
            "2026-11-21T08:03:35.28Z",
            "2026-11-21t08:03:35.28z",
            "2026-11-21 08:03:35.28-00:00",
            "2026-11-22T08:02:35.28+23:59",
            "2026-11-21T08:03:35.280000000999Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Ok(at), "{text}");
        }
        let leap = Timestamp::parse_canonical("2026-11-21T08:03:00.280000000Z").unwrap();
        assert_eq!(
            Timestamp::parse_rfc3339("2026-11-21T08:02:60.28Z"),
            Ok(leap),
            "second 60 is the first second of the next minute"
        );
        for text in [
            "2026-11-21T08:03:35.28",
            "2026-11-21T08:03:35.28+0130",
            "2026-11-21T08:03:35.28+01",
            "2026-11-21T08:03:35.28+24:00",
            "2026-11-21T08:03:61Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T08:03Z",
            "2026-11-21T08:03:35.Z",
            " 2026-11-21T08:03:35Z",
        ] {
            assert_eq!(
                Timestamp::parse_rfc3339(text),
                Err(TimestampError),
                "{text}"
            );
        }
        assert_eq!(
            Timestamp::parse_rfc3339("1969-12-31T23:59:59+00:00"),
            Err(TimestampError)
        );
        assert_eq!(
            Timestamp::parse_rfc3339("9999-12-31T23:59:59+00:00"),
            Err(TimestampError)
        );
    }

    proptest! {
        #[test]
        fn text_order_is_time_order(a in 0..=Timestamp::MAX.0, b in 0..=Timestamp::MAX.0) {
            let (a, b) = (Timestamp(a), Timestamp(b));
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
            prop_assert_eq!(Timestamp::parse_canonical(&a.to_string()), Ok(a));
            prop_assert_eq!(Timestamp::parse_rfc3339(&a.to_string()), Ok(a));
        }
    }
}
