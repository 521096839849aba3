//! What a key may know of itself, and do to itself.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::{Denial, PrincipalId, Timestamp};

use super::Tag;
use super::answer::Answer;
use super::credentials::AsSelf;
use super::keys::{Key, Reasoned};
use super::kinds::Name;
use super::organizations::Organization;
use super::principals::PrincipalType;
use super::rights::Rights;
use super::text::Text;
use crate::json::Optional;
use crate::problem::Refusal;

pub(super) struct Me;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Me")]
impl Me {
    /// Get the caller
    ///
    /// Whose key it is, to which organization it belongs, and what it may do where. Keys of every environment may ask.
    #[oai(path = "/me", method = "get", operation_id = "get_me")]
    async fn get_me(&self, caller: AsSelf) -> Answer<Json<MeView>> {
        let me = caller.own.me().await.map_err(gone)?;
        Ok(Json(MeView::new(me, caller.own.now())))
    }

    /// List the caller's organizations
    ///
    /// The organizations in which the caller may act: for a key, the one to which it belongs.
    #[oai(path = "/me/organizations", method = "get", operation_id = "list_my_organizations")]
    async fn list_my_organizations(&self, caller: AsSelf) -> Answer<Json<MyOrganizations>> {
        let organizations = caller.own.organizations().await.map_err(gone)?;
        Ok(Json(MyOrganizations { items: organizations.into_iter().map(Into::into).collect() }))
    }

    /// Revoke the calling key
    ///
    /// The key that makes this request stops working at once and for ever. Any key may do this to itself.
    #[oai(path = "/me/revoke", method = "post", operation_id = "revoke_my_key")]
    async fn revoke_my_key(
        &self,
        caller: AsSelf,
        /// Why; may be left out.
        body: Optional<Reasoned>,
    ) -> Answer<Json<Key>> {
        let key = caller.own.revoke(body.value.into_reason()).await.map_err(gone)?;
        Ok(Json(Key::new(key, caller.own.now())))
    }
}

/// A key that was deleted since it was verified: from now on it is refused as revoked, and so it is here.
fn gone(error: wardkey::Error) -> Refusal {
    match error {
        wardkey::Error::NotFound => Denial::KeyRevoked.into(),
        other => other.into(),
    }
}

/// Who the caller is and what it may do.
#[derive(Debug, Object)]
#[oai(rename = "Me", example)]
struct MeView {
    /// On whose behalf the key acts.
    principal: NamedPrincipal,
    /// The organization to which the key belongs.
    organization: Organization,
    /// The key.
    key: Key,
    /// What it may do, and where.
    rights: Rights,
}

impl MeView {
    fn new(me: wardkey::Me, now: Timestamp) -> Self {
        let wardkey::Me { organization, principal, principal_name, key, rights } = me;
        Self {
            principal: NamedPrincipal {
                kind: principal.into(),
                id: principal.into(),
                name: Name(principal_name).into(),
            },
            organization: organization.into(),
            key: Key::new(key, now),
            rights: (&rights.rights).into(),
        }
    }
}

impl Example for MeView {
    fn example() -> Self {
        Self {
            principal: NamedPrincipal {
                kind: PrincipalType::ServiceAccount,
                id: Text::example(),
                name: Name("Scheduler".to_owned()).into(),
            },
            organization: Organization::example(),
            key: Key::example(),
            rights: Rights::example(),
        }
    }
}

/// A user or a service account, with its name.
#[derive(Debug, Object)]
struct NamedPrincipal {
    /// Whether it is a person.
    #[oai(rename = "type")]
    kind: PrincipalType,
    /// The user or service account.
    id: Text<PrincipalId>,
    /// What people call it.
    name: Text<Name>,
}

/// The organizations in which the caller may act.
#[derive(Debug, Object)]
#[oai(example)]
struct MyOrganizations {
    /// The organizations.
    items: Vec<Organization>,
}

impl Example for MyOrganizations {
    fn example() -> Self {
        Self { items: vec![Organization::example()] }
    }
}
