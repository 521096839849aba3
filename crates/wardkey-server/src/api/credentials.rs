//! The first argument of every handler: who asks, and by which door. Each yields the handle that is bound to what the
//! caller may do, and puts security, permissions and refusals of its operation into the document; so neither can be
//! forgotten.

mod open;

use std::marker::PhantomData;
use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, MetaSecurityScheme, Registry};
use poem_openapi::types::Type as _;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use wardkey::{ActiveSession, Caller, DeploymentHandle, Own, Tenant, Visitor};
use wardkey_core::{Admission, Denial, FieldError, OrganizationId, PermissionSet, Reference, Requires};
use wardkey_poem::openapi::{SECURITY_SCHEMES, register_security_schemes};

pub(crate) use self::open::{Anybody, Leaving, Presenting};
use super::App;
use super::parameters::{ACT_AS_NAME, act_as};
use super::text::Text;
use crate::edge;
use crate::problem::{Code, Refusal};
use crate::sessions::visitor;

/// Stands among an operation's permissions in the document if any of them will do.
pub(crate) const ANY_OF: &str = "any of";

/// The name of the security scheme of people who are logged in; it stands there if an operation takes them.
pub(crate) const SESSION_SCHEME: &str = "session";

/// Stands there if the operation takes keys of the admin API's own environment only.
pub(crate) const OWN_ENVIRONMENT: &str = "own environment";

/// Stands there if an operator may do the operation in a user's place.
pub(crate) const ACT_AS: &str = "act as";

/// Which credentials an operation takes.
pub(crate) trait Credentials: Send + Sync + 'static {
    /// Of which environments it takes keys.
    const ENVIRONMENTS: Environments;
    /// Whether it also takes people who are logged in, who are in no environment.
    const SESSIONS: bool;
}

/// Of which environments an operation takes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environments {
    /// Of the admin API's own only.
    Own,
    /// Of any.
    Any,
}

/// Keys of the admin API's own environment, and people.
pub(crate) struct OwnEnvironment;

/// Keys of any environment, and people.
pub(crate) struct AnyEnvironment;

/// Keys of any environment alone: a browser has no business there.
pub(crate) struct Programs;

impl Credentials for OwnEnvironment {
    const ENVIRONMENTS: Environments = Environments::Own;
    const SESSIONS: bool = true;
}

impl Credentials for AnyEnvironment {
    const ENVIRONMENTS: Environments = Environments::Any;
    const SESSIONS: bool = true;
}

impl Credentials for Programs {
    const ENVIRONMENTS: Environments = Environments::Any;
    const SESSIONS: bool = false;
}

/// Somebody in an organization, where `P` is held for the organization as a whole.
pub(crate) struct InOrganization<P> {
    /// The organization, as far as the caller may act in it.
    pub(crate) tenant: Tenant,
    pub(crate) app: Arc<App>,
    permission: PhantomData<fn() -> P>,
}

/// Somebody with the deployment as a whole, where `P` is held.
pub(crate) struct InDeployment<P, C = OwnEnvironment> {
    /// The deployment, as far as the caller may act in it.
    pub(crate) deployment: DeploymentHandle,
    pub(crate) app: Arc<App>,
    permission: PhantomData<fn() -> (P, C)>,
}

/// Somebody with their own business; a key of any environment will do.
pub(crate) struct AsSelf<C = AnyEnvironment> {
    /// The caller's own business.
    pub(crate) own: Own,
    pub(crate) app: Arc<App>,
    credentials: PhantomData<fn() -> C>,
}

/// A person who is logged in, with their own business, where a key has none.
pub(crate) struct AsPerson {
    /// The person's own business.
    pub(crate) own: Own,
    /// The session.
    pub(crate) session: ActiveSession,
    /// Where the request comes from.
    pub(crate) visitor: Visitor,
    pub(crate) app: Arc<App>,
}

fn app(request: &Request) -> Result<&Arc<App>, Refusal> {
    request.data::<Arc<App>>().ok_or(Code::InternalError.into())
}

/// Who acts: the key that the guard admitted, or if none came, whose session it is. Where a key came, no cookie is
/// looked at.
async fn caller<C: Credentials>(request: &Request) -> Result<(Caller, Arc<App>)> {
    let app = app(request)?;
    let admission: &Admission = wardkey_poem::admission(request)?;
    let refuse = |denial: Denial| wardkey_poem::Refusal::from(admission.refuse(denial));
    let caller = match admission.verification() {
        Some(verification) => {
            edge::note_key(request, verification.key.key);
            let environment = &verification.rights.environment;
            if C::ENVIRONMENTS == Environments::Own && *environment != app.environment {
                return Err(refuse(Denial::EnvironmentMismatch { environment: environment.clone() }).into());
            }
            Caller::key(verification.clone())
        }
        None if C::SESSIONS => Caller::session(resume(request, app).await?),
        None => return Err(refuse(Denial::MissingCredentials).into()),
    };
    Ok((caller.with_request_id(admission.request_id()).with_address(admission.address()), Arc::clone(app)))
}

