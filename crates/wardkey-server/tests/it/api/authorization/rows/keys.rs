use futures_util::FutureExt as _;
use serde_json::json;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Site, Stage, row};
use crate::api::world::text;

/// A key of a service account, which is nobody's own here.
async fn key(stage: &Stage, site: &Site) -> Asked {
    let issued = stage.make_key(site).await;
    Asked::default().at("key_id", text(&issued, "/key/id"))
}

pub(super) const ROWS: &[Row] = &[
    row("issue_key", Class::Organization(&["admin:keys"]), 201, |stage, site| {
        async { Asked::of(stage.wanted_key(site)) }.boxed()
    }),
    row("list_keys", Class::Here, 200, |_, _| async { Asked::default() }.boxed()),
    row("get_key", Class::SeeForeignKey, 200, |stage, site| key(stage, site).boxed()),
    row("update_key", Class::ForeignKey, 200, |stage, site| {
        async { key(stage, site).await.matching(1).with(json!({ "name": "edited" })) }.boxed()
    }),
    row("delete_key", Class::ForeignKey, 204, |stage, site| key(stage, site).boxed()),
    row("disable_key", Class::ForeignKey, 200, |stage, site| {
        async { key(stage, site).await.with(json!({ "reason": "walk" })) }.boxed()
    }),
    row("enable_key", Class::ForeignKey, 200, |stage, site| {
        async {
            let asked = key(stage, site).await;
            stage.act(site, &format!("/keys/{}/disable", asked.path["key_id"])).await;
            asked.with(json!({ "reason": "walk" }))
        }
        .boxed()
    }),
    row("revoke_key", Class::ForeignKey, 200, |stage, site| {
        async { key(stage, site).await.with(json!({ "reason": "walk" })) }.boxed()
    }),
    row("rotate_key", Class::ForeignKey, 200, |stage, site| {
        async { key(stage, site).await.with(json!({ "overlap_seconds": 60 })) }.boxed()
    }),
    row("end_secret", Class::ForeignKey, 200, |stage, site| {
        async {
            let issued = stage.make_key(site).await;
            let (key, secret) = (text(&issued, "/key/id"), text(&issued, "/key/secrets/0/id"));
            let rotate = format!("/v1/organizations/{}/keys/{key}/rotate", site.id);
            let rotate = stage.world.post(&rotate).key(stage.world.operator());
            rotate.json(json!({ "overlap_seconds": 60 })).await.expect(200);
            Asked::default().at("key_id", key).at("secret_id", secret)
        }
        .boxed()
    }),
];
