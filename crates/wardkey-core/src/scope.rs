//! Where a key reaches: environment, workspaces, customers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The slug of an environment, such as `production`: a lower-case letter, then lower-case letters, digits and
/// hyphens, 32 characters at most.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName(Arc<str>);

impl EnvironmentName {
    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvironmentName {
    type Err = InvalidEnvironmentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(letters);
        if fits { Ok(Self(text.into())) } else { Err(InvalidEnvironmentName) }
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not the slug of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an environment: a lower-case letter, then lower-case letters, digits and hyphens, 32 characters at most"
)]
pub struct InvalidEnvironmentName;

/// An environment of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The slug by which it is addressed.
    pub name: EnvironmentName,
    /// The short word inside secrets (`live`), for people to see; it is never compared.
    pub tag: String,
}

/// Which workspaces or customers of its organization a key reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Access<I> {
    /// All of them, those that are made later included.
    All,
    /// These, in ascending order and each once.
    Specific(Vec<I>),
}

impl<I: Ord> Access<I> {
    /// These only: sorted, and each once.
    pub fn specific(ids: impl IntoIterator<Item = I>) -> Self {
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self::Specific(ids)
    }

    /// Whether `id` is reached.
    pub fn includes(&self, id: &I) -> bool {
        match self {
            Self::All => true,
            Self::Specific(ids) => ids.binary_search(id).is_ok(),
        }
    }

    /// Those that are named one by one; none if all are reached.
    pub fn named(&self) -> &[I] {
        match self {
            Self::All => &[],
            Self::Specific(ids) => ids,
        }
    }

    /// Whether everything that `self` reaches is reached by `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Specific(_)) => false,
            (Self::Specific(ids), Self::Specific(_)) => ids.iter().all(|id| other.includes(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_a_slug() {
        for good in ["production", "eu-1", "a"] {
            assert!(good.parse::<EnvironmentName>().is_ok(), "{good}");
        }
        for bad in ["", "Production", "-a", "1a", "a b", "a_b", "é", "a23456789012345678901234567890123"] {
            assert!(bad.parse::<EnvironmentName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn all_is_within_nothing_narrower() {
        let some = Access::specific([2, 1, 2]);
        assert_eq!(some, Access::Specific(vec![1, 2]));
        assert!(some.is_within(&Access::All) && some.is_within(&some));
        assert!(!Access::All.is_within(&some));
        assert!(!some.is_within(&Access::specific([1])));
        assert!(!Access::<u8>::specific([]).includes(&1));
    }
}
