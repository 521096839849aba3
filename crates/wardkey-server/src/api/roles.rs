//! Roles: named sets of permissions, given to members and teams.

mod table;

use poem_openapi::payload::Json;
use poem_openapi::types::{Example, MaybeUndefined};
use poem_openapi::{ApiResponse, Object, OpenApi};
use wardkey::{AnyRole, CreateRole, CustomRole, RolePatch, RoleRef};
use wardkey_core::permission::AdminMembers;
use wardkey_core::{BuiltInRole, PermissionName, RoleId, Timestamp};

pub(crate) use self::table::describe_built_in_roles;
use super::Tag;
use super::answer::{Answer, Refusals, made};
use super::credentials::InOrganization;
use super::kinds::{Description, Name};
use super::parameters::{IdempotencyKey, IfMatch, InPath, OptionalIfMatch, etag};
use super::schema::Rule;
use super::text::Text;
use crate::json::Strict;
use crate::problem::Code;

pub(super) struct Roles;

/// What a role has that no edit changes.
pub(super) const RULES: &[Rule] = &[Rule {
    schema: "UpdateRoleRequest",
    check: |_| Vec::new(),
    immutable: &["id", "built_in", "version", "created_at", "updated_at"],
}];

#[OpenApi(prefix_path = "/v1", tag = "Tag::Roles")]
impl Roles {
    /// List roles
    ///
    /// Every role that can be given in the organization: the four built-in ones, then those that it made, the newest first.
    /// There are few enough to come all at once. Anybody in the organization may ask.
    #[oai(path = "/organizations/:organization_id/roles", method = "get", operation_id = "list_roles")]
    async fn list_roles(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<()>,
    ) -> Answer<Json<RoleList>> {
        let roles = caller.tenant.list_roles().await?;
        Ok(Json(RoleList { items: roles.into_iter().map(Into::into).collect() }))
    }

    /// Create a role
    ///
    /// Nobody makes a role that gives more than they hold themselves: each permission must be held for the whole
    /// organization. A new role is held by nobody; give it to members and teams. An organization makes at most 100 roles.
    #[oai(path = "/organizations/:organization_id/roles", method = "post", operation_id = "create_role")]
    async fn create_role(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same role.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The role to be made.
        body: Strict<CreateRoleRequest>,
    ) -> Answer<CreatedAnswer, Creating> {
        let Strict { value, digest } = body;
        let InOrganization { tenant, app, .. } = admin;
        let tenant = idempotency_key.once(tenant, digest);
        let (role, replayed) = made(tenant.create_role(value.into()).await?);
        let location = format!("{}/v1/organizations/{}/roles/{}", app.base_url, role.organization, role.id);
        let etag = etag(role.version);
        Ok(CreatedAnswer::Created(Json(role.into()), location, etag, replayed))
    }

    /// Get a role
    ///
    /// A built-in role has no version. Anybody in the organization may ask.
    #[oai(path = "/organizations/:organization_id/roles/:role_id", method = "get", operation_id = "get_role")]
    async fn get_role(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<()>,
        /// The role.
        role_id: InPath<RoleRef>,
    ) -> Answer<RoleAnswer> {
        Ok(caller.tenant.get_role(role_id.0).await?.into())
    }

    /// Update a role
    ///
    /// Members that are left out stay as they are; a list that is given replaces the whole one. Everybody who holds the role
    /// has what it gives from now on, so that each permission that is added must be held by the caller for the whole
    /// organization; taking away is always allowed. A built-in role never changes.
    #[oai(
        path = "/organizations/:organization_id/roles/:role_id",
        method = "patch",
        operation_id = "update_role"
    )]
    async fn update_role(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The role.
        role_id: InPath<RoleRef>,
        /// The `ETag` of the role as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateRoleRequest>,
    ) -> Answer<RoleAnswer, Updating> {
        let role = admin.tenant.update_role(role_id.0, if_match.0, body.value.into()).await?;
        Ok(AnyRole::Custom(role).into())
    }

    /// Delete a role
    ///
    /// Only one that neither a member nor a team holds: take it from them first. A built-in role stays.
    #[oai(
        path = "/organizations/:organization_id/roles/:role_id",
        method = "delete",
        operation_id = "delete_role"
    )]
    async fn delete_role(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The role.
        role_id: InPath<RoleRef>,
        /// The `ETag` of the role as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted, Deleting> {
        admin.tenant.delete_role(role_id.0, if_match.0).await?;
        Ok(Deleted::Done)
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($code:ident),+;)+) => {$(
        $(#[$doc])*
        struct $name;

        impl Refusals for $name {
            const CODES: &'static [Code] = &[$(Code::$code),+];
        }
    )+};
}

refusals! {
    /// What can stand in the way of a new role.
    Creating: ExceedsOwnRights, NameInUse, TooMany;
    /// What can stand in the way of an edit.
    Updating: ExceedsOwnRights, NameInUse, BuiltIn;
    /// What can stand in the way of an end.
    Deleting: RoleInUse, BuiltIn;
}

#[derive(ApiResponse)]
enum RoleAnswer {
    /// The role.
    #[oai(status = 200)]
    Ok(
        Json<Role>,
        /// The role's version, for `If-Match`; absent for a built-in role.
        #[oai(header = "ETag")]
        Option<String>,
    ),
}

