use futures_util::FutureExt as _;
use serde_json::json;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Deployment("operator:organizations");
const HERE: Class = Class::Organization(&["admin:organization"]);

/// One of which nothing else is asked.
async fn organization(stage: &Stage) -> Asked {
    let made = stage.make_globally("/v1/organizations", stage.named("organization")).await;
    Asked::of_organization(text(&made, "/id"))
}

pub(super) const ROWS: &[Row] = &[
    row("list_organizations", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("create_organization", CLASS, 201, |stage, _| {
        async { Asked::of(stage.named("organization")) }.boxed()
    }),
    row("get_organization", HERE, 200, |_, _| async { Asked::default() }.boxed()),
    row("update_organization", HERE, 200, |stage, site| {
        async {
            let version = stage.version(&format!("/v1/organizations/{}", site.id)).await;
            Asked::of(json!({ "name": stage.fresh("edited") })).matching(version)
        }
        .boxed()
    }),
    row("delete_organization", CLASS, 204, |stage, _| organization(stage).boxed()),
    row("suspend_organization", CLASS, 200, |stage, _| {
        async { organization(stage).await.with(json!({ "reason": "walk" })) }.boxed()
    }),
    row("resume_organization", CLASS, 200, |stage, _| {
        async {
            let asked = organization(stage).await;
            let id = asked.organization.as_deref().unwrap();
            let suspend = format!("/v1/organizations/{id}/suspend");
            stage.world.post(&suspend).key(stage.world.operator()).send().await.expect(200);
            asked.with(json!({ "reason": "walk" }))
        }
        .boxed()
    }),
    row("set_key_limit", CLASS, 200, |stage, _| {
        async { organization(stage).await.matching(1).with(json!({ "key_limit": 7 })) }.boxed()
    }),
    row("set_organization_external_id", CLASS, 200, |stage, _| {
        async { organization(stage).await.matching(1).with(json!({ "external_id": stage.fresh("id") })) }
            .boxed()
    }),
];
