use futures_util::FutureExt as _;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, row};
use crate::api::world::text;

const CLASS: Class = Class::Organization(&["admin:audit"]);

pub(super) const ROWS: &[Row] = &[
    row("list_audit_events", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("export_audit_events", CLASS, 200, |_, _| async { Asked::default() }.boxed()),
    row("get_audit_event", CLASS, 200, |stage, site| {
        async {
            stage.make_key(site).await;
            let path = format!("/v1/organizations/{}/audit-events?limit=1", site.id);
            let page = stage.world.get(&path).key(stage.world.operator()).send().await.expect(200).json();
            Asked::default().at("audit_event_id", text(&page, "/items/0/id"))
        }
        .boxed()
    }),
];
