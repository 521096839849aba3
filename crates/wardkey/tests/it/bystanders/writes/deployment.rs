//! Organizations, environments and the catalogue.

use wardkey::core::{EnvironmentName, OrganizationId, Reference};

use wardkey::{OrganizationPatch, SessionPolicyPatch, ShuttingOut, Unlisted};

use super::super::{Deed, Town, Write};
use super::deed;
use crate::world::environment;

pub(super) const WRITES: &[(&str, Write)] = &[
    ("replace_catalogue", |town, _, _| {
        Box::pin(async move {
            let deployment = town.world.deployment().await;
            let mut known = deployment.catalogue().await.unwrap();
            known.catalogue.groups[0].label = town.word();
            deed! { deployment.replace_catalogue(known.version, &known.catalogue).await?; }
        })
    }),
    ("apply_catalogue", |town, _, _| {
        Box::pin(async move {
            let deployment = town.world.deployment().await;
            let mut file = deployment.catalogue().await.unwrap().catalogue;
            file.groups[0].label = town.word();
            deed! { deployment.apply_catalogue(&file, Unlisted::Kept).await?; }
        })
    }),
    ("update_session_policy", |_, here, _| {
        Box::pin(async move {
            let version = here.session_policy().await.unwrap().version;
            let patch = SessionPolicyPatch {
                longest_key_life_days: Some(2 + u32::try_from(version).unwrap()),
                ..SessionPolicyPatch::default()
            };
            deed! { here.update_session_policy(version, patch, ShuttingOut::Refused).await?; }
        })
    }),
    ("create_organization", |town, _, _| {
        Box::pin(async move {
            let (deployment, name) = (town.world.deployment().await, town.word());
            deed! { deployment.create_organization(name, None, None).await?; }
        })
    }),
    ("update_organization", |town, here, _| {
        Box::pin(async move {
            let patch = OrganizationPatch { name: Some(town.word()) };
            let version = here.organization().await.unwrap().version;
            deed! { here.update_organization(version, patch).await?; }
        })
    }),
    ("set_key_limit", |town, here, _| {
        Box::pin(async move {
            let deployment = town.world.deployment().await;
            let found = here.organization().await.unwrap();
            deed! { deployment.set_key_limit(&found.id.into(), found.version, Some(999_999)).await?; }
        })
    }),
    ("set_organization_external_id", |town, here, _| {
        Box::pin(async move {
            let deployment = town.world.deployment().await;
            let (found, next) = (here.organization().await.unwrap(), Some(town.word()));
            deed! { deployment.set_organization_external_id(&found.id.into(), found.version, next).await?; }
        })
    }),
    ("suspend_organization", |town, _, _| {
        Box::pin(async move {
            let (deployment, made) = (town.world.deployment().await, town.organization().await);
            deed! { deployment.suspend_organization(&made, None, None).await?; }
        })
    }),
    ("resume_organization", |town, _, _| {
        Box::pin(async move {
            let (deployment, made) = (town.world.deployment().await, town.organization().await);
            deployment.suspend_organization(&made, None, None).await.unwrap();
            deed! { deployment.resume_organization(&made, None, None).await?; }
        })
    }),
    ("delete_organization", |town, _, _| {
        Box::pin(async move {
            let (deployment, made) = (town.world.deployment().await, town.organization().await);
            deed! { deployment.delete_organization(&made, None).await?; }
        })
    }),
    ("create_environment", |town, _, _| {
        Box::pin(async move {
            let (deployment, name) = (town.world.deployment().await, environment(&town.word()));
            deed! { deployment.create_environment(name, "tag".to_owned()).await?; }
        })
    }),
    ("update_environment", |town, _, _| {
        Box::pin(async move {
            let (deployment, made) = (town.world.deployment().await, town.environment().await);
            deed! { deployment.update_environment(&made, 1, Some("other".to_owned())).await?; }
        })
    }),
    ("delete_environment", |town, _, _| {
        Box::pin(async move {
            let (deployment, made) = (town.world.deployment().await, town.environment().await);
            deed! { deployment.delete_environment(&made, None).await?; }
        })
    }),
];

impl Town<'_> {
    /// A tenant of which nothing else is asked.
    async fn organization(&self) -> Reference<OrganizationId> {
        self.world.create_organization(&self.word(), None).await.organization_id().into()
    }

    async fn environment(&self) -> EnvironmentName {
        let name = environment(&self.word());
        let deployment = self.world.deployment().await;
        deployment.create_environment(name.clone(), "tag".to_owned()).await.unwrap();
        name
    }
}
