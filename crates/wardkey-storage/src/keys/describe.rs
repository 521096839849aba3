//! Keys as the audit log tells of them: by what may be shown, and never by a secret.

use serde_json::{Map, Value, json};
use wardkey_core::{Access, Id, PrincipalId, RateLimit};

use super::{Key, KeyEdit, KeySecret, NewSecret};
use crate::words::write_key_state;

/// All of a key that has a value.
pub(super) fn describe_key(key: &Key) -> Map<String, Value> {
    let (kind, id) = match key.principal {
        PrincipalId::User(user) => ("user", user.to_string()),
        PrincipalId::ServiceAccount(account) => ("service_account", account.to_string()),
    };
    let mut described = describe_edit(&key.to_edit());
    described.insert("environment".to_owned(), key.environment.as_str().into());
    described.insert("principal".to_owned(), json!({"type": kind, "id": id}));
    described.insert("state".to_owned(), write_key_state(key.state).into());
    described.insert("secrets".to_owned(), key.secrets.iter().map(describe_secret).collect());
    described
}

/// Those values that may be edited and are there.
fn describe_edit(edit: &KeyEdit) -> Map<String, Value> {
    let KeyEdit {
        name,
        description,
        metadata,
        level,
        permissions,
        workspaces,
        customers,
        ip_allowlist,
        rate_limits,
        expires_at,
    } = edit;
    let mut described = Map::new();
    described.insert("name".to_owned(), name.as_str().into());
    described.insert("description".to_owned(), json!(description));
    described.insert("metadata".to_owned(), Value::Object(metadata.clone()));
    described.insert("level".to_owned(), level.as_str().into());
    described.insert("permissions".to_owned(), describe_list(permissions));
    described.insert("workspaces".to_owned(), describe_access(workspaces));
    described.insert("customers".to_owned(), describe_access(customers));
    described.insert("ip_allowlist".to_owned(), describe_list(ip_allowlist));
    described.insert("rate_limits".to_owned(), rate_limits.iter().map(describe_limit).collect());
    described.insert("expires_at".to_owned(), json!(expires_at.map(|at| at.to_string())));
    described.retain(|_, value| !value.is_null());
    described
}

/// What an edit changes: the values before and after it, of those fields only that differ. A value that is not there
/// is left out on its side.
pub(super) fn describe_changes(before: &KeyEdit, after: &KeyEdit) -> Value {
    let (mut before, mut after) = (describe_edit(before), describe_edit(after));
    let unchanged: Vec<_> = before
        .iter()
        .filter(|(field, value)| after.get(*field) == Some(value))
        .map(|(field, _)| field.clone())
        .collect();
    for field in unchanged {
        before.remove(&field);
        after.remove(&field);
    }
    json!({"before": before, "after": after})
}

/// A secret by its id, its displayable ends, and the end of its life if that is set.
pub(super) fn describe_secret(secret: &KeySecret) -> Value {
    let mut described = json!({"id": secret.id.to_string(), "hint": secret.hint.as_str()});
    if let Some(ends_at) = secret.ends_at {
        described["ends_at"] = ends_at.to_string().into();
    }
    described
}

/// The same for a new one.
pub(super) fn describe_new_secret(secret: &NewSecret) -> Value {
    json!({"id": secret.id.to_string(), "hint": secret.hint.as_str()})
}

fn describe_limit(limit: &RateLimit) -> Value {
    json!({"name": limit.name(), "limit": limit.limit(), "window_seconds": limit.window_seconds()})
}

fn describe_list<T: ToString>(items: &[T]) -> Value {
    items.iter().map(|item| Value::String(item.to_string())).collect()
}

fn describe_access<I: Id>(access: &Access<I>) -> Value {
    match access {
        Access::All => json!({"access": "all"}),
        Access::Specific(ids) => {
            json!({"access": "specific", "ids": ids.iter().map(ToString::to_string).collect::<Vec<_>>()})
        }
    }
}
