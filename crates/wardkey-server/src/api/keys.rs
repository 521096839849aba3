//! Keys: issued, listed, edited, rotated, ended.

mod input;
mod propagation;
mod view;

use std::time::Duration;

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use wardkey::Tenant;
use wardkey_core::permission::{AdminKeys, KeysWrite};
use wardkey_core::{KeyId, OneOf, SecretId};

use self::input::{IssueKeyRequest, ReasonRequest, RotateKeyRequest, UpdateKeyRequest};
pub(super) use self::input::{KeyQuery, RULES, ReasonRequest as Reasoned};
use self::propagation::RevokedKey;
pub(super) use self::propagation::{RevokeQuery, Wait};
pub(super) use self::view::KeyPage;
pub(crate) use self::view::{IssuedKey, Key};
use super::Tag;
use super::answer::{Answer, Refusals};
use super::credentials::InOrganization;
use super::pages::next;
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch, etag};
use crate::json::{Optional, Strict};
use crate::problem::Code;

pub(super) struct Keys;

/// Who may make and change keys: for oneself, or for all.
type MakesKeys = OneOf<(KeysWrite, AdminKeys)>;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Keys")]
impl Keys {
    /// Issue a key
    ///
    /// The answer holds the secret, this once. With `keys:write` for oneself; with `admin:keys` also for service accounts
    /// and for other members. Nobody grants what they do not hold.
    ///
    /// Only `name` is required for a key of one's own, and the answer shows what was chosen for the rest. A service account's
    /// key must also say its `principal` and `workspaces`.
    #[oai(path = "/organizations/:organization_id/keys", method = "post", operation_id = "issue_key")]
    async fn issue_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same key, without its secret.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The key to be issued.
        body: Strict<IssueKeyRequest>,
    ) -> Answer<IssuedAnswer, Issuing> {
        let Strict { value, digest } = body;
        let InOrganization { tenant, app, .. } = caller;
        let tenant = idempotency_key.once(tenant, digest);
        let issued = tenant.issue_key(value.into_input(&app.environment)).await?;
        let location =
            format!("{}/v1/organizations/{}/keys/{}", app.base_url, issued.key.organization, issued.key.id);
        let (etag, replayed) = (etag(issued.key.version), replayed(&issued));
        let body = Json(IssuedKey::new(issued, tenant.now()));
        Ok(IssuedAnswer::Created(body, location, etag, NO_STORE.to_owned(), replayed))
    }

    /// List keys
    ///
    /// The organization's keys, the newest first: all of them with `admin:keys`, else those of the caller's own user or
    /// service account. Deleted keys are not shown.
    #[oai(path = "/organizations/:organization_id/keys", method = "get", operation_id = "list_keys")]
    async fn list_keys(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<()>,
        query: InQuery<KeyQuery>,
    ) -> Answer<Json<KeyPage>> {
        let InOrganization { tenant, app, .. } = caller;
        let list = query.0.list(&tenant);
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = tenant.list_keys(filter, request).await?;
        let next_cursor = next(&page, |key| key.id, &list, &app.cursors);
        Ok(Json(KeyPage::new(page.items, next_cursor, tenant.now())))
    }

    /// Get a key
    ///
    /// Never its secret: that was shown when the key was issued.
    #[oai(path = "/organizations/:organization_id/keys/:key_id", method = "get", operation_id = "get_key")]
    async fn get_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<()>,
        /// The key.
        key_id: InPath<KeyId>,
    ) -> Answer<KeyAnswer> {
        let key = caller.tenant.get_key(key_id.0).await?;
        Ok(KeyAnswer::new(key, &caller.tenant))
    }

    /// Update a key
    ///
    /// Members that are left out stay as they are; a list or an object that is given replaces the whole one. Organization,
    /// environment and principal of a key never change.
    #[oai(
        path = "/organizations/:organization_id/keys/:key_id",
        method = "patch",
        operation_id = "update_key"
    )]
    async fn update_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// The key.
        key_id: InPath<KeyId>,
        /// The `ETag` of the key as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateKeyRequest>,
    ) -> Answer<KeyAnswer, Updating> {
        let key = caller.tenant.update_key(key_id.0, if_match.0, body.value.into_patch()).await?;
        Ok(KeyAnswer::new(key, &caller.tenant))
    }

    /// Delete a key
    ///
    /// Revokes the key, for ever and at once, and hides it. Its audit events and its usage stay.
    #[oai(
        path = "/organizations/:organization_id/keys/:key_id",
        method = "delete",
        operation_id = "delete_key"
    )]
    async fn delete_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// The key.
        key_id: InPath<KeyId>,
        /// The `ETag` of the key as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted> {
        caller.tenant.delete_key(key_id.0, if_match.0, None).await?;
        Ok(Deleted::Done)
    }

    /// Disable a key
    ///
    /// The key stops working at once, until it is enabled again. Repeating it changes nothing.
    #[oai(
        path = "/organizations/:organization_id/keys/:key_id/disable",
        method = "post",
        operation_id = "disable_key"
    )]
    async fn disable_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// The key.
        key_id: InPath<KeyId>,
        /// The `ETag` of the key as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<ReasonRequest>,
    ) -> Answer<KeyAnswer, ChangingState> {
        let key = caller.tenant.disable_key(key_id.0, if_match.0, body.value.into_reason()).await?;
        Ok(KeyAnswer::new(key, &caller.tenant))
    }

    /// Enable a key
    ///
    /// A disabled key works again. Whoever enables it could have issued it: to enable gives power back. Repeating it changes
    /// nothing. A revoked key stays revoked.
    #[oai(
        path = "/organizations/:organization_id/keys/:key_id/enable",
        method = "post",
        operation_id = "enable_key"
    )]
    async fn enable_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// The key.
        key_id: InPath<KeyId>,
        /// The `ETag` of the key as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<ReasonRequest>,
    ) -> Answer<KeyAnswer, Enabling> {
        let key = caller.tenant.enable_key(key_id.0, if_match.0, body.value.into_reason()).await?;
        Ok(KeyAnswer::new(key, &caller.tenant))
    }

    /// Revoke a key
    ///
    /// The key stops working at once and for ever; it stays in the list, with its history. Repeating it changes nothing.
    ///
    /// Backends that verify in their own process hear of it within a second, and of what they cannot hear they answer
    /// nothing beyond their `max_stale`. Who must know gives `wait`: the answer then says how many of them have applied it
    /// and which have not.
    #[oai(
        path = "/organizations/:organization_id/keys/:key_id/revoke",
        method = "post",
        operation_id = "revoke_key"
    )]
    async fn revoke_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// The key.
        key_id: InPath<KeyId>,
        /// The `ETag` of the key as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Whether to wait until the verifiers have heard of it.
        query: InQuery<RevokeQuery>,
        /// Why; may be left out.
        body: Optional<ReasonRequest>,
    ) -> Answer<RevokedAnswer> {
        let tenant = &caller.tenant;
        let key = tenant.revoke_key(key_id.0, if_match.0, body.value.into_reason()).await?;
        let propagation = match query.0.patience() {
            Some(patience) => match tenant.wait_for_verifiers(&key.environment, patience).await {
                Ok(propagation) => Some(propagation.into()),
                Err(error) => {
                    // The key is revoked: that is what was asked for first.
                    tracing::warn!(%error, "cannot tell how far a revocation is known");
                    None
                }
            },
            None => None,
        };
        let etag = etag(key.version);
        Ok(RevokedAnswer::Ok(Json(RevokedKey { key: Key::new(key, tenant.now()), propagation }), etag))
    }

    /// Rotate a key
    ///
    /// Gives the key a new secret, which the answer holds, this once. The old secret works for `overlap_seconds` longer; with
    /// 0 it stops at once. Id, name, permissions and every other property of the key stay, and no further place of the
    /// organization's key limit is taken.
    #[oai(
        path = "/organizations/:organization_id/keys/:key_id/rotate",
        method = "post",
        operation_id = "rotate_key"
    )]
    async fn rotate_key(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// The key.
        key_id: InPath<KeyId>,
        /// The `ETag` of the key as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Makes repetitions of this request one request, for 24 hours: they get the same key, without its secret.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// How the old secret ends; may be left out.
        body: Optional<RotateKeyRequest>,
    ) -> Answer<RotatedAnswer, Rotating> {
        let Optional { value, digest } = body;
        let tenant = idempotency_key.once(caller.tenant, digest);
        let overlap = Duration::from_secs(value.overlap_seconds.into());
        let rotated = tenant.rotate_key(key_id.0, if_match.0, overlap).await?;
        let (etag, replayed) = (etag(rotated.key.version), replayed(&rotated));
        let body = Json(IssuedKey::new(rotated, tenant.now()));
        Ok(RotatedAnswer::Ok(body, etag, NO_STORE.to_owned(), replayed))
    }

    /// End a secret
    ///
    /// Ends one of the key's secrets before its time, such as the old one after a rotation. The last live secret of a key
    /// cannot be ended: revoke the key instead. Repeating it changes nothing.
    #[oai(
        path = "/organizations/:organization_id/keys/:key_id/secrets/:secret_id/end",
        method = "post",
        operation_id = "end_secret"
    )]
    async fn end_secret(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<MakesKeys>,
        /// The key.
        key_id: InPath<KeyId>,
        /// The secret, by its id.
        secret_id: InPath<SecretId, 2>,
    ) -> Answer<KeyAnswer, EndingSecret> {
        let key = caller.tenant.end_secret(key_id.0, secret_id.0).await?;
        Ok(KeyAnswer::new(key, &caller.tenant))
    }
}

