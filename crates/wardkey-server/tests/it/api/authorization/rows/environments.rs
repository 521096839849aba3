use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Stage, row};

const CLASS: Class = Class::Deployment("operator:environments");

fn wanted(stage: &Stage) -> Value {
    json!({ "name": stage.fresh("environment"), "tag": "walk" })
}

async fn environment(stage: &Stage) -> Asked {
    let wanted = wanted(stage);
    stage.make_globally("/v1/environments", wanted.clone()).await;
    Asked::default().at("environment_name", wanted["name"].as_str().unwrap())
}

pub(super) const ROWS: &[Row] = &[
    row("list_environments", Class::Anyone, 200, |_, _| async { Asked::default() }.boxed()),
    row("get_environment", Class::Anyone, 200, |stage, _| environment(stage).boxed()),
    row("create_environment", CLASS, 201, |stage, _| async { Asked::of(wanted(stage)) }.boxed()),
    row("update_environment", CLASS, 200, |stage, _| {
        async { environment(stage).await.matching(1).with(json!({ "tag": "edited" })) }.boxed()
    }),
    row("delete_environment", CLASS, 204, |stage, _| environment(stage).boxed()),
];
