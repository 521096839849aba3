//! Session policies: from where an organization is reached, and how long its keys may live.

use std::time::Duration;

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Map, Value, json};
use wardkey_core::{IpNetwork, OrganizationId, Subject, Timestamp};

use crate::audit::{Done, record};
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::keys::{read_list, write_list};
use crate::organizations::lock_organization;
use crate::schema::session_policies;
use crate::{Act, Storage, StorageError};

/// How long keys live at most unless an organization says otherwise: a year.
pub const USUAL_KEY_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// The network and lifetime rules of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy {
    /// From where its keys and its people's sessions are let in; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
    /// How long a key may live that has an end.
    pub longest_key_life: Duration,
    /// Whether keys may have no end.
    pub endless_keys: EndlessKeys,
    /// Moves with each edit; 0 for the usual policy, which nobody has edited.
    pub version: i64,
    /// When it was last edited.
    pub updated_at: Option<Timestamp>,
}

/// Everything of a policy that may be edited, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicyEdit {
    /// From where keys and sessions are let in; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
    /// How long a key may live that has an end; cut to whole seconds.
    pub longest_key_life: Duration,
    /// Whether keys may have no end.
    pub endless_keys: EndlessKeys,
}

/// Whether keys may have no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndlessKeys {
    /// They may.
    Allowed,
    /// Each has an end.
    Refused,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            ip_allowlist: Vec::new(),
            longest_key_life: USUAL_KEY_LIFE,
            endless_keys: EndlessKeys::Refused,
            version: 0,
            updated_at: None,
        }
    }
}

type PolicyRow = (Option<Json<Vec<String>>>, Option<i64>, String, i64, Stored<Timestamp>);

impl Storage {
    /// The organization's policy: the usual one unless somebody has edited it.
    pub async fn find_session_policy(
        &self,
        organization: OrganizationId,
    ) -> Result<SessionPolicy, StorageError> {
        self.read(move |conn| load_policy(conn, organization).boxed()).await
    }

    /// Gives the organization another policy. Equal values change nothing, not even the version. Keys that exist stay as
    /// they are; from elsewhere than the allowlist they are refused from now on.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if there is no such organization;
    /// [`VersionMismatch`](StorageError::VersionMismatch).
    pub async fn update_session_policy(
        &self,
        act: &Act,
        organization: OrganizationId,
        version: i64,
        edit: SessionPolicyEdit,
    ) -> Result<SessionPolicy, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let found = load_policy(conn, organization).await?;
                if found.version != version {
                    return Err(StorageError::VersionMismatch { current: found.version });
                }
                let (before, after) = differences(&found, &edit);
                if after.is_empty() {
                    return Ok(found);
                }
                let SessionPolicyEdit { ip_allowlist, longest_key_life, endless_keys } = edit;
                let life = i64::try_from(longest_key_life.as_secs()).map_err(StorageError::unavailable)?;
                let values = (
                    session_policies::ip_allowlist.eq(write_list(&ip_allowlist)),
                    session_policies::longest_key_life.eq(Some(life)),
                    session_policies::endless_keys.eq(write_endless(endless_keys)),
                    session_policies::version.eq(version + 1),
                    session_policies::updated_at.eq(Stored(locked.now)),
                );
                if found.updated_at.is_some() {
                    on!(conn, c => diesel::update(session_policies::table.find(Stored(organization)))
                        .set(values)
                        .execute(c))?;
                } else {
                    let key = session_policies::organization_id.eq(Stored(organization));
                    on!(conn, c => diesel::insert_into(session_policies::table)
                        .values((key, values))
                        .execute(c))?;
                }
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "session_policy.update",
                        target: organization.to_string(),
                        details: json!({"before": before, "after": after}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                load_policy(conn, organization).await
            }
            .boxed()
        })
        .await
    }
}

async fn load_policy(conn: &mut Conn, organization: OrganizationId) -> Result<SessionPolicy, StorageError> {
    let row = on!(conn, c => session_policies::table
        .find(Stored(organization))
        .select((
            session_policies::ip_allowlist,
            session_policies::longest_key_life,
            session_policies::endless_keys,
            session_policies::version,
            session_policies::updated_at,
        ))
        .first::<PolicyRow>(c))
    .optional()?;
    Ok(row.map_or_else(|| Ok(SessionPolicy::default()), read_policy)?)
}

/// What an edit changes, as it was and as it shall be.
fn differences(
    before: &SessionPolicy,
    after: &SessionPolicyEdit,
) -> (Map<String, Value>, Map<String, Value>) {
    let SessionPolicyEdit { ip_allowlist, longest_key_life, endless_keys } = after;
    let networks =
        |list: &[IpNetwork]| list.iter().map(|network| json!(network.to_string())).collect::<Value>();
    let fields = [
        ("ip_allowlist", networks(&before.ip_allowlist), networks(ip_allowlist)),
        (
            "longest_key_life_seconds",
            json!(before.longest_key_life.as_secs()),
            json!(longest_key_life.as_secs()),
        ),
        ("endless_keys", json!(write_endless(before.endless_keys)), json!(write_endless(*endless_keys))),
    ];
    let changed = fields.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(field, before, after)| ((field.to_owned(), before), (field.to_owned(), after))).unzip()
}

fn write_endless(endless: EndlessKeys) -> &'static str {
    match endless {
        EndlessKeys::Allowed => "allowed",
        EndlessKeys::Refused => "refused",
    }
}

fn read_policy(row: PolicyRow) -> Result<SessionPolicy, Corrupt> {
    let (allowlist, life, endless, version, updated_at) = row;
    let life =
        life.map(u64::try_from).transpose().map_err(|_| Corrupt("session_policies.longest_key_life"))?;
    Ok(SessionPolicy {
        ip_allowlist: read_list(allowlist, "session_policies.ip_allowlist")?,
        longest_key_life: life.map_or(USUAL_KEY_LIFE, Duration::from_secs),
        endless_keys: match endless.as_str() {
            "allowed" => EndlessKeys::Allowed,
            "refused" => EndlessKeys::Refused,
            _ => return Err(Corrupt("session_policies.endless_keys")),
        },
        version,
        updated_at: Some(updated_at.0),
    })
}
