use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Site, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Organization(&["admin:members"]);

fn wanted(stage: &Stage) -> Value {
    json!({ "name": stage.fresh("role"), "permissions": ["pipelines:read"] })
}

async fn role(stage: &Stage, site: &Site) -> Asked {
    let role = stage.make(site, "/roles", wanted(stage)).await;
    Asked::default().at("role_id", text(&role, "/id"))
}

pub(super) const ROWS: &[Row] = &[
    row("list_roles", Class::Here, 200, |_, _| async { Asked::default() }.boxed()),
    row("create_role", CLASS, 201, |stage, _| async { Asked::of(wanted(stage)) }.boxed()),
    row("get_role", Class::Here, 200, |stage, site| role(stage, site).boxed()),
    row("update_role", CLASS, 200, |stage, site| {
        async { role(stage, site).await.matching(1).with(json!({ "permissions": ["pipelines:run"] })) }
            .boxed()
    }),
    row("delete_role", CLASS, 204, |stage, site| role(stage, site).boxed()),
];
