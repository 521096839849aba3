use futures_util::FutureExt as _;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, row};

pub(super) const ROWS: &[Row] = &[
    row("list_permissions", Class::Anyone, 200, |_, _| async { Asked::default() }.boxed()),
    row("replace_permissions", Class::Deployment("operator:catalogue"), 200, |stage, _| {
        async {
            let version = stage.version("/v1/permissions").await;
            let found = stage.world.get("/v1/permissions").key(stage.world.operator()).send().await;
            let mut catalogue = found.expect(200).json();
            catalogue["groups"][0]["label"] = stage.fresh("label").into();
            Asked::of(catalogue).matching(version)
        }
        .boxed()
    }),
];
