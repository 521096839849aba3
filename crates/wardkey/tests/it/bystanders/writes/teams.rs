//! Roles and teams.

use wardkey::core::{BuiltInRole, Reference, TeamId};
use wardkey::{CreateRole, CreateTeam, GrantChoice, RolePatch, RoleRef, Team, TeamPatch};

use super::super::{Deed, Site, Town, Write};
use super::deed;
use crate::world::permissions;

pub(super) const WRITES: &[(&str, Write)] = &[
    ("create_role", |town, here, _| {
        Box::pin(async move {
            let role = town.wanted_role();
            deed! { here.create_role(role).await?; }
        })
    }),
    ("update_role", |town, here, there| {
        Box::pin(async move {
            let role = town.tenant(there).await.create_role(town.wanted_role()).await.unwrap().into_inner();
            let patch = RolePatch { name: Some(town.word()), ..RolePatch::default() };
            deed! { here.update_role(RoleRef::Custom(role.id), role.version, patch).await?; }
        })
    }),
    ("delete_role", |town, here, there| {
        Box::pin(async move {
            let role = town.tenant(there).await.create_role(town.wanted_role()).await.unwrap().into_inner();
            deed! { here.delete_role(RoleRef::Custom(role.id), None).await?; }
        })
    }),
    ("create_team", |town, here, there| {
        Box::pin(async move {
            let team = town.wanted_team(there);
            deed! { here.create_team(team).await?; }
        })
    }),
    ("update_team", |town, here, there| {
        Box::pin(async move {
            let team = town.team(there).await;
            let patch = TeamPatch { grants: Some(Vec::new()), ..TeamPatch::default() };
            deed! { here.update_team(&team.id.into(), team.version, patch).await?; }
        })
    }),
    ("delete_team", |town, here, there| {
        Box::pin(async move {
            let team = town.team(there).await.id.into();
            deed! { here.delete_team(&team, None).await?; }
        })
    }),
    ("add_team_member", |town, here, there| {
        Box::pin(async move {
            let (team, user) = (Reference::<TeamId>::from(town.team(there).await.id), there.user.into());
            deed! { here.add_team_member(&team, &user).await?; }
        })
    }),
    ("remove_team_member", |town, here, there| {
        Box::pin(async move {
            let (team, user) = (Reference::<TeamId>::from(town.team(there).await.id), there.user.into());
            town.tenant(there).await.add_team_member(&team, &user).await.unwrap();
            deed! { here.remove_team_member(&team, &user).await?; }
        })
    }),
];

impl Town<'_> {
    fn wanted_role(&self) -> CreateRole {
        CreateRole { name: self.word(), description: None, permissions: permissions(&["keys:write"]) }
    }

    fn wanted_team(&self, site: &Site) -> CreateTeam {
        let role = RoleRef::BuiltIn(BuiltInRole::Viewer);
        let grants = vec![GrantChoice { role, workspace: Some(site.workspace.into()) }];
        CreateTeam { name: self.word(), external_id: Some(self.word()), grants }
    }

    async fn team(&self, site: &Site) -> Team {
        self.tenant(site).await.create_team(self.wanted_team(site)).await.unwrap().into_inner()
    }
}
