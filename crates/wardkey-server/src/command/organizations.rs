//! Commands on organizations.

use clap::Subcommand;
use wardkey::OrganizationFilter;
use wardkey_core::{OrganizationId, OrganizationKind, Reference, Standing};

use super::local::{Columns, Local, read_all, say};
use crate::api::views;

/// What to do with organizations.
#[derive(Subcommand)]
pub enum OrganizationCommand {
    /// Create an organization: a tenant of its own, to which keys belong
    Create {
        /// What people call it
        name: String,
        /// The id that your backend gave it, accepted wherever an organization is named
        #[arg(long, value_name = "ID")]
        external_id: Option<String>,
    },
    /// List every organization, the newest first
    List,
    /// Suspend an organization: its keys are refused and its people kept out until it is resumed
    Suspend {
        /// The organization, by its id or by the id that your backend gave it
        organization: Reference<OrganizationId>,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a suspended organization work again
    Resume {
        /// The organization, by its id or by the id that your backend gave it
        organization: Reference<OrganizationId>,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

const COLUMNS: Columns<wardkey::Organization> = Columns(&[
    ("ID", |organization| organization.id.to_string()),
    ("NAME", |organization| organization.name.clone()),
    ("EXTERNAL ID", |organization| organization.external_id.clone().unwrap_or_default()),
    ("KIND", |organization| {
        let word = match organization.kind {
            OrganizationKind::Tenant => "tenant",
            OrganizationKind::Operator => "operator",
        };
        word.to_owned()
    }),
    ("STATE", |organization| {
        let word = match organization.state {
            Standing::Active => "active",
            Standing::Inactive => "suspended",
        };
        word.to_owned()
    }),
    ("KEY LIMIT", |organization| organization.key_limit.to_string()),
    ("CREATED", |organization| organization.created_at.to_string()),
]);

const FLAGS: &[(&str, &str)] =
    &[("/name", "NAME"), ("/external_id", "--external-id"), ("/reason", "--reason")];

impl OrganizationCommand {
    pub(super) async fn run(self, local: &Local) -> anyhow::Result<()> {
        let organization = match self {
            Self::Create { name, external_id } => {
                let deployment = local.deployment("wardkey organization create").await?;
                let made = deployment.create_organization(name, external_id, None).await;
                made.map_err(|error| say(error, FLAGS))?.into_inner()
            }
            Self::List => {
                let deployment = local.deployment("wardkey organization list").await?;
                let all = read_all(
                    |organization: &wardkey::Organization| organization.id,
                    async |page| deployment.list_organizations(OrganizationFilter::default(), page).await,
                );
                return local.show_all(&COLUMNS, all.await?, views::Organization::from);
            }
            Self::Suspend { organization, reason } => {
                let command = "wardkey organization suspend";
                let id = local.organization(command, Some(&organization)).await?.organization_id();
                let suspended =
                    local.deployment(command).await?.suspend_organization(&id.into(), None, reason).await;
                suspended.map_err(|error| say(error, FLAGS))?
            }
            Self::Resume { organization, reason } => {
                let command = "wardkey organization resume";
                let id = local.organization(command, Some(&organization)).await?.organization_id();
                let resumed =
                    local.deployment(command).await?.resume_organization(&id.into(), None, reason).await;
                resumed.map_err(|error| say(error, FLAGS))?
            }
        };
        local.show(&COLUMNS, organization, views::Organization::from)
    }
}
