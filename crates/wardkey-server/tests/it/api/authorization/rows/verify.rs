use futures_util::FutureExt as _;
use serde_json::json;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, row};

pub(super) const ROWS: &[Row] =
    &[row("verify_key", Class::DeploymentByKey("operator:verify"), 200, |_, _| {
        async { Asked::of(json!({ "secret": "nonsense" })) }.boxed()
    })];
