//! Commands on keys.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use wardkey::{
    Caller, Conflict, Error, Expiry, ExpiryPreset, IssueKey, IssuedKey, KeyFilter, PrincipalRef,
    RateLimitInput, Tenant,
};
use wardkey_core::{
    Access, EnvironmentName, IpNetwork, KeyId, KeyStatus, Level, OrganizationId, PermissionName, Reference,
    ServiceAccountId, Timestamp, UserId, WorkspaceId,
};

use super::local::{Columns, Local, print_json, read_all, say};
use super::print;
use crate::api::views;

/// What to do with keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Issue a key and print it, this once, to standard output
    ///
    /// With --operator: a key of the deployment's operator, valid for 24 hours, for when the first one is gone. Else a key
    /// of an organization, for one of its service accounts or members, in the environment of --environment. Works whether
    /// or not a server is running.
    Issue(Box<IssueArguments>),
    /// List keys, the newest first, without their secrets
    List {
        /// The organization, by its id or by the id that your backend gave it [default: the operator's own]
        #[arg(long, value_name = "ORGANIZATION")]
        organization: Option<Reference<OrganizationId>>,
        /// Only keys of this status; may be repeated
        #[arg(long, value_parser = statuses())]
        status: Vec<KeyStatus>,
    },
    /// Revoke a key, at once and for ever
    Revoke {
        /// The key, as `key list` shows it
        #[arg(value_name = "KEY_ID")]
        key: KeyId,
        /// The organization, by its id or by the id that your backend gave it [default: the operator's own]
        #[arg(long, value_name = "ORGANIZATION")]
        organization: Option<Reference<OrganizationId>>,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// The key to be issued.
#[derive(Args)]
pub struct IssueArguments {
    /// An operator key: full rights in the whole deployment
    #[arg(long, conflicts_with_all = ["organization", "name", "description", "principal", "permission",
        "level", "reach", "ip_allowlist", "rate_limit", "life"])]
    operator: bool,
    /// The organization, by its id or by the id that your backend gave it
    #[arg(long, value_name = "ORGANIZATION", required_unless_present = "operator")]
    organization: Option<Reference<OrganizationId>>,
    /// What people call the key
    #[arg(long, required_unless_present = "operator")]
    name: Option<String>,
    /// What the key is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    principal: PrincipalArguments,
    /// A permission of the form resource:action that the key has on top of its level; may be repeated
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<PermissionName>,
    /// The key's intent [default: all for a member, restricted for a service account]
    #[arg(long, value_parser = levels())]
    level: Option<Level>,
    #[command(flatten)]
    reach: ReachArguments,
    /// An address or a network in CIDR notation from which the key may be used; may be repeated [default: from anywhere]
    #[arg(long, value_name = "NETWORK")]
    ip_allowlist: Vec<IpNetwork>,
    /// How many requests the key may make in how many seconds, under a name, such as per-minute=600/60; may be repeated
    /// [default: as many as it likes]
    #[arg(long, value_name = "NAME=LIMIT/SECONDS", value_parser = read_rate_limit)]
    rate_limit: Vec<RateLimitInput>,
    #[command(flatten)]
    life: LifeArguments,
}

/// On whose behalf a key acts.
#[derive(Args)]
#[group(id = "principal", multiple = false)]
struct PrincipalArguments {
    /// The service account as which the key acts, by its id or by the id that your backend gave it
    #[arg(long, value_name = "SERVICE_ACCOUNT", required_unless_present_any = ["operator", "user"])]
    service_account: Option<Reference<ServiceAccountId>>,
    /// The member as whom the key acts, by id or by the id that your backend gave the person
    #[arg(long, value_name = "USER", required_unless_present_any = ["operator", "service_account"])]
    user: Option<Reference<UserId>>,
}

/// Which workspaces a key reaches.
#[derive(Args)]
#[group(id = "reach", multiple = false)]
struct ReachArguments {
    /// A workspace that the key reaches, by its id or by the id that your backend gave it; may be repeated
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Vec<Reference<WorkspaceId>>,
    /// The key reaches every workspace, those made later included
    #[arg(long)]
    all_workspaces: bool,
}

