//! The session policy: from where an organization is reached, and how long its keys may live.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use wardkey::{EndlessKeys, SessionPolicyPatch, ShuttingOut};
use wardkey_core::permission::AdminPolicy;
use wardkey_core::{IpNetwork, OrganizationId, Timestamp};

use super::Tag;
use super::answer::{Answer, Refusals};
use super::credentials::InOrganization;
use super::parameters::{IfMatch, etag};
use super::schema::Rule;
use super::text::Text;
use crate::json::Strict;
use crate::problem::Code;

/// What a policy has that no edit changes.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateSessionPolicyRequest",
    check: |_| Vec::new(),
    immutable: &["organization_id", "version", "updated_at"],
}];

pub(super) struct SessionPolicies;

#[OpenApi(prefix_path = "/v1", tag = "Tag::SessionPolicy")]
impl SessionPolicies {
    /// Get the session policy
    ///
    /// From where the organization's keys and its people's sessions are let in, and how long its keys may live. One that
    /// nobody has edited lets everybody in, and each key end within 365 days; its version is 0.
    #[oai(
        path = "/organizations/:organization_id/session-policy",
        method = "get",
        operation_id = "get_session_policy"
    )]
    async fn get_session_policy(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminPolicy>,
    ) -> Answer<SessionPolicyAnswer> {
        let policy = admin.tenant.session_policy().await?;
        Ok(SessionPolicyAnswer::new(policy, admin.tenant.organization_id()))
    }

    /// Update the session policy
    ///
    /// Members that are left out stay as they are; a list that is given replaces the whole one. The allowlist binds every
    /// key and every session of the organization from now on. Lives are checked when a key is issued and when its expiry is
    /// moved: keys that exist keep the ends that they have.
    ///
    /// An allowlist without the address from which this request comes would shut out its author and is refused, unless
    /// `force` says that it is meant. Operators who act here are let in from everywhere.
    #[oai(
        path = "/organizations/:organization_id/session-policy",
        method = "patch",
        operation_id = "update_session_policy"
    )]
    async fn update_session_policy(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminPolicy>,
        /// The `ETag` of the policy as you know it; `"0"` for one that nobody has edited. If it has changed since, nothing is
        /// written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateSessionPolicyRequest>,
    ) -> Answer<SessionPolicyAnswer, Narrowing> {
        let (patch, shutting_out) = body.value.into_patch();
        let policy = admin.tenant.update_session_policy(if_match.0, patch, shutting_out).await?;
        Ok(SessionPolicyAnswer::new(policy, admin.tenant.organization_id()))
    }
}

/// What can stand in the way of a policy.
struct Narrowing;

impl Refusals for Narrowing {
    const CODES: &'static [Code] = &[Code::PolicyShutsOutCaller];
}

#[derive(ApiResponse)]
enum SessionPolicyAnswer {
    /// The policy.
    #[oai(status = 200)]
    Ok(
        Json<SessionPolicy>,
        /// The policy's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl SessionPolicyAnswer {
    fn new(policy: wardkey::SessionPolicy, organization: OrganizationId) -> Self {
        let etag = etag(policy.version);
        Self::Ok(Json(SessionPolicy::new(policy, organization)), etag)
    }
}

/// An organization's rules for networks and for the lives of its keys.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct SessionPolicy {
    /// The organization.
    organization_id: Text<OrganizationId>,
    /// From where its keys and its people's sessions are let in; empty is from everywhere.
    #[oai(validator(max_items = 100))]
    ip_allowlist: Vec<Text<IpNetwork>>,
    /// How many days a key may live that has an end.
    #[oai(validator(minimum(value = "1"), maximum(value = "3650")))]
    longest_key_life_days: u32,
    /// Whether keys may have no end.
    keys_may_never_expire: bool,
    /// Moves with each edit; 0 if there was none.
    #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was last edited.
    updated_at: Option<Text<Timestamp>>,
}

impl SessionPolicy {
    fn new(policy: wardkey::SessionPolicy, organization: OrganizationId) -> Self {
        let wardkey::SessionPolicy { ip_allowlist, longest_key_life, endless_keys, version, updated_at } =
            policy;
        Self {
            organization_id: organization.into(),
            ip_allowlist: ip_allowlist.into_iter().map(Into::into).collect(),
            longest_key_life_days: u32::try_from(longest_key_life.as_secs() / 86_400).unwrap_or(u32::MAX),
            keys_may_never_expire: endless_keys == EndlessKeys::Allowed,
            version,
            updated_at: updated_at.map(Into::into),
        }
    }
}

impl Example for SessionPolicy {
    fn example() -> Self {
        Self {
            organization_id: Text::example(),
            ip_allowlist: vec![Text::example()],
            longest_key_life_days: 365,
            keys_may_never_expire: false,
            version: 1,
            updated_at: Some(Text::example()),
        }
    }
}

/// What shall be different about a session policy; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct UpdateSessionPolicyRequest {
    /// The whole new list: addresses, and networks in CIDR notation. Empty is from everywhere.
    #[oai(validator(max_items = 100, unique_items))]
    ip_allowlist: Option<Vec<Text<IpNetwork>>>,
    /// How many days a key may live that has an end: from 1 to ten years.
    #[oai(validator(minimum(value = "1"), maximum(value = "3650")))]
    longest_key_life_days: Option<u32>,
    /// Whether keys may have no end.
    keys_may_never_expire: Option<bool>,
    /// `true`: the allowlist is meant, even if it shuts out whoever sends it. Default: `false`.
    force: Option<bool>,
}

impl UpdateSessionPolicyRequest {
    /// What to change, and whether to do it at any price.
    fn into_patch(self) -> (SessionPolicyPatch, ShuttingOut) {
        let Self { ip_allowlist, longest_key_life_days, keys_may_never_expire, force } = self;
        let patch = SessionPolicyPatch {
            ip_allowlist: ip_allowlist.map(|list| list.into_iter().map(|network| network.0).collect()),
            longest_key_life_days,
            endless_keys: keys_may_never_expire
                .map(|may| if may { EndlessKeys::Allowed } else { EndlessKeys::Refused }),
        };
        let shutting_out = if force == Some(true) { ShuttingOut::Forced } else { ShuttingOut::Refused };
        (patch, shutting_out)
    }
}

impl Example for UpdateSessionPolicyRequest {
    fn example() -> Self {
        Self {
            ip_allowlist: Some(vec![Text::example()]),
            longest_key_life_days: Some(90),
            keys_may_never_expire: None,
            force: None,
        }
    }
}
