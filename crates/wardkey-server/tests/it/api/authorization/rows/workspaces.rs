use futures_util::FutureExt as _;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Site, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Organization(&["admin:workspaces"]);

async fn workspace(stage: &Stage, site: &Site) -> Asked {
    let workspace = stage.make(site, "/workspaces", stage.named("workspace")).await;
    Asked::default().at("workspace_id", text(&workspace, "/id"))
}

pub(super) const ROWS: &[Row] = &[
    row("list_workspaces", Class::Here, 200, |_, _| async { Asked::default() }.boxed()),
    row("create_workspace", CLASS, 201, |stage, _| async { Asked::of(stage.named("workspace")) }.boxed()),
    row("get_workspace", Class::Here, 200, |stage, site| workspace(stage, site).boxed()),
    row("update_workspace", CLASS, 200, |stage, site| {
        async { workspace(stage, site).await.matching(1).with(stage.named("edited")) }.boxed()
    }),
    row("delete_workspace", CLASS, 204, |stage, site| workspace(stage, site).boxed()),
];
