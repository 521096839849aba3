//! Problems: their schema, and an example of each code made by the function that makes the answers.

use std::time::Duration;

use serde_json::{Map, Value, json};
use wardkey::{Conflict, Error, PermissionUse};
use wardkey_core::{Denial, FieldError, PROBLEM_MEDIA_TYPE, Problem, VerifyError};

use crate::problem::{Code, Refusal};

const REQUEST_ID: &str = "req_4Zk0PqWm7sT1xY8vB3nD5c";

/// Refusals that several operations share, by the name of the component: status and codes.
const SHARED: &[(&str, u16, &[&str])] = &[
    ("AmbiguousCredentials", 400, &["ambiguous_credentials"]),
    ("BadRequest", 400, &["ambiguous_credentials", "invalid_request"]),
    (
        "Unauthorized",
        401,
        &[
            "environment_mismatch",
            "invalid_key",
            "key_disabled",
            "key_expired",
            "key_revoked",
            "missing_credentials",
            "principal_inactive",
            "secret_ended",
            "session_ended",
        ],
    ),
    (
        "UnauthorizedInAnyEnvironment",
        401,
        &[
            "invalid_key",
            "key_disabled",
            "key_expired",
            "key_revoked",
            "missing_credentials",
            "principal_inactive",
            "secret_ended",
            "session_ended",
        ],
    ),
    (
        "ForbiddenToChange",
        403,
        &["csrf_refused", "insufficient_permissions", "ip_not_allowed", "organization_suspended"],
    ),
    ("Forbidden", 403, &["insufficient_permissions", "ip_not_allowed", "organization_suspended"]),
    ("ForbiddenForAnyPermission", 403, &["ip_not_allowed", "organization_suspended"]),
    (
        "ForbiddenOrExceeding",
        403,
        &[
            "csrf_refused",
            "exceeds_own_rights",
            "insufficient_permissions",
            "ip_not_allowed",
            "organization_suspended",
        ],
    ),
    ("NotFound", 404, &["not_found"]),
    ("KeyIsRevoked", 409, &["key_is_revoked", "rights_changed"]),
    ("RightsChanged", 409, &["rights_changed"]),
    ("VersionMismatch", 412, &["version_mismatch"]),
    ("PayloadTooLarge", 413, &["payload_too_large"]),
    ("UnsupportedMediaType", 415, &["unsupported_media_type"]),
    ("IdempotencyMismatch", 422, &["idempotency_mismatch"]),
    ("PreconditionRequired", 428, &["precondition_required"]),
    ("TooManyRequests", 429, &["rate_limited"]),
    ("Unavailable", 503, &["request_timeout", "unavailable", "verifier_unavailable"]),
];

/// The response with this status and these codes, which are sorted: a reference if it is a shared one.
pub(super) fn response(status: u16, codes: &[&str]) -> Value {
    let shared = SHARED.iter().find(|(_, known, known_codes)| *known == status && *known_codes == codes);
    match shared {
        Some((name, ..)) => json!({ "$ref": format!("#/components/responses/{name}") }),
        None => whole_response(status, codes),
    }
}

/// The refusals that several operations share.
pub(super) fn shared_responses() -> Value {
    SHARED.iter().map(|(name, status, codes)| ((*name).to_owned(), whole_response(*status, codes))).collect()
}

fn whole_response(status: u16, codes: &[&str]) -> Value {
    let mut examples = Map::new();
    let mut lines = Vec::new();
    for code in codes {
        let problem = example(code);
        assert_eq!(problem.status(), status, "{code} stands under its own status");
        let rendered = problem.render(REQUEST_ID, None);
        let value: Value = serde_json::from_slice(&rendered.body).expect("a problem is JSON");
        lines.push(format!("- `{code}`: {}", value["detail"].as_str().unwrap_or_default()));
        examples.insert((*code).to_owned(), json!({ "summary": value["title"], "value": value }));
    }
    let mut headers = json!({
        "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" },
        "Cache-Control": { "$ref": "#/components/headers/Cache-Control" },
    });
    if status == 401 {
        headers["WWW-Authenticate"] = json!({ "$ref": "#/components/headers/WWW-Authenticate" });
    }
    if matches!(status, 429 | 503) {
        headers["Retry-After"] = json!({ "$ref": "#/components/headers/Retry-After" });
    }
    if status == 429 {
        for limits in ["RateLimit", "RateLimit-Policy"] {
            headers[limits] = json!({ "$ref": format!("#/components/headers/{limits}") });
        }
    }
    json!({
        "description": lines.join("\n"),
        "headers": headers,
        "content": {
            PROBLEM_MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" }, "examples": examples },
        },
    })
}

