//! Organizations: the tenants.

mod input;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};
use wardkey_core::permission::{AdminOrganization, OperatorOrganizations};
use wardkey_core::{OrganizationId, OrganizationKind, Reference, Standing, Timestamp};

pub(super) use self::input::RULES;
use self::input::{
    CreateOrganizationRequest, OrganizationQuery, SetExternalIdRequest, SetKeyLimitRequest,
    UpdateOrganizationRequest,
};
use super::Tag;
use super::answer::{Answer, Created, Deleted, Refusals, Shown, made};
use super::credentials::{InDeployment, InOrganization};
use super::keys::Reasoned;
use super::kinds::{Cursor, ExternalId, Name};
use super::pages::next;
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch};
use super::text::Text;
use crate::json::{Optional, Strict};
use crate::problem::Code;

pub(super) struct Organizations;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Organizations")]
impl Organizations {
    /// List all organizations
    ///
    /// Every organization of the deployment, the newest first. For the people who run it.
    #[oai(path = "/organizations", method = "get", operation_id = "list_organizations")]
    async fn list_organizations(
        &self,
        operator: InDeployment<OperatorOrganizations>,
        query: InQuery<OrganizationQuery>,
    ) -> Answer<Json<OrganizationPage>> {
        let InDeployment { deployment, app, .. } = operator;
        let list = query.0.list();
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = deployment.list_organizations(filter, request).await?;
        let next_cursor = next(&page, |organization| organization.id, &list, &app.cursors);
        Ok(Json(OrganizationPage::new(page.items, next_cursor)))
    }

    /// Create an organization
    ///
    /// A new tenant, without members, workspaces and keys. For the people who run the deployment.
    #[oai(path = "/organizations", method = "post", operation_id = "create_organization")]
    async fn create_organization(
        &self,
        operator: InDeployment<OperatorOrganizations>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same organization.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The organization to be created.
        body: Strict<CreateOrganizationRequest>,
    ) -> Answer<Created<Organization>, Naming> {
        let Strict { value, digest } = body;
        let InDeployment { deployment, app, .. } = operator;
        let deployment = idempotency_key.once_in_deployment(deployment, digest);
        let CreateOrganizationRequest { name, external_id, key_limit } = value;
        let (name, external_id) = (name.0.0, external_id.map(|id| id.0.0));
        let (organization, replayed) =
            made(deployment.create_organization(name, external_id, key_limit).await?);
        let wardkey::Organization { id, version, .. } = organization;
        let location = format!("{}/v1/organizations/{id}", app.base_url);
        Ok(Created::new(organization, location, version, replayed))
    }

    /// Get an organization
    ///
    /// With its key limit: how many active and disabled keys it may have.
    #[oai(path = "/organizations/:organization_id", method = "get", operation_id = "get_organization")]
    async fn get_organization(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminOrganization>,
    ) -> Answer<Shown<Organization>> {
        Ok(shown(admin.tenant.organization().await?))
    }

    /// Update an organization
    ///
    /// Members that are left out stay as they are. State, external id and key limit are for the people who run the deployment
    /// to set.
    #[oai(path = "/organizations/:organization_id", method = "patch", operation_id = "update_organization")]
    async fn update_organization(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminOrganization>,
        /// The `ETag` of the organization as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateOrganizationRequest>,
    ) -> Answer<Shown<Organization>> {
        Ok(shown(admin.tenant.update_organization(if_match.0, body.value.into_patch()).await?))
    }

    /// Delete an organization
    ///
    /// Revokes every key of it, for ever and at once, and hides it with all that belongs to it. Its external id is free again.
    /// The organization that runs the deployment stays. For the people who run it.
    #[oai(path = "/organizations/:organization_id", method = "delete", operation_id = "delete_organization")]
    async fn delete_organization(
        &self,
        operator: InDeployment<OperatorOrganizations>,
        /// The organization, by its id or by the id that your backend gave it.
        organization_id: InPath<Reference<OrganizationId>, 0>,
        /// The `ETag` of the organization as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted, Ending> {
        operator.deployment.delete_organization(&organization_id.0, if_match.0).await?;
        Ok(Deleted::Done)
    }

