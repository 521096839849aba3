use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::BuiltInRole;

use super::super::callers::Class;
use super::super::stage::{Asked, OWN_SESSION, Row, row};
use crate::api::sessions::browser::PASSWORD;

pub(super) const ROWS: &[Row] = &[
    row("create_session", Class::Open, 201, |stage, site| {
        async {
            let name = stage.fresh("person");
            stage.make_person(site, &name, BuiltInRole::Viewer).await;
            Asked::of(json!({ "email": format!("{name}@example.com"), "password": PASSWORD }))
        }
        .boxed()
    }),
    row("refresh_session", Class::Open, 200, |stage, site| {
        async {
            let name = stage.fresh("person");
            stage.make_person(site, &name, BuiltInRole::Viewer).await;
            let (_, cookies) = stage.open_session(&name).await;
            Asked { cookie: Some(cookies[1].clone()), ..Asked::default() }
        }
        .boxed()
    }),
    row("delete_current_session", Class::Open, 204, |_, _| async { Asked::default() }.boxed()),
    row("list_my_sessions", Class::Session, 200, |_, _| async { Asked::default() }.boxed()),
    row("end_my_session", Class::Session, 204, |_, _| {
        async { Asked::default().at("session_id", OWN_SESSION) }.boxed()
    }),
    row("end_my_other_sessions", Class::Session, 204, |_, _| async { Asked::default() }.boxed()),
    row("change_my_password", Class::Session, 204, |_, _| {
        async {
            let next = "eleven silent tractors by the lake";
            Asked::of(json!({ "current_password": PASSWORD, "new_password": next }))
        }
        .boxed()
    }),
];
