//! The ids that stand in files: of transactions, replicas and events.
//!
//! **Invariant**: an id is written in one way only, as lower-case hyphenated text; nothing else parses. Ids are made
//! elsewhere, where there is a clock and randomness.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Uuid, Variant};

/// Why a text or a UUID is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is not a UUID in lower-case hyphenated form.
    #[error("not a UUID in lower-case hyphenated form")]
    NotCanonical,
    /// The UUID is not of version 7 and the RFC 9562 variant.
    #[error("{0} is not a UUID of version 7")]
    NotVersion7(Uuid),
}

/// The id of a transaction: a UUID of version 7.
///
/// Ordered as its text is, which begins with the time of its making.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(Uuid);

/// The id of one linear writer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(Uuid);

/// The id of an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl TransactionId {
    /// Returns `uuid` as the id of a transaction.
    ///
    /// # Errors
    /// [`IdError::NotVersion7`] for any other kind of UUID.
    pub fn from_uuid(uuid: Uuid) -> Result<Self, IdError> {
        if uuid.get_version_num() == 7 && uuid.get_variant() == Variant::RFC4122 {
            Ok(Self(uuid))
        } else {
            Err(IdError::NotVersion7(uuid))
        }
    }

    /// Parses the canonical text.
    ///
    /// # Errors
    /// As [`IdError`] says.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        parse_canonical(text).and_then(Self::from_uuid)
    }

    /// Returns the id of a time and 80 bits, six of which give way to the version and the variant.
    ///
    /// Of `unix_millis`, the low 48 bits count.
    pub fn from_parts(unix_millis: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&unix_millis.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(with_version(bytes, 7))
    }

    /// Returns the milliseconds since the Unix epoch that it begins with: those of the time when it was written.
    pub fn unix_millis(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = *self.0.as_bytes();
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// Returns the name of its file.
    pub fn file_name(&self) -> String {
        format!("{self}.jsonl")
    }

    /// Returns the path of its file below `events/`, with `/` between the parts.
    pub fn relative_path(&self) -> String {
        let bytes = self.0.as_bytes();
        format!(
            "{:02x}{:02x}/{:02x}/{self}.jsonl",
            bytes[0], bytes[1], bytes[2]
        )
    }
}

impl ReplicaId {
    /// The writer of merge transactions, which are nobody's own.
    pub const NIL: Self = Self(Uuid::nil());

    /// Returns whether it is [`ReplicaId::NIL`].
    pub fn is_nil(&self) -> bool {
        self.0.is_nil()
    }
}

/// Sets the version and the RFC 9562 variant in `bytes`.
pub(crate) fn with_version(mut bytes: [u8; 16], version: u8) -> Uuid {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

fn parse_canonical(text: &str) -> Result<Uuid, IdError> {
    let uuid = Uuid::try_parse(text).map_err(|_| IdError::NotCanonical)?;
    let mut canonical = [0; 36];
    if *uuid.hyphenated().encode_lower(&mut canonical) == *text {
        Ok(uuid)
    } else {
        Err(IdError::NotCanonical)
    }
}

macro_rules! any_uuid {
    ($name:ident) => {
        impl $name {
            /// Returns `uuid` as an id.
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Parses the canonical text.
            ///
            /// # Errors
            /// [`IdError::NotCanonical`].
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse_canonical(text).map(Self)
            }
        }
    };
}
any_uuid!(ReplicaId);
any_uuid!(EventId);

macro_rules! common {
    ($name:ident, $what:literal) => {
        impl $name {
            /// Returns the UUID.
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// Returns the UUID as a number, ordered as the ids are.
            pub fn as_u128(&self) -> u128 {
                self.0.as_u128()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0.hyphenated().encode_lower(&mut [0; 36]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.hyphenated().encode_lower(&mut [0; 36]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
common!(TransactionId, "the id of a transaction");
common!(ReplicaId, "the id of a replica");
common!(EventId, "the id of an event");

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "01a1fd21-d4f8-70bd-9977-306ff692b65f";

    #[test]
    fn only_canonical_text_of_version_7_is_a_transaction_id() {
        assert_eq!(TransactionId::parse(TEXT).unwrap().to_string(), TEXT);
        let braced = format!("{{{TEXT}}}");
        let simple = TEXT.replace('-', "");
        for other in [
            &TEXT.to_uppercase(),
            &braced,
            &simple,
            &format!("urn:uuid:{TEXT}"),
            "",
        ] {
            assert_eq!(
                TransactionId::parse(other),
                Err(IdError::NotCanonical),
                "{other:?} is not canonical"
            );
        }
        for other in [
            "01a1fd21-d4f8-40bd-9977-306ff692b65f",
            "01a1fd21-d4f8-70bd-1977-306ff692b65f",
        ] {
            let refused = TransactionId::parse(other);
            assert!(
                matches!(refused, Err(IdError::NotVersion7(_))),
                "{other} is of another version or variant"
            );
            assert!(
                EventId::parse(other).is_ok(),
                "any UUID may identify an event"
            );
        }
    }

    #[test]
    fn the_path_is_a_function_of_the_id() {
        let id = TransactionId::parse(TEXT).unwrap();
        assert_eq!(id.file_name(), format!("{TEXT}.jsonl"));
        assert_eq!(id.relative_path(), format!("01a1/fd/{TEXT}.jsonl"));
    }

    #[test]
    fn parts_become_version_7() {
        let id = TransactionId::from_parts(0x0123_4567_89ab, [0xff; 10]);
        assert_eq!(id.to_string(), "01234567-89ab-7fff-bfff-ffffffffffff");
        assert_eq!(
            TransactionId::from_uuid(id.as_uuid()),
            Ok(id),
            "what is made is also accepted"
        );
    }

    #[test]
    fn ids_are_json_strings() {
        let id = ReplicaId::parse(TEXT).unwrap();
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<ReplicaId>(&text).unwrap(), id);
        assert!(
            ReplicaId::NIL.is_nil() && !id.is_nil(),
            "only the nil id is nil"
        );
    }
}
