//! The rule over the files of a crate: none uses one that uses it, at whatever distance.
//!
//! Paths from the root of the crate count (`crate::a::b`). A directory is one thing, so what its files name by `super` and `self` does not.
//!
//! *Limitations*: it is checked where it holds, which is not in every crate yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::paths::Source;
use super::sources;
use crate::workspace::Workspace;

/// The crates without circles.
const WITHOUT_CIRCLES: [&str; 1] = ["fs-index"];

/// By module: the modules of the crate that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Returns every crate in which files use each other in a circle, as a sentence.
///
/// # Errors
/// A source cannot be read, or is not Rust.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in workspace.packages() {
        let name = package.name.as_str();
        if !WITHOUT_CIRCLES.contains(&name) {
            continue;
        }
        let manifest = package.manifest_path.as_std_path();
        let directory = manifest
            .parent()
            .context("a manifest lies in a directory")?;
        let sources = sources::shipped_sources(directory)?;
        let sources: BTreeMap<String, Source> = sources
            .into_iter()
            .filter_map(|(path, source)| Some((module_of(directory, &path)?, source)))
            .collect();
        let circle = circle(&uses(&sources));
        if !circle.is_empty() {
            violations.push(format!(
                "{name}: these files use each other in a circle: {}",
                circle.join(", ")
            ));
        }
    }
    Ok(violations)
}

/// Returns the path of the module that a file holds, from the root of its crate; `None` for the root.
fn module_of(package: &Path, file: &Path) -> Option<String> {
    let path = file.strip_prefix(package.join("src")).ok()?;
    let path = path.with_extension("");
    let mut names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    let is_root = matches!(&*names, [name] if name == "lib" || name == "main");
    (!is_root).then(|| names.join("::"))
}

fn uses(sources: &BTreeMap<String, Source>) -> Uses {
    let module = |segments: &[String]| {
        let (first, rest) = segments.split_first()?;
        let mut lengths = (1..=rest.len()).rev().filter(|_| first == "crate");
        lengths.find_map(|len| {
            let module = rest[..len].join("::");
            sources.contains_key(&module).then_some(module)
        })
    };
    let mut uses = Uses::new();
    for (name, source) in sources {
        let used = source
            .paths
            .iter()
            .filter_map(|path| module(&path.segments));
        let used = used.filter(|used| used != name).collect();
        uses.insert(name.clone(), used);
    }
    uses
}

/// Returns the modules of circles, and those that lie on a way from one to another.
fn circle(uses: &Uses) -> Vec<String> {
    let mut left: BTreeSet<&String> = uses.keys().collect();
    loop {
        let is_end = |module: &&&String| {
            let uses_some = uses[**module].iter().any(|used| left.contains(used));
            let is_used = left.iter().any(|user| uses[*user].contains(**module));
            !uses_some || !is_used
        };
        let ends: Vec<&String> = left.iter().filter(is_end).copied().collect();
        if ends.is_empty() {
            return left.into_iter().cloned().collect();
        }
        for end in ends {
            left.remove(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paths;
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let read = |(name, text): &(&str, &str)| ((*name).to_owned(), paths::read(text).unwrap());
        circle(&uses(&files.iter().map(read).collect()))
    }

    #[test]
    fn a_circle_is_found_with_all_that_lies_in_it() {
        let files = [
            ("a", "use crate::b::{self, c::C};"),
            ("b", "use std::fmt;"),
            ("b::c", "fn f() -> crate::d::D { todo() }"),
            ("d", "use crate::a::A; use crate::b::B;"),
            ("e", "use crate::a::A;"),
        ];
        assert_eq!(found(&files), ["a", "b::c", "d"], "a -> b::c -> d -> a");
    }

    #[test]
    fn what_only_tests_use_and_what_is_within_a_directory_is_no_circle() {
        let files = [
            ("a", "use crate::b::B;"),
            ("b", "#[cfg(test)] mod tests { use crate::a::A; }"),
            ("c", "use self::d::D;"),
            ("c::d", "use super::C;"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }

    #[test]
    fn a_file_holds_the_module_of_its_path() {
        let module = |file: &str| module_of(Path::new("/x"), Path::new(file));
        assert_eq!(module("/x/src/a/b.rs").as_deref(), Some("a::b"));
        assert_eq!(module("/x/src/a/mod.rs").as_deref(), Some("a"));
        assert_eq!(module("/x/src/lib.rs"), None, "it names all others");
    }
}