    /// Suspend an organization
    ///
    /// Its keys are refused at once, and its people cannot enter it, until it is resumed. Repeating it changes nothing. The
    /// organization that runs the deployment stays. For the people who run it.
    #[oai(
        path = "/organizations/:organization_id/suspend",
        method = "post",
        operation_id = "suspend_organization"
    )]
    async fn suspend_organization(
        &self,
        operator: InDeployment<OperatorOrganizations>,
        /// The organization, by its id or by the id that your backend gave it.
        organization_id: InPath<Reference<OrganizationId>, 0>,
        /// The `ETag` of the organization as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<Reasoned>,
    ) -> Answer<Shown<Organization>, Ending> {
        let (id, reason) = (organization_id.0, body.value.into_reason());
        Ok(shown(operator.deployment.suspend_organization(&id, if_match.0, reason).await?))
    }

    /// Resume an organization
    ///
    /// A suspended organization works again, with all keys that it has. Repeating it changes nothing. For the people who run
    /// the deployment.
    #[oai(
        path = "/organizations/:organization_id/resume",
        method = "post",
        operation_id = "resume_organization"
    )]
    async fn resume_organization(
        &self,
        operator: InDeployment<OperatorOrganizations>,
        /// The organization, by its id or by the id that your backend gave it.
        organization_id: InPath<Reference<OrganizationId>, 0>,
        /// The `ETag` of the organization as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<Reasoned>,
    ) -> Answer<Shown<Organization>> {
        let (id, reason) = (organization_id.0, body.value.into_reason());
        Ok(shown(operator.deployment.resume_organization(&id, if_match.0, reason).await?))
    }

    /// Set the key limit
    ///
    /// How many active and disabled keys the organization may have; `null` is the usual number, 10. A lower one revokes
    /// nothing: it refuses new keys until there are fewer. For the people who run the deployment.
    #[oai(path = "/organizations/:organization_id/key-limit", method = "put", operation_id = "set_key_limit")]
    async fn set_key_limit(
        &self,
        operator: InDeployment<OperatorOrganizations>,
        /// The organization, by its id or by the id that your backend gave it.
        organization_id: InPath<Reference<OrganizationId>, 0>,
        /// The `ETag` of the organization as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// The limit.
        body: Strict<SetKeyLimitRequest>,
    ) -> Answer<Shown<Organization>> {
        let (id, SetKeyLimitRequest { key_limit }) = (organization_id.0, body.value);
        Ok(shown(operator.deployment.set_key_limit(&id, if_match.0, key_limit.0).await?))
    }

    /// Set the external id
    ///
    /// The id by which your backend finds the organization; `null` takes it away. It is for the people who run the deployment
    /// to set, since a tenant that could choose it might pass for another.
    #[oai(
        path = "/organizations/:organization_id/external-id",
        method = "put",
        operation_id = "set_organization_external_id"
    )]
    async fn set_organization_external_id(
        &self,
        operator: InDeployment<OperatorOrganizations>,
        /// The organization, by its id or by the id that your backend gave it.
        organization_id: InPath<Reference<OrganizationId>, 0>,
        /// The `ETag` of the organization as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// The external id.
        body: Strict<SetExternalIdRequest>,
    ) -> Answer<Shown<Organization>, Naming> {
        let (id, SetExternalIdRequest { external_id }) = (organization_id.0, body.value);
        let external_id = external_id.0.map(|id| id.0.0);
        let deployment = operator.deployment;
        Ok(shown(deployment.set_organization_external_id(&id, if_match.0, external_id).await?))
    }
}

fn shown(organization: wardkey::Organization) -> Shown<Organization> {
    let version = organization.version;
    Shown::new(organization, version)
}

/// What can stand in the way of a name.
struct Naming;

impl Refusals for Naming {
    const CODES: &'static [Code] = &[Code::ExternalIdInUse];
}

/// What can stand in the way of an end.
struct Ending;

impl Refusals for Ending {
    const CODES: &'static [Code] = &[Code::OperatorOrganization];
}

/// `tenant`, or `operator`: the one organization whose people run the deployment.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename = "OrganizationKind", rename_all = "snake_case")]
enum Kind {
    Tenant,
    Operator,
}

/// Whether it works: the keys of whoever is `suspended` are refused.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename = "Standing", rename_all = "snake_case")]
pub(super) enum StandingView {
    Active,
    Suspended,
}

impl StandingView {
    /// The word on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl From<StandingView> for Standing {
    fn from(state: StandingView) -> Self {
        match state {
            StandingView::Active => Self::Active,
            StandingView::Suspended => Self::Inactive,
        }
    }
}

impl From<Standing> for StandingView {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Inactive => Self::Suspended,
        }
    }
}

/// An organization: a tenant, to which keys belong.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(crate) struct Organization {
    /// Its id.
    id: Text<OrganizationId>,
    /// What people call it.
    name: Text<Name>,
    /// The id that your backend gave it.
    external_id: Option<Text<ExternalId>>,
    /// Whether it runs the deployment.
    kind: Kind,
    /// Whether its keys work.
    state: StandingView,
    /// How many active and disabled keys it may have.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    key_limit: u32,
    /// Moves with each edit; the `ETag`, without quotes.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was created.
    created_at: Text<Timestamp>,
    /// When it was last edited.
    updated_at: Text<Timestamp>,
}

impl From<wardkey::Organization> for Organization {
    fn from(organization: wardkey::Organization) -> Self {
        let wardkey::Organization {
            id,
            kind,
            name,
            external_id,
            state,
            key_limit,
            version,
            created_at,
            updated_at,
        } = organization;
        Self {
            id: id.into(),
            name: Name(name).into(),
            external_id: external_id.map(|id| ExternalId(id).into()),
            kind: match kind {
                OrganizationKind::Tenant => Kind::Tenant,
                OrganizationKind::Operator => Kind::Operator,
            },
            state: state.into(),
            key_limit,
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

impl Example for Organization {
    fn example() -> Self {
        Self {
            id: Text::example(),
            name: Name("Acme".to_owned()).into(),
            external_id: Some(Text::example()),
            kind: Kind::Tenant,
            state: StandingView::Active,
            key_limit: 10,
            version: 1,
            created_at: Text::example(),
            updated_at: Text::example(),
        }
    }
}

/// A page of organizations.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct OrganizationPage {
    /// The organizations, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<Organization>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl OrganizationPage {
    pub(super) fn new(organizations: Vec<wardkey::Organization>, next_cursor: Option<Text<Cursor>>) -> Self {
        Self { items: organizations.into_iter().map(Into::into).collect(), next_cursor }
    }
}

impl Example for OrganizationPage {
    fn example() -> Self {
        Self { items: vec![Organization::example()], next_cursor: Some(Text::example()) }
    }
}
