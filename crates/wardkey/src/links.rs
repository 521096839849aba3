//! Links, by which people become members, and come to a password.

use std::fmt;
use std::time::Duration;

use wardkey_core::permission::{AdminMembers, OperatorUsers};
use wardkey_core::{AuditEventId, Random, Reference, RoleGrant, Timestamp, UserId};
use wardkey_storage::{Act, Actor, Link, NewLink, PasswordHash};

use crate::caller::sha256;
use crate::deployment::DeploymentHandle;
use crate::error::Error;
use crate::sign_in::SignIn;
use crate::tenant::Tenant;

/// How long a link is good: 7 days.
pub const LINK_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// What makes a link: whoever has it is taken for the person. It has no `Display` and no `Serialize`; `Debug` prints its
/// name.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken([u8; 32]);

impl LinkToken {
    /// The token that somebody shows.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The token, to be shown this once.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        sha256(&self.0)
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken")
    }
}

/// A link that was made.
#[derive(Debug, Clone)]
pub struct IssuedLink {
    /// What makes it.
    pub token: LinkToken,
    /// When it ends: [`LINK_LIFE`] after it was made.
    pub ends_at: Timestamp,
}

/// A new link, and what is kept of it. `held` is what the person was seen to hold when it was decided that the caller may
/// make one for them: whoever gives them more meanwhile, or later, ends it.
pub(crate) fn generate_link(
    now: Timestamp,
    random: &dyn Random,
    held: Vec<RoleGrant>,
) -> (IssuedLink, NewLink) {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    let token = LinkToken(bytes);
    let ends_at = now.saturating_add(LINK_LIFE);
    let kept = NewLink { digest: token.digest(), ends_at, held };
    (IssuedLink { token, ends_at }, kept)
}

impl DeploymentHandle {
    /// Makes a link by which the user sets a new password, whatever the person had; an older one of this kind ends. It
    /// makes nobody a member: that is for the organizations' own links. It ends when the person comes to hold more in the
    /// operator organization. Needs `operator:users`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::ExceedsOwnRights`] for somebody who may do more with the
    /// deployment than the caller, [`Error::Unavailable`].
    pub async fn create_user_link(&self, user: &Reference<UserId>) -> Result<IssuedLink, Error> {
        self.require::<OperatorUsers>()?;
        let (user, held) = self.find_changeable(user).await?;
        let roles = held.membership.as_ref().map(|membership| membership.roles.clone()).unwrap_or_default();
        let (issued, link) = generate_link(self.wardkey.now(), self.wardkey.random(), roles);
        self.wardkey.storage().create_link(&self.act_on(held), user.id, link).await?;
        Ok(issued)
    }
}

impl Tenant {
    /// Makes another link for a member who has not accepted yet, as when the first one is over or lost; an older one ends.
    /// It sets no password of who has one. It ends when the person comes to hold more here. Needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::ExceedsOwnRights`] for somebody who holds more than the caller:
    /// whoever has the link may be taken for that person; a conflict if the person has accepted, [`Error::Unavailable`].
    pub async fn create_member_link(&self, user: &Reference<UserId>) -> Result<IssuedLink, Error> {
        self.require::<AdminMembers>()?;
        let member = self.find_member(user).await?;
        self.check_changes(&member.held).await?;
        let (issued, link) = generate_link(self.now(), self.wardkey.random(), member.held);
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        storage.create_member_link(&self.act(), organization, member.user.id, link).await?;
        Ok(issued)
    }
}

impl SignIn {
    /// Whom the link leads where, as things are now. It tells whether the person has a password, also to whoever made the
    /// link for them: they could see it by opening it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the link is unknown, used or over. [`Error::Unavailable`].
    pub async fn inspect_link(&self, token: &LinkToken) -> Result<Link, Error> {
        let found = self.wardkey.storage().find_link(token.digest(), self.wardkey.now()).await?;
        found.ok_or(Error::NotFound)
    }

    /// Takes the link in and gives its person this password. Every session of the person ends. By an organization's link
    /// the person becomes its member in full, and that of no other which has invited them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the link is unknown, used or over; a conflict if it leads to logging in only;
    /// [`Error::Unavailable`].
    pub async fn redeem_link(&self, token: &LinkToken, hash: PasswordHash) -> Result<(), Error> {
        let user = self.inspect_link(token).await?.user;
        let now = self.wardkey.now();
        let act = Act {
            actor: Actor::Link { user },
            acting_for: None,
            request_id: self.visitor.request_id.clone(),
            address: self.visitor.address,
            now,
            audit_id: AuditEventId::mint(now, self.wardkey.random()),
            rests_on: Vec::new(),
        };
        self.wardkey.storage().redeem_link(&act, user, token.digest(), hash).await?;
        Ok(())
    }
}
