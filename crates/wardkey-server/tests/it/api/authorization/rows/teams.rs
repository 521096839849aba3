use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::BuiltInRole;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Site, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Organization(&["admin:members"]);

fn wanted(stage: &Stage, site: &Site) -> Value {
    let mut team = stage.named("team");
    team["grants"] = json!([{ "role": "member" }, { "role": "viewer", "workspace_id": site.workspace }]);
    team
}

async fn team(stage: &Stage, site: &Site) -> Asked {
    let team = stage.make(site, "/teams", wanted(stage, site)).await;
    Asked::default().at("team_id", text(&team, "/id"))
}

/// A team, and somebody who may be in it.
async fn team_and_member(stage: &Stage, site: &Site) -> Asked {
    let user = stage.world.member_of(site.id, &stage.fresh("member"), BuiltInRole::Viewer).await;
    team(stage, site).await.at("user_id", &user.to_string())
}

pub(super) const ROWS: &[Row] = &[
    row("list_teams", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("create_team", CLASS, 201, |stage, site| async { Asked::of(wanted(stage, site)) }.boxed()),
    row("get_team", CLASS, 200, |stage, site| team(stage, site).boxed()),
    row("update_team", CLASS, 200, |stage, site| {
        async { team(stage, site).await.matching(1).with(stage.named("edited")) }.boxed()
    }),
    row("delete_team", CLASS, 204, |stage, site| team(stage, site).boxed()),
    row("list_team_members", CLASS, 200, |stage, site| team(stage, site).boxed()),
    row("add_team_member", CLASS, 204, |stage, site| team_and_member(stage, site).boxed()),
    row("remove_team_member", CLASS, 204, |stage, site| {
        async {
            let asked = team_and_member(stage, site).await;
            let (team, user) = (&asked.path["team_id"], &asked.path["user_id"]);
            let path = format!("/v1/organizations/{}/teams/{team}/members/{user}", site.id);
            stage.world.put(&path).key(stage.world.operator()).send().await.expect(204);
            asked
        }
        .boxed()
    }),
];
