//! The rule that every version stands once: members inherit each dependency, and none is declared in vain.
//!
//! cargo-deny knows these rules too, but misses a dependency that a single member names for itself, and a declaration nobody
//! inherits whose crate is there for some other reason.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

use crate::workspace::Workspace;

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks the manifests of all members against the root's.
///
/// # Errors
/// A manifest cannot be read, or a rule is broken; every violation has been printed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    eprintln!("checking that every dependency is inherited from the workspace");
    let read = |path: &std::path::Path| {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        text.parse::<Table>()
            .with_context(|| format!("cannot parse {}", path.display()))
    };
    let root = read(&workspace.root().join("Cargo.toml"))?;
    let mut members = Vec::new();
    for package in workspace.packages() {
        let manifest = read(package.manifest_path.as_std_path())?;
        members.push((package.name.to_string(), manifest));
    }
    let violations = check(&root, &members);
    for violation in &violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => bail!("1 dependency is not inherited or not used"),
        count => bail!("{count} dependencies are not inherited or not used"),
    }
}

/// Returns every broken rule as a sentence: members in the given order, then what is unused, sorted.
fn check(root: &Table, members: &[(String, Table)]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut inherited = BTreeSet::new();
    for (member, manifest) in members {
        for (name, value) in dependencies(manifest) {
            let inherits = value.get("workspace").and_then(Value::as_bool);
            if inherits == Some(true) {
                inherited.insert(name);
            } else {
                violations.push(format!(
                    "{member}: `{name}` is not inherited; declare it in [workspace.dependencies]"
                ));
            }
        }
    }
    let declared = root
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(Value::as_table);
    for name in declared.into_iter().flat_map(Table::keys) {
        if !inherited.contains(name) {
            violations.push(format!(
                "Cargo.toml: `{name}` in [workspace.dependencies] is inherited by no member"
            ));
        }
    }
    violations
}

/// Returns the dependencies of every kind, those of single targets too.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&String, &Value)> {
    let targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind)))
        .filter_map(Value::as_table)
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.dependencies]\na = '1'\nb = { path = 'b' }\n";

    fn violations(member: &str) -> Vec<String> {
        let member = ("m".to_owned(), member.parse().unwrap());
        check(&ROOT.parse().unwrap(), &[member])
    }

    #[test]
    fn inherited_and_used_is_fine() {
        let found = violations(
            "[dependencies]\na.workspace = true\n[target.'cfg(unix)'.dev-dependencies]\nb = { workspace = true, features = ['x'] }",
        );
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_dependency_of_its_own_is_named_wherever_it_stands() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(windows)'.dependencies",
        ] {
            for value in [
                "'1'",
                "{ version = '1' }",
                "{ path = '../c' }",
                "{ git = 'x' }",
            ] {
                let own = format!("[{table}]\nc = {value}");
                let found = check(&Table::new(), &[("m".to_owned(), own.parse().unwrap())]);
                assert_eq!(
                    found,
                    ["m: `c` is not inherited; declare it in [workspace.dependencies]"],
                    "{value} in [{table}]"
                );
            }
        }
    }

    #[test]
    fn a_declaration_nobody_inherits_is_named() {
        assert_eq!(
            violations("[dependencies]\na.workspace = true"),
            ["Cargo.toml: `b` in [workspace.dependencies] is inherited by no member"]
        );
    }
}
