use futures_util::FutureExt as _;
use serde_json::json;

use super::super::callers::Class;
use super::super::stage::{Asked, Row, row};

pub(super) const ROWS: &[Row] = &[
    row("get_me", Class::Anyone, 200, |_, _| async { Asked::default() }.boxed()),
    row("list_my_keys", Class::Anyone, 200, |_, _| async { Asked::default() }.boxed()),
    row("list_my_organizations", Class::Anyone, 200, |_, _| async { Asked::default() }.boxed()),
    row("revoke_my_key", Class::Key, 200, |_, _| async { Asked::of(json!({ "reason": "walk" })) }.boxed()),
];
