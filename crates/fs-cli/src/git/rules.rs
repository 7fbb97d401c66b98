//! What git's own rules make of a store: whether it carries the events as they are, and nothing else.
//!
//! **Invariant**: only what git itself answers is told. Where there is no git, no repository, or no answer, there is no fault.
//!
//! # Limitations
//! Files are asked about by one of each directory; a rule against a single name is not found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use fs_format::{GIT_ATTRIBUTES, GIT_ATTRIBUTES_NAME};
use fs_index::Layout;
use fs_io::{FileKind, System};
use serde::{Deserialize, Serialize};

use super::Git;
use crate::output::plain;

/// What a transaction file is called of which there is none yet.
const NO_TRANSACTION: &str = "events/0000/00/00000000-0000-7000-8000-000000000000.jsonl";

/// The attributes that change what git writes, and that a transaction file must not have.
const CHANGING: [&str; 5] = ["text", "filter", "ident", "working-tree-encoding", "merge"];

/// Something that git would do to a store and that is not meant to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// The events are not committed.
    Ignored {
        /// The file and line of the rule, and what it says.
        rule: String,
        /// What to do about it.
        advice: String,
    },
    /// The bytes of events would be changed, or mixed by a merge.
    Altered {
        /// A file that it happens to.
        path: String,
        /// The attributes that do it, with their values.
        attributes: Vec<String>,
        /// The file that is to be mended.
        by: String,
    },
    /// A sparse checkout leaves out files.
    LeftOut {
        /// How many.
        files: usize,
        /// What is to be added to the checkout.
        events: String,
    },
    /// What belongs to one working copy is committed.
    Tracked {
        /// How many files.
        files: usize,
        /// One of them.
        first: String,
    },
}

#[derive(Serialize)]
pub(crate) struct FaultOut {
    kind: &'static str,
    pub(crate) message: String,
}

impl From<&Fault> for FaultOut {
    fn from(fault: &Fault) -> Self {
        let kind = match fault {
            Fault::Ignored { .. } => "ignored",
            Fault::Altered { .. } => "altered",
            Fault::LeftOut { .. } => "left_out",
            Fault::Tracked { .. } => "tracked",
        };
        Self {
            kind,
            message: fault.to_string(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored { rule, advice } => write!(
                f,
                "git ignores the events of this store, so they are not committed: {}; {}",
                plain(rule),
                plain(advice)
            ),
            Self::Altered {
                path,
                attributes,
                by,
            } => write!(
                f,
                "git may alter transaction files: {} has {}; see that {} says `{}` and nothing else of them",
                plain(path),
                plain(&attributes.join(", ")),
                plain(by),
                GIT_ATTRIBUTES.lines().next().unwrap_or_default()
            ),
            Self::LeftOut { files, events } => write!(
                f,
                "a sparse checkout leaves out {files} file(s) of the events; get them with `git sparse-checkout add {}`",
                plain(events)
            ),
            Self::Tracked { files, first } => write!(
                f,
                "git tracks {files} file(s) of local/ and index/, as {}, which belong to this working copy alone; in the store's directory, run `git rm -r --cached --quiet --ignore-unmatch local index` and commit",
                plain(first)
            ),
        }
    }
}

/// Returns everything that git would do to the store at `root` and should not.
pub(crate) fn faults(root: &Path) -> Vec<Fault> {
    let Some(rules) = Rules::around(root) else {
        return Vec::new();
    };
    let files = one_of_each_directory(root);
    let faults = [
        rules.ignored(&files),
        rules.altered(&files),
        rules.left_out(),
        rules.tracked(),
    ];
    faults.into_iter().flatten().collect()
}

/// Returns the faults by which a file of the store, its path below `root`, is not committed as it should be.
pub(super) fn faults_of(rules: &Rules, file: &str) -> Vec<Fault> {
    let ignored = rules.ignored(&[file.to_owned()]);
    let faults = [ignored, rules.left_out(), rules.tracked()];
    faults.into_iter().flatten().collect()
}

/// Returns the path below `root` of one transaction file in each directory; of one that could be, where there is none.
fn one_of_each_directory(root: &Path) -> Vec<String> {
    let disk = System::real().disk;
    let layout = Layout::new(root);
    let mut files = Vec::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        let path = match directory.as_str() {
            "" => layout.events(),
            directory => layout.event_file(directory),
        };
        let mut file = None;
        for entry in disk.list(&path).unwrap_or_default() {
            let Some(name) = entry.name.to_str() else {
                continue;
            };
            let below = format!("{directory}/{name}");
            let below = below.trim_start_matches('/').to_owned();
            match entry.kind {
                FileKind::Directory if directory.matches('/').count() < 1 => {
                    directories.push(below);
                }
                FileKind::File if fs_format::check_name(&below).is_ok() => file = Some(below),
                _ => {}
            }
        }
        files.extend(file.map(|file| format!("events/{file}")));
    }
    if files.is_empty() {
        files.push(NO_TRANSACTION.to_owned());
    }
    files
}

