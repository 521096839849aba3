//! What handlers return, so that the document lists each operation's own refusals.

use std::fmt;
use std::marker::PhantomData;

use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use wardkey_poem::openapi::register_problem_schema;

use crate::problem::{Code, Refusal};

/// What an operation answers: `T`, or one of the refusals `R` besides those that follow from its credential, its
/// parameters and its body.
pub(crate) type Answer<T, R = NoMore> = Result<T, Refused<R>>;

/// The refusals that an operation has for reasons of its own.
pub(crate) trait Refusals: Send + Sync + 'static {
    /// Their codes.
    const CODES: &'static [Code];
}

/// No refusals but those that follow from credential, parameters and body.
pub(crate) struct NoMore;

impl Refusals for NoMore {
    const CODES: &'static [Code] = &[];
}

/// A refusal, in an operation that documents `R`.
pub(crate) struct Refused<R>(Refusal, PhantomData<fn() -> R>);

impl<R, E: Into<Refusal>> From<E> for Refused<R> {
    fn from(error: E) -> Self {
        Self(error.into(), PhantomData)
    }
}

impl<R> From<Refused<R>> for poem::Error {
    fn from(refused: Refused<R>) -> Self {
        refused.0.into()
    }
}

impl<R> fmt::Debug for Refused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What separates the status from the code in the name of a documented refusal, which the document's own function
/// takes apart again.
pub(crate) const STATUS_AND_CODE: char = ' ';

impl<R: Refusals> ApiResponse for Refused<R> {
    fn meta() -> MetaResponses {
        let response = |code: &Code| MetaResponse {
            description: code.detail(),
            status: None,
            status_range: Some(format!("{}{STATUS_AND_CODE}{}", code.status(), code.as_str())),
            content: Vec::new(),
            headers: Vec::new(),
        };
        MetaResponses { responses: R::CODES.iter().map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        register_problem_schema(registry);
    }
}
