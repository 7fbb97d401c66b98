//! The rules over dependencies, as the manifests state them.
//!
//! Deliberately about direct dependencies only: a layer answers for what it names, and what it names below is checked there.

use cargo_metadata::DependencyKind;

use super::{KIT, LAYERS};

/// Members that are no part of the product: they may depend on any layer, and nothing depends on them.
const HARNESS: [&str; 3] = ["scenarios", "tributary-benches", "xtask"];

/// Members that show how the product is used: they may depend on any layer, and their tests on [`STAGE`]; nothing depends on them.
const EXAMPLES: [&str; 1] = ["issue-tracker"];

/// The part of the harness that tests play on.
const STAGE: &str = "scenarios";

/// A member of the workspace and what its manifest names.
#[derive(Debug)]
pub(super) struct Member {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    kind: DependencyKind,
}

/// A foreign crate, or a family of them, that only some members may name.
struct Restriction {
    /// The whole name, or its beginning where it ends in `*`.
    pattern: &'static str,
    allowed: &'static [&'static str],
    scope: Scope,
    reason: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// Dependencies of every kind.
    All,
    /// All but the dependencies of tests.
    Shipped,
}

const RUNTIME: &[&str] = &[
    "fs-store",
    "fs-feed",
    "fs-merge",
    "fs-cli",
    "fs-testing",
    "issue-tracker",
    "scenarios",
    "tributary-benches",
];
const PROGRAMS: &[&str] = &["fs-cli", "issue-tracker", "xtask"];
const FILES: &[&str] = &["fs-io", "scenarios", "tributary-benches", "xtask"];

const fn restriction(
    pattern: &'static str,
    allowed: &'static [&'static str],
    scope: Scope,
    reason: &'static str,
) -> Restriction {
    Restriction {
        pattern,
        allowed,
        scope,
        reason,
    }
}

const RESTRICTIONS: [Restriction; 15] = [
    restriction(
        "eventcore*",
        RUNTIME,
        Scope::All,
        "its traits are implemented by the store",
    ),
    restriction(
        "tokio*",
        RUNTIME,
        Scope::All,
        "nothing below the store waits",
    ),
    restriction(
        "futures*",
        RUNTIME,
        Scope::All,
        "nothing below the store waits",
    ),
    restriction(
        "petgraph",
        &["fs-dag", "tributary-benches"],
        Scope::All,
        "the graph is fs-dag's business",
    ),
    restriction(
        "clap*",
        PROGRAMS,
        Scope::All,
        "libraries read no command line",
    ),
    restriction(
        "anyhow",
        PROGRAMS,
        Scope::All,
        "libraries have typed errors",
    ),
    restriction("anstream", PROGRAMS, Scope::All, "libraries do not print"),
    restriction(
        "serde_json",
        &[
            "fs-format",
            "fs-index",
            "fs-store",
            "fs-feed",
            "fs-merge",
            "fs-cli",
            "scenarios",
            "tributary-benches",
            "xtask",
        ],
        Scope::Shipped,
        "the order and the file seam know no JSON",
    ),
    restriction("fs4", FILES, Scope::Shipped, "only fs-io touches files"),
    restriction("rustix", FILES, Scope::Shipped, "only fs-io touches files"),
    restriction(
        "same-file",
        FILES,
        Scope::Shipped,
        "only fs-io touches files",
    ),
    restriction(
        "tempfile",
        FILES,
        Scope::Shipped,
        "only fs-io touches files",
    ),
    restriction(
        "winapi-util",
        FILES,
        Scope::Shipped,
        "only fs-io touches files",
    ),
    restriction(
        "getrandom",
        FILES,
        Scope::Shipped,
        "only fs-io has randomness",
    ),
    restriction("rand*", FILES, Scope::Shipped, "only fs-io has randomness"),
];

impl Restriction {
    fn covers(&self, dependency: &Dependency) -> bool {
        let named = match self.pattern.strip_suffix('*') {
            Some(beginning) => dependency.name.starts_with(beginning),
            None => dependency.name == self.pattern,
        };
        named && (self.scope == Scope::All || dependency.kind != DependencyKind::Development)
    }
}

