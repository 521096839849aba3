//! Keys: issued, listed, edited, rotated, ended.

mod input;
mod issue;

use std::time::Duration;

pub use input::{IssueKey, IssuedKey, KeyPatch, PrincipalRef, RateLimitInput};
use issue::World;
pub(crate) use issue::{generate_secret, new_key, secret_start};
use wardkey_core::permission::{AdminKeys, KeysWrite};
use wardkey_core::{
    EnvironmentName, KeyId, KeyState, KeyStatus, OneOf, PrincipalId, PrincipalRecord, Requires as _,
    SecretId, ServiceAccountId,
};
use wardkey_storage::{Key, KeyFilter, NewSecret, Once, Page};

use crate::bootstrap::PRODUCTION;
use crate::error::Error;
use crate::grant::{Bounds, Reach, check_for_another, exceeds};
use crate::page::{PageOf, PageRequest};
use crate::rules::Findings;
use crate::tenant::{CallerStanding, Tenant};

/// The longest time for which a rotated secret goes on working.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 86_400);

/// Who may make keys: for oneself, or for all.
pub(crate) type MakesKeys = OneOf<(KeysWrite, AdminKeys)>;

impl Tenant {
    /// The keys that the caller sees, the newest first: all with `admin:keys`, else those of the caller's own
    /// principal.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_keys(
        &self,
        mut filter: KeyFilter,
        page: PageRequest<KeyId>,
    ) -> Result<PageOf<Key>, Error> {
        if !self.administers_keys() {
            let own = self.caller.principal().ok_or(Error::NotFound)?;
            if filter.principal.is_some_and(|wanted| wanted != own) {
                return Ok(PageOf { items: Vec::new(), has_more: false });
            }
            filter.principal = Some(own);
        }
        if filter.search.as_ref().is_some_and(|text| text.contains('\0')) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        let storage = self.wardkey.storage();
        let organization = self.organization_id();
        let items = storage.list_keys(organization, &filter, self.now(), page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// One key.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for a key that the caller does not see; [`Error::Unavailable`].
    pub async fn get_key(&self, key: KeyId) -> Result<Key, Error> {
        let key =
            self.wardkey.storage().find_key(self.organization_id(), key).await?.ok_or(Error::NotFound)?;
        if self.sees(&key) { Ok(key) } else { Err(Error::NotFound) }
    }

    /// Gives a key new values, of which each is checked as when it was issued.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::ExceedsOwnRights`], [`Error::NotFound`], [`Error::VersionMismatch`], conflicts
    /// (revoked, key limit), [`Error::Unavailable`].
    pub async fn update_key(&self, key: KeyId, version: i64, patch: KeyPatch) -> Result<Key, Error> {
        self.require::<MakesKeys>()?;
        let current = self.get_key(key).await?;
        let world = self.load_world().await?;
        let principal = self.principal_of(&current).await?;
        let before = input::edit_of(&current);
        let edit = self.check_patch(&world, &current, patch).await?;
        let reach =
            |edit| Reach::of(edit, &world.organization, &principal, &current.environment, &world.catalogue);
        if input::moves_reach(&before, &edit) {
            let wanted = reach(&edit);
            // Narrowing is always allowed, also of a key that the editor could not have issued.
            if reach(&before).as_bounds().check(&wanted).is_err() {
                self.check_grant(&world, &wanted, &principal, &current.environment).await?;
            }
        }
        // Who may make keys may restrict them; to lift a limit is for those who administer keys.
        if !self.administers_keys() && !edit.rate_limits.keep_to(&before.rate_limits) {
            let detail = "loosens a limit, which takes admin:keys";
            return Err(Error::ExceedsOwnRights(vec![exceeds("/rate_limits", detail.to_owned())]));
        }
        // What was checked is the version that was read; it must be the one that is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let storage = self.wardkey.storage();
        let key = storage.update_key(&self.act(), self.organization_id(), key, version, edit).await?;
        self.wardkey.publish().await;
        Ok(key)
    }

    /// Gives a key a new secret. The old one goes on working for `overlap`; with zero it ends at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the overlap is longer than [`LONGEST_OVERLAP`], or zero for the calling key itself;
    /// [`Error::ExceedsOwnRights`], as the caller is shown the secret; [`Error::NotFound`],
    /// [`Error::VersionMismatch`], conflicts (rotation in progress, revoked, expired), [`Error::Unavailable`].
    pub async fn rotate_key(
        &self,
        key: KeyId,
        version: Option<i64>,
        overlap: Duration,
    ) -> Result<IssuedKey, Error> {
        self.require::<MakesKeys>()?;
        let mut findings = Findings::default();
        if overlap > LONGEST_OVERLAP {
            let longest = LONGEST_OVERLAP.as_secs();
            findings.add("/overlap_seconds", "too_long", format!("must be at most {longest} seconds"));
        }
        if overlap.is_zero() && self.caller.key_id() == Some(key) {
            let detail = "must be positive when a key rotates itself, or the answer could not be used";
            findings.add("/overlap_seconds", "own_secret", detail);
        }
        findings.into_result()?;
        let current = self.get_key(key).await?;
        let world = self.load_world().await?;
        let principal = self.principal_of(&current).await?;
        let edit = input::edit_of(&current);
        let reach = Reach::of(&edit, &world.organization, &principal, &current.environment, &world.catalogue);
        self.check_grant(&world, &reach, &principal, &current.environment).await?;
        let secret = self.generate_secret(&world, &current.environment)?;
        let new = NewSecret {
            id: SecretId::mint(self.now(), self.wardkey.random()),
            digest: secret.digest(),
            hint: secret.hint(),
        };
        let organization = self.organization_id();
        let idempotency = self.caller.idempotency(organization, &format!("rotate_key {key}"));
        let storage = self.wardkey.storage();
        let rotated =
            storage.rotate_key(&self.act(), organization, key, version, new, overlap, idempotency).await?;
        self.wardkey.publish().await;
        Ok(match rotated {
            Once::Done(key) => IssuedKey { key, secret: Some(secret) },
            Once::Replayed(key) => IssuedKey { key, secret: None },
        })
    }

    /// Ends one of a key's secrets before its time.
    ///
    /// # Errors
    /// [`Error::NotFound`]; a conflict if it is the last live one; [`Error::Unavailable`].
    pub async fn end_secret(&self, key: KeyId, secret: SecretId) -> Result<Key, Error> {
        self.require::<MakesKeys>()?;
        self.get_key(key).await?;
        let storage = self.wardkey.storage();
        let key = storage.end_secret(&self.act(), self.organization_id(), key, secret).await?;
        self.wardkey.publish().await;
        Ok(key)
    }

    /// Stops a key until it is enabled again. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::Unavailable`].
    pub async fn disable_key(
        &self,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Key, Error> {
        self.require::<MakesKeys>()?;
        check_reason(reason.as_deref())?;
        self.get_key(key).await?;
        let storage = self.wardkey.storage();
        let key = storage.disable_key(&self.act(), self.organization_id(), key, version, reason).await?;
        self.wardkey.publish().await;
        Ok(key)
    }

    /// Lets a disabled key work again, if the caller could have issued it: to enable gives power back. Repeating it
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::ExceedsOwnRights`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict if it is revoked,
    /// [`Error::Unavailable`].
    pub async fn enable_key(
        &self,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Key, Error> {
        self.require::<MakesKeys>()?;
        check_reason(reason.as_deref())?;
        let current = self.get_key(key).await?;
        // A revoked key gets no power back, whoever asks.
        if current.state != KeyState::Revoked {
            self.check_gives_back(&self.load_world().await?, &current).await?;
        }
        let storage = self.wardkey.storage();
        let key = storage.enable_key(&self.act(), self.organization_id(), key, version, reason).await?;
        self.wardkey.publish().await;
        Ok(key)
    }

    /// Ends a key for ever; it stays in the list. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::Unavailable`].
    pub async fn revoke_key(
        &self,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Key, Error> {
        self.require::<MakesKeys>()?;
        check_reason(reason.as_deref())?;
        self.get_key(key).await?;
        let storage = self.wardkey.storage();
        let key = storage.revoke_key(&self.act(), self.organization_id(), key, version, reason).await?;
        self.wardkey.publish().await;
        Ok(key)
    }

    /// Ends a key for ever and hides it; audit and usage stay.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::Unavailable`].
    pub async fn delete_key(
        &self,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<(), Error> {
        self.require::<MakesKeys>()?;
        check_reason(reason.as_deref())?;
        self.get_key(key).await?;
        self.wardkey.storage().delete_key(&self.act(), self.organization_id(), key, version, reason).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    fn administers_keys(&self) -> bool {
        AdminKeys::is_met_by(self.rights().organization_wide())
    }

    /// Whether the key is the caller's own.
    fn owns(&self, principal: PrincipalId) -> bool {
        self.caller.principal() == Some(principal)
    }

    fn sees(&self, key: &Key) -> bool {
        self.administers_keys() || self.owns(key.principal)
    }

    /// Whether the caller could have given a key of this environment this reach.
    async fn check_grant(
        &self,
        world: &World,
        reach: &Reach,
        principal: &PrincipalRecord,
        environment: &EnvironmentName,
    ) -> Result<(), Error> {
        match &self.standing {
            CallerStanding::Person(rights) | CallerStanding::Owner(rights) => {
                Bounds::of_rights(rights).check(reach)?;
            }
            CallerStanding::Member(verification) => {
                let calling = self.calling_key(verification.key.key).await?;
                if calling.environment != *environment && !self.crosses_environments(&calling) {
                    let detail = "a key makes keys of its own environment";
                    return Err(Error::ExceedsOwnRights(vec![exceeds("/environment", detail.to_owned())]));
                }
                let own = self.principal_of(&calling).await?;
                let edit = input::edit_of(&calling);
                Reach::of(&edit, &world.organization, &own, &calling.environment, &world.catalogue)
                    .as_bounds()
                    .check(reach)?;
            }
        }
        if !self.owns(principal.id()) {
            check_for_another(reach, principal, &world.organization, &world.catalogue, self.rights())?;
        }
        Ok(())
    }

    /// Whether the caller could have issued what is about to work again.
    pub(crate) async fn check_gives_back(&self, world: &World, key: &Key) -> Result<(), Error> {
        let principal = self.principal_of(key).await?;
        let (edit, environment) = (input::edit_of(key), &key.environment);
        let reach = Reach::of(&edit, &world.organization, &principal, environment, &world.catalogue);
        self.check_grant(world, &reach, &principal, environment).await
    }

    /// The same for every key that works again with its service account.
    pub(crate) async fn check_gives_back_keys_of(&self, account: ServiceAccountId) -> Result<(), Error> {
        let world = self.load_world().await?;
        let filter = KeyFilter {
            principal: Some(PrincipalId::ServiceAccount(account)),
            statuses: vec![KeyStatus::Active, KeyStatus::Disabled],
            ..KeyFilter::default()
        };
        let mut page = Page::first(100);
        loop {
            let storage = self.wardkey.storage();
            let keys = storage.list_keys(self.organization_id(), &filter, self.now(), page).await?;
            for key in &keys {
                self.check_gives_back(&world, key).await?;
            }
            let Some(last) = keys.last() else { return Ok(()) };
            page.after = Some(last.id);
        }
    }

    async fn calling_key(&self, key: KeyId) -> Result<Key, Error> {
        let storage = self.wardkey.storage();
        let key = storage.find_key(self.organization_id(), key).await?;
        // A key that has ended since it was verified grants nothing any more.
        let active = |key: &Key| KeyStatus::at(self.now(), key.state, key.expires_at) == KeyStatus::Active;
        key.filter(active).ok_or(Error::NotFound)
    }

    /// The keys of production that administer keys do so in every environment.
    fn crosses_environments(&self, calling: &Key) -> bool {
        calling.environment.as_str() == PRODUCTION && self.administers_keys()
    }
}

fn check_reason(reason: Option<&str>) -> Result<(), Error> {
    let mut findings = Findings::default();
    findings.reason(reason);
    findings.into_result()
}
