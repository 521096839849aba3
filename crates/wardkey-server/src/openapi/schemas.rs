//! Schemas: what poem-openapi leaves out or says in a way that others misread.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{referred, walk};

/// Makes the components say what is enforced, in OpenAPI 3.0's own words.
pub(super) fn correct(schemas: &mut Value, paths: &Value) {
    let accepted = accepted(schemas, paths);
    let known = schemas.clone();
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        walk(schema, &mut |members| tidy(members, &known));
        // What is not known is refused.
        if schema["type"] == "object"
            && accepted.contains(name)
            && schema.get("additionalProperties").is_none()
        {
            schema["additionalProperties"] = false.into();
        }
    }
}

/// Makes one schema, wherever it stands, plain: no titles that repeat the name, no marks that say nothing, whole numbers as such.
pub(super) fn tidy(members: &mut Map<String, Value>, known: &Value) {
    if members.get("type").is_some_and(Value::is_string) {
        members.remove("title");
    }
    for unsigned in ["uint16", "uint32"] {
        // The bounds say that it is positive, and few generators know these formats.
        if members.get("format").is_some_and(|format| format == unsigned) {
            members.insert("format".to_owned(), "int32".into());
        }
    }
    for bound in ["minimum", "maximum"] {
        if let Some(number) =
            members.get(bound).and_then(Value::as_f64).filter(|number| number.fract() == 0.0)
        {
            members.insert(bound.to_owned(), json!(number as i64));
        }
    }
    let Some(Value::Array(parts)) = members.remove("allOf") else { return };
    // A reference, and what is said about this one place: written once beside it and once inside.
    let reference =
        parts.into_iter().find(|part| part.get("$ref").is_some()).expect("poem-openapi refers and adds");
    if members.get("nullable") == Some(&true.into()) {
        // `nullable` is of no effect without a type beside it.
        let name = referred(&reference).expect("references lead to components");
        let Value::Object(mut whole) = known[name].clone() else { return };
        whole.append(members);
        *members = whole;
        return;
    }
    members.insert("allOf".to_owned(), json!([reference]));
}

/// Every schema that a request body is made of.
fn accepted(schemas: &Value, paths: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let operations =
        paths.as_object().into_iter().flatten().flat_map(|(_, path)| path.as_object().into_iter().flatten());
    for (_, operation) in operations {
        collect(&operation["requestBody"], schemas, &mut names);
    }
    names
}

fn collect(value: &Value, schemas: &Value, names: &mut BTreeSet<String>) {
    if let Some(name) = referred(value) {
        if names.insert(name.to_owned()) {
            collect(&schemas[name], schemas, names);
        }
        return;
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| collect(member, schemas, names)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, schemas, names)),
        _ => {}
    }
}

/// Examples of objects stand with the requests and answers that they are examples of.
pub(super) fn drop_object_examples(schemas: &mut Value) {
    for (_, schema) in schemas.as_object_mut().into_iter().flatten() {
        if let Some(schema) = schema.as_object_mut().filter(|schema| schema.get("properties").is_some()) {
            schema.remove("example");
        }
    }
}