/// Returns what the rules need of cargo's description.
pub(super) fn members(packages: &[cargo_metadata::Package]) -> Vec<Member> {
    packages
        .iter()
        .map(|package| Member {
            name: package.name.to_string(),
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| Dependency {
                    name: dependency.name.clone(),
                    kind: dependency.kind,
                })
                .collect(),
        })
        .collect()
}

/// Returns every broken rule as a sentence, in the order of members and their dependencies.
pub(super) fn check(members: &[Member]) -> Vec<String> {
    let mut violations = Vec::new();
    for member in members {
        let layer = LAYERS.iter().find(|layer| layer.name == member.name);
        let is_beside = HARNESS.contains(&member.name.as_str());
        let is_example = EXAMPLES.contains(&member.name.as_str());
        if layer.is_none() && !is_beside && !is_example {
            violations.push(format!(
                "{}: has no place among the layers; give it one in xtask/src/layers.rs",
                member.name
            ));
        }
        for dependency in &member.dependencies {
            let edge = format!(
                "{} -> {} ({} dependency)",
                member.name,
                dependency.name,
                kind(dependency.kind)
            );
            let plays = is_example
                && dependency.name == STAGE
                && dependency.kind == DependencyKind::Development;
            if HARNESS.contains(&dependency.name.as_str()) && !plays {
                violations.push(format!("{edge}: nothing depends on the harness"));
            } else if EXAMPLES.contains(&dependency.name.as_str()) {
                violations.push(format!("{edge}: nothing depends on an example"));
            } else if dependency.name == member.name {
                // Only tests can, to turn on features of the crate that they test.
            } else if dependency.name == KIT && dependency.kind == DependencyKind::Development {
                // Cargo builds it from the crate that is tested.
            } else if let Some(layer) = layer
                && members.iter().any(|other| other.name == dependency.name)
                && !layer.below.contains(&dependency.name.as_str())
            {
                violations.push(format!("{edge}: not a layer below"));
            }
            for restriction in &RESTRICTIONS {
                if restriction.covers(dependency)
                    && !restriction.allowed.contains(&member.name.as_str())
                {
                    violations.push(format!("{edge}: {}", restriction.reason));
                }
            }
        }
    }
    violations
}

