//! What a file looks like from outside: inode, length and times, as one number.
//!
//! A file whose stamp is the recorded one holds what was read of it; one with another stamp is read again. Of a directory
//! the sum of the stamps of its known files is kept, so that a poll costs one `stat` a file and no record of any.
//!
//! **Invariant**: a file that was replaced, or written to, has another stamp, unless somebody turned back its times and the
//! system does not say when attributes changed.

use fs_io::Stat;

/// The stamp of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp(pub(crate) u64);

/// The sum of the stamps of files, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StampSum(pub(crate) u64);

impl FileStamp {
    /// That of a file that nobody has looked at.
    pub(crate) const UNKNOWN: Self = Self(0);

    pub(crate) fn of(stat: &Stat) -> Self {
        let inode = stat.file_id.map_or(0, |id| id.inode);
        let times = [stat.modified_nanos, stat.changed_nanos.unwrap_or(0)];
        let fields = [inode, stat.len].into_iter();
        let fields = fields.chain(times.map(i64::cast_unsigned));
        Self(fields.fold(0, |stamp, field| mix(stamp ^ field)))
    }
}

impl StampSum {
    pub(crate) fn add(&mut self, stamp: FileStamp) {
        self.0 = self.0.wrapping_add(stamp.0);
    }

    pub(crate) fn subtract(&mut self, stamp: FileStamp) {
        self.0 = self.0.wrapping_sub(stamp.0);
    }
}

/// Spreads every bit over all (one step of SplitMix64).
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use fs_io::{FileId, FileKind};

    use super::*;

    #[test]
    fn every_field_that_a_replacement_changes_counts() {
        let stat = Stat {
            kind: FileKind::File,
            len: 7,
            modified_nanos: 5,
            changed_nanos: Some(6),
            born_nanos: None,
            file_id: Some(FileId {
                device: 1,
                inode: 2,
            }),
        };
        let stamp = FileStamp::of(&stat);
        let others = [
            Stat { len: 8, ..stat },
            Stat {
                modified_nanos: 6,
                ..stat
            },
            Stat {
                changed_nanos: Some(7),
                ..stat
            },
            Stat {
                file_id: Some(FileId {
                    device: 1,
                    inode: 3,
                }),
                ..stat
            },
        ];
        for other in others {
            assert_ne!(FileStamp::of(&other), stamp, "{other:?} is another file");
        }
        let born = Stat {
            born_nanos: Some(9),
            file_id: Some(FileId {
                device: 9,
                inode: 2,
            }),
            ..stat
        };
        assert_eq!(
            FileStamp::of(&born),
            stamp,
            "the device may change at a reboot"
        );
    }

    #[test]
    fn a_sum_forgets_the_order() {
        let (one, two) = (FileStamp(u64::MAX), FileStamp(7));
        let mut sum = StampSum::default();
        sum.add(one);
        sum.add(two);
        sum.subtract(one);
        let mut other = StampSum::default();
        other.add(two);
        assert_eq!(sum, other, "what was added can be taken out");
    }
}
