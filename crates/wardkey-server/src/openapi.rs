//! The OpenAPI document: what poem-openapi says of the operations, made true and whole in one pass. `/openapi.json` and
//! `wardkey openapi` give out the same bytes.

mod operations;
mod problems;
mod schemas;

use poem::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use poem::{Endpoint, Response};
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use self::problems::codes;
use crate::api;

const DESCRIPTION: &str = "\
Wardkey issues, governs and verifies API keys.

Send an API key in one of two headers: `Authorization: Bearer <key>`, which is preferred, or `X-API-Key: <key>`; never in \
both. Each operation lists the permissions that it needs under `x-required-permissions`: every entry must be held, and of an \
entry that is itself a list any one will do.

People log in by `create_session` in a browser, and are then known by a cookie. Where a key comes too, the key counts. A \
request that changes something by a cookie is refused unless the browser says that it comes from a page of this server: \
`Sec-Fetch-Site: same-origin`, or its own `Origin`.

Every error is a problem (RFC 9457) with a `code` for programs, a `detail` for people, and the `request_id` under which the \
server's log knows the request. A request with mistakes is answered with all of them, each with a pointer to its place. \
Besides what each operation lists, any request may be answered `404 not_found` or `405 method_not_allowed` if there is no such \
operation, and `500 internal_error` if the server made a mistake.

Lists come in pages: `next_cursor` leads to the next one and is absent on the last. A parameter that a list does not know, \
and a member that a body does not know, is refused rather than ignored.";

/// The parts of the document, in the order in which they are written.
#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    tags: Value,
    paths: Value,
    components: Value,
}

/// The document, as it is served and as it is checked in.
pub fn document() -> String {
    let service = api::service();
    let mut said: Value = serde_json::from_str(&service.spec()).expect("poem-openapi writes JSON");
    let mut components = said["components"].take();
    let mut paths = said["paths"].take();
    schemas::correct(&mut components["schemas"], &paths);
    components["schemas"]["Problem"] = problems::schema();
    components["schemas"]["FieldError"] = problems::field_error_schema();
    let mut tags = said["tags"].take();
    describe_roles(&mut tags);
    operations::correct(&mut paths, &mut components["schemas"]);
    components["headers"] = problems::headers();
    components["responses"] = problems::shared_responses();
    schemas::drop_object_examples(&mut components["schemas"]);
    let document = Document {
        openapi: "3.0.3",
        info: json!({
            "title": "Wardkey",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {
                "name": env!("CARGO_PKG_LICENSE"),
                "url": concat!(env!("CARGO_PKG_REPOSITORY"), "#license"),
            },
        }),
        // Relative to the document's own address, and so right below any path.
        servers: json!([{ "url": ".", "description": "The server that gave out this document." }]),
        tags,
        paths,
        components,
    };
    let mut text = serde_json::to_string_pretty(&document).expect("a JSON value is written as it is");
    text.push('\n');
    text
}

/// Says what the built-in roles give, below what is said of roles.
fn describe_roles(tags: &mut Value) {
    let roles = tags.as_array_mut().into_iter().flatten().find(|tag| tag["name"] == "Roles");
    let roles = roles.expect("roles are a part of the reference");
    let said = roles["description"].as_str().unwrap_or_default();
    roles["description"] = format!("{said}\n\n{}", api::describe_built_in_roles()).into();
}

/// Serves the document.
pub(crate) fn endpoint(document: String) -> impl Endpoint<Output = Response> + 'static {
    poem::endpoint::make_sync(move |_| {
        Response::builder()
            .header(CONTENT_TYPE, "application/json")
            .header(CACHE_CONTROL, "no-cache")
            .body(document.clone())
    })
}

/// Calls `change` on each object inside that is no example, from the outside in.
fn walk(value: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            change(members);
            let said =
                members.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "example" | "examples"));
            said.for_each(|(_, member)| walk(member, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        _ => {}
    }
}

/// The name of the schema to which a reference leads.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}
