//! Where something of a working copy was written, and whether that is here.
//!
//! The log, the identity and the index are each worth something in the one working copy that wrote them. Each records the [`Site`] of the
//! store's directory, and whoever reads it asks [`Site::judge`], so that the three cannot disagree. The rule, in words, is in
//! `docs/format.md`, "Ours or a copy".
//!
//! **Invariant:** the rule is a pure function of what was recorded and what is there now. What is not known counts for nothing.
//!
//! # Limitations
//! A clone of a whole file system (a snapshot, an image of a disk) has the inodes and the birth times of the original. It is taken for the
//! original, on the same machine silently.

use std::fmt;
use std::io;
use std::path::Path;

use crate::disk::Stat;
use crate::system::System;

/// Longest id of a machine or a boot that is recorded whole.
const MAX_ID_BYTES: usize = 64;

/// Bytes of the longest text of a site.
pub const MAX_SITE_BYTES: usize = 320;

/// The facts by which a place is known again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    boot: Option<String>,
    machine: Option<String>,
    device: Option<u64>,
    inode: Option<Inode>,
    born_nanos: Option<i64>,
    path: Option<u64>,
}

/// An inode, and whether it is the same after the file system was mounted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inode {
    number: u64,
    is_lasting: bool,
}

/// Whose something is that was recorded at a [`Site`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This working copy's.
    Ours,
    /// This working copy's, which was on another machine and another device before, or is a clone of such a one.
    Moved,
    /// Another working copy's: what is here was copied, or restored from a backup.
    Copy,
}

impl Site {
    /// Returns the site of a directory.
    ///
    /// # Errors
    /// When the system does not say what is there. Of a directory that is missing, little is known.
    pub fn of_directory(system: &System, directory: &Path) -> io::Result<Self> {
        let stat = system.disk.stat(directory)?;
        let is_lasting = system.disk.keeps_inodes(directory);
        Ok(Self {
            boot: system.machine.boot_id.as_deref().map(recordable),
            machine: system.machine.machine_id.as_deref().map(recordable),
            device: stat.and_then(|stat| Some(stat.file_id?.device)),
            path: Some(hash_of(directory)),
            ..Self::of_stat(stat.as_ref(), is_lasting)
        })
    }

    /// Returns the site of one file in the directory of this site: the facts that tell a file from a copy beside it.
    #[must_use]
    pub fn of_file(&self, file: &Stat) -> Self {
        Self::of_stat(Some(file), self.inode.is_none_or(|inode| inode.is_lasting))
    }

    fn of_stat(stat: Option<&Stat>, is_lasting: bool) -> Self {
        let number = stat.and_then(|stat| Some(stat.file_id?.inode));
        Self {
            inode: number.map(|number| Inode { number, is_lasting }),
            born_nanos: stat.and_then(|stat| stat.born_nanos),
            ..Self::default()
        }
    }

    /// Returns whose something is that was recorded at this site and is found at the site `now`.
    #[must_use]
    pub fn judge(&self, now: &Self) -> Ownership {
        let inode = self.agrees_on_inode(now);
        let born = agree(self.born_nanos.as_ref(), now.born_nanos.as_ref());
        let (is_here, is_certain) = match (born, inode) {
            (Some(false), _) | (_, Some(false)) => (false, true),
            (Some(true), _) => (true, true),
            (None, Some(true)) => (true, false),
            (None, None) => {
                let path = agree(self.path.as_ref(), now.path.as_ref());
                let machine = agree(self.machine.as_ref(), now.machine.as_ref());
                (path != Some(false) && machine != Some(false), false)
            }
        };
        match (is_here, self.is_elsewhere(now), is_certain) {
            (false, ..) | (true, true, false) => Ownership::Copy,
            (true, true, true) => Ownership::Moved,
            (true, false, _) => Ownership::Ours,
        }
    }

    /// Returns whether the machine has run, with the file system on one device, since this was recorded: what was written then is there
    /// unless somebody removed it, synced or not.
    #[must_use]
    pub fn is_same_session(&self, now: &Self) -> bool {
        let boot = agree(self.boot.as_ref(), now.boot.as_ref());
        let device = agree(self.device.as_ref(), now.device.as_ref());
        boot == Some(true) && device != Some(false)
    }

