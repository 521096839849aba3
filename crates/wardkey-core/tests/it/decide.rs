//! The one rule, against a naive reading of the documented order.

use std::net::IpAddr;

use proptest::prelude::*;
use wardkey_core::testing::TestKeys;
use wardkey_core::{
    Access, CatalogueIndex, Code, CompiledKey, Id, KeyRecord, KeyState, NeededPermissions, Reference,
    Requirement, Standing, Timestamp, WorkspaceId, decide,
};

const END: i64 = 1_000;

wardkey_core::permissions! { "Pipelines" { PipelinesRead = "pipelines:read", read, "See pipelines" } }

fn workspace(n: u8) -> WorkspaceId {
    WorkspaceId::from_bytes([n; 16])
}

fn catalogue() -> CatalogueIndex {
    CatalogueIndex::new(&wardkey_core::Catalogue::declared(CATALOGUE))
}

/// Everything that a decision depends on, each as one bit or instant.
#[derive(Debug, Clone)]
struct Case {
    other_environment: bool,
    state: KeyState,
    expires: bool,
    secret_ends: bool,
    principal: Standing,
    organization: Standing,
    network: bool,
    permission_held: bool,
    permission_needed: bool,
    workspace_in_scope: bool,
    workspace_needed: bool,
    now: i64,
}

impl Case {
    /// The documented order, in the plainest words.
    fn expected(&self) -> Result<(), Code> {
        let over = self.now >= END;
        if self.other_environment {
            return Err(Code::EnvironmentMismatch);
        }
        if self.state == KeyState::Revoked {
            return Err(Code::KeyRevoked);
        }
        if self.expires && over {
            return Err(Code::KeyExpired);
        }
        if self.state == KeyState::Disabled {
            return Err(Code::KeyDisabled);
        }
        if self.secret_ends && over {
            return Err(Code::SecretEnded);
        }
        if self.principal == Standing::Inactive {
            return Err(Code::PrincipalInactive);
        }
        if self.organization == Standing::Inactive {
            return Err(Code::OrganizationSuspended);
        }
        if !self.network {
            return Err(Code::IpNotAllowed);
        }
        if self.permission_needed && !self.permission_held {
            return Err(Code::InsufficientPermissions);
        }
        if self.workspace_needed && !self.workspace_in_scope {
            return Err(Code::NotFound);
        }
        Ok(())
    }

    fn record(&self) -> KeyRecord {
        let keys = TestKeys::new(CATALOGUE, &[workspace(1), workspace(2)]);
        let mut record = keys.record(if self.permission_held { &["pipelines:read"] } else { &[] });
        record.environment = if self.other_environment { "staging" } else { "production" }.parse().unwrap();
        record.state = self.state;
        record.expires_at = self.expires.then(|| Timestamp::from_micros(END));
        record.secret_ends_at = self.secret_ends.then(|| Timestamp::from_micros(END));
        record.principal.state = self.principal;
        record.organization.state = self.organization;
        record.networks =
            vec![vec![if self.network { "10.0.0.0/8" } else { "192.0.2.0/24" }.parse().unwrap()]];
        record.workspaces = Access::specific([workspace(if self.workspace_in_scope { 1 } else { 2 })]);
        record
    }

    fn requirement(&self) -> Requirement {
        let needed =
            if self.permission_needed { vec!["pipelines:read".parse().unwrap()] } else { Vec::new() };
        Requirement {
            permissions: NeededPermissions::AllOf(needed),
            workspace: self.workspace_needed.then(|| Reference::Id(workspace(1))),
            customer: None,
        }
    }
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![4 => Just(Standing::Active), 1 => Just(Standing::Inactive)]
}

/// Cases in which most things are right, so that the later rules are reached too.
fn cases() -> impl Strategy<Value = Case> {
    let state =
        prop_oneof![6 => Just(KeyState::Active), 1 => Just(KeyState::Disabled), 1 => Just(KeyState::Revoked)];
    let right = || prop::bool::weighted(0.8);
    (
        (prop::bool::weighted(0.1), state, any::<bool>(), any::<bool>(), standing(), standing()),
        (right(), right(), any::<bool>(), right(), any::<bool>()),
        prop_oneof![3 => Just(END - 1), 1 => Just(END), 1 => Just(END + 1)],
    )
        .prop_map(
            |((other_environment, state, expires, secret_ends, principal, organization), rest, now)| {
                let (network, permission_held, permission_needed, workspace_in_scope, workspace_needed) =
                    rest;
                Case {
                    other_environment,
                    state,
                    expires,
                    secret_ends,
                    principal,
                    organization,
                    network,
                    permission_held,
                    permission_needed,
                    workspace_in_scope,
                    workspace_needed,
                    now,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_decision_follows_the_documented_order(case in cases()) {
        let key = CompiledKey::new(&case.record(), &catalogue());
        let address: IpAddr = "10.1.2.3".parse().unwrap();
        let environment = "production".parse().unwrap();
        let now = Timestamp::from_micros(case.now);
        let decided = decide(&key, &environment, Some(address), &case.requirement(), now);
        prop_assert_eq!(decided.map_err(|denial| denial.code()), case.expected());
    }
}

#[test]
fn an_unknown_address_is_refused_wherever_a_network_rule_applies() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let mut record = keys.record(&[]);
    let environment = "production".parse().unwrap();
    let now = keys.started_at();
    let decided = |record: &KeyRecord, address: Option<&str>| {
        let key = CompiledKey::new(record, &catalogue());
        let address = address.map(|text| text.parse().unwrap());
        decide(&key, &environment, address, &Requirement::NONE, now).map_err(|denial| denial.code())
    };
    assert_eq!(decided(&record, None), Ok(()));
    record.networks = vec![vec!["10.0.0.0/8".parse().unwrap()], vec!["10.1.0.0/16".parse().unwrap()]];
    assert_eq!(decided(&record, None), Err(Code::IpNotAllowed));
    assert_eq!(
        decided(&record, Some("10.2.0.1")),
        Err(Code::IpNotAllowed),
        "each list must admit the address"
    );
    assert_eq!(decided(&record, Some("10.1.0.1")), Ok(()));
    record.networks = vec![Vec::new()];
    assert_eq!(decided(&record, Some("10.1.0.1")), Err(Code::IpNotAllowed), "an empty list admits nobody");
}
