//! Permissions: what may be done. One string `resource:action` in catalogue, OpenAPI document and code.

mod builtin;
mod catalogue;
mod set;
mod typed;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use builtin::*;
pub use catalogue::{
    Catalogue, CatalogueGroup, CatalogueIndex, CataloguePermission, PermissionClass, PermissionGroup,
};
pub use set::{PermissionIndex, PermissionSet};
#[doc(hidden)]
pub use typed::index_of;
pub use typed::{All, OneOf, Permission, Requires};

/// The longest name of a permission, in bytes.
const MAX_NAME: usize = 64;

/// Resources whose permissions are built in. A product cannot declare its own under them.
const RESERVED: [&str; 3] = ["admin", "keys", "operator"];

/// The name of a permission: `resource:action`, such as `pipelines:read`.
///
/// Resource and action each start with a lower-case letter, followed by lower-case letters, digits and underscores.
///
/// ```
/// use wardkey_core::PermissionName;
///
/// let name: PermissionName = "pipelines:read".parse()?;
/// assert_eq!(name.resource(), "pipelines");
/// assert!("Pipelines:read".parse::<PermissionName>().is_err());
/// # Ok::<(), wardkey_core::InvalidPermissionName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionName(Arc<str>);

impl PermissionName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the colon.
    pub fn resource(&self) -> &str {
        self.0.split_once(':').map_or("", |(resource, _)| resource)
    }

    /// Whether the resource is one of Wardkey's own: `admin`, `keys`, `operator`.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.resource())
    }

    /// Whether the permission exists only in roles and keys of the operator organization.
    pub fn is_operator(&self) -> bool {
        self.resource() == "operator"
    }
}

impl FromStr for PermissionName {
    type Err = InvalidPermissionName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(InvalidPermissionName) }
    }
}

impl fmt::Display for PermissionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PermissionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not of the form `resource:action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a permission of the form resource:action, each a lower-case letter followed by lower-case letters, digits \
     and underscores, {MAX_NAME} characters at most"
)]
pub struct InvalidPermissionName;

/// The grammar of a permission's name, usable at compile time.
const fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut colons, mut part_len, mut at) = (0, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'a'..=b'z' => part_len += 1,
            b'0'..=b'9' | b'_' if part_len > 0 => part_len += 1,
            b':' if part_len > 0 => {
                colons += 1;
                part_len = 0;
            }
            _ => return false,
        }
        at += 1;
    }
    colons == 1 && part_len > 0 && bytes.len() <= MAX_NAME
}

/// Whether a product may declare a permission of this name: it fits the grammar and its resource is not reserved.
/// [`permissions!`](crate::permissions) asks at compile time.
#[doc(hidden)]
pub const fn is_product_name(text: &str) -> bool {
    is_name(text)
        && !has_resource(text, RESERVED[0])
        && !has_resource(text, RESERVED[1])
        && !has_resource(text, RESERVED[2])
}

const fn has_resource(text: &str, resource: &str) -> bool {
    let (text, resource) = (text.as_bytes(), resource.as_bytes());
    let mut at = 0;
    while at < resource.len() {
        if at >= text.len() || text[at] != resource[at] {
            return false;
        }
        at += 1;
    }
    text[at] == b':'
}

/// A key's intent, to which listed permissions are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Everything that the principal may do (a user key), or every product permission (a service-account key).
    All,
    /// The product permissions classed read.
    ReadOnly,
    /// Nothing but what is listed.
    Restricted,
}

impl Level {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::ReadOnly => "read_only",
            Self::Restricted => "restricted",
        }
    }
}

impl FromStr for Level {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::All, Self::ReadOnly, Self::Restricted]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// The word is not one of the closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known words")]
pub struct UnknownWord;

/// The roles that every organization has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltInRole {
    /// The product permissions classed read.
    Viewer,
    /// All product permissions and `keys:write`.
    Member,
    /// What a member has, and every `admin:…`; cannot change owners.
    Admin,
    /// All of the organization; in the operator organization also every `operator:…`.
    Owner,
}

impl BuiltInRole {
    /// Each of them; every one holds what the one before it holds, and more.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// What it is for, in a sentence for people. What exactly it gives says
    /// [`CatalogueIndex::role`].
    pub const fn description(self) -> &'static str {
        match self {
            Self::Viewer => "Looks at everything in the product and changes nothing.",
            Self::Member => "Uses the whole product, and makes keys of its own.",
            Self::Admin => "Uses the whole product and administers the organization, but for its owners.",
            Self::Owner => "Holds all of the organization, and alone makes and changes owners.",
        }
    }

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for BuiltInRole {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_grammar_are_permissions() {
        for good in ["a:b", "pipelines:read", "data_sets:run_2"] {
            assert!(good.parse::<PermissionName>().is_ok(), "{good}");
        }
        let long = format!("{}:read", "a".repeat(60));
        for bad in ["", ":", "a:", ":b", "a", "a:b:c", "A:b", "a b:c", "1a:b", "_a:b", "a:-b", "é:b", &long]
        {
            assert!(bad.parse::<PermissionName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_product_cannot_declare_a_reserved_resource() {
        assert!(is_product_name("keyring:read") && is_product_name("administration:read"));
        for reserved in ["keys:write", "admin:everything", "operator:act"] {
            assert!(!is_product_name(reserved), "{reserved}");
        }
    }
}
