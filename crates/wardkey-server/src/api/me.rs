//! What a caller may know of itself, and do to itself.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey::Via;
use wardkey_core::{Denial, PrincipalId, SessionId, Timestamp};

use super::Tag;
use super::answer::Answer;
use super::credentials::{AsSelf, Programs};
use super::cursor::List;
use super::keys::{Key, KeyPage, KeyQuery, Reasoned};
use super::kinds::{Email, Name};
use super::organizations::{Organization, OrganizationPage};
use super::pages::{PageQuery, next};
use super::parameters::InQuery;
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
    /// For a key: on whose behalf it acts, to which organization it belongs, and what it may do where. Keys of every
    /// environment may ask. For a person who is logged in: who they are; what they may do depends on the organization.
    #[oai(path = "/me", method = "get", operation_id = "get_me")]
    async fn get_me(&self, caller: AsSelf) -> Answer<Json<MeView>> {
        let me = caller.own.me().await.map_err(gone)?;
        Ok(Json(MeView::new(me, caller.own.now())))
    }

    /// List the caller's organizations
    ///
    /// The organizations in which the caller may act, the newest first: for a key the one to which it belongs, for a person
    /// every one of which they are a member.
    #[oai(path = "/me/organizations", method = "get", operation_id = "list_my_organizations")]
    async fn list_my_organizations(
        &self,
        caller: AsSelf,
        page: InQuery<PageQuery>,
    ) -> Answer<Json<OrganizationPage>> {
        let AsSelf { own, app, .. } = caller;
        let list = List::of("list_my_organizations");
        let request = page.0.of(&list, &app.cursors)?;
        let page = own.organizations(request).await.map_err(gone)?;
        let next_cursor = next(&page, |organization| organization.id, &list, &app.cursors);
        Ok(Json(OrganizationPage::new(page.items, next_cursor)))
    }

    /// List the caller's keys
    ///
    /// The newest first: for a key those of its own user or service account in its organization, for a person those of their
    /// own in every organization. Deleted keys are not shown.
    #[oai(path = "/me/keys", method = "get", operation_id = "list_my_keys")]
    async fn list_my_keys(&self, caller: AsSelf, query: InQuery<KeyQuery>) -> Answer<Json<KeyPage>> {
        let AsSelf { own, app, .. } = caller;
        let list = query.0.list_from(List::of("list_my_keys"));
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = own.list_keys(filter, request).await.map_err(gone)?;
        let next_cursor = next(&page, |key| key.id, &list, &app.cursors);
        Ok(Json(KeyPage::new(page.items, next_cursor, own.now())))
    }

    /// Revoke the calling key
    ///
    /// The key that makes this request stops working at once and for ever. Any key may do this to itself.
    #[oai(path = "/me/revoke", method = "post", operation_id = "revoke_my_key")]
    async fn revoke_my_key(
        &self,
        caller: AsSelf<Programs>,
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

/// Who the caller is, and what it may do.
#[derive(Debug, Object)]
#[oai(rename = "Me", skip_serializing_if_is_none, example)]
struct MeView {
    /// The person who is logged in, or on whose behalf the key acts.
    principal: NamedPrincipal,
    /// The person's e-mail address; absent for a service account.
    email: Option<Text<Email>>,
    /// The session; absent for a key.
    session: Option<Text<SessionId>>,
    /// The organization to which the key belongs; absent for a person who is logged in.
    organization: Option<Organization>,
    /// The key; absent for a person who is logged in.
    key: Option<Key>,
    /// What the key may do, and where; absent for a person who is logged in.
    rights: Option<Rights>,
}

impl MeView {
    fn new(me: wardkey::Me, now: Timestamp) -> Self {
        let wardkey::Me { principal, principal_name, email, via } = me;
        let principal = NamedPrincipal {
            kind: principal.into(),
            id: principal.into(),
            name: Name(principal_name).into(),
        };
        let email = email.map(|email| Email(email).into());
        let bare = Self { principal, email, session: None, organization: None, key: None, rights: None };
        match via {
            Via::Key { key, organization, rights } => Self {
                organization: Some((*organization).into()),
                key: Some(Key::new(*key, now)),
                rights: Some((&rights.rights).into()),
                ..bare
            },
            Via::Session { session } => Self { session: Some(session.into()), ..bare },
            // Whoever stands in a person's place has neither.
            _ => bare,
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
            email: None,
            session: None,
            organization: Some(Organization::example()),
            key: Some(Key::example()),
            rights: Some(Rights::example()),
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
