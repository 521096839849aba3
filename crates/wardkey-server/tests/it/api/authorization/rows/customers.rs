use futures_util::FutureExt as _;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Site, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Organization(&["admin:customers"]);

async fn customer(stage: &Stage, site: &Site) -> Asked {
    let customer = stage.make(site, "/customers", stage.named("customer")).await;
    Asked::default().at("customer_id", text(&customer, "/id"))
}

pub(super) const ROWS: &[Row] = &[
    row("list_customers", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("create_customer", CLASS, 201, |stage, _| async { Asked::of(stage.named("customer")) }.boxed()),
    row("get_customer", CLASS, 200, |stage, site| customer(stage, site).boxed()),
    row("update_customer", CLASS, 200, |stage, site| {
        async { customer(stage, site).await.matching(1).with(stage.named("edited")) }.boxed()
    }),
    row("delete_customer", CLASS, 204, |stage, site| customer(stage, site).boxed()),
];