/// What keeps a secret out of every cache on its way.
const NO_STORE: &str = "no-store";

/// What `Idempotency-Replayed` says: nothing, or that the answer is that of a repetition.
fn replayed(issued: &wardkey::IssuedKey) -> Option<String> {
    issued.secret.is_none().then(|| "true".to_owned())
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
    /// What can stand in the way of a new key.
    Issuing: ExceedsOwnRights, KeyLimitReached;
    /// What can stand in the way of an edit.
    Updating: ExceedsOwnRights, KeyIsRevoked, KeyLimitReached;
    /// What can stand in the way of disabling.
    ChangingState: KeyIsRevoked;
    /// What can stand in the way of enabling.
    Enabling: ExceedsOwnRights, KeyIsRevoked;
    /// What can stand in the way of a new secret.
    Rotating: ExceedsOwnRights, RotationInProgress, KeyIsRevoked, KeyHasExpired;
    /// What can stand in the way of a secret's end.
    EndingSecret: LastSecret;
}

#[derive(ApiResponse)]
enum KeyAnswer {
    /// The key.
    #[oai(status = 200)]
    Ok(
        Json<Key>,
        /// The key's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum RevokedAnswer {
    /// The key, which is revoked.
    #[oai(status = 200)]
    Ok(
        Json<RevokedKey>,
        /// The key's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl KeyAnswer {
    fn new(key: wardkey::Key, tenant: &Tenant) -> Self {
        let etag = etag(key.version);
        Self::Ok(Json(Key::new(key, tenant.now())), etag)
    }
}

#[derive(ApiResponse)]
enum IssuedAnswer {
    /// The key was issued.
    #[oai(status = 201)]
    Created(
        Json<IssuedKey>,
        /// Where the key can be read from now on.
        #[oai(header = "Location")]
        String,
        /// The key's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// Always `no-store`: the answer holds a secret.
        #[oai(header = "Cache-Control")]
        String,
        /// `true` if the request repeats an earlier one; the key is then that one's, and the secret is not shown again.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum RotatedAnswer {
    /// The key has a new secret.
    #[oai(status = 200)]
    Ok(
        Json<IssuedKey>,
        /// The key's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// Always `no-store`: the answer holds a secret.
        #[oai(header = "Cache-Control")]
        String,
        /// `true` if the request repeats an earlier one; the key is then that one's, and the secret is not shown again.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The key is revoked and hidden.
    #[oai(status = 204)]
    Done,
}
