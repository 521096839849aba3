//! Operations: what follows from their credentials, parameters and bodies, so that no operation can forget to say it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use wardkey_poem::openapi::SECURITY_SCHEMES;

use super::{problems, referred, schemas, walk};
use crate::api::{ACT_AS, ACT_AS_NAME, ANY_OF, OWN_ENVIRONMENT, SESSION_SCHEME, STATUS_AND_CODE};
use crate::problem;

/// Makes every operation whole.
pub(super) fn correct(paths: &mut Value, schemas: &mut Value) {
    let known = schemas.clone();
    let mut query_objects = BTreeSet::new();
    for (_, path) in paths.as_object_mut().into_iter().flatten() {
        for (method, operation) in path.as_object_mut().into_iter().flatten() {
            let credential = Credential::take(operation);
            let mut refusals = Refusals::default();
            refusals.follow_from_credential(&credential, method == "get");
            correct_parameters(operation, &known, &mut query_objects, &mut refusals);
            credential.add_parameter(operation, &mut refusals);
            correct_body(operation, &known, &mut refusals);
            correct_responses(operation, &known, refusals);
            credential.write(operation);
            walk(operation, &mut |members| schemas::tidy(members, &known));
        }
    }
    if let Some(schemas) = schemas.as_object_mut() {
        query_objects.iter().for_each(|name| drop(schemas.remove(name)));
    }
}

/// What the credential's type has put among the names of the security schemes.
struct Credential {
    /// None if the operation needs no credential.
    schemes: Vec<String>,
    permissions: Vec<String>,
    any_of: bool,
    own_environment: bool,
    act_as: bool,
}

impl Credential {
    fn take(operation: &mut Value) -> Self {
        let named = operation["security"].take();
        let names = named
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|scheme| scheme.as_object()?.keys().next().cloned());
        let mut credential = Self {
            schemes: Vec::new(),
            permissions: Vec::new(),
            any_of: false,
            own_environment: false,
            act_as: false,
        };
        for name in names {
            match name.as_str() {
                ACT_AS => credential.act_as = true,
                ANY_OF => credential.any_of = true,
                OWN_ENVIRONMENT => credential.own_environment = true,
                scheme if scheme == SESSION_SCHEME || SECURITY_SCHEMES.contains(&scheme) => {
                    credential.schemes.push(scheme.to_owned());
                }
                permission => credential.permissions.push(permission.to_owned()),
            }
        }
        credential
    }

    fn takes_sessions(&self) -> bool {
        self.schemes.iter().any(|scheme| scheme == SESSION_SCHEME)
    }

    fn takes_keys(&self) -> bool {
        self.schemes.iter().any(|scheme| SECURITY_SCHEMES.contains(&scheme.as_str()))
    }

    /// The header by which an operator stands in a user's place.
    fn add_parameter(&self, operation: &mut Value, refusals: &mut Refusals) {
        if !self.act_as {
            return;
        }
        refusals.add(400, &["invalid_request"]);
        refusals.add(403, &[wardkey_core::Code::InsufficientPermissions.as_str()]);
        refusals.add(404, &[wardkey_core::Code::NotFound.as_str()]);
        let parameter = json!({
            "name": ACT_AS_NAME,
            "in": "header",
            "description": "The user in whose place the request is made, by the id or by the id that your backend gave. It \
                            takes `operator:act`: what the user may do here can be done, and no more. The audit log names \
                            both.",
            "required": false,
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": wardkey::MAX_NAME,
                "example": "usr_0Uk5xVJ3pYqG8dTzMw2Rf6",
            },
        });
        let parameters =
            operation.as_object_mut().map(|all| all.entry("parameters").or_insert_with(|| json!([])));
        if let Some(Value::Array(parameters)) = parameters {
            parameters.push(parameter);
        }
    }

    fn write(&self, operation: &mut Value) {
        operation["security"] =
            self.schemes.iter().map(|scheme| json!({ scheme.as_str(): [] })).collect::<Vec<_>>().into();
        operation["x-required-permissions"] =
            if self.any_of { json!([self.permissions]) } else { json!(self.permissions) };
    }
}

/// The codes that an operation refuses with, by status.
#[derive(Default)]
struct Refusals(BTreeMap<u16, BTreeSet<String>>);

impl Refusals {
    fn add(&mut self, status: u16, codes: &[&str]) {
        self.0.entry(status).or_default().extend(codes.iter().map(|code| (*code).to_owned()));
    }

    /// A key that is sent is looked at, whether or not the operation takes it.
    fn follow_from_credential(&mut self, credential: &Credential, is_safe: bool) {
        use wardkey_core::Code;
        self.add(400, &[Code::AmbiguousCredentials.as_str()]);
        if !credential.schemes.is_empty() {
            self.add(401, &[Code::MissingCredentials.as_str()]);
        }
        let mut add = |code: problem::Code| self.add(code.status(), &[code.as_str()]);
        if credential.takes_sessions() {
            add(problem::Code::SessionEnded);
            if !is_safe {
                add(problem::Code::CsrfRefused);
            }
            if !credential.takes_keys() {
                add(problem::Code::SessionRequired);
            } else if !is_safe {
                add(problem::Code::RightsChanged);
            }
        }
        for code in [
            Code::InvalidKey,
            Code::KeyRevoked,
            Code::KeyExpired,
            Code::KeyDisabled,
            Code::SecretEnded,
            Code::PrincipalInactive,
            Code::OrganizationSuspended,
            Code::IpNotAllowed,
            Code::RateLimited,
            Code::VerifierUnavailable,
        ] {
            self.add(code.status(), &[code.as_str()]);
        }
        if credential.own_environment {
            self.add(401, &[Code::EnvironmentMismatch.as_str()]);
        }
        if !credential.permissions.is_empty() {
            self.add(403, &[Code::InsufficientPermissions.as_str()]);
        }
        self.add(503, &["unavailable", "request_timeout"]);
    }
}

