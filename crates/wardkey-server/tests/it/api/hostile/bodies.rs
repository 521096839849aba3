//! Bodies.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Operation, Stage, Target, complain, rows};
use crate::api::schema::resolve;
use crate::api::world::World;

on_both!(a_body_that_is_not_what_the_document_says_is_refused_at_its_place_and_nothing_changes);

const JSON: Option<&str> = Some("application/json");
const TEN_MEGABYTES: usize = 10 * 1024 * 1024;

/// A step on the way to a place in a body.
#[derive(Clone)]
enum Step {
    Member(String),
    First,
}

/// A place in a body, and what the document says of it.
struct Place {
    steps: Vec<Step>,
    schema: Value,
    nullable: bool,
}

impl Place {
    fn pointer(&self) -> String {
        let token = |step: &Step| match step {
            Step::Member(name) => format!("/{name}"),
            Step::First => "/0".to_owned(),
        };
        self.steps.iter().map(token).collect()
    }

    /// The body with this value at the place.
    fn put(&self, body: &Value, value: Value) -> Value {
        let mut body = body.clone();
        let mut at = &mut body;
        for step in &self.steps {
            at = match step {
                Step::Member(name) => {
                    if !at.is_object() {
                        *at = json!({});
                    }
                    at.as_object_mut().unwrap().entry(name).or_insert(Value::Null)
                }
                Step::First => {
                    if at.as_array().is_none_or(Vec::is_empty) {
                        *at = json!([null]);
                    }
                    &mut at[0]
                }
            };
        }
        *at = value;
        body
    }
}

/// Every place of a body of this schema, and below it.
fn places(document: &Value, schema: &Value, steps: &[Step], nullable: bool, found: &mut Vec<Place>) {
    let nullable = nullable || schema["nullable"] == true;
    let schema = resolve(document, schema);
    if let Some(part) = schema["allOf"].get(0) {
        return places(document, part, steps, nullable || schema["nullable"] == true, found);
    }
    if !steps.is_empty() {
        found.push(Place { steps: steps.to_vec(), schema: schema.clone(), nullable });
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        places(document, property, &[steps, &[Step::Member(name.clone())]].concat(), false, found);
    }
    if schema["items"].is_object() {
        places(document, &schema["items"], &[steps, &[Step::First]].concat(), false, found);
    }
}

async fn a_body_that_is_not_what_the_document_says_is_refused_at_its_place_and_nothing_changes(
    world: Arc<World>,
) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let mut wrong = Vec::new();
    let mut bodies = 0;
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let content = &operation.description["requestBody"]["content"]["application/json"];
        if !content.is_object() {
            continue;
        }
        bodies += 1;
        let mut target = Target::of(&stage, row, operation).await;
        let body = target.asked.body.clone().unwrap_or_else(|| panic!("{} has a body", row.operation));
        try_places(&mut target, &body, &content["schema"]).await;
        try_shapes(&mut target, &body).await;
        try_media(&mut target, &body).await;
        wrong.extend(target.end().await);
    }
    assert!(bodies >= 8, "{bodies}");
    complain(&wrong);
}

/// Each property, with each value that it cannot have.
async fn try_places(target: &mut Target<'_>, body: &Value, schema: &Value) {
    let mut found = Vec::new();
    places(&target.stage.world.document, schema, &[], false, &mut found);
    for place in &found {
        let pointer = place.pointer();
        for (value, codes) in misfits(place) {
            let what = format!("{pointer} is {}", shorten(&value));
            let answer = target.call().json(place.put(body, value)).await;
            target.expect_fault(&what, &answer, &pointer, codes);
        }
        if place.schema["type"] == "string" {
            let marked = place.put(body, "MARK".into()).to_string();
            for (escaped, codes) in [
                (r"a\u0000b", ["invalid_character", ""]),
                (r"\u0007", ["invalid_character", ""]),
                (r"\ud800", ["invalid_json", "invalid_character"]),
                (r"\udc00x", ["invalid_json", "invalid_character"]),
            ] {
                let answer = target.call().text(&marked.replace("MARK", escaped)).await;
                target.expect_fault(&format!("{pointer} is {escaped}"), &answer, &pointer, &codes);
            }
            let mut bytes = marked.into_bytes();
            let at = bytes.windows(4).position(|four| four == b"MARK").unwrap();
            bytes[at] = 0xff;
            let answer = target.call().bytes(JSON, bytes).await;
            target.expect(&format!("{pointer} is no UTF-8"), &answer, 400, "invalid_request");
        }
    }
}

