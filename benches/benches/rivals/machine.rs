//! What the figures depend on: the machine, the file system, the versions.

use std::fmt;
use std::path::Path;
use std::process::Command;

use crate::Fallible;

/// Above this load, figures say more about the other programs.
const QUIET: f64 = 0.5;

pub(crate) struct Facts {
    processor: String,
    cores: usize,
    memory: String,
    kernel: String,
    file_system: String,
    compiler: String,
    load: f64,
}

impl Facts {
    /// Looks at this machine and at the file system that `scratch` lies on.
    pub(crate) fn gather(scratch: &Path) -> Fallible<Self> {
        std::fs::create_dir_all(scratch)?;
        let kibibytes = field("/proc/meminfo", "MemTotal:");
        let kibibytes = kibibytes
            .split_whitespace()
            .next()
            .and_then(|number| number.parse::<u64>().ok());
        let load = read("/proc/loadavg");
        let load = load.split_whitespace().next().unwrap_or_default();
        let compiler = Command::new("rustc").arg("--version").output();
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory: kibibytes
                .map_or_else(unknown, |size| format!("{} GiB", (size + (1 << 19)) >> 20)),
            kernel: format!(
                "{} {}",
                std::env::consts::OS,
                read("/proc/sys/kernel/osrelease").trim()
            ),
            file_system: file_system(&scratch.canonicalize()?),
            compiler: compiler.map_or_else(
                |_| unknown(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            ),
            load: load.parse().unwrap_or_default(),
        })
    }

    /// Returns what to say before measuring here; nothing on a quiet machine.
    pub(crate) fn warning(&self) -> String {
        if self.load > QUIET {
            format!(
                "note: the load average is {}; other programs disturb the figures\n",
                self.load
            )
        } else {
            String::new()
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory,
            kernel,
            file_system,
            compiler,
            load,
        } = self;
        writeln!(
            f,
            "- {processor}, {cores} cores, {memory} of memory; load average {load} at the start"
        )?;
        writeln!(f, "- {kernel}, {file_system}")?;
        writeln!(
            f,
            "- Tributary {}, eventcore-fs {}, eventcore-sqlite {} with SQLite {}; {compiler}",
            env!("CARGO_PKG_VERSION"),
            locked("eventcore-fs"),
            locked("eventcore-sqlite"),
            eventcore_sqlite::rusqlite::version(),
        )
    }
}

/// Returns the version of a crate by the lock file.
fn locked(name: &str) -> &'static str {
    let lock = include_str!("../../../Cargo.lock");
    let entry = format!("name = \"{name}\"\nversion = \"");
    let version = lock.split_once(&entry).map(|(_, after)| after);
    version
        .and_then(|after| after.split('"').next())
        .unwrap_or("?")
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Returns what a file says after `name` and a colon, once.
fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.map_or_else(unknown, |value| {
        value.trim_start_matches([' ', '\t', ':']).to_owned()
    })
}

/// Returns the type of the file system at `path`, which is absolute.
fn file_system(path: &Path) -> String {
    let mounts = read("/proc/self/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    above
        .max_by_key(|(point, _)| point.len())
        .map_or_else(unknown, |(_, kind)| kind.to_owned())
}