/// A repository that is asked what it would do.
pub(super) struct Rules {
    pub(super) git: Git,
    /// The way from the store to the top of the work tree, `""` or ending in `/`, and the way back.
    pub(super) up: String,
    prefix: String,
}

/// What `git check-ignore` says of a path.
struct Match {
    source: String,
    line: String,
    pattern: String,
}

impl Rules {
    /// Returns the repository around the store at `root`, if there is one with a work tree.
    pub(super) fn around(root: &Path) -> Option<Self> {
        let git = Git::around(root).ok()?;
        let said = git.run(&["rev-parse", "--show-cdup", "--show-prefix"]);
        let said = String::from_utf8(said.ok()?.ok()?).ok()?;
        let mut lines = said.lines().map(str::to_owned);
        Some(Self {
            git,
            up: lines.next().unwrap_or_default(),
            prefix: lines.next().unwrap_or_default(),
        })
    }

    /// Runs git at the top of the work tree.
    fn at_top(&self, args: &[&str], input: &str) -> Option<Vec<u8>> {
        let top = if self.up.is_empty() { "." } else { &self.up };
        let args = [&["-C", top], args].concat();
        self.git.run_with(&args, input.as_bytes()).ok()?.ok()
    }

    fn ignored(&self, files: &[String]) -> Option<Fault> {
        let paths: Vec<_> = files
            .iter()
            .map(|it| format!("{}{it}", self.prefix))
            .collect();
        let ignored = self.matches(&paths);
        let path = paths.iter().find(|path| ignored.contains_key(*path))?;
        // The first directory on the way is what the rule is about; git looks no further.
        let ends = path
            .match_indices('/')
            .map(|(end, _)| path[..end].to_owned());
        let mut on_the_way: Vec<_> = ends.collect();
        on_the_way.push(path.clone());
        let matches = self.matches(&on_the_way);
        let first = on_the_way.iter().find(|path| matches.contains_key(*path));
        let first = first.unwrap_or(path);
        let found = matches.get(first).or(ignored.get(path))?;
        let rule = format!("{}:{} says `{}`", found.source, found.line, found.pattern);
        let advice = match first.strip_prefix(&self.prefix) {
            Some(below) if found.source.starts_with(&format!("{}events/", self.prefix)) => {
                format!("take that line away, which is about {below}")
            }
            Some(_) => format!(
                "add the lines `!/events/` and `!/events/**` at the end of {}.gitignore",
                self.prefix
            ),
            None => {
                let (above, name) = first.rsplit_once('/').unwrap_or(("", first));
                let above = match above {
                    "" => String::new(),
                    above => format!("{above}/"),
                };
                format!("add the line `!/{name}/` at the end of {above}.gitignore")
            }
        };
        Some(Fault::Ignored { rule, advice })
    }

    /// Returns the rules by which paths, from the top of the work tree on, are ignored.
    fn matches(&self, paths: &[String]) -> BTreeMap<String, Match> {
        let args = ["check-ignore", "--no-index", "-v", "-z", "--stdin"];
        let said = self.at_top(&args, &joined(paths)).unwrap_or_default();
        let words: Vec<_> = words(&said).collect();
        let matches = words.chunks_exact(4).filter_map(|words| {
            let [source, line, pattern, path] = words else {
                return None;
            };
            let found = Match {
                source: source.clone(),
                line: line.clone(),
                pattern: pattern.clone(),
            };
            (!pattern.starts_with('!')).then(|| (path.clone(), found))
        });
        matches.collect()
    }

    fn altered(&self, files: &[String]) -> Option<Fault> {
        let paths: Vec<_> = files
            .iter()
            .map(|it| format!("{}{it}", self.prefix))
            .collect();
        let args = [&["check-attr", "-z", "--stdin"], &CHANGING[..]].concat();
        let said = self.at_top(&args, &joined(&paths))?;
        let mut altering: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let words: Vec<_> = words(&said).collect();
        for words in words.chunks_exact(3) {
            let [path, attribute, value] = words else {
                continue;
            };
            let is_fine = match attribute.as_str() {
                "text" => value == "unset",
                "merge" => value == "unset" || value == "binary",
                _ => value == "unset" || value == "unspecified",
            };
            if !is_fine {
                let attributes = altering.entry(path.clone()).or_default();
                attributes.push(format!("{attribute} {value}"));
            }
        }
        let (path, attributes) = altering.pop_first()?;
        Some(Fault::Altered {
            by: self.attributes_of(&path),
            path,
            attributes,
        })
    }

