//! One figure with the bound it has to keep, and how figures are written.
//!
//! **Invariant**: a figure that could not be measured says why; it counts as neither met nor missed.

use std::fmt;
use std::time::Duration;

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Under(f64),
    /// Nothing; it is there to compare.
    None,
}

impl Bound {
    fn is_met_by(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(value >= bound),
            Self::AtMost(bound) => Some(value <= bound),
            Self::Under(bound) => Some(value < bound),
            Self::None => None,
        }
    }
}

/// The figure of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    /// How many times faster, slower or larger, as the bound says.
    Times(f64),
    Mebibytes(f64),
    Milliseconds(f64),
    /// Why there is none, and the unit it would have.
    Missing(&'static str, Unit),
}

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Times,
    Mebibytes,
    Milliseconds,
}

impl Unit {
    fn text(self) -> &'static str {
        match self {
            Self::Times => "x",
            Self::Mebibytes => "MiB",
            Self::Milliseconds => "ms",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) at: String,
    pub(crate) ours: String,
    pub(crate) others: String,
    pub(crate) figure: Figure,
    pub(crate) bound: Bound,
}

impl Line {
    /// Returns the cells of its row in the table.
    pub(crate) fn cells(&self) -> [String; 7] {
        let (figure, unit, value) = match self.figure {
            Figure::Times(value) => (format!("{} x", number(value)), Unit::Times, Some(value)),
            Figure::Mebibytes(value) => (format!("{value:.1} MiB"), Unit::Mebibytes, Some(value)),
            Figure::Milliseconds(value) => (
                format!("{} ms", number(value)),
                Unit::Milliseconds,
                Some(value),
            ),
            Figure::Missing(why, unit) => (why.to_owned(), unit, None),
        };
        let unit = unit.text();
        let bound = match self.bound {
            Bound::AtLeast(bound) => format!("at least {bound} {unit}"),
            Bound::AtMost(bound) => format!("at most {bound} {unit}"),
            Bound::Under(bound) => format!("under {bound} {unit}"),
            Bound::None => "-".to_owned(),
        };
        let verdict = match value.map(|value| self.bound.is_met_by(value)) {
            Some(Some(true)) => "met",
            Some(Some(false)) => "**missed**",
            Some(None) => "-",
            None => "not measured",
        };
        [
            self.what.clone(),
            self.at.clone(),
            self.ours.clone(),
            self.others.clone(),
            figure,
            bound,
            verdict.to_owned(),
        ]
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [what, at, ours, others, figure, bound, verdict] = self.cells();
        write!(
            f,
            "{what}, {at}: {ours} against {others}: {figure} ({bound}: {verdict})"
        )
    }
}

fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Returns a time in the unit that suits it.
pub(crate) fn duration(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        _ if micros >= 1e6 => format!("{} s", number(micros / 1e6)),
        _ if micros >= 1e3 => format!("{} ms", number(micros / 1e3)),
        _ => format!("{} us", number(micros)),
    }
}

/// Returns a count with its thousands set apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
