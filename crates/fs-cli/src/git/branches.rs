//! A store that is not here and that git has elsewhere: in the present commit, or on another branch.
//!
//! **Invariant**: no history is walked; only the tips of branches are asked, and no more than the newest of them.

use std::fmt;
use std::path::{Component, Path};

use fs_io::System;
use fs_store::STORE_DIR;

use super::Git;
use crate::output::plain;

/// Of more branches, only those of the newest commits are asked.
const MAX_BRANCHES: &str = "--count=1000";

/// Where git has a store that the work tree has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// The present commit has it.
    Head {
        /// Its directory, from the top of the work tree on.
        path: String,
    },
    /// A branch of this clone has it.
    Branch {
        /// Its name.
        name: String,
    },
    /// A branch of another clone has it, as it was last fetched.
    Remote {
        /// Its name, with that of the other clone.
        name: String,
    },
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { path } => {
                let path = plain(path);
                write!(
                    f,
                    "the present commit has one and the work tree has not: `git checkout HEAD -- ':/{path}'` brings it back"
                )
            }
            Self::Branch { name } => {
                let name = plain(name);
                write!(
                    f,
                    "branch {name} has one and the present branch has not: `git switch {name}` goes there, `git merge {name}` brings it here"
                )
            }
            Self::Remote { name } => {
                let name = plain(name);
                write!(
                    f,
                    "branch {name} has one and the present branch has not: `git merge {name}` brings it here"
                )
            }
        }
    }
}

/// Returns where git has the store that is not found at `root`, or above it in a directory of this `name`.
pub(crate) fn store_elsewhere(root: &Path, name: Option<&str>) -> Option<Elsewhere> {
    let disk = System::real().disk;
    let root = std::path::absolute(root).ok()?;
    let mut above = root.ancestors();
    let from = above.find(|above| matches!(disk.stat(above), Ok(Some(_))))?;
    let git = Git::around(from).ok()?;
    let prefix = git.run(&["rev-parse", "--show-prefix"]).ok()?.ok()?;
    let prefix = String::from_utf8(prefix).ok()?;
    let prefix = prefix.trim_end_matches('\n');
    let stores: Vec<String> = match name {
        Some(name) => {
            let levels = prefix.match_indices('/').map(|(end, _)| &prefix[..=end]);
            let levels = levels.chain([""]);
            levels.map(|level| format!("{level}{name}")).collect()
        }
        None => {
            let below = root.strip_prefix(from).ok()?;
            let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
            if !below.components().all(is_plain) {
                return None;
            }
            let below = below.to_str()?.replace('\\', "/");
            vec![format!("{prefix}{below}").trim_end_matches('/').to_owned()]
        }
    };
    git.first_with_store(&stores)
}

impl Git {
    /// Returns the first of the present commit and the branches whose tree has one of these stores.
    fn first_with_store(&self, stores: &[String]) -> Option<Elsewhere> {
        let mut tips = vec![("HEAD".to_owned(), None)];
        for (namespace, of_branch) in [
            ("refs/heads/", branch as fn(String) -> Elsewhere),
            ("refs/remotes/", remote),
        ] {
            let format = "--format=%(refname) %(symref)";
            let args = [
                "for-each-ref",
                MAX_BRANCHES,
                "--sort=-committerdate",
                format,
            ];
            let listed = self.run(&[&args[..], &[namespace]].concat()).ok()?.ok()?;
            let listed = String::from_utf8_lossy(&listed).into_owned();
            let branches = listed.lines().filter_map(|line| line.strip_suffix(' '));
            let names = branches.filter_map(|tip| Some((tip, tip.strip_prefix(namespace)?)));
            tips.extend(
                names.map(|(tip, name)| (tip.to_owned(), Some(of_branch(name.to_owned())))),
            );
        }
        let asked = tips
            .iter()
            .flat_map(|tip| stores.iter().map(move |store| (tip, store)));
        let asked: Vec<_> = asked.filter(|(_, store)| !store.contains('\n')).collect();
        let objects: String = asked
            .iter()
            .map(|((tip, _), store)| format!("{tip}:{}\n", proof_of(store)))
            .collect();
        let args = ["cat-file", "--batch-check=%(objecttype)"];
        let answers = self.run_with(&args, objects.as_bytes()).ok()?.ok()?;
        let answers = String::from_utf8_lossy(&answers).into_owned();
        let mut found = answers.lines().zip(asked);
        let is_there = |answer: &str| answer == "tree" || answer == "blob";
        let ((_, tip), store) = found.find(|(answer, _)| is_there(answer))?.1;
        Some(tip.clone().unwrap_or_else(|| Elsewhere::Head {
            path: store.clone(),
        }))
    }
}

fn branch(name: String) -> Elsewhere {
    Elsewhere::Branch { name }
}

fn remote(name: String) -> Elsewhere {
    Elsewhere::Remote { name }
}

/// Returns the path of what only a store has: a directory of events may be anybody's where the one above is not called as stores are.
fn proof_of(store: &str) -> String {
    let is_named = store == STORE_DIR || store.ends_with(&format!("/{STORE_DIR}"));
    match (is_named, store) {
        (true, store) => format!("{store}/events"),
        (false, "") => "events/.gitattributes".to_owned(),
        (false, store) => format!("{store}/events/.gitattributes"),
    }
}