/// How long a key lives.
#[derive(Args)]
#[group(id = "life", multiple = false)]
struct LifeArguments {
    /// How long the key works [default: 90d]
    #[arg(long, value_name = "TIME", value_parser = presets())]
    expires_in: Option<ExpiryPreset>,
    /// Until when the key works, as in RFC 3339
    #[arg(long, value_name = "INSTANT")]
    expires_at: Option<Timestamp>,
    /// The key works until it is revoked
    #[arg(long)]
    never_expires: bool,
}

fn statuses() -> impl clap::builder::TypedValueParser<Value = KeyStatus> {
    let all = [KeyStatus::Active, KeyStatus::Disabled, KeyStatus::Expired, KeyStatus::Revoked];
    PossibleValuesParser::new(all.map(KeyStatus::as_str))
        .map(move |word| all.into_iter().find(|status| status.as_str() == word).expect("a possible value"))
}

fn levels() -> impl clap::builder::TypedValueParser<Value = Level> {
    let all = [Level::All, Level::ReadOnly, Level::Restricted];
    PossibleValuesParser::new(all.map(Level::as_str)).try_map(|word| word.parse::<Level>())
}

fn presets() -> impl clap::builder::TypedValueParser<Value = ExpiryPreset> {
    PossibleValuesParser::new(ExpiryPreset::ALL.map(ExpiryPreset::as_str))
        .try_map(|word| word.parse::<ExpiryPreset>())
}

fn read_rate_limit(text: &str) -> Result<RateLimitInput, &'static str> {
    let read = || {
        let (name, rate) = text.split_once('=')?;
        let (limit, window) = rate.split_once('/')?;
        Some(RateLimitInput {
            name: name.to_owned(),
            limit: limit.parse().ok()?,
            window_seconds: window.parse().ok()?,
        })
    };
    read().ok_or("expected NAME=LIMIT/SECONDS, such as per-minute=600/60")
}

const COLUMNS: Columns<(wardkey::Key, Timestamp)> = Columns(&[
    ("ID", |(key, _)| key.id.to_string()),
    ("NAME", |(key, _)| key.name.clone()),
    ("STATUS", |(key, now)| KeyStatus::at(*now, key.state, key.expires_at).as_str().to_owned()),
    ("ENVIRONMENT", |(key, _)| key.environment.to_string()),
    ("PRINCIPAL", |(key, _)| key.principal.to_string()),
    ("EXPIRES", |(key, _)| key.expires_at.map(|at| at.to_string()).unwrap_or_default()),
    ("LAST USED", |(key, _)| key.last_used_at.map(|at| at.to_string()).unwrap_or_default()),
    ("HINT", |(key, _)| {
        key.secrets.first().map(|secret| secret.hint.as_str().to_owned()).unwrap_or_default()
    }),
]);

const FLAGS: &[(&str, &str)] = &[
    ("/name", "--name"),
    ("/description", "--description"),
    ("/environment", "--environment"),
    ("/principal", "--service-account or --user"),
    ("/permissions", "--permission"),
    ("/level", "--level"),
    ("/workspaces", "--workspace or --all-workspaces"),
    ("/ip_allowlist", "--ip-allowlist"),
    ("/rate_limits", "--rate-limit"),
    ("/expires", "--expires-in"),
    ("/never_expires", "--never-expires"),
    ("/reason", "--reason"),
];

impl KeyCommand {
    pub(super) async fn run(self, local: &Local) -> anyhow::Result<()> {
        match self {
            Self::Issue(arguments) if arguments.operator => issue_operator_key(local).await,
            Self::Issue(arguments) => issue_key(local, *arguments).await,
            Self::List { organization, status } => {
                let tenant = local.organization("wardkey key list", organization.as_ref()).await?;
                let filter = KeyFilter { statuses: status, ..KeyFilter::default() };
                let keys = read_all(
                    |key: &wardkey::Key| key.id,
                    async |page| tenant.list_keys(filter.clone(), page).await,
                );
                let now = tenant.now();
                let keys = keys.await?.into_iter().map(|key| (key, now)).collect();
                local.show_all(&COLUMNS, keys, |(key, now)| views::Key::new(key, now))
            }
            Self::Revoke { key, organization, reason } => {
                let tenant = local.organization("wardkey key revoke", organization.as_ref()).await?;
                let revoked = tenant.revoke_key(key, None, reason).await.map_err(|error| match error {
                    Error::NotFound if organization.is_none() => anyhow::anyhow!(
                        "the operator has no key {key}; that of another organization takes --organization"
                    ),
                    Error::NotFound => anyhow::anyhow!("the organization has no key {key}"),
                    error => say(error, FLAGS),
                })?;
                local.show(&COLUMNS, (revoked, tenant.now()), |(key, now)| views::Key::new(key, now))
            }
        }
    }
}