/// An answer with this code, made as answers are made.
fn example(code: &str) -> Problem {
    let refusal = |error: Error| Refusal::from(error).problem().clone();
    let field = |pointer: &str, code, detail: &str| FieldError {
        pointer: pointer.to_owned(),
        code,
        detail: detail.to_owned(),
    };
    match code {
        "insufficient_permissions" => {
            let denial = Denial::InsufficientPermissions { missing: vec!["admin:keys".to_owned()] };
            VerifyError::from(denial).problem("wardkey")
        }
        "invalid_request" => refusal(Error::Invalid(vec![
            field("/name", "required", "is missing"),
            field("/permissions/0", "malformed", "not a permission of the form resource:action"),
        ])),
        "exceeds_own_rights" => refusal(Error::ExceedsOwnRights(vec![field(
            "/permissions",
            "exceeds_own_rights",
            "grants what the caller does not hold there: pipelines:run",
        )])),
        "rate_limited" => {
            let denial = Denial::RateLimited { retry_after: Duration::from_secs(6), limits: Vec::new() };
            VerifyError::from(denial).problem("wardkey")
        }
        "key_limit_reached" => refusal(Error::Conflict(Conflict::KeyLimitReached { count: 10, limit: 10 })),
        "permission_in_use" => refusal(Error::PermissionsInUse(vec![PermissionUse {
            name: "pipelines:run".parse().expect("a permission"),
            keys: 3,
            roles: 1,
        }])),
        "version_mismatch" => refusal(Error::VersionMismatch { current: 4 }),
        _ => Code::all()
            .find(|known| known.as_str() == code)
            .map(Code::problem)
            .or_else(|| {
                wardkey_core::Code::all()
                    .find(|known| known.as_str() == code)
                    .map(wardkey_core::Code::problem)
            })
            .expect("every documented code stands in a table"),
    }
}

/// Every code that this API answers with, and what it means.
pub(crate) fn codes() -> Vec<(&'static str, u16, &'static str)> {
    let verification = wardkey_core::Code::all().map(|code| (code.as_str(), code.status(), code.detail()));
    let server = Code::all().map(|code| (code.as_str(), code.status(), code.detail()));
    let mut codes: Vec<_> = verification.chain(server).collect();
    codes.sort_unstable_by_key(|(code, status, _)| (*status, *code));
    codes
}