fn kind(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Normal => "normal",
        DependencyKind::Development => "dev",
        DependencyKind::Build => "build",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;
    use DependencyKind::{Build, Development, Normal};

    /// All members of the workspace, the given one with these dependencies and the others with none.
    fn workspace_with(name: &str, dependencies: &[(&str, DependencyKind)]) -> Vec<Member> {
        let mut names: Vec<&str> = LAYERS.iter().map(|layer| layer.name).collect();
        names.extend(HARNESS);
        names.extend(EXAMPLES);
        if !names.contains(&name) {
            names.push(name);
        }
        let dependencies_of = |member: &str| {
            let of = if member == name { dependencies } else { &[] };
            of.iter()
                .map(|&(name, kind)| Dependency {
                    name: name.to_owned(),
                    kind,
                })
                .collect()
        };
        names
            .iter()
            .map(|member| Member {
                name: (*member).to_owned(),
                dependencies: dependencies_of(member),
            })
            .collect()
    }

    fn violations(name: &str, dependency: &str, kind: DependencyKind) -> Vec<String> {
        check(&workspace_with(name, &[(dependency, kind)]))
    }

    #[test]
    fn a_forbidden_edge_is_named() {
        assert_eq!(
            violations("fs-dag", "fs-index", Normal),
            ["fs-dag -> fs-index (normal dependency): not a layer below"]
        );
    }

    #[test]
    fn no_layer_depends_upwards_or_sideways_in_any_way() {
        for (index, layer) in LAYERS.iter().enumerate() {
            for other in &LAYERS[index + 1..] {
                for kind in [Normal, Build, Development] {
                    if other.name == KIT && kind == Development {
                        continue;
                    }
                    assert_eq!(
                        violations(layer.name, other.name, kind).len(),
                        1,
                        "{} -> {} must be refused",
                        layer.name,
                        other.name
                    );
                }
            }
            for other in layer.below {
                assert!(
                    violations(layer.name, other, Normal).is_empty(),
                    "{} -> {other} is in the picture",
                    layer.name
                );
            }
        }
        assert_eq!(
            violations("fs-dag", "fs-io", Normal).len(),
            1,
            "fs-dag and fs-io stand beside each other"
        );
    }

    #[test]
    fn tests_of_every_layer_may_use_the_kit_and_nothing_else_may() {
        for layer in LAYERS.iter().filter(|layer| layer.name != KIT) {
            assert!(violations(layer.name, KIT, Development).is_empty());
            assert_eq!(violations(layer.name, KIT, Normal).len(), 1);
        }
    }

    #[test]
    fn nothing_depends_on_the_harness_and_the_harness_on_any_layer() {
        for harness in HARNESS {
            assert_eq!(violations("fs-cli", harness, Development).len(), 1);
            assert!(violations(harness, "fs-cli", Normal).is_empty());
        }
        assert_eq!(violations("xtask", "scenarios", Normal).len(), 1);
    }

    #[test]
    fn nothing_depends_on_an_example_and_only_its_tests_on_the_stage() {
        for example in EXAMPLES {
            assert_eq!(violations("fs-cli", example, Development).len(), 1);
            assert_eq!(violations("scenarios", example, Development).len(), 1);
            assert!(violations(example, "fs-merge", Normal).is_empty());
            assert!(violations(example, STAGE, Development).is_empty());
            assert_eq!(violations(example, STAGE, Normal).len(), 1);
            assert_eq!(violations(example, "xtask", Development).len(), 1);
        }
    }

    #[test]
    fn a_member_without_a_layer_is_named() {
        let found = check(&workspace_with("fs-new", &[]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("fs-new: "), "{found:?}");
    }

    #[test]
    fn foreign_crates_stay_where_they_belong() {
        let refused = [
            ("fs-index", "eventcore-types", Normal),
            ("fs-index", "eventcore-testing", Development),
            ("fs-dag", "futures-util", Normal),
            ("fs-io", "tokio", Normal),
            ("fs-merge", "petgraph", Normal),
            ("fs-store", "clap", Normal),
            ("fs-store", "anyhow", Development),
            ("fs-merge", "anstream", Normal),
            ("fs-dag", "serde_json", Normal),
            ("fs-store", "fs4", Normal),
            ("fs-cli", "tempfile", Normal),
            ("fs-index", "rustix", Build),
            ("fs-store", "getrandom", Normal),
        ];
        for (member, dependency, kind) in refused {
            let found = violations(member, dependency, kind);
            assert_eq!(
                found.len(),
                1,
                "{member} may not name {dependency}: {found:?}"
            );
        }
        let accepted = [
            ("fs-store", "eventcore-types", Normal),
            ("fs-store", "tokio", Normal),
            ("fs-dag", "petgraph", Normal),
            ("fs-dag", "serde_json", Development),
            ("fs-cli", "clap", Normal),
            ("fs-io", "tempfile", Normal),
            ("fs-store", "tempfile", Development),
            ("scenarios", "tempfile", Normal),
        ];
        for (member, dependency, kind) in accepted {
            let found = violations(member, dependency, kind);
            assert!(
                found.is_empty(),
                "{member} may name {dependency}: {found:?}"
            );
        }
    }

    #[test]
    fn every_layer_is_a_member_of_the_workspace() {
        let workspace = Workspace::locate().unwrap();
        let found = members(workspace.packages());
        let layers = LAYERS.iter().map(|layer| layer.name);
        for name in layers.chain(HARNESS).chain(EXAMPLES) {
            assert!(
                found.iter().any(|member| member.name == name),
                "{name} is in the rules, so it is a member"
            );
        }
    }
}
