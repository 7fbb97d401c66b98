//! Frames of the journal: a length, two checksums, a payload.
//!
//! ```text
//! | word: u32 LE | crc32(word): u32 LE | crc32(payload): u32 LE | payload: len bytes |
//!   word = len, and the highest bit when the next frame belongs to this one
//! ```
//!
//! Frames that belong together are a batch: what one writer adds at once, and what is true only as a whole.
//!
//! **Invariant**: a cut is told from damage. A file that ends inside a frame whose length can be trusted was cut by a
//! process that died while it appended; that record was never acknowledged. Anything else that does not verify is
//! damage, after which nothing in the file is believed.

/// Bytes before the payload.
pub(crate) const HEAD: usize = 12;

/// No payload is larger: the largest transaction file and a summary of it, which says nothing that is not in the file.
pub(crate) const MAX_PAYLOAD: usize = 2 * fs_format::limits::MAX_FILE_BYTES as usize + 4096;

/// The bit of the first word that says that the batch goes on with the next frame.
const MORE: u32 = 1 << 31;

/// What stands at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A whole frame: its payload, the bytes it took, and whether its batch goes on.
    Frame {
        payload: &'a [u8],
        taken: usize,
        more: bool,
    },
    /// Nothing more.
    End,
    /// A frame whose end has not been written.
    Cut,
    /// Bytes that no append of ours leaves behind.
    Damaged,
}

/// Appends the frames of `payloads` to `out`, as one batch.
pub(crate) fn push_batch(out: &mut Vec<u8>, payloads: &[Vec<u8>]) {
    let mut left = payloads.len();
    for payload in payloads {
        left -= 1;
        let len = u32::try_from(payload.len()).expect("payloads are bounded by the file limit");
        let word = if left > 0 { len | MORE } else { len }.to_le_bytes();
        out.extend_from_slice(&word);
        out.extend_from_slice(&crc32fast::hash(&word).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        out.extend_from_slice(payload);
    }
}

/// Reads the frame at the front of `bytes`.
pub(crate) fn next(bytes: &[u8]) -> Next<'_> {
    if bytes.is_empty() {
        return Next::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Next::Cut;
    };
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let len = (word(0) & !MORE) as usize;
    if crc32fast::hash(&head[..4]) != word(4) || len > MAX_PAYLOAD {
        return Next::Damaged;
    }
    match rest.get(..len) {
        None => Next::Cut,
        Some(payload) if crc32fast::hash(payload) == word(8) => Next::Frame {
            payload,
            taken: HEAD + len,
            more: word(0) & MORE != 0,
        },
        Some(_) => Next::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_cut_of_a_frame_is_a_cut(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = Vec::new();
            push_batch(&mut bytes, std::slice::from_ref(&payload));
            prop_assert_eq!(next(&bytes), Next::Frame { payload: &payload, taken: bytes.len(), more: false });
            for cut in 1..bytes.len() {
                prop_assert_eq!(next(&bytes[..cut]), Next::Cut, "cut after {} bytes", cut);
            }
        }

        #[test]
        fn every_flipped_bit_is_damage(payload in proptest::collection::vec(any::<u8>(), 0..64), at: prop::sample::Index, bit in 0u8..8, count in 1..=2_usize) {
            let mut bytes = Vec::new();
            push_batch(&mut bytes, &[payload, vec![]][..count]);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let (first, second) = (next(&bytes), next(&bytes[bytes.len().saturating_sub(HEAD)..]));
            prop_assert!(first == Next::Damaged || (count == 2 && second == Next::Damaged), "a flipped bit in byte {} passes for a cut or a frame", at);
        }
    }
}