/// Values that do not fit there, each with the codes of which one is told.
fn misfits(place: &Place) -> Vec<(Value, &'static [&'static str])> {
    const WRONG_TYPE: &[&str] = &["wrong_type"];
    let Place { schema, .. } = place;
    let foreign = match schema["type"].as_str() {
        Some("string") => vec![json!(7), json!(true), json!({}), json!([])],
        Some("integer") => vec![json!("1"), json!(true), json!({}), json!(1.5)],
        Some("boolean") => vec![json!("true"), json!(1), json!([])],
        Some("array") => vec![json!("x"), json!({}), json!(7)],
        Some("object") => vec![json!("x"), json!([]), json!(7)],
        _ => return Vec::new(),
    };
    let mut misfits: Vec<(Value, &'static [&'static str])> =
        foreign.into_iter().map(|value| (value, WRONG_TYPE)).collect();
    if !place.nullable {
        misfits.push((Value::Null, WRONG_TYPE));
    }
    if let Some(max) = schema["maxLength"].as_u64().filter(|max| *max < 20_000) {
        misfits.push(("x".repeat(max as usize + 1).into(), &["too_long"]));
        misfits.push(("\u{1f4a3}".repeat(max as usize + 1).into(), &["too_long"]));
    }
    if schema["minLength"].as_u64().is_some_and(|min| min > 0) {
        misfits.push(("".into(), &["too_short"]));
    }
    if schema["enum"].is_array() {
        misfits.push(("no such value".into(), &["unknown_value"]));
    }
    if let Some(min) = schema["minimum"].as_i64() {
        misfits.push((json!(min - 1), &["out_of_range"]));
    }
    if let Some(max) = schema["maximum"].as_i64().filter(|max| *max < i64::MAX) {
        misfits.push((json!(max + 1), &["out_of_range"]));
    }
    if let Some(max) = schema["maxItems"].as_u64().filter(|max| *max <= 1000) {
        misfits.push((vec![Value::Null; max as usize + 1].into(), &["too_many"]));
    }
    misfits
}

/// The body as a whole.
async fn try_shapes(target: &mut Target<'_>, body: &Value) {
    let members = body.as_object().expect("every body is an object");
    for (name, value) in members {
        // The last of two members of one name would win with careless readers, the first with others.
        let twice = format!("{{{}:{value},{}", Value::from(name.as_str()), &body.to_string()[1..]);
        let answer = target.call().text(&twice).await;
        let pointer = format!("/{name}");
        target.expect_fault(&format!("{name} twice"), &answer, &pointer, &["duplicate_field"]);
    }
    for name in ["unexpected", "__proto__", "Name", "id", "organization_id", "created_at"] {
        let mut more: Map<_, _> = members.clone();
        if more.insert(name.to_owned(), json!(1)).is_some() {
            continue;
        }
        let answer = target.call().json(more.into()).await;
        let codes = &["unknown_field", "immutable", "wrong_type"];
        target.expect_fault(&format!("with {name}"), &answer, &format!("/{name}"), codes);
    }
    let deep = |levels: usize| format!("{{\"unexpected\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    for levels in [40, 30_000] {
        let answer = target.call().text(&deep(levels)).await;
        target.expect(&format!("{levels} levels deep"), &answer, 400, "invalid_request");
    }
    let text = body.to_string();
    for other in
        ["[]", "\"x\"", "7", "null", "true", "{", "{}{}", "{\"\":", "\u{feff}{}", "{,}", "{\"a\":1e999}"]
    {
        let answer = target.call().text(other).await;
        target.expect(other, &answer, 400, "invalid_request");
    }
    for cut in [1, text.len() / 2, text.len() - 1].into_iter().filter(|cut| *cut > 0) {
        let answer = target.call().text(&text[..cut]).await;
        target.expect("cut off", &answer, 400, "invalid_request");
    }
}

/// How the body comes.
async fn try_media(target: &mut Target<'_>, body: &Value) {
    let text = body.to_string();
    for media in [
        None,
        Some("text/plain"),
        Some("application/xml"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=utf-16"),
        Some("application/merge-patch+json"),
        Some("application/json, application/json"),
    ] {
        let answer = target.call().bytes(media, text.clone().into_bytes()).await;
        target.expect(&format!("as {media:?}"), &answer, 415, "unsupported_media_type");
    }
    let answer = target.call().header("content-encoding", "gzip").text(&text).await;
    target.expect("compressed", &answer, 415, "unsupported_media_type");
    // Without a declared length, as a chunked body has none.
    let large = vec![b' '; TEN_MEGABYTES];
    let answer = target.call().bytes(JSON, large).await;
    target.expect("ten megabytes", &answer, 413, "payload_too_large");
    let declared = TEN_MEGABYTES.to_string();
    let answer = target.call().header("content-length", &declared).bytes(JSON, text.into_bytes()).await;
    target.expect("ten megabytes, declared", &answer, 413, "payload_too_large");
}

fn shorten(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(40).collect()
}
