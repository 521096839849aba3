//! Typed ids: prefixed text on the wire, sixteen bytes in memory.

use std::fmt;
use std::str::FromStr;

use crate::base62;
use crate::random::Random;
use crate::time::Timestamp;

/// How many digits follow the prefix: 62²² > 2¹²⁸.
const DIGITS: usize = 22;

/// The longest id that a product's backend may give an object, in bytes.
pub const MAX_EXTERNAL_ID: usize = 100;

/// What all typed ids have in common.
pub trait Id: Copy + Ord + fmt::Display + FromStr<Err = InvalidId> + Send + Sync + 'static {
    /// The text before the digits, underscore included.
    const PREFIX: &'static str;

    /// The sixteen bytes.
    fn to_bytes(self) -> [u8; 16];

    /// The id of these sixteen bytes.
    fn from_bytes(bytes: [u8; 16]) -> Self;
}

/// The text is not an id of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix} and {DIGITS} letters or digits")]
pub struct InvalidId {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, random) => {
        id!(@type $(#[$doc])* $name, $prefix);

        impl $name {
            /// A new id, wholly random: it tells nothing about when it was made.
            pub fn mint(random: &dyn Random) -> Self {
                let mut bytes = [0; 16];
                random.fill(&mut bytes);
                Self(bytes)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $prefix:literal, time_ordered) => {
        id!(@type $(#[$doc])* $name, $prefix);

        impl $name {
            /// A new id that sorts by the millisecond of `now`; 80 of its bits are random.
            pub fn mint(now: Timestamp, random: &dyn Random) -> Self {
                let mut bytes = [0; 16];
                random.fill(&mut bytes[6..]);
                bytes[..6].copy_from_slice(&(now.as_micros() / 1000).to_be_bytes()[2..]);
                Self(bytes)
            }
        }
    };
    (@type $(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        ///
        #[doc = concat!("On the wire `", $prefix, "` and 22 letters or digits.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;

            fn to_bytes(self) -> [u8; 16] {
                self.0
            }

            fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, $prefix, self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                read_id($prefix, text).map(Self)
            }
        }
    };
}

id!(/// An organization: the tenant to which every key belongs.
    OrganizationId, "org_", time_ordered);
id!(/// A workspace: a part of an organization, where resources live.
    WorkspaceId, "ws_", time_ordered);
id!(/// A customer of an organization, to which keys may be restricted.
    CustomerId, "cus_", time_ordered);
id!(/// A user: a person, deployment-wide, who may be a member of organizations.
    UserId, "usr_", random);
id!(/// A team: users who hold roles together.
    TeamId, "team_", time_ordered);
id!(/// A role that an organization made.
    RoleId, "role_", time_ordered);
id!(/// A session: a person who is logged in, in one browser.
    SessionId, "ses_", time_ordered);
id!(/// A service account: a principal that never logs in.
    ServiceAccountId, "sa_", time_ordered);
id!(/// A key: the record that is issued, governed and revoked.
    KeyId, "key_", time_ordered);
id!(/// One secret of a key; a key in rotation has two.
    SecretId, "sec_", time_ordered);
id!(/// An audit event: who changed what, when.
    AuditEventId, "aud_", time_ordered);
id!(/// A running verifier, which reports what it has applied.
    InstanceId, "ins_", time_ordered);

fn write_id(f: &mut fmt::Formatter<'_>, prefix: &str, bytes: [u8; 16]) -> fmt::Result {
    let mut text = [0; DIGITS];
    base62::encode(u128::from_be_bytes(bytes), &mut text);
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&text).expect("base 62 is ASCII"))
}

fn read_id(prefix: &'static str, text: &str) -> Result<[u8; 16], InvalidId> {
    text.strip_prefix(prefix)
        .filter(|digits| digits.len() == DIGITS)
        .and_then(|digits| base62::decode(digits.as_bytes()))
        .map(u128::to_be_bytes)
        .ok_or(InvalidId { prefix })
}

/// An object named by its id or by the id that the product's backend gave it.
///
/// Text that parses as an id of the type is always the id; an external id of that shape is refused when it is set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference<I> {
    /// Wardkey's own id.
    Id(I),
    /// The backend's id.
    External(String),
}

impl<I: Id> From<&str> for Reference<I> {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::External(text.to_owned()), Self::Id)
    }
}

impl<I: Id> From<String> for Reference<I> {
    fn from(text: String) -> Self {
        text.parse().map_or(Self::External(text), Self::Id)
    }
}

impl<I: Id> From<I> for Reference<I> {
    fn from(id: I) -> Self {
        Self::Id(id)
    }
}

impl<I: Id> fmt::Display for Reference<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::External(text) => f.write_str(text),
        }
    }
}

/// On whose behalf a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalId {
    /// The key acts as this user, with the user's live rights.
    User(UserId),
    /// The key acts as this service account, with exactly the permissions of the key.
    ServiceAccount(ServiceAccountId),
}

impl PrincipalId {
    /// The sixteen bytes of the user's or service account's id.
    pub fn to_bytes(self) -> [u8; 16] {
        match self {
            Self::User(id) => id.to_bytes(),
            Self::ServiceAccount(id) => id.to_bytes(),
        }
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::ServiceAccount(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_survives_its_text_and_no_other_type_reads_it(bytes: [u8; 16]) {
            let id = KeyId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
            prop_assert!(id.to_string().parse::<SecretId>().is_err());
        }

        #[test]
        fn no_two_texts_name_one_id(text in "key_[0-9A-Za-z]{20,24}") {
            if let Ok(id) = text.parse::<KeyId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let random = crate::testing::SeededRandom::new(1);
        let early = KeyId::mint(Timestamp::from_micros(1_000_000), &random);
        let late = KeyId::mint(Timestamp::from_micros(1_001_000), &random);
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn text_that_reads_as_an_id_is_the_id() {
        let id = WorkspaceId::from_bytes([7; 16]);
        assert_eq!(Reference::from(id.to_string()), Reference::Id(id));
        assert_eq!(Reference::<WorkspaceId>::from("eu-1"), Reference::External("eu-1".to_owned()));
    }
}
