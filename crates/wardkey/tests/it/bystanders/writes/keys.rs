//! Keys, of others and one's own.

use std::time::Duration;

use wardkey::KeyPatch;

use super::super::{Deed, Write};
use super::deed;

pub(super) const WRITES: &[(&str, Write)] = &[
    ("issue_key", |town, here, there| {
        Box::pin(async move {
            let input = town.wanted_key(there);
            deed! { here.issue_key(input).await?; }
        })
    }),
    ("update_key", |town, here, there| {
        Box::pin(async move {
            let key = town.key(there).await.key;
            let patch = KeyPatch { name: Some(town.word()), ..KeyPatch::default() };
            deed! { here.update_key(key.id, key.version, patch).await?; }
        })
    }),
    ("rotate_key", |town, here, there| {
        Box::pin(async move {
            let key = town.key(there).await.key;
            deed! { here.rotate_key(key.id, None, Duration::from_secs(60)).await?; }
        })
    }),
    ("end_secret", |town, here, there| {
        Box::pin(async move {
            let key = town.key(there).await.key;
            town.tenant(there).await.rotate_key(key.id, None, Duration::from_secs(60)).await.unwrap();
            deed! { here.end_secret(key.id, key.secrets[0].id).await?; }
        })
    }),
    ("disable_key", |town, here, there| {
        Box::pin(async move {
            let key = town.key(there).await.key;
            deed! { here.disable_key(key.id, None, None).await?; }
        })
    }),
    ("enable_key", |town, here, there| {
        Box::pin(async move {
            let key = town.key(there).await.key;
            town.tenant(there).await.disable_key(key.id, None, None).await.unwrap();
            deed! { here.enable_key(key.id, None, None).await?; }
        })
    }),
    ("revoke_key", |town, here, there| {
        Box::pin(async move {
            let key = town.key(there).await.key;
            deed! { here.revoke_key(key.id, None, None).await?; }
        })
    }),
    ("delete_key", |town, here, there| {
        Box::pin(async move {
            let key = town.key(there).await.key;
            deed! { here.delete_key(key.id, None, None).await?; }
        })
    }),
    // The caller's own key: one of the acting tenant.
    ("revoke", |town, here, _| {
        Box::pin(async move {
            let site = town.sites.iter().find(|site| site.id == here.organization_id()).unwrap();
            let caller = town.world.caller(&town.key(site).await).await;
            let own = town.world.wardkey.enter_self(&caller).await.unwrap();
            deed! { own.revoke(None).await?; }
        })
    }),
];