/// The schema of a problem.
pub(super) fn schema() -> Value {
    let listed: Vec<_> = codes().iter().map(|(code, ..)| format!("`{code}`")).collect();
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457), for programs and for people.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {
                "type": "string",
                "description": "The address of the code's documentation, or `about:blank`.",
                "example": "about:blank",
            },
            "title": { "type": "string", "description": "What the code means; the same at each occurrence." },
            "status": {
                "type": "integer",
                "format": "int32",
                "description": "The HTTP status.",
                "minimum": 400,
                "maximum": 599,
            },
            "detail": { "type": "string", "description": "What went wrong, for people. Its wording may change." },
            "code": {
                "type": "string",
                "pattern": "^[a-z][a-z_]*$",
                "description": format!(
                    "What went wrong, for programs: {}. Further codes may be added; treat one that you do not know by its status.",
                    listed.join(", ")
                ),
            },
            "request_id": {
                "type": "string",
                "description": "The id of the request, as in `X-Request-Id`, under which the server's log knows it.",
                "pattern": "^[A-Za-z0-9._-]{1,64}$",
            },
            "errors": {
                "type": "array",
                "description": "What is wrong with the request, field by field.",
                "items": { "$ref": "#/components/schemas/FieldError" },
            },
            "missing_permissions": {
                "type": "array",
                "description": "With `insufficient_permissions`: the permissions that the key lacks.",
                "items": { "$ref": "#/components/schemas/PermissionName" },
            },
            "count": {
                "type": "integer",
                "format": "int64",
                "description": "With `key_limit_reached`: how many keys there are.",
                "minimum": 0,
            },
            "limit": {
                "type": "integer",
                "format": "int64",
                "description": "With `key_limit_reached`, `workspace_limit_reached` and `too_many`: how many there may be.",
                "minimum": 0,
            },
            "members": {
                "type": "integer",
                "format": "int64",
                "description": "With `role_in_use`: how many members hold the role directly.",
                "minimum": 0,
            },
            "teams": {
                "type": "integer",
                "format": "int64",
                "description": "With `role_in_use`: how many teams hold the role.",
                "minimum": 0,
            },
            "keys": {
                "type": "integer",
                "format": "int64",
                "description": "With `permission_in_use`: how many keys list the permission.",
                "minimum": 0,
            },
            "roles": {
                "type": "integer",
                "format": "int64",
                "description": "With `permission_in_use`: how many roles list the permission.",
                "minimum": 0,
            },
            "keys": {
                "type": "integer",
                "format": "int64",
                "description": "With `permission_in_use`: how many keys list what would be gone, each counted for each permission.",
                "minimum": 0,
            },
            "roles": {
                "type": "integer",
                "format": "int64",
                "description": "With `permission_in_use`: how many roles list it, likewise.",
                "minimum": 0,
            },
            "current_version": {
                "type": "integer",
                "format": "int64",
                "description": "With `version_mismatch`: the version that the object has by now.",
                "minimum": 0,
            },
        },
    })
}

/// The schema of what is wrong with one field.
pub(super) fn field_error_schema() -> Value {
    json!({
        "type": "object",
        "description": "What is wrong with one field of a request.",
        "required": ["pointer", "code", "detail"],
        "properties": {
            "pointer": {
                "type": "string",
                "description": "Where it stands: a JSON pointer (RFC 6901) into the body, or the name of a parameter.",
                "example": "/permissions/0",
            },
            "code": {
                "type": "string",
                "description": "The rule, for programs: `required`, `unknown_field`, `wrong_type`, `too_long`, `too_short`, \
                                `too_many`, `too_few`, `out_of_range`, `unknown_value`, `malformed`, `repeated`, \
                                `conflicting`, `immutable`, and others.",
                "pattern": "^[a-z][a-z_]*$",
                "example": "unknown_field",
            },
            "detail": { "type": "string", "description": "The rule, for people.", "example": "is not known here" },
        },
    })
}

/// The header fields that several answers share.
pub(super) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The id of the request: the one that it came with, if that was fit, else a new one.",
            "required": true,
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "example": REQUEST_ID },
        },
        "Cache-Control": {
            "description": "Always `no-store`.",
            "required": true,
            "schema": { "type": "string", "example": "no-store" },
        },
        "WWW-Authenticate": {
            "description": "How to authenticate (RFC 6750).",
            "required": true,
            "schema": { "type": "string", "example": "Bearer realm=\"wardkey\"" },
        },
        "Retry-After": {
            "description": "After how many seconds to try again.",
            "required": true,
            "schema": { "type": "integer", "format": "int32", "minimum": 1, "example": 1 },
        },
        "RateLimit": {
            "description": "Where the calling key stands with each of its rate limits: how many requests remain, and after \
                            how many seconds there are more (draft-ietf-httpapi-ratelimit-headers). It comes with every \
                            answer to a key that has limits.",
            "required": false,
            "schema": { "type": "string", "example": "\"per-minute\";r=0;t=6" },
        },
        "RateLimit-Policy": {
            "description": "The rate limits of the calling key: requests, and window in seconds. It comes with every answer \
                            to a key that has limits.",
            "required": false,
            "schema": { "type": "string", "example": "\"per-minute\";q=600;w=60" },
        },
    })
}
