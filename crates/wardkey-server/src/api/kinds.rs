//! Every kind of text that the wire knows.

use std::net::IpAddr;

use wardkey_core::{
    EnvironmentName, IpNetwork, KeyId, OrganizationId, PermissionName, PrincipalId, Reference, SecretId,
    ServiceAccountId, Timestamp, WorkspaceId,
};

use super::text::{TextSchema, Textual, parse};

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
    kind::<PrincipalId>(),
    kind::<PrincipalReference>(),
    kind::<EnvironmentName>(),
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
    kind::<Label>(),
    kind::<HintText>(),
    kind::<SecretText>(),
    kind::<PresentedSecret>(),
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
}

impl Textual for Reference<OrganizationId> {
    const SCHEMA: TextSchema = TextSchema {
        name: "OrganizationReference",
        description: "An organization, by its id or by the id that your backend gave it.",
        max_length: wardkey::MAX_NAME,
        example: OrganizationId::SCHEMA.example,
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Textual for Reference<WorkspaceId> {
    const SCHEMA: TextSchema = TextSchema {
        name: "WorkspaceReference",
        description: "A workspace, by its id or by the id that your backend gave it.",
        max_length: wardkey::MAX_NAME,
        example: WorkspaceId::SCHEMA.example,
        ..PLAIN
    };

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn write(&self) -> String {
        self.to_string()
    }
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
        description: "The id that your backend gave it.",
        max_length: wardkey::MAX_NAME,
        example: "tenant-42",
        ..PLAIN
    }, anything;

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
}

fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

fn one_line(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("must be one line, without control characters".to_owned());
    }
    if text.trim().is_empty() { Err("must not be blank".to_owned()) } else { Ok(()) }
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
