//! On whose behalf keys act.

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use wardkey::PrincipalRef;
use wardkey_core::PrincipalId;

use super::kinds::PrincipalReference;
use super::text::Text;

/// `user`: the key acts as a person, never beyond that person's rights as they are now. `service_account`: the key has
/// exactly the permissions that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PrincipalType {
    User,
    ServiceAccount,
}

impl From<PrincipalId> for PrincipalType {
    fn from(principal: PrincipalId) -> Self {
        match principal {
            PrincipalId::User(_) => Self::User,
            PrincipalId::ServiceAccount(_) => Self::ServiceAccount,
        }
    }
}

/// On whose behalf a key acts.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Principal {
    /// Whether it is a person.
    #[oai(rename = "type")]
    kind: PrincipalType,
    /// The user or service account.
    id: Text<PrincipalId>,
}

impl From<PrincipalId> for Principal {
    fn from(principal: PrincipalId) -> Self {
        Self { kind: principal.into(), id: principal.into() }
    }
}

impl Example for Principal {
    fn example() -> Self {
        Text::<PrincipalId>::example().0.into()
    }
}

/// On whose behalf a new key is to act. It cannot be changed later.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PrincipalChoice {
    /// Whether it is a person.
    #[oai(rename = "type")]
    kind: PrincipalType,
    /// The user or service account.
    id: Text<PrincipalReference>,
}

impl From<PrincipalChoice> for PrincipalRef {
    fn from(choice: PrincipalChoice) -> Self {
        let PrincipalChoice { kind, id: Text(PrincipalReference(id)) } = choice;
        match kind {
            PrincipalType::User => Self::User(id.into()),
            PrincipalType::ServiceAccount => Self::ServiceAccount(id.into()),
        }
    }
}

impl Example for PrincipalChoice {
    fn example() -> Self {
        Self { kind: PrincipalType::ServiceAccount, id: Text::example() }
    }
}
