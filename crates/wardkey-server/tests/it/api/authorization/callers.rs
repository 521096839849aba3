//! Who asks, and what each of them may do as DESIGN has it: said here once more, and not read from the code.

/// Somebody with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Without any credential.
    Nobody,
    /// Who is logged in, in this role, as the next three are.
    Viewer,
    Member,
    Admin,
    Owner,
    /// An admin of another tenant, who is logged in.
    Stranger,
    /// A key of the member, which lists `keys:write`.
    MemberKey,
    /// A key of the admin, which lists `keys:write` and `admin:keys`.
    AdminKey,
    /// A service account's key with permissions of the product.
    ServiceKey,
    /// A service account's key with every permission, of another environment than the admin API's.
    OtherEnvironment,
    /// The key of an owner whose user is suspended.
    Suspended,
    /// An operator's key that lists `operator:act` and nothing else.
    Acting,
    /// An operator's key that lists everything.
    Operator,
    /// The same, in the place of a member.
    StandIn,
}

impl Who {
    pub(crate) const ALL: [Self; 14] = [
        Self::Nobody,
        Self::Viewer,
        Self::Member,
        Self::Admin,
        Self::Owner,
        Self::Stranger,
        Self::MemberKey,
        Self::AdminKey,
        Self::ServiceKey,
        Self::OtherEnvironment,
        Self::Suspended,
        Self::Acting,
        Self::Operator,
        Self::StandIn,
    ];

    /// Whether it is a person in a browser.
    pub(crate) fn is_logged_in(self) -> bool {
        matches!(self, Self::Viewer | Self::Member | Self::Admin | Self::Owner | Self::Stranger)
    }

    /// Whether the caller has any business in the organization that is asked about.
    fn is_at_home(self) -> bool {
        self != Self::Stranger
    }

    /// Whether the caller holds this for the organization as a whole.
    fn holds(self, permission: &str) -> bool {
        match self {
            Self::Nobody | Self::Viewer | Self::ServiceKey | Self::Stranger | Self::Suspended => false,
            Self::Member | Self::MemberKey | Self::StandIn => permission == "keys:write",
            Self::Admin | Self::Owner | Self::AdminKey | Self::OtherEnvironment | Self::Acting => {
                permission == "keys:write" || permission.starts_with("admin:")
            }
            Self::Operator => true,
        }
    }
}

/// What an operation asks of whoever calls it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Class {
    /// Nothing at all.
    Open,
    /// A session, which no key is.
    Session,
    /// A key, of any environment, which no session is.
    Key,
    /// A credential, whichever, of any environment.
    Anyone,
    /// Somebody in the organization.
    Here,
    /// One of these permissions, for the organization as a whole.
    Organization(&'static [&'static str]),
    /// Making keys; and as the key that is asked about is not the caller's own, `admin:keys`: without it the key is not
    /// there.
    ForeignKey,
    /// The same for looking, to which one needs no permission where the key is one's own.
    SeeForeignKey,
    /// Of the deployment.
    Deployment(&'static str),
    /// Likewise, by keys of every environment, which no session is.
    DeploymentByKey(&'static str),
}

/// A refusal: status and code.
pub(crate) type Refused = (u16, &'static str);

const NOT_FOUND: Refused = (404, "not_found");
const INSUFFICIENT: Refused = (403, "insufficient_permissions");

impl Class {
    /// What this caller must hear.
    pub(crate) fn judge(self, who: Who) -> Result<(), Refused> {
        let any_environment = match self {
            Self::Open | Self::Session | Self::Key | Self::Anyone | Self::DeploymentByKey(_) => true,
            Self::Here
            | Self::Organization(_)
            | Self::ForeignKey
            | Self::SeeForeignKey
            | Self::Deployment(_) => false,
        };
        match who {
            // A key that is shown must be good, also where none is asked for.
            Who::Nobody if matches!(self, Self::Open) => return Ok(()),
            Who::Nobody => return Err((401, "missing_credentials")),
            who if who.is_logged_in() && matches!(self, Self::DeploymentByKey(_)) => {
                return Err((401, "missing_credentials"));
            }
            Who::Suspended => return Err((401, "principal_inactive")),
            // What a key does to itself, it does in nobody's place.
            Who::StandIn if matches!(self, Self::Key) => return Err((400, "invalid_request")),
            Who::OtherEnvironment if !any_environment => return Err((401, "environment_mismatch")),
            _ => {}
        }
        match self {
            Self::Open | Self::Anyone => Ok(()),
            Self::Session => {
                if who.is_logged_in() {
                    Ok(())
                } else {
                    Err((403, "session_required"))
                }
            }
            Self::Key => {
                if who.is_logged_in() {
                    Err((401, "missing_credentials"))
                } else {
                    Ok(())
                }
            }
            Self::Deployment(permission) | Self::DeploymentByKey(permission) => {
                if who == Who::Operator && permission.starts_with("operator:") {
                    Ok(())
                } else {
                    Err(INSUFFICIENT)
                }
            }
            _ if !who.is_at_home() => Err(NOT_FOUND),
            Self::Here => Ok(()),
            Self::Organization(any_of) => {
                if any_of.iter().any(|permission| who.holds(permission)) {
                    Ok(())
                } else {
                    Err(INSUFFICIENT)
                }
            }
            Self::ForeignKey | Self::SeeForeignKey if who.holds("admin:keys") => Ok(()),
            Self::ForeignKey if !who.holds("keys:write") => Err(INSUFFICIENT),
            Self::ForeignKey | Self::SeeForeignKey => Err(NOT_FOUND),
        }
    }

    /// What the document must say: each list inside stands for any of its permissions.
    pub(crate) fn documented(self) -> Vec<Vec<&'static str>> {
        match self {
            Self::Open | Self::Session | Self::Key | Self::Anyone | Self::Here | Self::SeeForeignKey => {
                Vec::new()
            }
            Self::Organization(any_of) => vec![any_of.to_vec()],
            Self::ForeignKey => vec![vec!["keys:write", "admin:keys"]],
            Self::Deployment(permission) | Self::DeploymentByKey(permission) => {
                vec![vec![permission]]
            }
        }
    }

    /// By which schemes the document must say that one is let in.
    pub(crate) fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Open => &[],
            Self::Session => &["session"],
            Self::Key | Self::DeploymentByKey(_) => &["bearer", "apiKey"],
            _ => &["bearer", "apiKey", "session"],
        }
    }

    /// Whether it is the operator's business, whose paths may lead to any organization.
    pub(crate) fn is_of_the_deployment(self) -> bool {
        matches!(self, Self::Deployment(_) | Self::DeploymentByKey(_))
    }
}