/// The session of the request.
async fn resume(request: &Request, app: &App) -> Result<ActiveSession> {
    let session = app.sessions.resume(request).await?;
    let Some(session) = session else {
        let admission = wardkey_poem::admission(request)?;
        return Err(wardkey_poem::Refusal::from(admission.refuse(Denial::MissingCredentials)).into());
    };
    edge::note_session(request, session.id());
    Ok(session)
}

/// The caller, or who stands in a user's place by `Wardkey-Act-As`.
async fn in_whose_place(request: &Request, caller: Caller, app: &App) -> Result<Caller> {
    match act_as(request)? {
        Some(user) => Ok(app.wardkey.act_as(caller, &user).await.map_err(Refusal::from)?),
        None => Ok(caller),
    }
}

/// What goes into the document besides the security schemes: the permissions, and how they are meant.
fn security<P: Requires, C: Credentials>() -> Vec<&'static str> {
    let mut names = Vec::new();
    P::list_names(&mut names);
    let alone = |name: &&'static str| {
        let name = name.parse().expect("a declared permission has a name of the grammar");
        P::is_met_by(&PermissionSet::from_iter([&name]))
    };
    let marks = [
        (C::SESSIONS, SESSION_SCHEME),
        (names.len() > 1 && names.iter().all(alone), ANY_OF),
        (C::ENVIRONMENTS == Environments::Own, OWN_ENVIRONMENT),
    ];
    let marks = marks.into_iter().filter_map(|(applies, mark)| applies.then_some(mark));
    SECURITY_SCHEMES.into_iter().chain(marks).chain(names.iter().copied()).collect()
}

/// Puts every scheme into the document.
fn register_schemes(registry: &mut Registry) {
    register_security_schemes(registry);
    let scheme = MetaSecurityScheme {
        ty: "apiKey",
        description: Some(
            "A person who has logged in by `create_session`, in a browser. By https its name begins with `__Host-`, or \
             with `__Secure-` if the server stands below a path.",
        ),
        name: Some("wardkey_session"),
        key_in: Some("cookie"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    registry.create_security_scheme(SESSION_SCHEME, scheme);
}

impl<'a, P: Requires> ApiExtractor<'a> for InOrganization<P> {
    const TYPES: &'static [ApiExtractorType] =
        &[ApiExtractorType::SecurityScheme, ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = Text<Reference<OrganizationId>>;
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
        Self::ParamType::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        [vec![ACT_AS], security::<P, OwnEnvironment>()].concat()
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(Self::ParamType::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        let (caller, app) = caller::<OwnEnvironment>(request).await?;
        let caller = in_whose_place(request, caller, &app).await?;
        // The organization is the first parameter of each path that has one.
        let organization = request.raw_path_param("param0").unwrap_or_default();
        let tenant = app.wardkey.enter(&caller, &organization.into()).await.map_err(Refusal::from)?;
        tenant.require::<P>().map_err(Refusal::from)?;
        Ok(Self { tenant, app, permission: PhantomData })
    }
}

impl<'a, P: Requires, C: Credentials> ApiExtractor<'a> for InDeployment<P, C> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        security::<P, C>()
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let (caller, app) = caller::<C>(request).await?;
        let caller = in_whose_place(request, caller, &app).await?;
        let deployment = app.wardkey.enter_deployment(&caller).await.map_err(Refusal::from)?;
        deployment.require::<P>().map_err(Refusal::from)?;
        Ok(Self { deployment, app, permission: PhantomData })
    }
}

impl<'a, C: Credentials> ApiExtractor<'a> for AsSelf<C> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        let act_as = if C::SESSIONS { vec![ACT_AS] } else { Vec::new() };
        [act_as, security::<(), C>()].concat()
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let (caller, app) = caller::<C>(request).await?;
        if !C::SESSIONS && act_as(request)?.is_some() {
            let detail = "what a key does to itself, it does in nobody's place".to_owned();
            let error = FieldError { pointer: ACT_AS_NAME.to_owned(), code: "not_possible", detail };
            return Err(Refusal::invalid(vec![error]).into());
        }
        let caller = in_whose_place(request, caller, &app).await?;
        let own = app.wardkey.enter_self(&caller).await.map_err(Refusal::from)?;
        Ok(Self { own, app, credentials: PhantomData })
    }
}

impl<'a> ApiExtractor<'a> for AsPerson {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SESSION_SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let app = app(request)?;
        let admission: &Admission = wardkey_poem::admission(request)?;
        if let Some(verification) = admission.verification() {
            edge::note_key(request, verification.key.key);
            return Err(Refusal::from(Code::SessionRequired).into());
        }
        if act_as(request)?.is_some() {
            let detail = "one's own sessions and password are nobody else's to act on".to_owned();
            let error = FieldError { pointer: ACT_AS_NAME.to_owned(), code: "not_possible", detail };
            return Err(Refusal::invalid(vec![error]).into());
        }
        let session = resume(request, app).await?;
        let caller = Caller::session(session)
            .with_request_id(admission.request_id())
            .with_address(admission.address());
        let own = app.wardkey.enter_self(&caller).await.map_err(Refusal::from)?;
        Ok(Self { own, session, visitor: visitor(request), app: Arc::clone(app) })
    }
}
