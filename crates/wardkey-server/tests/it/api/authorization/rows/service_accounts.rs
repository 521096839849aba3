use futures_util::FutureExt as _;
use serde_json::json;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Site, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Organization(&["admin:service_accounts"]);

async fn account(stage: &Stage, site: &Site) -> Asked {
    let account = stage.make(site, "/service-accounts", stage.named("account")).await;
    Asked::default().at("service_account_id", text(&account, "/id"))
}

pub(super) const ROWS: &[Row] = &[
    row("list_service_accounts", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("create_service_account", CLASS, 201, |stage, _| async { Asked::of(stage.named("account")) }.boxed()),
    row("get_service_account", CLASS, 200, |stage, site| account(stage, site).boxed()),
    row("update_service_account", CLASS, 200, |stage, site| {
        async { account(stage, site).await.matching(1).with(stage.named("edited")) }.boxed()
    }),
    row("delete_service_account", CLASS, 204, |stage, site| account(stage, site).boxed()),
    row("suspend_service_account", CLASS, 200, |stage, site| {
        async { account(stage, site).await.with(json!({ "reason": "walk" })) }.boxed()
    }),
    row("resume_service_account", CLASS, 200, |stage, site| {
        async {
            let asked = account(stage, site).await;
            let id = &asked.path["service_account_id"];
            stage.act(site, &format!("/service-accounts/{id}/suspend")).await;
            asked.with(json!({ "reason": "walk" }))
        }
        .boxed()
    }),
];
