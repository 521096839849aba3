//! Making somebody a member, by their address.

use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, PrincipalId, Subject};

use super::{Member, NewMember, is_member, load_member};
use crate::audit::{Done, record_each};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::find_operator_organization;
use crate::grants::{describe_grants, replace_member_grants};
use crate::idempotency::{claim, settle};
use crate::links::replace_link;
use crate::organizations::{LockedOrganization, lock_organization};
use crate::schema::members;
use crate::users::{Provisioned, fold_email, provision_user};
use crate::{Act, Conflict, Idempotency, NewUser, Once, Storage, StorageError};

impl Storage {
    /// Makes the user with this address a member who has not accepted yet, and a user if there is none; what comes back is
    /// the same. Audited there, and a new user in the operator organization.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the organization, a workspace or a role does not exist there;
    /// [`AlreadyMember`](crate::Conflict::AlreadyMember),
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn add_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewMember,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<Member>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency.clone(), new.user, act.now).await? {
                    let member = load_member(conn, organization, first).await?;
                    return Ok(Once::Replayed(member.ok_or(StorageError::NotFound)?));
                }
                let NewMember { user, email, name, grants, link } = new;
                // What this organization writes and calls the person is its own; of the person others see the address.
                let email = fold_email(&email);
                let known_as = email.split('@').next().unwrap_or_default().to_owned();
                let person = NewUser { id: user, email, name: known_as, external_id: None };
                let provisioned = provision_user(conn, person, act.now).await?;
                let user = provisioned.user();
                settle(conn, idempotency, user).await?;
                let operator = find_operator_organization(conn).await?;
                let is_new = matches!(provisioned, Provisioned::New(_));
                let locked = lock_with_operator(conn, &act, organization, is_new.then_some(operator)).await?;
                if is_member(conn, organization, user).await? {
                    return Err(Conflict::AlreadyMember.into());
                }
                let now = locked.here.now;
                on!(conn, c => diesel::insert_into(members::table)
                    .values((
                        members::organization_id.eq(Stored(organization)),
                        members::user_id.eq(Stored(user)),
                        members::created_at.eq(Stored(now)),
                        members::name.eq(&name),
                        members::version.eq(1i64),
                        members::updated_at.eq(Stored(now)),
                    ))
                    .execute(c))?;
                replace_member_grants(conn, organization, user, &grants).await?;
                replace_link(conn, user, Some(organization), link, now).await?;
                let member = load_member(conn, organization, user).await?.ok_or(StorageError::NotFound)?;
                let (here, person) =
                    ([Subject::Organization(organization)], [Subject::Principal(PrincipalId::User(user))]);
                let mut events = Vec::new();
                if let Some(operator) = &locked.operator {
                    events.push(Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.create",
                        target: user.to_string(),
                        details: json!({"after": {"external_id": null}}),
                        subjects: &person,
                    });
                }
                events.push(Done {
                    organization,
                    at: now,
                    action: "member.add",
                    target: user.to_string(),
                    details: json!({"after": {"grants": describe_grants(&grants)}}),
                    subjects: &here,
                });
                record_each(conn, &act, events).await?;
                Ok(Once::Done(member))
            }
            .boxed()
        })
        .await
    }
}

/// The organizations whose locks this transaction holds.
pub(crate) struct Locked {
    pub(crate) here: LockedOrganization,
    /// The operator organization, if something is to be told there that is told nowhere else, and it is another.
    pub(crate) operator: Option<LockedOrganization>,
}

/// Takes the locks in the order of ids.
pub(crate) async fn lock_with_operator(
    conn: &mut Conn,
    act: &Act,
    organization: OrganizationId,
    operator: Option<OrganizationId>,
) -> Result<Locked, StorageError> {
    let operator = operator.filter(|operator| *operator != organization);
    let Some(operator) = operator else {
        return Ok(Locked { here: lock_organization(conn, organization, act).await?, operator: None });
    };
    if operator < organization {
        let operator = lock_organization(conn, operator, act).await?;
        return Ok(Locked {
            here: lock_organization(conn, organization, act).await?,
            operator: Some(operator),
        });
    }
    let here = lock_organization(conn, organization, act).await?;
    Ok(Locked { here, operator: Some(lock_organization(conn, operator, act).await?) })
}
