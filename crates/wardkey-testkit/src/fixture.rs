use std::net::IpAddr;
use std::time::Duration;

use wardkey_core::testing::{SeededRandom, TestKeys};
use wardkey_core::{
    Access, CustomerId, Id as _, IpNetwork, KeyRecord, KeyState, Level, OrganizationId, PrincipalKind,
    RateLimit, RateLimits, Reference, Role, RoleGrant, Secret, SecretStart, Standing, UserId, Verifier,
    WorkspaceId, WorkspaceRecord,
};

use crate::{CATALOGUE, describe_key};

/// The keys of the table, each with one peculiarity, and the places that it speaks of.
#[derive(Debug)]
pub struct Fixture {
    pub(crate) keys: TestKeys,
    /// Holds `pipelines:read` everywhere.
    pub(crate) reader: Secret,
    /// Holds `pipelines:read` and `pipelines:run` everywhere.
    pub(crate) runner: Secret,
    /// Holds nothing.
    pub(crate) powerless: Secret,
    /// Holds both in `own`, and sees nothing else.
    pub(crate) narrow: Secret,
    /// Holds both everywhere; to `own` one comes from 203.0.113.0/24 only.
    pub(crate) narrowed: Secret,
    /// The same, and it sees `other` alone.
    pub(crate) narrowed_elsewhere: Secret,
    /// A user's key: the user holds both in `own`, and `pipelines:read` in `other`.
    pub(crate) member: Secret,
    /// Of another organization, whose only workspace is `foreign`.
    pub(crate) neighbour: Secret,
    /// Reaches only the customer `customer`.
    pub(crate) of_customer: Secret,
    /// Works from loopback addresses only.
    pub(crate) from_loopback: Secret,
    /// Works from 203.0.113.7 only.
    pub(crate) from_afar: Secret,
    /// Holds nothing, and may ask three times a minute and four times an hour.
    pub(crate) limited: Secret,
    pub(crate) revoked: Secret,
    pub(crate) expired: Secret,
    pub(crate) disabled: Secret,
    pub(crate) ended: Secret,
    pub(crate) staging: Secret,
    pub(crate) inactive: Secret,
    pub(crate) suspended: Secret,
    /// Well-formed, and of no key.
    pub(crate) unknown: Secret,
    /// Of a key that nothing asks for before the store fails.
    pub(crate) unseen: Secret,
    pub(crate) own: WorkspaceId,
    pub(crate) other: WorkspaceId,
    pub(crate) foreign: WorkspaceId,
    pub(crate) customer: CustomerId,
    pub(crate) other_customer: CustomerId,
    records: Vec<(&'static str, KeyRecord)>,
}

/// How the backend itself calls the workspace `own`.
pub(crate) const OWN_EXTERNAL_ID: &str = "eu-1";

/// How the backend itself calls the customer `customer`.
pub(crate) const CUSTOMER_EXTERNAL_ID: &str = "acme";

const READ: &str = "pipelines:read";
const RUN: &str = "pipelines:run";

impl Default for Fixture {
    fn default() -> Self {
        Self::new()
    }
}

impl Fixture {
    /// The keys, and a clock that stands still.
    pub fn new() -> Self {
        let [own, other, foreign] = [1, 2, 3].map(|byte| WorkspaceId::from_bytes([byte; 16]));
        let [customer, other_customer] = [4, 5].map(|byte| CustomerId::from_bytes([byte; 16]));
        let keys = TestKeys::new(CATALOGUE, &[own, other]);
        let now = keys.started_at();
        let mut records = Vec::new();
        let mut issue = |name, permissions: &[&str], change: &dyn Fn(&mut KeyRecord)| {
            keys.issue_with(permissions, |record| {
                record.organization.workspaces[0].external_id = Some(OWN_EXTERNAL_ID.to_owned());
                change(record);
                records.push((name, record.clone()));
            })
        };
        let only_from = |network: &str| vec![vec![network.parse::<IpNetwork>().expect("a literal network")]];
        let as_member = |record: &mut KeyRecord| {
            let role = |names: &[&str]| {
                Role::Custom(names.iter().map(|name| name.parse().expect("a literal name")).collect())
            };
            let grants = vec![
                RoleGrant { workspace: Some(own), role: role(&[READ, RUN]) },
                RoleGrant { workspace: Some(other), role: role(&[READ]) },
            ];
            record.principal.kind = PrincipalKind::User { id: UserId::from_bytes([6; 16]), grants };
            record.level = Level::All;
        };
        let narrow_own = |record: &mut KeyRecord| {
            record.organization.workspaces[0].networks =
                vec!["203.0.113.0/24".parse().expect("a literal network")];
        };
        let as_neighbour = |record: &mut KeyRecord| {
            record.organization.id = OrganizationId::from_bytes([0x0B; 16]);
            record.organization.workspaces =
                vec![WorkspaceRecord { id: foreign, external_id: None, networks: Vec::new() }];
        };
        let reader = issue("reader", &[READ], &|_| {});
        let organization = keys.record(&[]).organization.id;
        for (reference, id) in [
            (Reference::Id(customer), customer),
            (Reference::External(CUSTOMER_EXTERNAL_ID.to_owned()), customer),
            (Reference::Id(other_customer), other_customer),
        ] {
            keys.store().put_customer(organization, reference, id);
        }
        Self {
            reader,
            runner: issue("runner", &[READ, RUN], &|_| {}),
            powerless: issue("powerless", &[], &|_| {}),
            narrow: issue("narrow", &[READ, RUN], &|record| record.workspaces = Access::specific([own])),
            narrowed: issue("narrowed", &[READ, RUN], &narrow_own),
            narrowed_elsewhere: issue("narrowed_elsewhere", &[READ, RUN], &|record| {
                narrow_own(record);
                record.workspaces = Access::specific([other]);
            }),
            member: issue("member", &[], &as_member),
            neighbour: issue("neighbour", &[READ, RUN], &as_neighbour),
            of_customer: issue("of_customer", &[], &|record| record.customers = Access::specific([customer])),
            from_loopback: issue("from_loopback", &[], &|record| record.networks = only_from("127.0.0.0/8")),
            from_afar: issue("from_afar", &[], &|record| record.networks = only_from("203.0.113.7")),
            limited: issue("limited", &[], &|record| {
                let limits = [("minutely", 3, 60), ("hourly", 4, 3_600)];
                let limits = limits.map(|(name, limit, window)| {
                    RateLimit::new(name, limit, window).expect("a literal limit")
                });
                record.rate_limits = RateLimits::new(limits.into()).expect("two limits");
            }),
            revoked: issue("revoked", &[], &|record| record.state = KeyState::Revoked),
            expired: issue("expired", &[], &|record| record.expires_at = Some(now)),
            disabled: issue("disabled", &[], &|record| record.state = KeyState::Disabled),
            ended: issue("ended", &[], &|record| record.secret_ends_at = Some(now)),
            staging: issue("staging", &[], &|record| {
                record.environment = "staging".parse().expect("a literal slug");
            }),
            inactive: issue("inactive", &[], &|record| record.principal.state = Standing::Inactive),
            suspended: issue("suspended", &[], &|record| record.organization.state = Standing::Inactive),
            unseen: issue("unseen", &[READ], &|_| {}),
            unknown: SecretStart::new("wk", "live").expect("a literal start").generate(&SeededRandom::new(7)),
            own,
            other,
            foreign,
            customer,
            other_customer,
            records,
            keys,
        }
    }

    /// The verifier with which the app verifies.
    pub fn verifier(&self) -> Verifier {
        self.keys.verifier()
    }

    /// What the routes answer that show who was verified, for the key of this name.
    pub(crate) fn describe(&self, name: &str, address: &str) -> String {
        let (_, record) =
            self.records.iter().find(|(known, _)| *known == name).expect("a key of the fixture");
        let key = wardkey_core::KeySummary {
            key: record.key,
            secret: record.secret,
            organization: record.organization.id,
            principal: record.principal.id(),
        };
        describe_key(&key, &record.environment, address.parse::<IpAddr>().ok())
    }
}

/// Longer than a verifier believes what it knows.
pub(crate) const BEYOND_MAX_STALE: Duration = Duration::from_secs(61);
