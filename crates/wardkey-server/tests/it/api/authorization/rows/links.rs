use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::BuiltInRole;

use super::super::callers::Class;
use super::super::stage::{Asked, OWN_LINK, Row, Site, Stage, row};
use crate::api::world::text;

const NEXT: &str = "eleven silent tractors by the lake";

async fn user(stage: &Stage, site: &Site) -> Asked {
    let user = stage.world.member_of(site.id, &stage.fresh("person"), BuiltInRole::Viewer).await;
    Asked::default().at("user_id", &user.to_string())
}

/// What stands in a link for somebody who has no password.
async fn token(stage: &Stage, site: &Site) -> String {
    let path = format!("/v1/users/{}/links", user(stage, site).await.path["user_id"]);
    let link = stage.world.post(&path).key(stage.world.operator()).send().await.expect(201).json();
    text(&link, "/url").split_once('#').expect("the token is the fragment").1.to_owned()
}

pub(super) const ROWS: &[Row] = &[
    row("create_user_link", Class::Deployment("operator:users"), 201, |stage, site| {
        user(stage, site).boxed()
    }),
    row("inspect_link", Class::Open, 200, |stage, site| {
        async { Asked::of(json!({ "token": token(stage, site).await })) }.boxed()
    }),
    row("accept_link", Class::Session, 204, |_, _| async { Asked::of(json!({ "token": OWN_LINK })) }.boxed()),
    row("redeem_link", Class::Open, 204, |stage, site| {
        async { Asked::of(json!({ "token": token(stage, site).await, "password": NEXT })) }.boxed()
    }),
];
