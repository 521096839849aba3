//! Users, members, sessions.

use wardkey::core::{BuiltInRole, UserId};
use wardkey::{AddMember, Grant, IssuedLink, MemberPatch, Own, PasswordHash, Tenant, UserPatch};

use super::super::{Deed, Town, Write};
use super::deed;
use crate::world::grants;

pub(super) const WRITES: &[(&str, Write)] = &[
    ("create_user", |town, _, _| {
        Box::pin(async move {
            let (deployment, name) = (town.world.deployment().await, town.word());
            deed! { deployment.create_user(format!("{name}@example.com"), name, None).await?; }
        })
    }),
    ("update_user", |town, _, there| {
        Box::pin(async move {
            let (deployment, user) = (town.world.deployment().await, there.user.into());
            let version = deployment.get_user(&user).await.unwrap().version;
            let patch = UserPatch { name: Some(town.word()), ..UserPatch::default() };
            deed! { deployment.update_user(&user, version, patch).await?; }
        })
    }),
    ("set_password", |town, _, there| {
        Box::pin(async move {
            let (deployment, user) = (town.world.deployment().await, there.user.into());
            deed! { deployment.set_password(&user, PasswordHash::new("another")).await?; }
        })
    }),
    ("suspend_user", |town, here, _| {
        Box::pin(async move {
            let (deployment, user) = (town.world.deployment().await, town.newcomer(&here).await.into());
            deed! { deployment.suspend_user(&user, None, None).await?; }
        })
    }),
    ("resume_user", |town, here, _| {
        Box::pin(async move {
            let (deployment, user) = (town.world.deployment().await, town.newcomer(&here).await.into());
            deployment.suspend_user(&user, None, None).await.unwrap();
            deed! { deployment.resume_user(&user, None, None).await?; }
        })
    }),
    // Who leaves every organization at once was in this one only.
    ("delete_user", |town, here, _| {
        Box::pin(async move {
            let (deployment, user) = (town.world.deployment().await, town.newcomer(&here).await.into());
            deed! { deployment.delete_user(&user, None).await?; }
        })
    }),
    ("create_user_link", |town, _, there| {
        Box::pin(async move {
            let (deployment, user) = (town.world.deployment().await, there.user.into());
            deed! { deployment.create_user_link(&user).await?; }
        })
    }),
    ("add_member", |town, here, _| {
        Box::pin(async move {
            let email = format!("{}@example.com", town.word());
            let grants = vec![Grant::organization_wide(BuiltInRole::Member).into()];
            deed! { here.add_member(AddMember { email, name: None, grants }).await?; }
        })
    }),
    ("update_member", |town, here, there| {
        Box::pin(async move {
            let user = there.user.into();
            let version = town.tenant(there).await.get_member(&user).await.unwrap().version;
            let patch = MemberPatch { name: Some(town.word()), grants: None };
            deed! { here.update_member(&user, version, patch).await?; }
        })
    }),
    ("remove_member", |town, here, there| {
        Box::pin(async move {
            let user = town.newcomer(&town.tenant(there).await).await;
            deed! { here.remove_member(&user.into(), None).await?; }
        })
    }),
    ("vouch_for_member", |town, here, there| {
        Box::pin(async move {
            let user = town.invited(&town.tenant(there).await).await.0;
            deed! { here.vouch_for_member(&user.into()).await?; }
        })
    }),
    ("create_member_link", |town, here, there| {
        Box::pin(async move {
            let user = town.invited(&town.tenant(there).await).await.0;
            deed! { here.create_member_link(&user.into()).await?; }
        })
    }),
    ("accept_link", |town, here, _| {
        Box::pin(async move {
            let (user, link) = town.invited(&here).await;
            let own = town.in_browser(user).await;
            deed! { own.accept_link(&link.token).await?; }
        })
    }),
    ("end_session", |town, _, _| {
        Box::pin(async move {
            let user = town.world.person(&town.word()).await;
            let (own, other) = (town.in_browser(user).await, town.world.log_in(user).await);
            deed! { own.end_session(other.id()).await?; }
        })
    }),
    ("end_other_sessions", |town, _, _| {
        Box::pin(async move {
            let user = town.world.person(&town.word()).await;
            town.world.log_in(user).await;
            let own = town.in_browser(user).await;
            deed! { own.end_other_sessions().await?; }
        })
    }),
    ("change_password", |town, _, _| {
        Box::pin(async move {
            let user = town.world.person(&town.word()).await;
            let own = town.in_browser(user).await;
            let credential = own.password_hash().await.unwrap();
            deed! { own.change_password(credential, PasswordHash::new("other")).await?; }
        })
    }),
];

impl Town<'_> {
    /// The person's own business, in a browser.
    async fn in_browser(&self, user: UserId) -> Own {
        self.world.wardkey.enter_self(&self.world.in_browser(user).await).await.unwrap()
    }

    /// Who was invited there and has not accepted, and the link.
    async fn invited(&self, tenant: &Tenant) -> (UserId, IssuedLink) {
        let email = format!("{}@example.com", self.word());
        let new = AddMember { email, name: None, grants: Vec::new() };
        let added = tenant.add_member(new).await.unwrap();
        (added.member.user, added.link.unwrap())
    }

    /// Who is a member of this one and of no other.
    pub(super) async fn newcomer(&self, tenant: &Tenant) -> UserId {
        let user = self.world.person(&self.word()).await;
        self.world.set_member(tenant, user, grants(&[BuiltInRole::Member])).await.unwrap();
        user
    }
}
