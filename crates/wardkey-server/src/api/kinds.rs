//! Every kind of text that the wire knows.

use std::fmt;
use std::net::IpAddr;

use wardkey::RoleRef;
use wardkey_core::{
    AuditEventId, CustomerId, EnvironmentName, InstanceId, IpNetwork, KeyId, OrganizationId, PermissionName,
    PrincipalId, RateLimit, Reference, RoleId, SecretId, ServiceAccountId, SessionId, TeamId, Timestamp,
    UserId, WorkspaceId,
};

use super::keys::Wait;
use super::text::{TextSchema, Textual, parse};
use crate::passwords::{MAX_PASSWORD, MIN_PASSWORD, Password};

/// A kind of text, its type forgotten.
pub(crate) struct Kind {
    pub(crate) schema: TextSchema,
    pub(crate) read: fn(&str) -> Result<(), String>,
}

const fn kind<T: Textual>() -> Kind {
    Kind { schema: T::SCHEMA, read: |text| T::read(text).map(drop) }
}

/// All kinds.
pub(crate) const KINDS: &[Kind] = &[
    kind::<OrganizationId>(),
    kind::<WorkspaceId>(),
    kind::<ServiceAccountId>(),
    kind::<KeyId>(),
    kind::<SecretId>(),
    kind::<Reference<OrganizationId>>(),
    kind::<Reference<WorkspaceId>>(),
    kind::<CustomerId>(),
    kind::<UserId>(),
    kind::<TeamId>(),
    kind::<RoleId>(),
    kind::<SessionId>(),
    kind::<AuditEventId>(),
    kind::<InstanceId>(),
    kind::<Wait>(),
    kind::<Reference<CustomerId>>(),
    kind::<Reference<UserId>>(),
    kind::<Reference<TeamId>>(),
    kind::<Reference<ServiceAccountId>>(),
    kind::<RoleRef>(),
    kind::<PrincipalId>(),
    kind::<PrincipalReference>(),
    kind::<ActorId>(),
    kind::<AuditAction>(),
    kind::<AuditTarget>(),
    kind::<RequestId>(),
    kind::<LocalProgram>(),
    kind::<EnvironmentName>(),
    kind::<EnvironmentTag>(),
    kind::<RateLimitName>(),
    kind::<PermissionName>(),
    kind::<IpNetwork>(),
    kind::<IpAddr>(),
    kind::<Timestamp>(),
    kind::<Name>(),
    kind::<Description>(),
    kind::<Reason>(),
    kind::<Search>(),
    kind::<Cursor>(),
    kind::<ExternalId>(),
    kind::<Email>(),
    kind::<Label>(),
    kind::<HintText>(),
    kind::<SecretText>(),
    kind::<PresentedSecret>(),
    kind::<UserAgent>(),
    kind::<PresentedPassword>(),
    kind::<NewPassword>(),
    kind::<LinkUrl>(),
    kind::<PresentedLink>(),
];

/// The schema of a kind that needs no more than this; the other members are set by struct update.
const PLAIN: TextSchema = TextSchema {
    name: "",
    description: "",
    format: "",
    pattern: "",
    min_length: 1,
    max_length: 255,
    example: "",
};

