//! Every file of the index cut at every length and changed in every byte: the store answers as its files say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use scenarios::answers::{
    Answers, Follower, Ingestion, assert_true_to_its_files, copy_dir, unsynced,
};
use scenarios::{World, append, decide, numbers};

/// How many lengths or bytes between the ends of one file are tried, where [`TRIALS_VARIABLE`] does not say. Smaller
/// files are tried in full.
const TRIALS: usize = 500;

/// Raises the number of trials, as a night's run does.
const TRIALS_VARIABLE: &str = "INDEX_DAMAGE_TRIALS";

/// How many bytes at both ends are always tried: heads, and records that were being written.
const ENDS: usize = 80;

#[test]
fn a_cut_index_gives_the_right_answers() {
    let mut victim = Victim::new();
    for (path, bytes) in victim.files() {
        for len in trials(bytes.len()) {
            victim.check(&path, Some(&bytes[..len]), &format!("cut to {len}"));
        }
    }
}

#[test]
fn a_changed_byte_of_the_index_gives_the_right_answers() {
    let mut victim = Victim::new();
    for (path, bytes) in victim.files() {
        for at in trials(bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= if at % 2 == 0 { 0x01 } else { 0xff };
            victim.check(&path, Some(&changed), &format!("changed at {at}"));
        }
    }
}

#[test]
fn a_missing_exchanged_or_overlong_file_of_the_index_gives_the_right_answers() {
    let mut victim = Victim::new();
    let files = victim.files();
    for (path, bytes) in &files {
        victim.check(path, None, "missing");
        for (other, content) in &files {
            victim.check(path, Some(content), &format!("that of {}", other.display()));
        }
        for tail in [
            &[0; 1][..],
            &[0; 4096],
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            bytes,
        ] {
            let long = [bytes, tail].concat();
            victim.check(path, Some(&long), &format!("longer by {}", tail.len()));
        }
        victim.check(path, Some(&vec![0; bytes.len()]), "zeros");
    }
}

#[test]
fn an_index_of_before_gives_the_right_answers() {
    let victim = Victim::new();
    let index = victim.root.join("index");
    let old = victim.world.path().join("old");
    copy_dir(&index, &old);
    let open = unsynced().create(&victim.root).unwrap();
    for n in 0..3 {
        append(&open, "later", n);
    }
    let (now, before) = (Answers::of(&open).unwrap(), Ingestion::of(&open).unwrap());
    // All of it, and each file by itself beside the new ones.
    let new = victim.world.path().join("new");
    copy_dir(&index, &new);
    let mut mixtures: Vec<_> = contents(&old).into_keys().map(|file| vec![file]).collect();
    mixtures.push(contents(&old).into_keys().collect());
    for mixture in mixtures {
        fs::remove_dir_all(&index).unwrap();
        copy_dir(&new, &index);
        for file in &mixture {
            fs::copy(old.join(file), index.join(file)).unwrap();
        }
        assert_right(
            &victim.root,
            &now,
            &before,
            &format!("{mixture:?} of three appends before"),
        );
    }
}

#[test]
fn an_index_damaged_under_open_handles_is_mended() {
    let victim = Victim::new();
    let index = victim.root.join("index");
    let mut n = 0;
    for kind in ["journal", "manifest", "segment"] {
        for damage in Damage::ALL {
            let open: Vec<_> = (0..2)
                .map(|_| unsynced().create(&victim.root).unwrap())
                .collect();
            assert_true_to_its_files(&open[0]);
            for path in of_kind(&index, kind) {
                damage.inflict(&index.join(path));
            }
            // One handle appends, the other had read before, and one comes later.
            append(&open[0], "under", n);
            n += 1;
            let later = unsynced().create(&victim.root).unwrap();
            let mut follower = Follower::default();
            for store in open.iter().chain([&later]) {
                let (_, ingestion) = assert_true_to_its_files(store);
                follower.see(&ingestion);
            }
            append(&open[1], "under", n);
            n += 1;
            let expected: Vec<_> = (0..n).collect();
            assert_eq!(
                numbers(&open[0], "under"),
                expected,
                "{kind} {damage:?}: nothing is lost and appends go on"
            );
            let (_, one) = assert_true_to_its_files(&open[0]);
            let (_, other) = assert_true_to_its_files(&later);
            assert_eq!(one, other, "handles agree about the positions in the end");
        }
    }
}

/// What happens to a file under open handles.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Emptied,
    Halved,
    OneByte,
    ManyBytes,
    Lengthened,
    Missing,
}

impl Damage {
    const ALL: [Self; 6] = [
        Self::Emptied,
        Self::Halved,
        Self::OneByte,
        Self::ManyBytes,
        Self::Lengthened,
        Self::Missing,
    ];

