//! What somebody may have meant by a name that is not there.

use unicode_normalization::UnicodeNormalization;

use crate::printable;

/// The most names that are proposed.
const MAX_NAMES: usize = 3;

/// Longer names are proposed only where they differ in case or normal form alone.
const MAX_COMPARED_CHARS: usize = 64;

/// Below this likeness, names are not proposed.
const MIN_LIKENESS: f64 = 0.6;

/// Returns `; did you mean a, b?` with the names most like `wanted`, or nothing.
///
/// # Complexity
/// O(n · 64²) for n names.
pub(crate) fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let folded = fold(wanted);
    let mut alike: Vec<(f64, &str)> = names
        .map(|name| (likeness(&folded, &fold(name)), name))
        .filter(|(likeness, name)| *likeness >= MIN_LIKENESS && *name != wanted)
        .collect();
    alike.sort_by(|(one, a), (other, b)| other.total_cmp(one).then_with(|| a.cmp(b)));
    let names = alike.iter().take(MAX_NAMES);
    let names: Vec<_> = names.map(|(_, name)| printable::plain_name(name)).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", names.join(", "))
}

fn fold(name: &str) -> String {
    name.nfkc().flat_map(char::to_lowercase).collect()
}

fn likeness(one: &str, other: &str) -> f64 {
    if one == other {
        return 1.0;
    }
    let is_short = |name: &str| name.chars().nth(MAX_COMPARED_CHARS).is_none();
    if !is_short(one) || !is_short(other) {
        return 0.0;
    }
    let likeness = strsim::normalized_damerau_levenshtein(one, other);
    // One slip changes most of a short name.
    let is_one_slip = likeness > 0.0 && strsim::damerau_levenshtein(one, other) == 1;
    if is_one_slip {
        likeness.max(MIN_LIKENESS)
    } else {
        likeness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_proposed_best_first() {
        let names = [
            "other", "issue-12", "issue-1", "Isue-1", "issue-3", "issue-4",
        ];
        let proposed = did_you_mean("isue-1", names.into_iter());
        assert_eq!(proposed, "; did you mean Isue-1, issue-1, issue-12?");
        assert_eq!(
            did_you_mean("café", ["cafe\u{301}"].into_iter()),
            r"; did you mean cafe\u{301}?",
            "a name in another normal form is what was meant"
        );
        assert_eq!(
            did_you_mean("zebra", names.into_iter()),
            "",
            "nothing is alike"
        );
        for (wanted, there) in [
            ("ab", "a"),
            ("a", "ab"),
            ("xb", "xy"),
            ("B", "b"),
            ("ba", "ab"),
        ] {
            assert_eq!(
                did_you_mean(wanted, [there].into_iter()),
                format!("; did you mean {there}?"),
                "one slip in a short name"
            );
        }
        assert_eq!(
            did_you_mean("a", ["b"].into_iter()),
            "",
            "all of it is other"
        );
        let long = "x".repeat(200);
        assert_eq!(
            did_you_mean(&long.to_uppercase(), [long.as_str()].into_iter()),
            format!("; did you mean {long}?")
        );
    }
}
