//! The first argument of every handler: who asks, and by which door. Each yields the handle that is bound to what the
//! caller may do, and puts security, permissions and refusals of its operation into the document; so neither can be
//! forgotten.

use std::marker::PhantomData;
use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::Type as _;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use wardkey::{Caller, DeploymentHandle, Own, Tenant};
use wardkey_core::{Admission, Denial, OrganizationId, PermissionSet, Reference, Requires};
use wardkey_poem::openapi::{SECURITY_SCHEMES, register_security_schemes};

use super::App;
use super::text::Text;
use crate::edge;
use crate::problem::{Code, Refusal};

/// Stands among an operation's permissions in the document if any of them will do.
pub(crate) const ANY_OF: &str = "any of";

/// Stands there if the operation takes keys of the admin API's own environment only.
pub(crate) const OWN_ENVIRONMENT: &str = "own environment";

/// Of which environments an operation takes keys.
pub(crate) trait Environments: Send + Sync + 'static {
    /// Whether keys of any will do; else only those of the admin API's own.
    const ANY: bool;
}

/// Of the admin API's own only.
pub(crate) struct OwnEnvironment;

/// Of any.
pub(crate) struct AnyEnvironment;

impl Environments for OwnEnvironment {
    const ANY: bool = false;
}

impl Environments for AnyEnvironment {
    const ANY: bool = true;
}

/// Somebody in an organization, where `P` is held for the organization as a whole.
pub(crate) struct InOrganization<P> {
    /// The organization, as far as the caller may act in it.
    pub(crate) tenant: Tenant,
    pub(crate) app: Arc<App>,
    permission: PhantomData<fn() -> P>,
}

/// Somebody with the deployment as a whole, where `P` is held.
pub(crate) struct InDeployment<P, E = OwnEnvironment> {
    /// The deployment, as far as the caller may act in it.
    pub(crate) deployment: DeploymentHandle,
    pub(crate) app: Arc<App>,
    permission: PhantomData<fn() -> (P, E)>,
}

/// Somebody with their own business; a key of any environment will do.
pub(crate) struct AsSelf {
    /// The caller's own business.
    pub(crate) own: Own,
}

/// The key that the guard admitted, as somebody who acts.
fn caller<E: Environments>(request: &Request) -> Result<(Caller, Arc<App>)> {
    let app = request.data::<Arc<App>>().ok_or(Refusal::from(Code::InternalError))?;
    let admission: &Admission = wardkey_poem::admission(request)?;
    let refuse = |denial: Denial| wardkey_poem::Refusal::from(admission.refuse(denial));
    let verification = admission.verification().ok_or_else(|| refuse(Denial::MissingCredentials))?;
    edge::note_key(request, verification.key.key);
    let environment = &verification.rights.environment;
    if !E::ANY && *environment != app.environment {
        return Err(refuse(Denial::EnvironmentMismatch { environment: environment.clone() }).into());
    }
    let caller = Caller::key(verification.clone())
        .with_request_id(admission.request_id())
        .with_address(admission.address());
    Ok((caller, Arc::clone(app)))
}

/// What goes into the document besides the security schemes: the permissions, and how they are meant.
fn security<P: Requires, E: Environments>() -> Vec<&'static str> {
    let mut names = Vec::new();
    P::list_names(&mut names);
    let alone = |name: &&'static str| {
        let name = name.parse().expect("a declared permission has a name of the grammar");
        P::is_met_by(&PermissionSet::from_iter([&name]))
    };
    let marks = [(names.len() > 1 && names.iter().all(alone), ANY_OF), (!E::ANY, OWN_ENVIRONMENT)];
    let marks = marks.into_iter().filter_map(|(applies, mark)| applies.then_some(mark));
    SECURITY_SCHEMES.into_iter().chain(marks).chain(names.iter().copied()).collect()
}

impl<'a, P: Requires> ApiExtractor<'a> for InOrganization<P> {
    const TYPES: &'static [ApiExtractorType] =
        &[ApiExtractorType::SecurityScheme, ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = Text<Reference<OrganizationId>>;
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_security_schemes(registry);
        Self::ParamType::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        security::<P, OwnEnvironment>()
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
        let (caller, app) = caller::<OwnEnvironment>(request)?;
        // The organization is the first parameter of each path that has one.
        let organization = request.raw_path_param("param0").unwrap_or_default();
        let tenant = app.wardkey.enter(&caller, &organization.into()).await.map_err(Refusal::from)?;
        tenant.require::<P>().map_err(Refusal::from)?;
        Ok(Self { tenant, app, permission: PhantomData })
    }
}

impl<'a, P: Requires, E: Environments> ApiExtractor<'a> for InDeployment<P, E> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_security_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        security::<P, E>()
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let (caller, app) = caller::<E>(request)?;
        let deployment = app.wardkey.enter_deployment(&caller);
        deployment.require::<P>().map_err(Refusal::from)?;
        Ok(Self { deployment, app, permission: PhantomData })
    }
}

impl<'a> ApiExtractor<'a> for AsSelf {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_security_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        security::<(), AnyEnvironment>()
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let (caller, app) = caller::<AnyEnvironment>(request)?;
        let own = app.wardkey.enter_self(&caller).map_err(Refusal::from)?;
        Ok(Self { own })
    }
}
