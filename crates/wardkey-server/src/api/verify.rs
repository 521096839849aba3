//! Verification for programs that do not verify keys in their own process.

use std::net::IpAddr;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::permission::OperatorVerify;
use wardkey_core::{
    Code, CustomerId, Denial, EnvironmentName, KeyId, KeySummary, NeededPermissions, OrganizationId,
    PermissionName, Reference, Requirement, SecretId, Verification, VerifyError, WorkspaceId,
};

use super::Tag;
use super::answer::Answer;
use super::credentials::{InDeployment, Programs};
use super::kinds::{ExternalId, PresentedSecret};
use super::principals::Principal;
use super::rate_limits::{Standing, seconds};
use super::rights::Rights;
use super::text::Text;
use crate::json::Strict;
use crate::problem::Refusal;

pub(super) struct Verify;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Verification")]
impl Verify {
    /// Verify a key
    ///
    /// Says whether a secret that a client presented is good, and for what: the same decision, by the same rules, as the
    /// adapters make in a backend's own process. Only keys of the calling key's environment are good. Each call is one
    /// request of the key, charged last to its rate limits.
    ///
    /// A key that is refused is an answer, 200 with `valid: false`. An error is said of the caller's own credential, or
    /// means that no decision could be made.
    #[oai(path = "/verify", method = "post", operation_id = "verify_key")]
    async fn verify_key(
        &self,
        caller: InDeployment<OperatorVerify, Programs>,
        /// What was presented, and what it is needed for.
        body: Strict<VerifyRequest>,
    ) -> Answer<Json<VerifyAnswer>> {
        let VerifyRequest { secret, permissions, workspace_id, customer_id, ip } = body.value;
        let requirement = Requirement {
            permissions: NeededPermissions::AllOf(permissions.into_iter().map(|name| name.0).collect()),
            workspace: workspace_id.map(|id| id.0),
            customer: customer_id.map(|id| id.0),
        };
        let address = ip.map(|address| address.0);
        match caller.deployment.verify(secret.0.0.as_bytes(), address, &requirement).await? {
            Ok(verification) => Ok(Json(VerifyAnswer::granted(&verification))),
            Err(VerifyError::Denied(denial)) => Ok(Json(VerifyAnswer::denied(&denial))),
            Err(outage @ VerifyError::Unavailable(_)) => Err(Refusal::from(outage).into()),
        }
    }
}

/// A secret that a client presented, and what it is needed for.
#[derive(Object)]
#[oai(skip_serializing_if_is_none, example)]
struct VerifyRequest {
    /// What the client presented as its key. It is neither stored nor logged.
    secret: Text<PresentedSecret>,
    /// The permissions that are needed, all of them.
    #[oai(default, validator(max_items = 100))]
    permissions: Vec<Text<PermissionName>>,
    /// Where they are needed. Without it, a permission that is held in any workspace will do.
    workspace_id: Option<Text<Reference<WorkspaceId>>>,
    /// For which customer of the key's organization. One that the key does not reach is `not_found`, as is one that does
    /// not exist.
    customer_id: Option<Text<Reference<CustomerId>>>,
    /// Where the client's request came from. A key that is restricted to networks is refused without it.
    ip: Option<Text<IpAddr>>,
}

impl Example for VerifyRequest {
    fn example() -> Self {
        Self {
            secret: Text::example(),
            permissions: vec![Text::example()],
            workspace_id: None,
            customer_id: None,
            ip: Some(Text::example()),
        }
    }
}