fn correct_parameters(
    operation: &mut Value,
    known: &Value,
    query_objects: &mut BTreeSet<String>,
    refusals: &mut Refusals,
) {
    let Some(Value::Array(parameters)) = operation.as_object_mut().and_then(|all| all.remove("parameters"))
    else {
        return;
    };
    let mut written = Vec::new();
    for mut parameter in parameters {
        match (parameter["in"].as_str(), parameter["name"].as_str()) {
            (Some("query"), _) => {
                let name =
                    referred(&parameter["schema"]).expect("a query is an object of its own").to_owned();
                written.extend(query_parameters(&known[&name]));
                query_objects.insert(name);
                refusals.add(400, &["invalid_request"]);
                continue;
            }
            (Some("path"), _) => refusals.add(404, &["not_found"]),
            (_, Some("If-Match")) => {
                refusals.add(400, &["invalid_request"]);
                refusals.add(412, &["version_mismatch"]);
                if parameter["required"] == true {
                    refusals.add(428, &["precondition_required"]);
                }
            }
            (_, Some("Idempotency-Key")) => {
                refusals.add(400, &["invalid_request"]);
                refusals.add(422, &["idempotency_mismatch"]);
            }
            _ => {}
        }
        if let Some(parameter) = parameter.as_object_mut() {
            parameter.remove("explode");
            parameter.remove("deprecated");
        }
        written.push(parameter);
    }
    operation["parameters"] = written.into();
}

/// The members of a query object as parameters.
fn query_parameters(object: &Value) -> Vec<Value> {
    let required =
        |name: &str| object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let properties = object["properties"].as_object().into_iter().flatten();
    let parameters = properties.map(|(name, schema)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        // A reference that only had a description beside it is a plain one again.
        let plain = schema["allOf"][0].clone();
        let schema = if schema.as_object().is_some_and(|all| all.len() == 1) && !plain.is_null() {
            plain
        } else {
            schema
        };
        json!({
            "name": name,
            "in": "query",
            "description": description,
            "required": required(name),
            "schema": schema,
        })
    });
    parameters.collect()
}

fn correct_body(operation: &mut Value, known: &Value, refusals: &mut Refusals) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    refusals.add(400, &["invalid_request"]);
    refusals.add(413, &["payload_too_large"]);
    refusals.add(415, &["unsupported_media_type"]);
    for (_, content) in body["content"].as_object_mut().into_iter().flatten() {
        add_example(content, known);
    }
}

/// The example of the schema, as that of the request or the answer.
fn add_example(content: &mut Value, known: &Value) {
    let example = referred(&content["schema"]).map(|name| known[name]["example"].clone());
    if let Some(example) = example.filter(|example| !example.is_null()) {
        content["example"] = example;
    }
}

fn correct_responses(operation: &mut Value, known: &Value, mut refusals: Refusals) {
    let mut written = Map::new();
    let Value::Object(responses) = operation["responses"].take() else { return };
    for (name, mut response) in responses {
        match name.split_once(STATUS_AND_CODE) {
            Some((status, code)) => {
                refusals.add(status.parse().expect("a refusal is named by its status"), &[code]);
            }
            None => {
                correct_success(&mut response, known);
                written.insert(name, response);
            }
        }
    }
    for (status, codes) in refusals.0 {
        let codes: Vec<_> = codes.iter().map(String::as_str).collect();
        written.insert(status.to_string(), problems::response(status, &codes));
    }
    operation["responses"] = written.into();
}

fn correct_success(response: &mut Value, known: &Value) {
    if let Some(Value::Object(contents)) = response.as_object_mut().and_then(|all| all.remove("content")) {
        let mut written = Map::new();
        for (media_type, mut content) in contents {
            // A parameter of the media type is none of the document's business.
            let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
            add_example(&mut content, known);
            if response["description"] == "" {
                let name = referred(&content["schema"]).unwrap_or_default();
                response["description"] = known[name]["description"].clone();
            }
            written.insert(media_type, content);
        }
        response["content"] = written.into();
    }
    let mut headers = Map::new();
    if let Some(Value::Object(said)) = response.as_object_mut().and_then(|all| all.remove("headers")) {
        for (name, mut header) in said {
            let name = header_name(&name);
            if let Some(header) = header.as_object_mut() {
                header.remove("deprecated");
            }
            header["schema"]["example"] = header_example(name).into();
            headers.insert(name.to_owned(), header);
        }
    }
    headers.insert("X-Request-Id".to_owned(), json!({ "$ref": "#/components/headers/X-Request-Id" }));
    response["headers"] = headers.into();
}

/// The header's name as people write it; poem-openapi shouts.
fn header_name(shouted: &str) -> &'static str {
    HEADERS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(shouted))
        .expect("every header of an answer is listed")
        .0
}

fn header_example(name: &str) -> &'static str {
    HEADERS.iter().find(|(known, _)| *known == name).map_or("", |(_, example)| example)
}

/// The headers of answers, each with an example.
const HEADERS: [(&str, &str); 5] = [
    ("ETag", "\"1\""),
    ("Location", "/v1/organizations/org_0Uk5xVJ3pYqG8dTzMw2Rf6/keys/key_0Uk5xVJ3pYqG8dTzMw2Rf6"),
    ("Cache-Control", "no-store"),
    ("Idempotency-Replayed", "true"),
    ("Set-Cookie", "wardkey_session=…; Max-Age=600; Path=/; HttpOnly; SameSite=Lax"),
];
