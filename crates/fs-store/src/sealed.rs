//! The bytes of a state file: what it is, for whom, and a checksum over all of it. A read model that keeps cursors elsewhere writes them so too.
//!
//! ```text
//! tributary consumer 1 5f3a9c01        kind, format, CRC-32 of the file without these eight digits
//! "notifier"                           the name that it belongs to, JSON
//! {"position":...}                     the content: JSON, or what else its owner writes
//! ```
//!
//! The first line has this form in every format, so that a file of a newer version is told from one that is damaged.
//!
//! **Invariant**: what is read is what was written, for this kind and name. A flipped bit, a lost end or a file in the place of another
//! is noticed.

/// The format that this version writes.
pub const FORMAT: u32 = 1;

const MAGIC: &str = "tributary ";

/// Hexadecimal digits of the checksum.
const DIGITS: usize = 8;

/// Why bytes are not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unbelieved {
    /// They are not what was written.
    Damaged,
    /// They were written by a newer version.
    Newer {
        /// Their format.
        format: u32,
    },
    /// They were written before there was a checksum.
    Unsealed,
}

/// What a state file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// The name that it belongs to.
    pub name: String,
    /// What its owner wrote.
    pub content: &'a [u8],
}

/// Returns the bytes of a state file of a kind, a word.
pub fn seal(kind: &str, name: &str, content: &[u8]) -> Vec<u8> {
    let name = serde_json::Value::from(name).to_string();
    let before = format!("{MAGIC}{kind} {FORMAT} ");
    let after = [b"\n", name.as_bytes(), b"\n", content].concat();
    let checksum = checksum(before.as_bytes(), &after);
    [before.as_bytes(), checksum.as_bytes(), &after].concat()
}

/// Reads the bytes of a state file of a kind.
///
/// # Errors
/// [`Unbelieved`].
pub fn unseal<'a>(kind: &str, bytes: &'a [u8]) -> Result<Sealed<'a>, Unbelieved> {
    if bytes.starts_with(b"{") {
        return Err(Unbelieved::Unsealed);
    }
    let (format, content) = checked(kind, bytes).ok_or(Unbelieved::Damaged)?;
    if format > FORMAT {
        return Err(Unbelieved::Newer { format });
    }
    let sealed = || {
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let name = serde_json::from_slice(&content[..end]).ok()?;
        let content = &content[end + 1..];
        (format == FORMAT).then_some(Sealed { name, content })
    };
    sealed().ok_or(Unbelieved::Damaged)
}

/// Returns the format that the first of these bytes announce, unchecked.
pub(crate) fn announced(kind: &str, bytes: &[u8]) -> Option<u32> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let said = std::str::from_utf8(line).ok()?.strip_prefix(MAGIC)?;
    let said = said.strip_prefix(kind)?.strip_prefix(' ')?;
    said.split_once(' ')?.0.parse().ok()
}

/// Returns the format, and what stands below the first line, of bytes whose checksum is right.
fn checked<'a>(kind: &str, bytes: &'a [u8]) -> Option<(u32, &'a [u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (before, found) = bytes[..end].split_at_checked(end.checked_sub(DIGITS)?)?;
    if checksum(before, &bytes[end..]).as_bytes() != found {
        return None;
    }
    let said = std::str::from_utf8(before).ok()?.strip_prefix(MAGIC)?;
    let format = said.strip_prefix(kind)?.strip_prefix(' ')?;
    let format = format.strip_suffix(' ')?.parse().ok()?;
    Some((format, &bytes[end + 1..]))
}

fn checksum(before: &[u8], after: &[u8]) -> String {
    let mut crc = crc32fast::Hasher::new();
    crc.update(before);
    crc.update(after);
    format!("{:08x}", crc.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &[u8] = b"{\"position\":null}\n\xff";

    #[test]
    fn what_is_sealed_is_read_and_nothing_else() {
        for name in [
            "",
            "notifier",
            "two\nlines \"quoted\" \u{0}",
            "tributary x 1 00000000",
        ] {
            let bytes = seal("consumer", name, CONTENT);
            let sealed = unseal("consumer", &bytes).unwrap();
            assert_eq!((sealed.name.as_str(), sealed.content), (name, CONTENT));
            assert_eq!(
                unseal("checkpoint", &bytes),
                Err(Unbelieved::Damaged),
                "a file of another kind is no file of this one"
            );
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1 << bit;
                    assert_eq!(
                        unseal("consumer", &flipped),
                        Err(Unbelieved::Damaged),
                        "bit {bit} of byte {at} is flipped"
                    );
                }
                assert_eq!(
                    unseal("consumer", &bytes[..at]),
                    Err(Unbelieved::Damaged),
                    "{at} bytes are left"
                );
            }
            let longer = [&bytes[..], b"\0"].concat();
            assert_eq!(unseal("consumer", &longer), Err(Unbelieved::Damaged));
        }
    }

    #[test]
    fn a_file_of_a_newer_version_is_told_from_a_damaged_one() {
        let text = "tributary consumer 12 ";
        let rest = "\nanything else";
        let checksum = checksum(text.as_bytes(), rest.as_bytes());
        let newer = format!("{text}{checksum}{rest}");
        assert_eq!(
            unseal("consumer", newer.as_bytes()),
            Err(Unbelieved::Newer { format: 12 })
        );
        let damaged = newer.replace("12", "13");
        assert_eq!(
            unseal("consumer", damaged.as_bytes()),
            Err(Unbelieved::Damaged),
            "a number that was not written is not believed"
        );
    }

    #[test]
    fn json_without_a_first_line_is_of_a_version_that_wrote_none() {
        let old = br#"{"name":"notifier","position":null}"#;
        assert_eq!(unseal("consumer", old), Err(Unbelieved::Unsealed));
    }
}
