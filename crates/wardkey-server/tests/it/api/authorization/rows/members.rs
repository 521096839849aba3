use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::BuiltInRole;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Site, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Organization(&["admin:members"]);

fn wanted(stage: &Stage, site: &Site) -> Value {
    json!({
        "email": format!("{}@example.com", stage.fresh("member")),
        "name": "Member",
        "grants": [{ "role": "viewer", "workspace_id": site.workspace }],
    })
}

async fn member(stage: &Stage, site: &Site) -> Asked {
    let user = stage.world.member_of(site.id, &stage.fresh("member"), BuiltInRole::Viewer).await;
    Asked::default().at("user_id", &user.to_string())
}

pub(super) const ROWS: &[Row] = &[
    row("list_members", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("add_member", CLASS, 201, |stage, site| async { Asked::of(wanted(stage, site)) }.boxed()),
    row("get_member", CLASS, 200, |stage, site| member(stage, site).boxed()),
    row("update_member", CLASS, 200, |stage, site| {
        async { member(stage, site).await.matching(1).with(json!({ "grants": [{ "role": "member" }] })) }
            .boxed()
    }),
    row("create_member_link", CLASS, 201, |stage, site| {
        async {
            let added = stage.make(site, "/members", wanted(stage, site)).await;
            Asked::default().at("user_id", text(&added, "/member/id"))
        }
        .boxed()
    }),
    row("remove_member", CLASS, 204, |stage, site| member(stage, site).boxed()),
];
