use std::fmt;
use std::marker::PhantomData;

use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use wardkey_core::Requires;

use crate::ApiKey;

/// Requires `P`, in any place, for routes whose handler needs no value of the key. [`KeyLayer`](crate::KeyLayer) must
/// be around it.
pub fn require<P: Requires>() -> Require<P> {
    Require(PhantomData)
}

/// The middleware that [`require`] makes.
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

impl<P: Requires, E: Endpoint> Middleware<E> for Require<P> {
    type Output = RequireEndpoint<P, E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequireEndpoint { required: PhantomData, inner }
    }
}

/// The endpoint that [`Require`] makes of another.
#[derive(Debug)]
pub struct RequireEndpoint<P, E> {
    required: PhantomData<fn() -> P>,
    inner: E,
}

impl<P: Requires, E: Endpoint> Endpoint for RequireEndpoint<P, E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        match ApiKey::<P>::of(&request) {
            Ok(_) => self.inner.call(request).await.map(IntoResponse::into_response),
            Err(refusal) => Ok(refusal.into_response()),
        }
    }
}
