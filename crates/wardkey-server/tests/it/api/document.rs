//! What the document says of itself.

use serde_json::Value;
use wardkey_server::openapi;

use super::schema::{faults, resolve};

fn document() -> Value {
    serde_json::from_str(&openapi::document()).unwrap()
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    all.collect()
}

#[test]
fn every_operation_has_a_name_a_tag_a_text_security_and_permissions() {
    let document = document();
    let operations = operations(&document);
    let mut names: Vec<_> =
        operations.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "accept_link",
        "add_member",
        "add_team_member",
        "change_my_password",
        "create_customer",
        "create_environment",
        "create_member_link",
        "create_organization",
        "create_role",
        "create_service_account",
        "create_session",
        "create_team",
        "create_user",
        "create_user_link",
        "create_workspace",
        "delete_current_session",
        "delete_customer",
        "delete_environment",
        "delete_key",
        "delete_organization",
        "delete_role",
        "delete_service_account",
        "delete_team",
        "delete_user",
        "delete_workspace",
        "disable_key",
        "enable_key",
        "end_my_other_sessions",
        "end_my_session",
        "end_secret",
        "export_audit_events",
        "get_audit_event",
        "get_customer",
        "get_environment",
        "get_key",
        "get_me",
        "get_member",
        "get_organization",
        "get_role",
        "get_service_account",
        "get_session_policy",
        "get_team",
        "get_user",
        "get_workspace",
        "inspect_link",
        "issue_key",
        "list_audit_events",
        "list_customers",
        "list_environments",
        "list_keys",
        "list_members",
        "list_my_keys",
        "list_my_organizations",
        "list_my_sessions",
        "list_organizations",
        "list_permissions",
        "list_roles",
        "list_service_accounts",
        "list_team_members",
        "list_teams",
        "list_users",
        "list_workspaces",
        "redeem_link",
        "refresh_session",
        "remove_member",
        "remove_team_member",
        "replace_permissions",
        "resume_organization",
        "resume_service_account",
        "resume_user",
        "revoke_key",
        "revoke_my_key",
        "rotate_key",
        "set_key_limit",
        "set_organization_external_id",
        "suspend_organization",
        "suspend_service_account",
        "suspend_user",
        "update_customer",
        "update_environment",
        "update_key",
        "update_member",
        "update_organization",
        "update_role",
        "update_service_account",
        "update_session_policy",
        "update_team",
        "update_user",
        "update_workspace",
        "verify_key",
    ];
    assert_eq!(names, expected, "a name is a promise to generated clients");
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (place, operation) in operations {
        assert!(tags.contains(&&operation["tags"][0]), "{place}");
        assert!(operation["summary"].is_string() && operation["description"].is_string(), "{place}");
        let schemes: Vec<_> = operation["security"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|scheme| scheme.as_object().unwrap().keys())
            .collect();
        let known: [&[&str]; 4] =
            [&[], &["bearer", "apiKey"], &["bearer", "apiKey", "session"], &["session"]];
        assert!(known.iter().any(|known| schemes == *known), "{place}: {schemes:?}");
        assert!(operation["x-required-permissions"].is_array(), "{place}");
    }
}

#[test]
fn every_operation_lists_what_its_credential_can_be_refused_for() {
    let document = document();
    for (place, operation) in operations(&document) {
        for status in ["400", "401", "403", "503"] {
            let response = resolve(&document, &operation["responses"][status]);
            assert!(response["content"]["application/problem+json"].is_object(), "{place} {status}");
        }
        if place.contains("organization_id") {
            assert!(operation["responses"]["404"].is_object(), "{place}");
        }
        if operation.get("requestBody").is_some() {
            assert!(
                operation["responses"]["413"].is_object() && operation["responses"]["415"].is_object(),
                "{place}"
            );
        }
    }
}

#[test]
fn every_example_is_what_its_schema_says() {
    let document = document();
    let mut examples = 0;
    let mut check = |place: &str, content: &Value| {
        for (_, content) in content.as_object().into_iter().flatten() {
            let named =
                content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
            for example in content.get("example").into_iter().chain(named) {
                let found = faults(&document, &content["schema"], example, "");
                assert!(found.is_empty(), "{place}: {found:?}");
                examples += 1;
            }
        }
    };
    for (place, operation) in operations(&document) {
        check(&place, &operation["requestBody"]["content"]);
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = &resolve(&document, response)["content"];
            check(&format!("{place} {status}"), content);
            let is_lines = content.get("application/x-ndjson").is_some();
            if status.starts_with('2') && status != "204" && !is_lines {
                assert!(
                    content["application/json"]["example"].is_object(),
                    "{place} {status} has no example"
                );
            }
        }
    }
    assert!(examples > 300, "{examples}");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if let Some(example) = schema.get("example") {
            assert_eq!(faults(&document, schema, example, ""), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn what_a_body_may_hold_is_closed_and_what_an_answer_may_hold_is_never_null() {
    let document = document();
    for name in [
        "IssueKeyRequest",
        "UpdateKeyRequest",
        "RotateKeyRequest",
        "ReasonRequest",
        "VerifyRequest",
        "CreateRoleRequest",
        "UpdateRoleRequest",
        "CreateTeamRequest",
        "UpdateTeamRequest",
        "GrantChoice",
        "CreateUserRequest",
        "UpdateUserRequest",
    ] {
        assert_eq!(document["components"]["schemas"][name]["additionalProperties"], false, "{name}");
    }
    // Null takes something away, which an edit alone does.
    let mut nullable = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            if schema["nullable"] == true {
                let edits = ["Update", "Set"].iter().any(|verb| name.starts_with(verb));
                assert!(edits && name.ends_with("Request"), "{name} {member}");
                nullable.push(member.as_str());
            }
        }
    }
    assert_eq!(openapi::document().matches("\"nullable\"").count(), nullable.len());
    assert!(
        nullable.iter().all(|member| ["description", "external_id", "key_limit"].contains(member)),
        "{nullable:?}"
    );
    assert!(nullable.contains(&"description"));
}

/// Generators of clients leave out an operation whose schema has a default beside a reference.
#[test]
fn no_default_stands_beside_a_reference() {
    fn check(value: &Value, at: &str) {
        assert!(value.get("allOf").is_none() || value.get("default").is_none(), "{at}");
        for (name, member) in value.as_object().into_iter().flatten() {
            check(member, &format!("{at}/{name}"));
        }
        for item in value.as_array().into_iter().flatten() {
            check(item, at);
        }
    }
    check(&document(), "");
}

#[test]
fn the_checked_in_document_is_what_the_server_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/wardkey.json");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == openapi::document(), "write it anew with `cargo xtask openapi`");
}
