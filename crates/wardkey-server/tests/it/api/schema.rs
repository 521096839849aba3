//! Answers held against the OpenAPI document: status, media type, headers, body and code.

use poem::http::Method;
use serde_json::Value;

use super::world::Answer;

/// Fails if the answer is not one that the document promises for this request.
pub(crate) fn check_answer(document: &Value, method: &Method, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap_or_default();
    let Some(operation) = find_operation(document, method, path) else { return };
    let id = operation["operationId"].as_str().unwrap();
    let response = resolve(document, &operation["responses"][answer.status.to_string()]);
    assert!(
        !response.is_null(),
        "{id} answers {} and does not document it: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let required = resolve(document, header)["required"] == true;
        assert!(!required || answer.headers.contains_key(name), "{id} {} without {name}", answer.status);
    }
    let Some(contents) = response.get("content").and_then(Value::as_object) else {
        assert!(answer.body.is_empty(), "{id} {} has a body", answer.status);
        return;
    };
    let media_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let content =
        contents.get(media_type).unwrap_or_else(|| panic!("{id} {} as {media_type:?}", answer.status));
    if media_type == "application/x-ndjson" {
        let event = &document["components"]["schemas"]["AuditEvent"];
        for line in answer.lines() {
            assert_eq!(faults(document, event, &line, ""), Vec::<String>::new(), "{id}: {line}");
            assert!(!has_null(&line), "{id}: null in {line}");
        }
        return;
    }
    let body = answer.json();
    let faults = faults(document, &content["schema"], &body, "");
    assert!(faults.is_empty(), "{id} {}: {faults:?} in {body}", answer.status);
    assert!(!has_null(&body), "{id}: null in {body}");
    if media_type == "application/problem+json" {
        let code = body["code"].as_str().unwrap();
        assert!(content["examples"].get(code).is_some(), "{id} {} with the code {code}", answer.status);
        assert_eq!(answer.header("x-request-id"), body["request_id"].as_str());
    }
}

fn find_operation<'d>(document: &'d Value, method: &Method, path: &str) -> Option<&'d Value> {
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().find(|(template, _)| fits(template, path)).map(|(_, methods)| methods)?;
    methods.get(method.as_str().to_lowercase())
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(known, given)| known.starts_with('{') || *known == given)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// What a reference leads to.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).expect("references lead somewhere")
        }
        None => value,
    }
}

/// Where the value is not what the schema says; as far as this document's schemas go.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolve(document, schema);
    let mut found = Vec::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(faults(document, part, value, at));
    }
    if value.is_null() && schema["nullable"] == true {
        return found;
    }
    let fits = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !fits {
        found.push(format!("{at}: not {}", schema["type"]));
    }
    if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
        found.push(format!("{at}: none of {all:?}"));
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        let short = schema["minLength"].as_u64().is_some_and(|min| length < min);
        let long = schema["maxLength"].as_u64().is_some_and(|max| length > max);
        if short || long {
            found.push(format!("{at}: {length} characters"));
        }
    }
    if let Some(number) = value.as_i64() {
        let less = schema["minimum"].as_i64().is_some_and(|min| number < min);
        let more = schema["maximum"].as_i64().is_some_and(|max| number > max);
        if less || more {
            found.push(format!("{at}: {number} is out of bounds"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{at}/{index}")));
    }
    if let Some(members) = value.as_object().filter(|_| schema["type"] == "object") {
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        found.extend(
            required.filter(|name| !members.contains_key(*name)).map(|name| format!("{at}: without {name}")),
        );
        for (name, member) in members {
            let property = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            match property {
                Some(property) if property.is_object() => {
                    found.extend(faults(document, property, member, &format!("{at}/{name}")));
                }
                _ => found.push(format!("{at}: {name} is not documented")),
            }
        }
    }
    found
}

#[test]
fn an_answer_that_the_document_does_not_promise_is_noticed() {
    let document: Value = serde_json::from_str(&wardkey_server::openapi::document()).unwrap();
    let accepted = |status: u16, media_type: &str, with_id: bool, body: &str| {
        let mut headers = poem::http::HeaderMap::new();
        headers.insert("content-type", media_type.parse().unwrap());
        if with_id {
            headers.insert("x-request-id", "req_1".parse().unwrap());
        }
        let answer = Answer { status, headers, body: body.as_bytes().to_vec() };
        std::panic::catch_unwind(|| check_answer(&document, &Method::GET, "/v1/environments", &answer))
            .is_ok()
    };
    let json = "application/json; charset=utf-8";
    let right = r#"{"items":[{"name":"production","tag":"live","built_in":true,"version":1}]}"#;
    assert!(accepted(200, json, true, right));
    assert!(!accepted(200, json, false, right), "a required header is missing");
    assert!(!accepted(200, "text/plain", true, right));
    assert!(!accepted(202, json, true, right));
    for wrong in [
        r#"{}"#,
        r#"{"items":[],"more":1}"#,
        r#"{"items":[{"name":"production"}]}"#,
        r#"{"items":[{"name":"","tag":"live","built_in":true,"version":1}]}"#,
        r#"{"items":null}"#,
        r#"{"items":[{"name":"production","tag":7,"built_in":true,"version":1}]}"#,
        r#"{"items":[{"name":"production","tag":"live","built_in":"yes","version":1}]}"#,
        r#"{"items":[{"name":"production","tag":"live","built_in":true,"version":0}]}"#,
    ] {
        assert!(!accepted(200, json, true, wrong), "{wrong}");
    }
    let problem = |code: &str| {
        format!(
            r#"{{"type":"about:blank","title":"x","status":503,"detail":"x","code":"{code}","request_id":"req_1"}}"#
        )
    };
    assert!(
        !accepted(503, "application/problem+json", true, &problem("unavailable")),
        "Retry-After is missing"
    );
    assert!(!accepted(409, "application/problem+json", true, &problem("key_limit_reached")));
}