    /// Returns the id of the boot, where the machine tells one boot from the next.
    #[must_use]
    pub fn boot(&self) -> Option<&str> {
        self.boot.as_deref()
    }

    /// Returns whether the inodes are the same; `None` where one that differs tells nothing.
    fn agrees_on_inode(&self, now: &Self) -> Option<bool> {
        let (before, now) = (self.inode?, now.inode?);
        let is_same = before.number == now.number;
        (is_same || (before.is_lasting && now.is_lasting)).then_some(is_same)
    }

    /// Returns whether boot, machine and device are known and all are others.
    fn is_elsewhere(&self, now: &Self) -> bool {
        agree(self.boot.as_ref(), now.boot.as_ref()) == Some(false)
            && agree(self.machine.as_ref(), now.machine.as_ref()) == Some(false)
            && agree(self.device.as_ref(), now.device.as_ref()) == Some(false)
    }

    /// Reads what [`Display`](fmt::Display) wrote; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut site = Self::default();
        for fact in text.split_ascii_whitespace() {
            let (name, value) = fact.split_once('=')?;
            let inode = |is_lasting| {
                let number = value.parse().ok()?;
                Some(Inode { number, is_lasting })
            };
            match name {
                "boot" => site.boot = Some(value.to_owned()),
                "machine" => site.machine = Some(value.to_owned()),
                "device" => site.device = Some(value.parse().ok()?),
                "inode" => site.inode = Some(inode(true)?),
                "passing-inode" => site.inode = Some(inode(false)?),
                "born" => site.born_nanos = Some(value.parse().ok()?),
                "path" => site.path = Some(u64::from_str_radix(value, 16).ok()?),
                _ => return None,
            }
        }
        (site.to_string() == text).then_some(site)
    }
}

/// The one text of a site: the known facts, `name=value`, in a fixed order, with one space between.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inode = |is_lasting| {
            let known = self.inode.filter(|inode| inode.is_lasting == is_lasting);
            known.map(|inode| inode.number.to_string())
        };
        let facts = [
            ("boot", self.boot.clone()),
            ("machine", self.machine.clone()),
            ("device", self.device.map(|device| device.to_string())),
            ("inode", inode(true)),
            ("passing-inode", inode(false)),
            ("born", self.born_nanos.map(|born| born.to_string())),
            ("path", self.path.map(|path| format!("{path:016x}"))),
        ];
        let mut space = "";
        for (name, value) in facts {
            if let Some(value) = value {
                write!(f, "{space}{name}={value}")?;
                space = " ";
            }
        }
        Ok(())
    }
}

/// Returns whether two facts are the same; `None` where one is not known.
fn agree<T: PartialEq + ?Sized>(one: Option<&T>, other: Option<&T>) -> Option<bool> {
    Some(one? == other?)
}

/// Returns an id as it is recorded: without what would end it in a text.
fn recordable(id: &str) -> String {
    let kept = id.chars().filter(char::is_ascii_graphic);
    kept.take(MAX_ID_BYTES).collect()
}

