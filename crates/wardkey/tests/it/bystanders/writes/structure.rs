//! What a tenant is made of.

use wardkey::core::Standing;
use wardkey::{Customer, CustomerPatch, ServiceAccount, ServiceAccountPatch, Workspace, WorkspacePatch};

use super::super::{Deed, Site, Town, Write};
use super::deed;

pub(super) const WRITES: &[(&str, Write)] = &[
    ("create_workspace", |town, here, _| {
        Box::pin(async move {
            let (name, external_id) = (town.word(), Some(town.word()));
            deed! { here.create_workspace(name, external_id, Vec::new()).await?; }
        })
    }),
    ("update_workspace", |town, here, there| {
        Box::pin(async move {
            let made = town.workspace(there).await;
            let patch = WorkspacePatch { name: Some(town.word()), ..WorkspacePatch::default() };
            deed! { here.update_workspace(&made.id.into(), made.version, patch).await?; }
        })
    }),
    ("delete_workspace", |town, here, there| {
        Box::pin(async move {
            let made = town.workspace(there).await.id.into();
            deed! { here.delete_workspace(&made, None).await?; }
        })
    }),
    ("create_customer", |town, here, _| {
        Box::pin(async move {
            let (name, external_id) = (town.word(), Some(town.word()));
            deed! { here.create_customer(name, external_id).await?; }
        })
    }),
    ("update_customer", |town, here, there| {
        Box::pin(async move {
            let made = town.customer(there).await;
            let patch = CustomerPatch { name: Some(town.word()), ..CustomerPatch::default() };
            deed! { here.update_customer(&made.id.into(), made.version, patch).await?; }
        })
    }),
    ("delete_customer", |town, here, there| {
        Box::pin(async move {
            let made = town.customer(there).await.id.into();
            deed! { here.delete_customer(&made, None).await?; }
        })
    }),
    ("create_service_account", |town, here, _| {
        Box::pin(async move {
            let (name, external_id) = (town.word(), Some(town.word()));
            deed! { here.create_service_account(name, external_id).await?; }
        })
    }),
    ("update_service_account", |town, here, there| {
        Box::pin(async move {
            let account = town.service_account(there).await;
            let patch = ServiceAccountPatch { name: Some(town.word()), ..ServiceAccountPatch::default() };
            deed! { here.update_service_account(&account.id.into(), account.version, patch).await?; }
        })
    }),
    ("set_service_account_state", |town, here, there| {
        Box::pin(async move {
            let account = town.service_account(there).await.id.into();
            deed! { here.set_service_account_state(&account, None, Standing::Inactive, None).await?; }
        })
    }),
    ("delete_service_account", |town, here, there| {
        Box::pin(async move {
            let account = town.service_account(there).await.id.into();
            deed! { here.delete_service_account(&account, None).await?; }
        })
    }),
];

impl Town<'_> {
    async fn workspace(&self, site: &Site) -> Workspace {
        self.tenant(site).await.create_workspace(self.word(), None, Vec::new()).await.unwrap().into_inner()
    }

    async fn customer(&self, site: &Site) -> Customer {
        self.tenant(site).await.create_customer(self.word(), None).await.unwrap().into_inner()
    }

    async fn service_account(&self, site: &Site) -> ServiceAccount {
        self.tenant(site).await.create_service_account(self.word(), None).await.unwrap().into_inner()
    }
}