    /// Returns the file that most likely says what git makes of a path.
    fn attributes_of(&self, path: &str) -> String {
        let disk = System::real().disk;
        let events = format!("{}events", self.prefix);
        let above = Path::new(path).ancestors().skip(1);
        let mut deeper = above.take_while(|above| *above != Path::new(&events));
        let is_there = |directory: &Path| {
            let below = directory.strip_prefix(&self.prefix).unwrap_or(directory);
            let file = self.git.root.join(below).join(GIT_ATTRIBUTES_NAME);
            matches!(disk.stat(&file), Ok(Some(_)))
        };
        if let Some(found) = deeper.find(|directory| is_there(directory)) {
            return format!("{}/{GIT_ATTRIBUTES_NAME}", found.display());
        }
        let file = self.git.root.join("events").join(GIT_ATTRIBUTES_NAME);
        match disk.read(&file, 1 << 20) {
            Ok(found) if found == GIT_ATTRIBUTES.as_bytes() => "info/attributes of git".to_owned(),
            _ => format!("{events}/{GIT_ATTRIBUTES_NAME}"),
        }
    }

    fn left_out(&self) -> Option<Fault> {
        self.git.left_out(&["events".to_owned()])
    }

    fn tracked(&self) -> Option<Fault> {
        let listed = self.git.run(&["ls-files", "-z", "--", "local", "index"]);
        let listed = listed.ok()?.ok()?;
        let first = words(&listed).next()?;
        Some(Fault::Tracked {
            files: words(&listed).count(),
            first,
        })
    }
}

/// Returns the fault by which a sparse checkout leaves out a store that is not found, at `root` or above it in a directory of this `name`.
pub(crate) fn left_out_store(root: &Path, name: Option<&str>) -> Option<Fault> {
    let disk = System::real().disk;
    let is_there = |path: &Path| matches!(disk.stat(path), Ok(Some(_)));
    let root = std::path::absolute(root).ok()?;
    let from = root.ancestors().find(|above| is_there(above))?;
    let git = Git::around(from).ok()?;
    let mut below = root.strip_prefix(from).ok()?.to_str()?.to_owned();
    if !below.is_empty() {
        below.push('/');
    }
    let Some(name) = name else {
        return git.left_out(&[format!("{below}events")]);
    };
    let said = git.run(&["rev-parse", "--show-cdup"]).ok()?.ok()?;
    let levels = said.iter().filter(|byte| **byte == b'/').count();
    let above = (0..=levels).map(|level| format!("{}{name}/events", "../".repeat(level)));
    git.left_out(&above.collect::<Vec<_>>())
}

impl Git {
    /// Returns the fault by which a sparse checkout leaves out files of these directories of events.
    fn left_out(&self, directories: &[String]) -> Option<Fault> {
        let file = self.path("info/sparse-checkout")?;
        System::real().disk.stat(&file).ok()??;
        let directories = directories.iter().map(String::as_str);
        let args = ["ls-files", "-t", "-z", "--full-name", "--"];
        let args: Vec<_> = args.into_iter().chain(directories).collect();
        let listed = self.run(&args).ok()?.ok()?;
        let left_out = words(&listed).filter_map(|it| it.strip_prefix("S ").map(str::to_owned));
        let left_out: Vec<_> = left_out.collect();
        let first = left_out.first()?;
        let end = first.rfind("/events/").map_or(0, |at| at + 1);
        let events = format!("{}events", &first[..end]);
        // In cone mode it takes directories, else patterns.
        let args = ["config", "--type=bool", "--get", "core.sparseCheckoutCone"];
        let cone = self.run(&args).ok()?;
        let is_cone = cone.is_ok_and(|said| said.trim_ascii() == b"true");
        Some(Fault::LeftOut {
            files: left_out.len(),
            events: match is_cone {
                true => events,
                false => format!("'/{events}/**'"),
            },
        })
    }
}

fn joined(paths: &[String]) -> String {
    paths.iter().map(|path| format!("{path}\0")).collect()
}

/// Returns what git separated by NUL.
fn words(said: &[u8]) -> impl Iterator<Item = String> {
    let said = said.strip_suffix(b"\0").unwrap_or(said);
    let words = said.split(|byte| *byte == 0);
    words
        .filter(move |_| !said.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
}
