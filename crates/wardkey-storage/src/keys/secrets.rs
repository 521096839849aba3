//! The secrets of a key: rotation, and the end of one.

use std::time::Duration;

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{KeyId, KeyState, KeyStatus, OrganizationId, SecretId, Subject, Timestamp};

use super::describe::{describe_new_secret, describe_secret};
use super::edit::load_version;
use super::issue::{find_replayed, insert_secret};
use super::row::load_key;
use super::{Key, KeySecret, NewSecret};
use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::idempotency::claim;
use crate::organizations::lock_organization;
use crate::schema::{keys, secrets};
use crate::{Act, Conflict, Idempotency, Once, Storage, StorageError};

/// How many secrets of a key may be live at once.
const MOST_LIVE: usize = 2;

impl Storage {
    /// Gives a key a new secret. The old one works for `overlap` longer, and never beyond the end that it had or the
    /// key's expiry.
    ///
    /// # Errors
    /// Conflicts: [`KeyRevoked`](crate::Conflict::KeyRevoked), [`KeyExpired`](crate::Conflict::KeyExpired),
    /// [`RotationInProgress`](crate::Conflict::RotationInProgress) with two live secrets,
    /// [`DigestInUse`](crate::Conflict::DigestInUse), [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    #[expect(clippy::too_many_arguments, reason = "each is of another type and none has a default")]
    pub async fn rotate_key(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        version: Option<i64>,
        secret: NewSecret,
        overlap: Duration,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<Key>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, key, act.now).await? {
                    return Ok(Once::Replayed(find_replayed(conn, organization, first).await?));
                }
                let locked = lock_organization(conn, organization, &act).await?;
                let now = locked.now;
                let found = load_version(conn, organization, key, version).await?;
                match KeyStatus::at(now, found.state, found.expires_at) {
                    KeyStatus::Revoked => return Err(Conflict::KeyRevoked.into()),
                    KeyStatus::Expired => return Err(Conflict::KeyExpired.into()),
                    KeyStatus::Active | KeyStatus::Disabled => {}
                }
                let live: Vec<_> = found.secrets.iter().filter(|secret| secret.is_live(now)).collect();
                if live.len() >= MOST_LIVE {
                    return Err(Conflict::RotationInProgress.into());
                }
                // Rotation never lengthens a life.
                let overlap_end = now.saturating_add(overlap);
                let (mut before, mut after) = (Vec::new(), vec![describe_new_secret(&secret)]);
                for old in live {
                    let ends = [Some(overlap_end), found.expires_at, old.ends_at].into_iter().flatten().min();
                    let ends_at = ends.unwrap_or(overlap_end);
                    end_at(conn, key, old.id, ends_at).await?;
                    before.push(describe_secret(old));
                    after.push(describe_secret(&KeySecret { ends_at: Some(ends_at), ..old.clone() }));
                }
                let digest = secret.digest;
                insert_secret(conn, key, secret, now).await?;
                bump_version(conn, key, now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: now,
                        action: "key.rotate",
                        target: key.to_string(),
                        details: json!({
                            "before": {"secrets": before},
                            "after": {"secrets": after},
                            "overlap_seconds": overlap.as_secs(),
                        }),
                        subjects: &[Subject::Digest(digest), Subject::Key(key)],
                    },
                )
                .await?;
                Ok(Once::Done(load_key(conn, organization, key).await?.ok_or(StorageError::NotFound)?))
            }
            .boxed()
        })
        .await
    }

    /// Ends a secret now. Ending an ended one changes nothing.
    ///
    /// # Errors
    /// [`LastSecret`](crate::Conflict::LastSecret) if no live secret would remain and the key is not revoked.
    pub async fn end_secret(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        secret: SecretId,
    ) -> Result<Key, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let now = locked.now;
                let found = load_version(conn, organization, key, None).await?;
                let ended =
                    found.secrets.iter().find(|known| known.id == secret).ok_or(StorageError::NotFound)?;
                if !ended.is_live(now) {
                    return Ok(found);
                }
                let another_lives =
                    found.secrets.iter().any(|known| known.id != secret && known.is_live(now));
                if !another_lives && found.state != KeyState::Revoked {
                    return Err(Conflict::LastSecret.into());
                }
                end_at(conn, key, secret, now).await?;
                bump_version(conn, key, now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: now,
                        action: "key.end_secret",
                        target: key.to_string(),
                        details: json!({
                            "before": {"secrets": [describe_secret(ended)]},
                            "after": {"secrets": [describe_secret(&KeySecret { ends_at: Some(now), ..ended.clone() })]},
                        }),
                        subjects: &[Subject::Key(key)],
                    },
                )
                .await?;
                load_key(conn, organization, key).await?.ok_or(StorageError::NotFound)
            }
            .boxed()
        })
        .await
    }
}

impl KeySecret {
    fn is_live(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

async fn end_at(conn: &mut Conn, key: KeyId, secret: SecretId, end: Timestamp) -> Result<(), StorageError> {
    on!(conn, c => diesel::update(secrets::table.find((Stored(key), Stored(secret))))
        .set(secrets::ends_at.eq(Stored(end)))
        .execute(c))?;
    Ok(())
}

async fn bump_version(conn: &mut Conn, key: KeyId, now: Timestamp) -> Result<(), StorageError> {
    on!(conn, c => diesel::update(keys::table.find(Stored(key)))
        .set((keys::version.eq(keys::version + 1), keys::updated_at.eq(Stored(now))))
        .execute(c))?;
    Ok(())
}
