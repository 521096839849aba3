//! Commands on users.

use std::io::{self, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use wardkey::{AddMember, Grant, PageRequest, User, UserFilter};
use wardkey_core::{BuiltInRole, OsRandom, Standing};

use super::local::{Columns, Local, say};
use super::typed::read_new_password;
use crate::api::views;
use crate::passwords::{Password, Passwords};

/// What to do with users.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Create a user, who is a member of no organization yet
    ///
    /// With --operator-owner: the first of the people who run the deployment. Such a person logs in once `user set-password`
    /// has given a password.
    Create {
        /// The address by which the person logs in
        #[arg(long)]
        email: String,
        /// What people call the person
        #[arg(long)]
        name: String,
        /// The id that your backend gave the person, accepted wherever a user is named
        #[arg(long, value_name = "ID")]
        external_id: Option<String>,
        /// Make the person an owner of the operator organization, who may do everything in the whole deployment
        #[arg(long)]
        operator_owner: bool,
    },
    /// Give a user a password, the first or another, and end every session of the person
    ///
    /// Asks for it on a terminal, without showing it; else reads the first line of standard input.
    SetPassword {
        /// The address by which the person logs in
        email: String,
    },
}

const COLUMNS: Columns<User> = Columns(&[
    ("ID", |user| user.id.to_string()),
    ("EMAIL", |user| user.email.clone()),
    ("NAME", |user| user.name.clone()),
    ("EXTERNAL ID", |user| user.external_id.clone().unwrap_or_default()),
    ("STATE", |user| {
        let word = match user.state {
            Standing::Active => "active",
            Standing::Inactive => "suspended",
        };
        word.to_owned()
    }),
]);

const FLAGS: &[(&str, &str)] =
    &[("/email", "--email"), ("/name", "--name"), ("/external_id", "--external-id")];

impl UserCommand {
    pub(super) async fn run(self, local: &Local) -> anyhow::Result<()> {
        match self {
            Self::Create { email, name, external_id, operator_owner } => {
                let command = "wardkey user create";
                let deployment = local.deployment(command).await?;
                // Who has not made the deployment yet is told so before anything is made.
                let operator = local.organization(command, None).await?;
                let created = deployment.create_user(email, name, external_id).await;
                let user = created.map_err(|error| say(error, FLAGS))?.into_inner();
                if operator_owner {
                    let grants = vec![Grant::organization_wide(BuiltInRole::Owner).into()];
                    let (email, name) = (user.email.clone(), Some(user.name.clone()));
                    operator.add_member(AddMember { email, name, grants }).await?;
                    operator.vouch_for_member(&user.id.into()).await?;
                }
                if local.is_for_people() {
                    let email = &user.email;
                    writeln!(io::stderr(), "next: wardkey --local user set-password {email}")?;
                }
                local.show(&COLUMNS, user, views::User::from)
            }
            Self::SetPassword { email } => set_password(local, email).await,
        }
    }
}

async fn set_password(local: &Local, email: String) -> anyhow::Result<()> {
    let deployment = local.deployment("wardkey user set-password").await?;
    let filter = UserFilter { email: Some(email.clone()), ..UserFilter::default() };
    let found = deployment.list_users(filter, PageRequest::default()).await?;
    let user = found.items.into_iter().next().with_context(|| format!("there is no user {email}"))?;
    let password = Password::from(read_new_password()?.as_str());
    // Said before it is hashed, which takes a moment.
    password.check(&user.email)?;
    let hashed = Passwords::new(Arc::new(OsRandom)).hash(password, &user.email, "/password").await;
    let hash = hashed.map_err(|_| anyhow!("the password could not be hashed"))?;
    deployment.set_password(&user.id.into(), hash).await?;
    writeln!(io::stderr(), "{} has a new password, and no session any more", user.email)?;
    Ok(())
}