async fn issue_operator_key(local: &Local) -> anyhow::Result<()> {
    let command = "wardkey key issue --operator";
    let tenant = local.organization(command, None).await?;
    let issued = local.wardkey.issue_operator_key(&Caller::local(command)).await.map_err(|error| match error {
        Error::Conflict(Conflict::KeyLimitReached { count, limit }) => anyhow::anyhow!(
            "the operator has {count} keys that are not over, and may have {limit}: look at them with `wardkey --local \
             key list`, and end one with `wardkey --local key revoke KEY_ID`"
        ),
        error => say(error, FLAGS),
    });
    show_issued(local, &tenant, issued?, "an operator key")
}

async fn issue_key(local: &Local, arguments: IssueArguments) -> anyhow::Result<()> {
    let organization = arguments.organization.clone();
    let tenant = local.organization("wardkey key issue", organization.as_ref()).await?;
    let issued = tenant.issue_key(arguments.into_input(local.environment.clone())).await.map_err(|error| match error {
        Error::Conflict(Conflict::KeyLimitReached { count, limit }) => anyhow::anyhow!(
            "the organization has {count} keys that are not over, and may have {limit}: look at them with `wardkey \
             --local key list --organization ORGANIZATION`, and end one with `wardkey --local key revoke KEY_ID \
             --organization ORGANIZATION`"
        ),
        error => say(error, FLAGS),
    });
    show_issued(local, &tenant, issued?, "a key")
}

impl IssueArguments {
    fn into_input(self, environment: EnvironmentName) -> IssueKey {
        let Self {
            operator: _,
            organization: _,
            name,
            description,
            principal: PrincipalArguments { service_account, user },
            permission,
            level,
            reach: ReachArguments { workspace, all_workspaces },
            ip_allowlist,
            rate_limit,
            life: LifeArguments { expires_in, expires_at, never_expires },
        } = self;
        let expiry = match (expires_in, expires_at, never_expires) {
            (_, _, true) => Expiry::Never,
            (_, Some(instant), _) => Expiry::At(instant),
            (Some(preset), ..) => Expiry::In(preset),
            (None, None, false) => Expiry::default(),
        };
        let workspaces = match (all_workspaces, workspace.is_empty()) {
            (true, _) => Some(Access::All),
            (false, false) => Some(Access::Specific(workspace)),
            (false, true) => None,
        };
        let user = user.map(PrincipalRef::User);
        IssueKey {
            description,
            environment: Some(environment),
            principal: user.or(service_account.map(PrincipalRef::ServiceAccount)),
            level,
            permissions: permission,
            workspaces,
            ip_allowlist,
            rate_limits: rate_limit,
            expiry,
            ..IssueKey::named(name.unwrap_or_default())
        }
    }
}

/// Shows a new key: to people the secret alone, so that it can be piped, with what it is on standard error.
fn show_issued(local: &Local, tenant: &Tenant, issued: IssuedKey, what: &str) -> anyhow::Result<()> {
    if !local.is_for_people() {
        return print_json(&views::IssuedKey::new(issued, tenant.now()));
    }
    let IssuedKey { key, secret } = issued;
    let secret = secret.context("the database answered without a secret")?;
    let until = key.expires_at.map_or_else(|| "for ever".to_owned(), |at| format!("until {at}"));
    writeln!(io::stderr(), "{what}, {}, shown only now, valid {until}:", key.id)?;
    print(&format!("{}\n", secret.expose()))
}
