//! Which state a power cut leaves.

use std::collections::BTreeSet;

use super::state::{Content, FileData, Ino, ROOT, State, Write};

impl State {
    /// Cuts the power and starts the machine again: each pending change of names and each unsynced file has the fate that `choice` draws.
    pub(super) fn crash(&mut self, choice: &mut dyn FnMut(usize) -> usize) {
        for change in std::mem::take(&mut self.pending) {
            if choice(2) == 0 {
                self.settle(&change);
            }
        }
        for directory in self.inodes.values_mut() {
            if let Content::Directory(directory) = &mut directory.content {
                directory.current = directory.synced.clone();
            }
        }
        // Only the fate of files that still have a name makes a difference.
        let reachable = self.reachable();
        self.inodes.retain(|ino, _| reachable.contains(ino));
        for inode in self.inodes.values_mut() {
            if let Content::File(file) = &mut inode.content {
                let survivor = survivor(file, choice);
                *file = FileData {
                    current: survivor.clone(),
                    synced: survivor,
                    pending: Vec::new(),
                };
            }
        }
        self.locks.clear();
        self.fault = None;
        self.without_power = false;
        self.crashes += 1;
    }

    fn reachable(&self) -> BTreeSet<Ino> {
        let mut reachable = BTreeSet::from([ROOT]);
        let mut waiting = vec![ROOT];
        while let Some(ino) = waiting.pop() {
            if let Some(Content::Directory(directory)) =
                self.inodes.get(&ino).map(|inode| &inode.content)
            {
                waiting.extend(
                    directory
                        .current
                        .values()
                        .filter(|ino| reachable.insert(**ino)),
                );
            }
        }
        reachable
    }
}

/// Bytes that arrive on a disk together or not at all, where they lie together.
const SECTOR: usize = 512;

/// Draws what is left of a file: the synced bytes, everything, a torn prefix of the writes, the full length with zeros
/// where the first or the last of the unsynced bytes did not arrive, or, where synced bytes were written over, a choice of sectors.
fn survivor(file: &FileData, choice: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = file.synced.clone();
    let Some(last) = file.pending.len().checked_sub(1) else {
        return bytes;
    };
    let overwritten = file.pending.iter().any(|write| {
        matches!(write, Write::Bytes { offset, bytes } if *offset < file.synced.len() && !bytes.is_empty())
    });
    match choice(if overwritten { 8 } else { 5 }) {
        0 => {}
        1 => file
            .pending
            .iter()
            .for_each(|write| write.apply(&mut bytes)),
        2 => {
            let torn = choice(last + 1);
            file.pending[..torn]
                .iter()
                .for_each(|write| write.apply(&mut bytes));
            if let Write::Bytes {
                offset,
                bytes: written,
            } = &file.pending[torn]
            {
                let arrived = choice(written.len().max(1)).min(written.len());
                Write::Bytes {
                    offset: *offset,
                    bytes: written[..arrived].to_vec(),
                }
                .apply(&mut bytes);
            }
        }
        fate @ 5.. => {
            file.pending
                .iter()
                .for_each(|write| write.apply(&mut bytes));
            keep_sectors(file, &mut bytes, fate, choice);
        }
        fate => {
            file.pending
                .iter()
                .for_each(|write| write.apply(&mut bytes));
            let unsynced = file.synced.len().min(bytes.len());
            let border = unsynced + choice((bytes.len() - unsynced).max(1));
            if fate == 3 {
                bytes[border..].fill(0);
            } else {
                bytes[unsynced..border].fill(0);
            }
        }
    }
    bytes
}

/// Takes back some of the sectors that were written: all but one, one, or any subset, which beyond six sectors is a pattern of six.
fn keep_sectors(
    file: &FileData,
    bytes: &mut [u8],
    fate: usize,
    choice: &mut dyn FnMut(usize) -> usize,
) {
    let mut written = BTreeSet::new();
    for write in &file.pending {
        if let Write::Bytes {
            offset,
            bytes: there,
        } = write
            && !there.is_empty()
        {
            written.extend(offset / SECTOR..=(offset + there.len() - 1) / SECTOR);
        }
    }
    let drawn = match fate {
        5 | 6 => choice(written.len()),
        _ => choice(1 << written.len().min(6)),
    };
    for (nth, sector) in written.into_iter().enumerate() {
        let arrived = match fate {
            5 => nth != drawn,
            6 => nth == drawn,
            _ => drawn >> (nth % 6) & 1 == 1,
        };
        if arrived {
            continue;
        }
        for at in sector * SECTOR..((sector + 1) * SECTOR).min(bytes.len()) {
            bytes[at] = file.synced.get(at).copied().unwrap_or(0);
        }
    }
}
