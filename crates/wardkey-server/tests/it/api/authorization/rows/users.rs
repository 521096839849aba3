use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::super::callers::Class;
use super::super::stage::{Asked, Row, Stage, row};
use crate::api::world::text;

const CLASS: Class = Class::Deployment("operator:users");

fn wanted(stage: &Stage) -> Value {
    let mut user = stage.named("user");
    user["email"] = format!("{}@example.com", stage.fresh("user")).into();
    user
}

async fn user(stage: &Stage) -> Asked {
    let user = stage.make_globally("/v1/users", wanted(stage)).await;
    Asked::default().at("user_id", text(&user, "/id"))
}

pub(super) const ROWS: &[Row] = &[
    row("list_users", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("create_user", CLASS, 201, |stage, _| async { Asked::of(wanted(stage)) }.boxed()),
    row("get_user", CLASS, 200, |stage, _| user(stage).boxed()),
    row("update_user", CLASS, 200, |stage, _| {
        async { user(stage).await.matching(1).with(wanted(stage)) }.boxed()
    }),
    row("delete_user", CLASS, 204, |stage, _| user(stage).boxed()),
    row("suspend_user", CLASS, 200, |stage, _| {
        async { user(stage).await.with(json!({ "reason": "walk" })) }.boxed()
    }),
    row("resume_user", CLASS, 200, |stage, _| {
        async {
            let asked = user(stage).await;
            let suspend = format!("/v1/users/{}/suspend", asked.path["user_id"]);
            stage.world.post(&suspend).key(stage.world.operator()).send().await.expect(200);
            asked.with(json!({ "reason": "walk" }))
        }
        .boxed()
    }),
];
