//! Organizations: the tenants.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use wardkey_core::permission::{AdminOrganization, OperatorOrganizations};
use wardkey_core::{OrganizationId, OrganizationKind, Standing, Timestamp};

use super::Tag;
use super::answer::Answer;
use super::credentials::{InDeployment, InOrganization};
use super::cursor::List;
use super::kinds::{Cursor, ExternalId, Name};
use super::pages::{PageQuery, next};
use super::parameters::{InQuery, etag};
use super::text::Text;

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
        page: InQuery<PageQuery>,
    ) -> Answer<Json<OrganizationPage>> {
        let list = List::of("list_organizations");
        let cursors = &operator.app.cursors;
        let request = page.0.of(&list, cursors)?;
        let page = operator.deployment.list_organizations(request).await?;
        let next_cursor = next(&page, |organization| organization.id, &list, cursors);
        Ok(Json(OrganizationPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
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
    ) -> Answer<OrganizationAnswer> {
        let organization = admin.tenant.organization().await?;
        let etag = etag(organization.version);
        Ok(OrganizationAnswer::Ok(Json(organization.into()), etag))
    }
}

#[derive(ApiResponse)]
enum OrganizationAnswer {
    /// The organization.
    #[oai(status = 200)]
    Ok(
        Json<Organization>,
        /// The version of the organization.
        #[oai(header = "ETag")]
        String,
    ),
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
pub(super) struct Organization {
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
struct OrganizationPage {
    /// The organizations, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<Organization>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl Example for OrganizationPage {
    fn example() -> Self {
        Self { items: vec![Organization::example()], next_cursor: Some(Text::example()) }
    }
}
