use futures_util::FutureExt as _;
use serde_json::json;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, row};

const CLASS: Class = Class::Organization(&["admin:policy"]);

pub(super) const ROWS: &[Row] = &[
    row("get_session_policy", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("update_session_policy", CLASS, 200, |stage, site| {
        async {
            let path = format!("/v1/organizations/{}/session-policy", site.id);
            let version = stage.version(&path).await;
            // Another one each time, so that each is an edit.
            let days = 400 + version;
            Asked::of(json!({ "longest_key_life_days": days, "keys_may_never_expire": true }))
                .matching(version)
        }
        .boxed()
    }),
];
