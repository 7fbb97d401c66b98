//! The rule over sources: nothing but fs-io touches files, clocks and randomness.
//!
//! clippy's `disallowed-methods` says the same, but an attribute can silence it; so this reads the sources themselves, and takes
//! such an attribute outside tests for a violation too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::paths::{self, Source};
use super::{LAYERS, SEAM};
use crate::workspace::Workspace;

/// Segments that may not follow each other in a path, and why.
const FORBIDDEN: [(&[&str], &str); 16] = [
    (&["std", "fs"], FILES),
    (&["std", "os", "unix", "fs"], FILES),
    (&["std", "os", "linux", "fs"], FILES),
    (&["std", "os", "macos", "fs"], FILES),
    (&["std", "os", "windows", "fs"], FILES),
    (&["tokio", "fs"], FILES),
    (&["File", "open"], FILES),
    (&["File", "create"], FILES),
    (&["OpenOptions", "new"], FILES),
    (&["SystemTime", "now"], CLOCK),
    (&["Instant", "now"], CLOCK),
    (&["Utc", "now"], CLOCK),
    (&["Uuid", "now_v7"], RANDOM),
    (&["Uuid", "new_v4"], RANDOM),
    (&["RandomState", "new"], RANDOM),
    (&["clippy", "disallowed_methods"], OPT_OUT),
];

const FILES: &str = "only fs-io touches files";
const CLOCK: &str = "only fs-io has a clock";
const RANDOM: &str = "only fs-io has randomness";
const OPT_OUT: &str = "only tests may opt out of clippy's list";

/// Returns every place where a layer above or beside the seam does the seam's work, as a sentence.
///
/// # Errors
/// A source cannot be read, or is not Rust.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in workspace.packages() {
        let layered = LAYERS.iter().any(|layer| *package.name == layer.name);
        if !layered || *package.name == SEAM {
            continue;
        }
        let manifest = package.manifest_path.as_std_path();
        let directory = manifest
            .parent()
            .context("a manifest lies in a directory")?;
        for (path, source) in shipped_sources(directory)? {
            let shown = path.strip_prefix(workspace.root()).unwrap_or(&path);
            violations.extend(violations_in(&shown.display().to_string(), &source));
        }
    }
    Ok(violations)
}

fn violations_in(file: &str, source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    for path in &source.paths {
        let broken = FORBIDDEN.iter().find(|(forbidden, _)| {
            path.segments
                .windows(forbidden.len())
                .any(|window| window == *forbidden)
        });
        if let Some((_, reason)) = broken {
            let line = path.line;
            violations.push(format!(
                "{file}:{line}: `{}`: {reason}",
                path.segments.join("::")
            ));
        }
    }
    violations
}

/// Returns the sources of a package that are not only for tests, with their paths, sorted.
pub(super) fn shipped_sources(package: &Path) -> Result<Vec<(PathBuf, Source)>> {
    let mut files = Vec::new();
    list(&package.join("src"), &mut files)?;
    let build = package.join("build.rs");
    if build.is_file() {
        files.push(build);
    }
    files.sort();

    let mut sources = Vec::with_capacity(files.len());
    for path in files {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let source = paths::read(&text).with_context(|| path.display().to_string())?;
        sources.push((path, source));
    }
    let for_tests: Vec<PathBuf> = sources
        .iter()
        .flat_map(|(path, source)| test_modules(path, source))
        .collect();
    // A module `tests` is `tests.rs`, or `tests/mod.rs`, and everything in `tests/`.
    sources.retain(|(path, _)| {
        !for_tests
            .iter()
            .any(|module| path.starts_with(module) || *path == module.with_extension("rs"))
    });
    Ok(sources)
}

/// Returns the paths, without an extension, of the modules that `path` declares for tests only.
fn test_modules(path: &Path, source: &Source) -> Vec<PathBuf> {
    let is_root_of_directory = path
        .file_name()
        .is_some_and(|name| name == "lib.rs" || name == "main.rs" || name == "mod.rs");
    let base = if is_root_of_directory {
        path.parent().map(Path::to_path_buf).unwrap_or_default()
    } else {
        path.with_extension("")
    };
    source
        .test_modules
        .iter()
        .map(|module| base.join(module))
        .collect()
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        violations_in("a.rs", &paths::read(text).unwrap())
    }

    #[test]
    fn touching_a_file_is_named_with_its_place() {
        assert_eq!(
            found("//! Doc.\nuse std::{fs, io};\n"),
            ["a.rs:2: `std::fs`: only fs-io touches files"]
        );
    }

    #[test]
    fn every_forbidden_call_is_found() {
        for text in [
            "fn f() { std::fs::read(p); }",
            "use std::fs::File;",
            "use std::os::unix::fs::MetadataExt as _;",
            "fn f() { tokio::fs::read(p) }",
            "fn f() { File::open(p) }",
            "fn f() { OpenOptions::new() }",
            "fn f() { std::time::SystemTime::now() }",
            "fn f() { Instant::now() }",
            "fn f() { chrono::Utc::now() }",
            "fn f() { Uuid::now_v7() }",
            "fn f() { uuid::Uuid::new_v4() }",
            "#![allow(clippy::disallowed_methods)]",
        ] {
            assert_eq!(found(text).len(), 1, "{text} must be found once");
        }
    }

    #[test]
    fn the_seam_and_pure_paths_are_fine() {
        for text in [
            "use std::path::Path;",
            "fn f(io: &fs_io::Disk) { io.read(p) }",
            "fn f(now: SystemTime) -> Uuid { Uuid::from_bytes(b) }",
            "#[cfg(test)] mod tests { #![allow(clippy::disallowed_methods)] use std::fs; }",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text} is fine");
        }
    }

    #[test]
    fn files_of_test_modules_are_left_out() {
        let package = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = package.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "mod a; #[cfg(test)] mod support;");
        write("src/support/mod.rs", "mod more;");
        write("src/support/more.rs", "use std::fs;");
        write("src/a.rs", "#[cfg(test)] mod tests;");
        write("src/a/tests.rs", "use std::fs;");
        write("src/tests.rs", "use std::fs;");
        write("build.rs", "fn main() {}");
        let names: Vec<String> = shipped_sources(package.path())
            .unwrap()
            .iter()
            .map(|(path, _)| path.strip_prefix(package.path()).unwrap())
            .map(|path| path.to_string_lossy().replace('\\', "/"))
            .collect();
        assert_eq!(
            names,
            ["build.rs", "src/a.rs", "src/lib.rs", "src/tests.rs"],
            "only modules declared for tests are left out"
        );
    }
}