/// Hashes a path (FNV-1a): enough to tell two of one machine apart, and no name of a user's is recorded.
fn hash_of(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a site of letters: each fact is `a` or another letter, `-` when it is not known; a passing inode is upper case.
    fn site(facts: &str) -> Site {
        let [boot, machine, device, inode, born, path] = facts.as_bytes() else {
            panic!("six facts: {facts}");
        };
        let number = |fact: u8| (fact != b'-').then(|| u64::from(fact.to_ascii_lowercase()));
        let text = |fact: u8| number(fact).map(|number| number.to_string());
        Site {
            boot: text(*boot),
            machine: text(*machine),
            device: number(*device),
            inode: number(*inode).map(|number| Inode {
                number,
                is_lasting: inode.is_ascii_lowercase(),
            }),
            born_nanos: number(*born).map(|born| i64::try_from(born).unwrap()),
            path: number(*path),
        }
    }

    /// Every site whose facts are each the same, another, or not known, seen from `aaaaaa`.
    fn all_sites() -> Vec<String> {
        let mut all = vec![String::new()];
        for nth in 0..6 {
            let values: &[char] = if nth == 3 {
                &['a', 'b', '-', 'A', 'B']
            } else {
                &['a', 'b', '-']
            };
            let with = |facts: &String| values.iter().map(|it| format!("{facts}{it}")).collect();
            all = all
                .iter()
                .flat_map(|facts| -> Vec<_> { with(facts) })
                .collect();
        }
        all
    }

    #[test]
    fn every_combination_of_facts_is_judged_by_the_rule() {
        use Ownership::{Copy, Moved, Ours};
        for facts in all_sites() {
            let fact: Vec<char> = facts.chars().collect();
            let elsewhere = fact[..3] == ['b', 'b', 'b'];
            // The rule as `docs/format.md` has it, line by line.
            let right = match (fact[3], fact[4]) {
                // Another inode that lasts, or another birth time: a copy.
                (_, 'b') | ('b', _) => Copy,
                // The birth time is the same.
                (_, 'a') if elsewhere => Moved,
                (_, 'a') => Ours,
                // Only the inode is known to be the same.
                ('a' | 'A', _) if elsewhere => Copy,
                ('a' | 'A', _) => Ours,
                // Neither says anything: the path, on the same machine.
                _ if fact[5] == 'b' || fact[1] == 'b' => Copy,
                _ => Ours,
            };
            let (recorded, now) = (site("aaaaaa"), site(&facts));
            assert_eq!(recorded.judge(&now), right, "now: {facts}");
            assert_eq!(now.judge(&recorded), right, "recorded: {facts}");
        }
    }

    #[test]
    fn the_cases_that_people_meet() {
        use Ownership::{Copy, Moved, Ours};
        for (what, now, right) in [
            ("nothing changed", "aaaaaa", Ours),
            ("a container beside its host", "abaaab", Ours),
            ("a reboot", "baaaaa", Ours),
            ("a stick that was plugged in again", "aabaab", Ours),
            ("a stick after a reboot", "babaab", Ours),
            ("a directory that was renamed", "aaaaab", Ours),
            (
                "a container after a reboot, or a cloned disk",
                "bbbaaa",
                Moved,
            ),
            ("cp -r", "aaabbb", Copy),
            (
                "a directory that was given the inode of the one removed",
                "aaaaba",
                Copy,
            ),
            ("a clone elsewhere", "bbbbbb", Copy),
            (
                "without birth times: a reboot and another device",
                "baba-a",
                Ours,
            ),
            ("without birth times: all else is another", "bbba-a", Copy),
            ("inodes that do not last: mounted again", "aabBaa", Ours),
            ("and without birth times, at its path", "aabB-a", Ours),
            ("and at another path", "aabB-b", Copy),
        ] {
            assert_eq!(site("aaaaaa").judge(&site(now)), right, "{what}");
        }
    }

    #[test]
    fn what_was_written_in_another_boot_or_on_another_device_may_be_lost() {
        let same = |now| site("aaaaaa").is_same_session(&site(now));
        assert!(same("aaaaaa") && same("abaaaa") && same("aa-aaa"));
        for lost in ["baaaaa", "-aaaaa", "aabaaa"] {
            assert!(!same(lost), "{lost}");
        }
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        for facts in all_sites() {
            let site = site(&facts);
            let text = site.to_string();
            assert_eq!(Site::parse(&text), Some(site), "{text}");
            assert!(text.len() <= MAX_SITE_BYTES);
        }
        for other in [
            "boot=a boot=a",
            "inode=x",
            "boot",
            "mood=a",
            " boot=a",
            "device=1 boot=a",
        ] {
            assert_eq!(Site::parse(other), None, "{other:?} was not written by us");
        }
        let longest = Site {
            boot: Some(recordable(&"b c".repeat(99))),
            machine: Some(recordable(&"m".repeat(99))),
            device: Some(u64::MAX),
            inode: Some(Inode {
                number: u64::MAX,
                is_lasting: false,
            }),
            born_nanos: Some(i64::MIN),
            path: Some(u64::MAX),
        };
        assert!(longest.to_string().len() <= MAX_SITE_BYTES, "{longest}");
        assert_eq!(Site::parse(&longest.to_string()), Some(longest));
    }
}
