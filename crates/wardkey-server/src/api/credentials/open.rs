//! The first arguments of operations that need no credential.

use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use wardkey::{ActiveSession, Visitor};

use super::app;
use crate::api::App;
use crate::edge;
use crate::problem::Code;
use crate::sessions::visitor;

/// Anybody: the argument of an operation that needs no credential. What may be another site's request is refused.
pub(crate) struct Anybody {
    /// Where the request comes from.
    pub(crate) visitor: Visitor,
    pub(crate) app: Arc<App>,
}

/// Anybody who may show a refresh token. Who only wants to log in is not asked for one: another site of the domain may
/// have planted it.
pub(crate) struct Presenting {
    /// The digest of the refresh token that the request has.
    pub(crate) presented: Option<[u8; 32]>,
    /// The request.
    pub(crate) from: Anybody,
}

/// Anybody who may be logged in, and be it for the last time.
pub(crate) struct Leaving {
    /// The session that the request is of, if it is of one.
    pub(crate) session: Option<ActiveSession>,
    /// The request, and its refresh token.
    pub(crate) presenting: Presenting,
}

impl<'a> ApiExtractor<'a> for Anybody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let app = app(request)?;
        app.sessions.check_origin(request)?;
        Ok(Self { visitor: visitor(request), app: Arc::clone(app) })
    }
}

impl<'a> ApiExtractor<'a> for Presenting {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let from = Anybody::from_request(request, body, ExtractParamOptions::default()).await?;
        let presented = from.app.sessions.presented(request)?;
        Ok(Self { presented, from })
    }
}

impl<'a> ApiExtractor<'a> for Leaving {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let presenting = Presenting::from_request(request, body, ExtractParamOptions::default()).await?;
        let session = match presenting.from.app.sessions.resume(request).await {
            Ok(session) => session,
            // Whoever has no good access token any more may still leave.
            Err(refusal) if refusal.problem().code() == Code::SessionEnded.as_str() => None,
            Err(refusal) => return Err(refusal.into()),
        };
        if let Some(session) = session {
            edge::note_session(request, session.id());
        }
        Ok(Self { session, presenting })
    }
}