macro_rules! ids {
    ($($type:ty, $name:literal, $prefix:literal, $what:literal;)+) => {$(
        impl Textual for $type {
            const SCHEMA: TextSchema = TextSchema {
                name: $name,
                description: concat!("The id of ", $what, "."),
                pattern: concat!("^", $prefix, "_[0-9A-Za-z]{22}$"),
                min_length: $prefix.len() + 23,
                max_length: $prefix.len() + 23,
                example: concat!($prefix, "_0Uk5xVJ3pYqG8dTzMw2Rf6"),
                ..PLAIN
            };

            fn read(text: &str) -> Result<Self, String> {
                parse(text)
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

ids! {
    OrganizationId, "OrganizationId", "org", "an organization";
    WorkspaceId, "WorkspaceId", "ws", "a workspace";
    ServiceAccountId, "ServiceAccountId", "sa", "a service account";
    KeyId, "KeyId", "key", "a key";
    SecretId, "SecretId", "sec", "a secret of a key";
    CustomerId, "CustomerId", "cus", "a customer";
    UserId, "UserId", "usr", "a user";
    TeamId, "TeamId", "team", "a team";
    RoleId, "RoleId", "role", "a role that the organization made";
    SessionId, "SessionId", "ses", "a session";
    AuditEventId, "AuditEventId", "aud", "an audit event";
    InstanceId, "InstanceId", "ins", "a running verifier";
}

macro_rules! references {
    ($($type:ty, $name:literal, $what:literal;)+) => {$(
        impl Textual for Reference<$type> {
            const SCHEMA: TextSchema = TextSchema {
                name: $name,
                description: concat!($what, ", by its id or by the id that your backend gave it."),
                max_length: wardkey::MAX_NAME,
                example: <$type as Textual>::SCHEMA.example,
                ..PLAIN
            };

            fn read(text: &str) -> Result<Self, String> {
                Ok(text.into())
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

references! {
    OrganizationId, "OrganizationReference", "An organization";
    WorkspaceId, "WorkspaceReference", "A workspace";
    CustomerId, "CustomerReference", "A customer";
    UserId, "UserReference", "A user";
    TeamId, "TeamReference", "A team";
    ServiceAccountId, "ServiceAccountReference", "A service account";
}

impl Textual for PrincipalId {
    const SCHEMA: TextSchema = TextSchema {
        name: "PrincipalId",
        description: "The id of a user or of a service account.",
        pattern: "^(usr|sa)_[0-9A-Za-z]{22}$",
        min_length: 25,
        max_length: 26,
        example: ServiceAccountId::SCHEMA.example,
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        let user = text.parse().map(Self::User);
        user.or_else(|_| text.parse().map(Self::ServiceAccount))
            .map_err(|_| "not the id of a user or of a service account".to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Textual for RoleRef {
    const SCHEMA: TextSchema = TextSchema {
        name: "RoleReference",
        description: "A role: one of the four that every organization has, or one that the organization made, by its id.",
        pattern: "^(viewer|member|admin|owner|role_[0-9A-Za-z]{22})$",
        min_length: 5,
        max_length: RoleId::SCHEMA.max_length,
        example: "member",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        let built_in = text.parse().map(Self::BuiltIn);
        built_in
            .or_else(|_| text.parse().map(Self::Custom))
            .map_err(|_| "must be viewer, member, admin, owner, or the id of a role".to_owned())
    }

    fn write(&self) -> String {
        match self {
            Self::BuiltIn(role) => role.as_str().to_owned(),
            Self::Custom(id) => id.to_string(),
        }
    }
}

/// Who can have done something: one of these ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActorId {
    Key(KeyId),
    User(UserId),
    ServiceAccount(ServiceAccountId),
    Session(SessionId),
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::User(user) => user.fmt(f),
            Self::ServiceAccount(account) => account.fmt(f),
            Self::Session(session) => session.fmt(f),
        }
    }
}

impl Textual for ActorId {
    const SCHEMA: TextSchema = TextSchema {
        name: "ActorId",
        description: "The id of a key, of a user, of a service account, or of a session.",
        pattern: "^(key|usr|sa|ses)_[0-9A-Za-z]{22}$",
        min_length: 25,
        max_length: 26,
        example: KeyId::SCHEMA.example,
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        let key = text.parse().map(Self::Key);
        key.or_else(|_| text.parse().map(Self::User))
            .or_else(|_| text.parse().map(Self::ServiceAccount))
            .or_else(|_| text.parse().map(Self::Session))
            .map_err(|_| "not the id of a key, a user, a service account or a session".to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Declares kinds of text that are kept as they are.
macro_rules! texts {
    ($($(#[$attribute:meta])* $type:ident: $schema:expr, $check:expr;)+) => {$(
        $(#[$attribute])*
        pub(crate) struct $type(pub(crate) String);

        impl Textual for $type {
            const SCHEMA: TextSchema = $schema;

            fn read(text: &str) -> Result<Self, String> {
                let check: fn(&str) -> Result<(), String> = $check;
                check(text).map(|()| Self(text.to_owned()))
            }

            fn write(&self) -> String {
                self.0.clone()
            }
        }
    )+};
}

texts! {
    /// A user or service account, by either kind of id.
    #[derive(Debug, Clone)]
    PrincipalReference: TextSchema {
        name: "PrincipalReference",
        description: "A user or a service account, by its id or by the id that your backend gave it.",
        max_length: wardkey::MAX_NAME,
        example: ServiceAccountId::SCHEMA.example,
        ..PLAIN
    }, anything;

    /// What people call a thing.
    #[derive(Debug, Clone)]
    Name: TextSchema {
        name: "Name",
        description: "What people call it: one line, and something to be seen in it.",
        pattern: r"\S",
        max_length: wardkey::MAX_NAME,
        example: "Nightly export",
        ..PLAIN
    }, one_line;

    /// What a thing is for.
    #[derive(Debug, Clone)]
    Description: TextSchema {
        name: "Description",
        description: "What it is for.",
        max_length: wardkey::MAX_DESCRIPTION,
        example: "Runs the export pipelines from the scheduler.",
        ..PLAIN
    }, anything;

    /// Why something was done.
    #[derive(Debug, Clone)]
    Reason: TextSchema {
        name: "Reason",
        description: "Why; kept in the audit log.",
        max_length: wardkey::MAX_REASON,
        example: "The laptop was lost.",
        ..PLAIN
    }, anything;

    /// What was done.
    #[derive(Debug, Clone)]
    AuditAction: TextSchema {
        name: "AuditAction",
        description: "What was done: the kind of object and what happened to it, as `key.revoke`. To look for it also `key.*`: \
                      every action on that kind of object.",
        pattern: r"^[a-z_]+\.([a-z_]+|\*)$",
        min_length: 3,
        max_length: 64,
        example: "key.revoke",
        ..PLAIN
    }, action;

    /// To what it was done.
    #[derive(Debug, Clone)]
    AuditTarget: TextSchema {
        name: "AuditTarget",
        description: "The id of the object to which something was done.",
        example: KeyId::SCHEMA.example,
        ..PLAIN
    }, anything;

    /// The id of a request.
    #[derive(Debug, Clone)]
    RequestId: TextSchema {
        name: "RequestId",
        description: "The id of a request, as in `X-Request-Id`.",
        example: "trace-1",
        ..PLAIN
    }, anything;

    /// A command or program that works on the database itself.
    #[derive(Debug, Clone)]
    LocalProgram: TextSchema {
        name: "LocalProgram",
        description: "A command or a program that works on the database itself.",
        max_length: 1_000,
        example: "wardkey key issue --operator",
        ..PLAIN
    }, anything;

    /// What is looked for.
    #[derive(Debug, Clone)]
    Search: TextSchema {
        name: "Search",
        description: "Part of a name or of a hint, in any case.",
        max_length: 100,
        example: "export",
        ..PLAIN
    }, anything;

    /// Where a page ends.
    #[derive(Debug, Clone)]
    Cursor: TextSchema {
        name: "Cursor",
        description: "Where the page before has ended. It is good for the same list with the same filters only.",
        pattern: "^[A-Za-z0-9_-]+$",
        max_length: 200,
        example: "AZ8aQmE0b1nSn3pXjP2UqkqhvF0S6H2xV0v3ZcWm2nM",
        ..PLAIN
    }, anything;

    /// The id that the product's backend gave a thing.
    #[derive(Debug, Clone)]
    ExternalId: TextSchema {
        name: "ExternalId",
        description: "The id that your backend gave it: at most 100 bytes of UTF-8, without white space.",
        max_length: wardkey_core::MAX_EXTERNAL_ID,
        example: "tenant-42",
        ..PLAIN
    }, anything;

    /// The short word for an environment.
    #[derive(Debug, Clone)]
    EnvironmentTag: TextSchema {
        name: "EnvironmentTag",
        description: "The short word for an environment inside secrets, for people to see: lower-case letters and digits, with \
                      the deployment's prefix ten at most.",
        pattern: "^[a-z0-9]+$",
        max_length: 9,
        example: "live",
        ..PLAIN
    }, anything;

    /// The address by which a person is known.
    #[derive(Debug, Clone)]
    Email: TextSchema {
        name: "EmailAddress",
        description: "An e-mail address. It is compared without regard to case; whether mail arrives there is not asked.",
        pattern: r"^[^@\s]+@\S+$",
        min_length: 3,
        max_length: 254,
        example: "ada@example.com",
        ..PLAIN
    }, address;

    /// What people read.
    #[derive(Debug, Clone)]
    Label: TextSchema {
        name: "Label",
        description: "What people read.",
        example: "See pipelines",
        ..PLAIN
    }, anything;

    /// The displayable ends of a secret.
    #[derive(Debug, Clone)]
    HintText: TextSchema {
        name: "Hint",
        description: "The start and the end of a secret, by which people recognise it.",
        example: "wk_live_h4Zq…0Xb2",
        ..PLAIN
    }, anything;

    /// A new secret. It cannot be printed.
    SecretText: TextSchema {
        name: "Secret",
        description: "The secret itself: what a client sends as its API key. It is shown this once and kept nowhere; a lost one \
                      is replaced by `rotate_key`.",
        pattern: "^[a-z0-9_]+_[0-9A-Za-z]{49}$",
        example: "wk_live_EXAMPLEexampleEXAMPLEexampleEXAMPLEexampleEXAMPLE",
        ..PLAIN
    }, anything;

    /// A secret that somebody presented; anything at all. It cannot be printed.
    PresentedSecret: TextSchema {
        name: "PresentedSecret",
        description: "What a client presented as its API key, whatever it is.",
        min_length: 0,
        max_length: 65_536,
        example: SecretText::SCHEMA.example,
        ..PLAIN
    }, anything;

    /// What a browser says of itself.
    #[derive(Debug, Clone)]
    UserAgent: TextSchema {
        name: "UserAgent",
        description: "A browser, in its own words.",
        min_length: 0,
        max_length: 300,
        example: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        ..PLAIN
    }, anything;
}

texts! {
    /// A link, as it is sent to a person. It cannot be printed.
    LinkUrl: TextSchema {
        name: "LinkUrl",
        description: "A link to be opened in a browser. Whoever has it is taken for the person for whom it was made.",
        pattern: "/login#[A-Za-z0-9_-]{43}$",
        min_length: 50,
        max_length: 2_000,
        example: "https://keys.example.com/login#EXAMPLEexampleEXAMPLEexampleEXAMPLEexampleE",
        ..PLAIN
    }, anything;

    /// What stands behind the `#` of a link that somebody presented; anything at all. It cannot be printed.
    PresentedLink: TextSchema {
        name: "PresentedLink",
        description: "What stands behind the `#` of a link.",
        min_length: 0,
        max_length: 200,
        example: "EXAMPLEexampleEXAMPLEexampleEXAMPLEexampleE",
        ..PLAIN
    }, anything;
}

/// A password that somebody typed to log in; anything that a password can be. It cannot be printed.
pub(crate) struct PresentedPassword(pub(crate) Password);

impl Textual for PresentedPassword {
    const SCHEMA: TextSchema = TextSchema {
        name: "PresentedPassword",
        description: "A password, as somebody typed it.",
        max_length: MAX_PASSWORD,
        example: NewPassword::SCHEMA.example,
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        Ok(Self(text.into()))
    }

    fn write(&self) -> String {
        self.0.expose().to_owned()
    }
}

/// A password that somebody chose. Whether it is easily guessed is for [`Password::check`] to say. It cannot be printed.
pub(crate) struct NewPassword(pub(crate) Password);

impl Textual for NewPassword {
    const SCHEMA: TextSchema = TextSchema {
        name: "NewPassword",
        description: "A new password: a few words of one's own will do. It may be of any characters that are no control \
                      characters; one that is easily guessed, such as a known phrase, one word again and again, or the \
                      e-mail address, is refused.",
        min_length: MIN_PASSWORD,
        max_length: MAX_PASSWORD,
        example: "seven green bicycles under water",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        Ok(Self(text.into()))
    }

    fn write(&self) -> String {
        self.0.expose().to_owned()
    }
}

fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

fn action(text: &str) -> Result<(), String> {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
    match text.split_once('.') {
        Some((kind, verb)) if word(kind) && (verb == "*" || word(verb)) => Ok(()),
        _ => Err("must be of the form key.revoke or key.*".to_owned()),
    }
}

fn one_line(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("must be one line, without control characters".to_owned());
    }
    if text.trim().is_empty() { Err("must not be blank".to_owned()) } else { Ok(()) }
}

fn address(text: &str) -> Result<(), String> {
    let named = text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty());
    let visible = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if named && visible { Ok(()) } else { Err("must be an e-mail address".to_owned()) }
}

impl Textual for EnvironmentName {
    const SCHEMA: TextSchema = TextSchema {
        name: "EnvironmentName",
        description: "An environment: `production`, `staging`, `development`, or another that the deployment has.",
        pattern: "^[a-z][a-z0-9-]*$",
        max_length: 32,
        example: "production",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// The name of a rate limit.
#[derive(Debug)]
pub(crate) struct RateLimitName(pub(crate) String);

impl Textual for RateLimitName {
    const SCHEMA: TextSchema = TextSchema {
        name: "RateLimitName",
        description: "The name of a rate limit: a lower-case letter, then lower-case letters, digits and hyphens.",
        pattern: "^[a-z][a-z0-9-]*$",
        max_length: RateLimit::MAX_NAME,
        example: "per-minute",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        RateLimit::new(text, 1, 1)
            .map(|limit| Self(limit.name().to_owned()))
            .map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        self.0.clone()
    }
}

impl Textual for PermissionName {
    const SCHEMA: TextSchema = TextSchema {
        name: "PermissionName",
        description: "A permission of the form `resource:action`. `list_permissions` knows those of the product.",
        pattern: "^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$",
        min_length: 3,
        max_length: 64,
        example: "pipelines:read",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Textual for IpNetwork {
    const SCHEMA: TextSchema = TextSchema {
        name: "IpNetwork",
        description: "An IPv4 or IPv6 address, or a network in CIDR notation without bits beyond its prefix.",
        pattern: "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$",
        min_length: 2,
        max_length: 49,
        example: "203.0.113.0/24",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Textual for IpAddr {
    const SCHEMA: TextSchema = TextSchema {
        name: "IpAddress",
        description: "An IPv4 or IPv6 address.",
        pattern: "^[0-9A-Fa-f.:]+$",
        min_length: 2,
        max_length: 45,
        example: "203.0.113.7",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "not an IP address".to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Textual for Timestamp {
    const SCHEMA: TextSchema = TextSchema {
        name: "Timestamp",
        description: "An instant as in RFC 3339, to the microsecond; answers are in UTC.",
        format: "date-time",
        min_length: 20,
        max_length: 40,
        example: "2026-11-20T08:30:00.000000Z",
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_its_own_example() {
        for Kind { schema, read } in KINDS {
            assert_eq!(read(schema.example), Ok(()), "{}", schema.name);
            let length = schema.example.chars().count();
            assert!(
                (schema.min_length..=schema.max_length).contains(&length),
                "{} has {length}",
                schema.name
            );
        }
    }

    #[test]
    fn a_name_is_one_visible_line() {
        assert!(Name::read("Nightly export").is_ok());
        for bad in [" ", "a\nb", "\u{7f}"] {
            assert!(Name::read(bad).is_err(), "{bad:?}");
        }
    }
}
