use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use axum::http::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, MapOk, TryFutureExt as _};
use tower_layer::Layer;
use tower_service::Service;
use wardkey_core::Requires;

use crate::{Refusal, admission};

/// Requires `P`, in any place, for routes whose handler needs no value of the key. [`KeyLayer`](crate::KeyLayer) must
/// be around it.
pub fn require<P: Requires>() -> Require<P> {
    Require(PhantomData)
}

/// The layer that [`require`] makes.
pub struct Require<P>(PhantomData<fn() -> P>);

impl<P> Clone for Require<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Require<P> {}

impl<P> fmt::Debug for Require<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<Self>())
    }
}

impl<P: Requires, S> Layer<S> for Require<P> {
    type Service = RequireService<P, S>;

    fn layer(&self, inner: S) -> RequireService<P, S> {
        RequireService { required: *self, inner }
    }
}

/// The service that [`Require`] makes of another.
#[derive(Debug)]
pub struct RequireService<P, S> {
    required: Require<P>,
    inner: S,
}

impl<P, S: Clone> Clone for RequireService<P, S> {
    fn clone(&self) -> Self {
        Self { required: self.required, inner: self.inner.clone() }
    }
}

impl<P, S, B> Service<Request<B>> for RequireService<P, S>
where
    P: Requires,
    S: Service<Request<B>, Response: IntoResponse>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<MapOk<S::Future, fn(S::Response) -> Response>, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let admitted = admission(request.extensions())
            .and_then(|admission| admission.key::<P>().map(drop).map_err(Refusal::from));
        match admitted {
            Ok(()) => Either::Left(self.inner.call(request).map_ok(IntoResponse::into_response)),
            Err(refusal) => Either::Right(ready(Ok(refusal.into_response()))),
        }
    }
}