/// Whether a secret is good, and for what. What is said of the key is there only if `valid` is true.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct VerifyAnswer {
    /// Whether the request may go on.
    valid: bool,
    /// `granted`, or why not: `invalid_key`, `key_revoked`, `key_expired`, `key_disabled`, `secret_ended`,
    /// `environment_mismatch`, `principal_inactive`, `organization_suspended`, `ip_not_allowed`,
    /// `insufficient_permissions`, `policy_denied`, `not_found` or `rate_limited`.
    #[oai(validator(pattern = "^[a-z_]+$", max_length = 64))]
    code: String,
    /// The HTTP status with which to answer the client: 200, or that of the code.
    #[oai(validator(minimum(value = "200"), maximum(value = "599")))]
    status: u16,
    /// Why not, for people.
    detail: Option<String>,
    /// The permissions that the key lacks.
    missing_permissions: Option<Vec<Text<PermissionName>>>,
    /// With `rate_limited`, after how many seconds another request is admitted: for `Retry-After`.
    #[oai(validator(maximum(value = "2678400")))]
    retry_after_seconds: Option<u32>,
    /// Where the key stands with its rate limits, this request included; absent if it has none, or was refused for another
    /// reason.
    #[oai(validator(max_items = 8))]
    rate_limits: Option<Vec<Standing>>,
    /// The key.
    key: Option<VerifiedKey>,
    /// The organization to which the key belongs.
    organization: Option<VerifiedOrganization>,
    /// On whose behalf the key acts.
    principal: Option<Principal>,
    /// What the key may do, and where.
    rights: Option<Rights>,
}

impl VerifyAnswer {
    fn granted(verification: &Verification) -> Self {
        let limits = verification.rate_limits();
        let Verification { key, rights } = verification;
        let KeySummary { key, secret, organization, principal } = *key;
        let external_id = rights.rights.organization_external_id();
        Self {
            valid: true,
            code: "granted".to_owned(),
            status: 200,
            detail: None,
            missing_permissions: None,
            retry_after_seconds: None,
            rate_limits: (!limits.is_empty()).then(|| limits.iter().map(Into::into).collect()),
            key: Some(VerifiedKey {
                id: key.into(),
                secret_id: secret.into(),
                environment: rights.environment.clone().into(),
            }),
            organization: Some(VerifiedOrganization {
                id: organization.into(),
                external_id: external_id.map(|id| ExternalId(id.to_owned()).into()),
            }),
            principal: Some(principal.into()),
            rights: Some((&rights.rights).into()),
        }
    }

    fn denied(denial: &Denial) -> Self {
        let code: Code = denial.code();
        let missing = match denial {
            Denial::InsufficientPermissions { missing } => {
                Some(missing.iter().filter_map(|name| name.parse().ok()).map(Text).collect())
            }
            _ => None,
        };
        let limited = match denial {
            Denial::RateLimited { retry_after, limits } => Some((retry_after, limits)),
            _ => None,
        };
        Self {
            valid: false,
            code: code.as_str().to_owned(),
            status: code.status(),
            detail: Some(code.detail().to_owned()),
            missing_permissions: missing,
            retry_after_seconds: limited.map(|(wait, _)| seconds(*wait).max(1)),
            rate_limits: limited.map(|(_, limits)| limits.iter().map(Into::into).collect()),
            key: None,
            organization: None,
            principal: None,
            rights: None,
        }
    }
}

impl Example for VerifyAnswer {
    fn example() -> Self {
        Self {
            valid: true,
            code: "granted".to_owned(),
            status: 200,
            detail: None,
            missing_permissions: None,
            retry_after_seconds: None,
            rate_limits: Some(vec![Standing::example()]),
            key: Some(VerifiedKey {
                id: Text::example(),
                secret_id: Text::example(),
                environment: Text::example(),
            }),
            organization: Some(VerifiedOrganization {
                id: Text::example(),
                external_id: Some(Text::example()),
            }),
            principal: Some(Principal::example()),
            rights: Some(Rights::example()),
        }
    }
}

/// A key that was verified.
#[derive(Debug, Object)]
struct VerifiedKey {
    /// The key.
    id: Text<KeyId>,
    /// Which of its secrets was presented.
    secret_id: Text<SecretId>,
    /// The environment in which it works.
    environment: Text<EnvironmentName>,
}

/// The organization of a key that was verified.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
struct VerifiedOrganization {
    /// Its id.
    id: Text<OrganizationId>,
    /// The id that your backend gave it.
    external_id: Option<Text<ExternalId>>,
}
