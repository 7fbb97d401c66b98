//! Asking git about its rules once for each change of them, as `trib append` does.
//!
//! What git answered is noted in `local/git-rules`, with the files on which the answer depends, and what they looked like. While they
//! look so, git is not asked again, since that takes more than ten processes; a fault is told each time from the note.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_index::Layout;
use fs_io::{SyncPolicy, System};

use super::Git;
use super::rules::{self, Fault, Rules};

const FIRST_LINE: &str = "git rules 2";
const LAST_LINE: &str = "end";

/// A longer note is none.
const MAX_BYTES: u64 = 1 << 20;

/// Where people's own configuration of git lies.
const PERSONAL: [&str; 3] = ["HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL"];

/// Variables that say where git's other configuration lies, or what it says.
const CONFIGURING: [&str; 4] = [
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
];

/// What the variables that [`CONFIGURING`] counts are called, but for their numbers.
const COUNTED: [&str; 2] = ["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];

/// Returns the faults by which a transaction file of the store at `root` is not committed; `file` is its path below `root`.
pub(crate) fn faults(root: &Path, file: &str) -> Vec<Fault> {
    let system = System::real();
    let layout = Layout::new(root);
    let note = layout.local_item("git-rules");
    let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
    let head = head(directory);
    if let Some(found) = as_noted(&system, &note, &head) {
        return found;
    }
    let rules = Rules::around(root);
    // What changes from here on is asked about again.
    let text = noted(&system, root, directory, rules.as_ref());
    let found = rules.map_or(Vec::new(), |rules| rules::faults_of(&rules, file));
    if let Some(stamps) = text
        && let Ok(faults) = serde_json::to_string(&found)
    {
        let temp = layout.temp();
        let temp = temp.join(format!("git-rules-{}", system.machine.process_id));
        let text = format!("{head}{faults}\n{stamps}{LAST_LINE}\n");
        // Without the note, git is asked again.
        let _ = fs_io::replace(
            system.disk.as_ref(),
            &temp,
            &note,
            text.as_bytes(),
            SyncPolicy::None,
        );
    }
    found
}

/// Returns the first lines of a note about files of a directory.
fn head(directory: &str) -> String {
    let variables = PERSONAL.iter().chain(&CONFIGURING);
    let mut variables: Vec<_> = variables
        .map(|name| format!("{:?}", std::env::var_os(name)))
        .collect();
    let counted = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        COUNTED.iter().any(|start| name.starts_with(start))
    });
    let mut counted: Vec<_> = counted.collect();
    counted.sort();
    variables.extend(counted.iter().map(|variable| format!("{variable:?}")));
    format!("{FIRST_LINE}\n{directory}\n{}\n", variables.join(" "))
}

/// Returns the faults that git told of, if all is as it was when it was asked.
fn as_noted(system: &System, note: &Path, head: &str) -> Option<Vec<Fault>> {
    let bytes = system.disk.read(note, MAX_BYTES).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let lines = text.strip_prefix(head)?;
    let lines = lines.strip_suffix(&format!("{LAST_LINE}\n"))?;
    let (faults, stamps) = lines.split_once('\n')?;
    let is_unchanged = stamps.lines().all(|line| {
        let noted = line.split_once(' ');
        noted.is_some_and(|(stamp, path)| stamp == stamp_of(system, Path::new(path)))
    });
    is_unchanged.then(|| serde_json::from_str(faults).ok())?
}