    fn inflict(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self {
            Self::Emptied => bytes.clear(),
            Self::Halved => bytes.truncate(bytes.len() / 2),
            Self::OneByte => {
                let middle = bytes.len() / 2;
                bytes
                    .iter_mut()
                    .skip(middle)
                    .take(1)
                    .for_each(|byte| *byte ^= 1);
            }
            Self::ManyBytes => {
                let some = bytes.iter_mut().skip(20).step_by(50);
                some.for_each(|byte| *byte ^= 0x10);
            }
            Self::Lengthened => bytes.extend([0x5a; 100]),
            Self::Missing => return fs::remove_file(path).unwrap(),
        }
        fs::write(path, &bytes).unwrap();
    }
}

/// Returns the names of the files of the index of this kind, which is their name or its ending.
fn of_kind(index: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = contents(index).into_keys().collect();
    found.retain(|path| path.to_string_lossy().ends_with(kind));
    assert!(!found.is_empty(), "there is a {kind} to be damaged");
    found
}

struct Victim {
    world: World,
    root: PathBuf,
    answers: Answers,
    ingestion: Ingestion,
    index: BTreeMap<PathBuf, Vec<u8>>,
}

impl Victim {
    /// A store with a fork, a stale read and a vanished transaction, whose index is up to date.
    fn new() -> Self {
        let world = World::in_memory();
        let one = world.init("one");
        one.work("issue", &[1]);
        let two = world.clone(&one, "two");
        one.work("issue", &[2]);
        decide(&two.store(), "issue", "decision", 3);
        two.commit("decide");
        two.work("issue", &[4]);
        one.merge(&two);
        one.work("lost", &[5]);
        one.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
        one.work("top", &[6]);
        let root = world.path().join("store");
        copy_dir(&one.root(), &root);
        // Twice, so that whatever is written at the first look is there.
        for _ in 0..2 {
            let store = unsynced().create(&root).unwrap();
            Answers::of(&store).unwrap();
        }
        let index = contents(&root.join("index"));
        for kind in ["journal", "manifest", "segment"] {
            of_kind(&root.join("index"), kind);
        }
        let store = unsynced().create(&root).unwrap();
        let victim = Self {
            answers: Answers::of_files(&root),
            ingestion: Ingestion::of(&store).unwrap(),
            world,
            root,
            index,
        };
        victim.restore();
        let undamaged = unsynced().create(&victim.root).unwrap();
        assert_eq!(
            Ingestion::of(&undamaged).unwrap(),
            victim.ingestion,
            "an index that is put back as it was is good, so the damage is what is tested"
        );
        victim
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.index.clone()
    }

    /// Puts the index back as it was.
    fn restore(&self) {
        let index = self.root.join("index");
        for path in contents(&index).keys() {
            if !self.index.contains_key(path) {
                fs::remove_file(index.join(path)).unwrap();
            }
        }
        for (path, bytes) in &self.index {
            let path = index.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Checks a store whose file `path` of the index is `bytes` or missing.
    fn check(&mut self, path: &Path, bytes: Option<&[u8]>, what: &str) {
        self.restore();
        let target = self.root.join("index").join(path);
        match bytes {
            Some(bytes) => fs::write(target, bytes).unwrap(),
            None => fs::remove_file(target).unwrap(),
        }
        let what = format!("{} {what}", path.display());
        assert_right(&self.root, &self.answers, &self.ingestion, &what);
    }
}

/// Checks that a store answers rightly, and that positions mean what they meant or are of another epoch.
fn assert_right(root: &Path, answers: &Answers, ingestion: &Ingestion, what: &str) {
    for opening in ["first", "second"] {
        let failed = |error: &dyn std::fmt::Debug| -> ! {
            panic!(
                "{what}, {opening} opening: any damage of the index is mended from events/, got {error:?}"
            )
        };
        let store = unsynced()
            .create(root)
            .unwrap_or_else(|error| failed(&error));
        let answered = Answers::of(&store).unwrap_or_else(|error| failed(&error));
        let order = Ingestion::of(&store).unwrap_or_else(|error| failed(&error));
        answered.assert_same(answers, &format!("{what}, {opening} opening"));
        order.assert_covers(&answered);
        if order.epoch() == ingestion.epoch() {
            assert_eq!(
                order, *ingestion,
                "{what}, {opening} opening: positions of an epoch mean what they meant"
            );
        }
    }
}

/// Returns the files below a directory with their contents.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut below = vec![PathBuf::new()];
    while let Some(at) = below.pop() {
        for entry in fs::read_dir(dir.join(&at)).unwrap() {
            let entry = entry.unwrap();
            let path = at.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                below.push(path);
            } else {
                found.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// Returns the places of a file that are tried: both ends, and what the number of trials allows in between.
fn trials(len: usize) -> BTreeSet<usize> {
    let wanted = std::env::var(TRIALS_VARIABLE).ok();
    let wanted = wanted.and_then(|text| text.parse().ok()).unwrap_or(TRIALS);
    let between = (0..len).step_by(len.div_ceil(wanted.max(1)).max(1));
    let ends = (0..ENDS.min(len)).chain(len.saturating_sub(ENDS)..len);
    between.chain(ends).collect()
}
