//! Organizations in which something changes, and every kind of change that takes a key what it had.

use std::time::Duration;

use serde_json::{Value, json};
use wardkey_core::{Clock as _, SystemClock};

use super::client::{Client, Verdict};
use super::load::Question;

/// What every key here is asked for.
pub(super) const NEEDED: &[&str] = &["pipelines:run"];

/// How far ahead a key's end is moved; farther if it has passed before the server saw it.
const SOON: Duration = Duration::from_millis(500);

/// A change, by the way it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Revoke,
    Disable,
    MoveExpiry,
    CutPermission,
    Rotate,
    NarrowRole,
    RemoveMember,
    SuspendOrganization,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Revoke,
        Self::Disable,
        Self::MoveExpiry,
        Self::CutPermission,
        Self::Rotate,
        Self::NarrowRole,
        Self::RemoveMember,
        Self::SuspendOrganization,
    ];

    /// What the key hears from then on.
    pub(super) fn verdict(self) -> Verdict {
        Verdict::refused(match self {
            Self::Revoke | Self::RemoveMember => "key_revoked",
            Self::Disable => "key_disabled",
            Self::MoveExpiry => "key_expired",
            Self::CutPermission | Self::NarrowRole => "insufficient_permissions",
            Self::Rotate => "secret_ended",
            Self::SuspendOrganization => "organization_suspended",
        })
    }
}

/// An organization with a service account.
pub(super) struct Site {
    pub(super) path: String,
    account: String,
    clock: SystemClock,
    /// How many people and roles there are, to name the next.
    people: usize,
}

/// A key, and what stands behind it.
pub(super) struct Subject {
    secret: String,
    /// The path of the object that is to change.
    changing: String,
    kind: Kind,
}

impl Subject {
    pub(super) fn question(&self) -> Question {
        Question { secret: self.secret.clone(), permissions: NEEDED }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}

impl Site {
    /// Makes an organization.
    pub(super) async fn make(admin: &mut Client, clock: SystemClock) -> Self {
        let body = json!({ "name": "Site", "key_limit": 1000 });
        let made = done(admin, "POST", "/v1/organizations", &body).await;
        let path = format!("/v1/organizations/{}", text(&made, "/id"));
        let body = json!({ "name": "CI" });
        let account = done(admin, "POST", &format!("{path}/service-accounts"), &body).await;
        Self { path, account: text(&account, "/id"), clock, people: 0 }
    }

    /// Issues a key of the service account: its id and its secret.
    pub(super) async fn issue(&self, admin: &mut Client) -> (String, String) {
        self.issue_by(admin, &self.key_body()).await
    }

    /// What issues one.
    pub(super) fn key_body(&self) -> Value {
        let principal = json!({ "type": "service_account", "id": self.account });
        let all = json!({ "access": "all" });
        json!({ "name": "key", "principal": principal, "permissions": NEEDED, "workspaces": all })
    }

    async fn issue_by(&self, admin: &mut Client, body: &Value) -> (String, String) {
        let issued = done(admin, "POST", &format!("{}/keys", self.path), body).await;
        (text(&issued, "/key/id"), text(&issued, "/secret"))
    }

    /// Makes a key that this change will take something from.
    pub(super) async fn prepare(&mut self, admin: &mut Client, kind: Kind) -> Subject {
        match kind {
            Kind::NarrowRole | Kind::RemoveMember => self.prepare_person(admin, kind).await,
            Kind::SuspendOrganization => {
                // It would take the others' keys with it.
                let own = Self::make(admin, self.clock).await;
                let (_, secret) = own.issue(admin).await;
                Subject { secret, changing: own.path, kind }
            }
            _ => {
                let (key, secret) = self.issue(admin).await;
                let changing = format!("{}/keys/{key}", self.path);
                Subject { secret, changing, kind }
            }
        }
    }

    async fn prepare_person(&mut self, admin: &mut Client, kind: Kind) -> Subject {
        self.people += 1;
        let name = format!("{}-{}", self.people, self.account);
        let body = json!({ "name": name, "permissions": NEEDED });
        let role = text(&done(admin, "POST", &format!("{}/roles", self.path), &body).await, "/id");
        let body = json!({ "email": format!("{name}@example.com"), "grants": [{ "role": role }] });
        let added = done(admin, "POST", &format!("{}/members", self.path), &body).await;
        let user = text(&added, "/member/id");
        let body = json!({ "name": "key", "principal": { "type": "user", "id": user } });
        let (_, secret) = self.issue_by(admin, &body).await;
        let changing = match kind {
            Kind::NarrowRole => format!("{}/roles/{role}", self.path),
            _ => format!("{}/members/{user}", self.path),
        };
        Subject { secret, changing, kind }
    }

    /// Makes the change, and says from when on it is known to be made: when that was acknowledged, or when the key's moved
    /// end had come.
    pub(super) async fn change(&self, admin: &mut Client, subject: &Subject) -> Duration {
        let Subject { changing, kind, .. } = subject;
        let none = json!({});
        let (method, path, body) = match kind {
            Kind::Revoke => ("POST", format!("{changing}/revoke"), none),
            Kind::Disable => ("POST", format!("{changing}/disable"), none),
            Kind::Rotate => ("POST", format!("{changing}/rotate"), json!({ "overlap_seconds": 0 })),
            Kind::SuspendOrganization => ("POST", format!("{changing}/suspend"), none),
            Kind::CutPermission | Kind::NarrowRole => {
                ("PATCH", changing.clone(), json!({ "permissions": [] }))
            }
            Kind::RemoveMember => ("DELETE", changing.clone(), Value::Null),
            Kind::MoveExpiry => return self.move_expiry(admin, changing).await,
        };
        done(admin, method, &path, &body).await;
        self.clock.monotonic()
    }

    async fn move_expiry(&self, admin: &mut Client, key: &str) -> Duration {
        let mut ahead = SOON;
        loop {
            let (end, at) = (self.clock.monotonic() + ahead, self.clock.now().saturating_add(ahead));
            let body = json!({ "expires_at": at.to_string() });
            let answer = admin.call_if("PATCH", key, Some("\"1\""), &body).await.expect("the server answers");
            match answer.status {
                200 => return self.clock.monotonic().max(end),
                // It has passed: this machine is busy.
                400 => ahead *= 2,
                _ => panic!("{answer:?}"),
            }
        }
    }
}

/// The answer to something that must succeed.
pub(super) async fn done(client: &mut Client, method: &str, path: &str, body: &Value) -> Value {
    let version = matches!(method, "PATCH" | "PUT").then_some("\"1\"");
    let answer = client.call_if(method, path, version, body).await.expect("the server answers");
    assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// The text at this place.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no text at {pointer} of {value}")).to_owned()
}