impl From<AnyRole> for RoleAnswer {
    fn from(role: AnyRole) -> Self {
        let version = match &role {
            AnyRole::BuiltIn { .. } => None,
            AnyRole::Custom(role) => Some(etag(role.version)),
        };
        Self::Ok(Json(role.into()), version)
    }
}

#[derive(ApiResponse)]
enum CreatedAnswer {
    /// The role was made.
    #[oai(status = 201)]
    Created(
        Json<Role>,
        /// Where the role can be read from now on.
        #[oai(header = "Location")]
        String,
        /// The role's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// `true` if the request repeats an earlier one; the role is then that one's.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The role is gone.
    #[oai(status = 204)]
    Done,
}

/// A role: a named set of permissions.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct Role {
    /// What a grant names: an id, or the name of a built-in role.
    id: Text<RoleRef>,
    /// What people call it.
    name: Text<Name>,
    /// What it is for.
    description: Option<Text<Description>>,
    /// What it gives; for a built-in role, under the present permission catalogue.
    permissions: Vec<Text<PermissionName>>,
    /// Whether every organization has it, and none can change it.
    built_in: bool,
    /// Moves with each edit; absent for a built-in role.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: Option<i64>,
    /// When it was made; absent for a built-in role.
    created_at: Option<Text<Timestamp>>,
    /// When it was last edited; absent for a built-in role.
    updated_at: Option<Text<Timestamp>>,
}

impl From<CustomRole> for Role {
    fn from(role: CustomRole) -> Self {
        let CustomRole {
            id,
            organization: _,
            name,
            description,
            permissions,
            version,
            created_at,
            updated_at,
        } = role;
        Self {
            id: RoleRef::Custom(id).into(),
            name: Name(name).into(),
            description: description.map(|text| Description(text).into()),
            permissions: permissions.into_iter().map(Text).collect(),
            built_in: false,
            version: Some(version),
            created_at: Some(created_at.into()),
            updated_at: Some(updated_at.into()),
        }
    }
}

impl From<AnyRole> for Role {
    fn from(role: AnyRole) -> Self {
        match role {
            AnyRole::BuiltIn { role, permissions } => Self {
                id: RoleRef::BuiltIn(role).into(),
                name: Name(role.as_str().to_owned()).into(),
                description: Some(Description(role.description().to_owned()).into()),
                permissions: permissions.into_iter().map(Text).collect(),
                built_in: true,
                version: None,
                created_at: None,
                updated_at: None,
            },
            AnyRole::Custom(role) => role.into(),
        }
    }
}

impl Example for Role {
    fn example() -> Self {
        Self {
            id: RoleRef::Custom(Text::<RoleId>::example().0).into(),
            name: Name("Runner".to_owned()).into(),
            description: Some(Description("Starts pipelines, sees nothing else.".to_owned()).into()),
            permissions: vec![Text::example()],
            built_in: false,
            version: Some(1),
            created_at: Some(Text::example()),
            updated_at: Some(Text::example()),
        }
    }
}

/// The roles of an organization.
#[derive(Debug, Object)]
#[oai(example)]
struct RoleList {
    /// The built-in ones, then those that the organization made.
    #[oai(validator(max_items = 104))]
    items: Vec<Role>,
}

impl Example for RoleList {
    fn example() -> Self {
        let permissions = vec![Text::example().0];
        Self {
            items: vec![AnyRole::BuiltIn { role: BuiltInRole::Viewer, permissions }.into(), Role::example()],
        }
    }
}

/// A role to be made.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct CreateRoleRequest {
    /// What people call it: unlike any other role of the organization, and unlike the built-in ones.
    name: Text<Name>,
    /// What it is for.
    description: Option<Text<Description>>,
    /// What it gives.
    #[oai(default, validator(max_items = 100, unique_items))]
    permissions: Vec<Text<PermissionName>>,
}

impl From<CreateRoleRequest> for CreateRole {
    fn from(request: CreateRoleRequest) -> Self {
        let CreateRoleRequest { name, description, permissions } = request;
        Self {
            name: name.0.0,
            description: description.map(|text| text.0.0),
            permissions: permissions.into_iter().map(|name| name.0).collect(),
        }
    }
}

impl Example for CreateRoleRequest {
    fn example() -> Self {
        Self {
            name: Name("Runner".to_owned()).into(),
            description: Some(Description("Starts pipelines, sees nothing else.".to_owned()).into()),
            permissions: vec![Text::example()],
        }
    }
}

/// What shall be different about a role; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct UpdateRoleRequest {
    /// What people call it: unlike any other role of the organization, and unlike the built-in ones.
    name: Option<Text<Name>>,
    /// What it is for; `null` takes the description away.
    #[oai(nullable)]
    description: MaybeUndefined<Text<Description>>,
    /// The whole new list.
    #[oai(validator(max_items = 100, unique_items))]
    permissions: Option<Vec<Text<PermissionName>>>,
}

impl From<UpdateRoleRequest> for RolePatch {
    fn from(request: UpdateRoleRequest) -> Self {
        let UpdateRoleRequest { name, description, permissions } = request;
        Self {
            name: name.map(|name| name.0.0),
            description: match description {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(text) => Some(Some(text.0.0)),
            },
            permissions: permissions.map(|names| names.into_iter().map(|name| name.0).collect()),
        }
    }
}

impl Example for UpdateRoleRequest {
    fn example() -> Self {
        Self {
            name: Some(Name("Runner".to_owned()).into()),
            description: MaybeUndefined::Undefined,
            permissions: Some(vec![Text::example()]),
        }
    }
}