/// Returns the lines that name the files on which an answer depends.
fn noted(system: &System, root: &Path, directory: &str, rules: Option<&Rules>) -> Option<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    let depth = rules.map(|rules| rules.up.matches("../").count());
    for (level, above) in root.ancestors().enumerate() {
        files.push(above.join(".git"));
        files.push(above.join(".gitignore"));
        if depth == Some(level) {
            break;
        }
    }
    if let Some(rules) = rules {
        let mut below = root.to_owned();
        for name in directory.split('/') {
            below.push(name);
            files.push(below.join(".gitignore"));
        }
        files.extend(rules.git.paths(&[
            // A part of the configuration may be for one branch.
            "HEAD",
            "config",
            "config.worktree",
            "info/exclude",
            "info/sparse-checkout",
            "index",
        ])?);
        files.extend(excludes(&rules.git));
        // git names its files as seen from the top of the work tree.
        let top = rules.git.root.join(&rules.up);
        files.extend(configured(&rules.git, &top));
        files.extend(included(&rules.git, &top));
        files.extend(personal());
    }
    let mut text = String::new();
    for file in files {
        let path = file.to_str().filter(|path| !path.contains(['\n', '\r']))?;
        text.push_str(&format!("{} {path}\n", stamp_of(system, &file)));
    }
    Some(text)
}

/// Returns the file of ignore rules that the configuration names.
fn excludes(git: &Git) -> Option<PathBuf> {
    let said = git.run(&["config", "--type=path", "--get", "core.excludesFile"]);
    let said = String::from_utf8(said.ok()?.ok()?).ok()?;
    let path = said.trim_end_matches('\n');
    (!path.is_empty()).then(|| git.root.join(path))
}

/// Returns the files that git's configuration comes from, also those that are included; and the one of the system, be it there or not.
fn configured(git: &Git, top: &Path) -> Vec<PathBuf> {
    let asked = |args: &[&str]| {
        let said = git.run(args).ok()?.ok()?;
        String::from_utf8(said).ok()
    };
    let listed = asked(&["config", "--list", "--show-origin", "--name-only", "-z"]);
    let listed = listed.unwrap_or_default();
    let origins = listed
        .split('\0')
        .filter_map(|it| it.strip_prefix("file:"))
        .collect::<BTreeSet<_>>();
    let mut files: Vec<_> = origins.iter().map(|file| top.join(file)).collect();
    // An earlier git does not tell.
    let system = asked(&["var", "GIT_CONFIG_SYSTEM"]).unwrap_or_else(|| "/etc/gitconfig".into());
    let system = system.lines().filter(|line| !line.is_empty());
    files.extend(system.map(|file| top.join(file)));
    files
}

/// Returns the files that the configuration includes, or would on some condition, be they there or not.
fn included(git: &Git, top: &Path) -> Vec<PathBuf> {
    let args = ["config", "--show-origin", "--type=path", "-z"];
    let args = [&args[..], &["--get-regexp", r"^include(if\..*)?\.path$"]].concat();
    let said = git.run(&args).ok().and_then(Result::ok);
    let said = said.and_then(|said| String::from_utf8(said).ok());
    let said = said.unwrap_or_default();
    // Of each: where it is said, NUL, the key, LF, the path, NUL.
    let mut parts = said.split('\0');
    let mut files = Vec::new();
    while let (Some(origin), Some(entry)) = (parts.next(), parts.next()) {
        let Some((_, path)) = entry.split_once('\n') else {
            continue;
        };
        let said_in = top.join(origin.strip_prefix("file:").unwrap_or(""));
        let beside = said_in.parent().unwrap_or(top);
        files.push(beside.join(path));
    }
    files
}

/// Returns the files in which people configure git for themselves.
fn personal() -> Vec<PathBuf> {
    let [home, xdg, config] = PERSONAL.map(|name| std::env::var_os(name).map(PathBuf::from));
    let xdg = xdg.or_else(|| home.as_ref().map(|home| home.join(".config")));
    let mut files: Vec<PathBuf> = config.into_iter().collect();
    files.extend(home.map(|home| home.join(".gitconfig")));
    for name in ["git/config", "git/ignore"] {
        files.extend(xdg.as_ref().map(|xdg| xdg.join(name)));
    }
    files
}

/// Returns a word for what a file looks like.
fn stamp_of(system: &System, path: &Path) -> String {
    match system.disk.stat(path) {
        Ok(Some(stat)) => format!(
            "{}-{}-{}",
            stat.len,
            stat.changed_nanos.unwrap_or(stat.modified_nanos),
            stat.file_id.map_or(0, |id| id.inode)
        ),
        Ok(None) => "none".to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}
