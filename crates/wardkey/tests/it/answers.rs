//! Reading answers: what a test expects, and nothing else.

use std::fmt::Debug;

use wardkey::{Conflict, Error};

/// The fields that were found wrong, with the rule that each breaks; sorted.
#[track_caller]
pub(crate) fn invalid<T: Debug>(answer: Result<T, Error>) -> Vec<(String, &'static str)> {
    match answer {
        Err(Error::Invalid(errors)) => {
            let mut found: Vec<_> = errors.into_iter().map(|error| (error.pointer, error.code)).collect();
            found.sort();
            found
        }
        other => panic!("expected invalid input, got {other:?}"),
    }
}

/// The one field that was found wrong, and why.
#[track_caller]
pub(crate) fn invalid_field<T: Debug>(answer: Result<T, Error>) -> (String, &'static str) {
    let mut found = invalid(answer);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The fields that go beyond what the caller holds.
#[track_caller]
pub(crate) fn exceeds<T: Debug>(answer: Result<T, Error>) -> Vec<String> {
    match answer {
        Err(Error::ExceedsOwnRights(errors)) => {
            assert!(errors.iter().all(|error| error.code == "exceeds_own_rights"), "{errors:?}");
            errors.into_iter().map(|error| error.pointer).collect()
        }
        other => panic!("expected more than the caller holds, got {other:?}"),
    }
}

/// The permissions that are missing.
#[track_caller]
pub(crate) fn forbidden<T: Debug>(answer: Result<T, Error>) -> Vec<String> {
    match answer {
        Err(Error::Forbidden { missing }) => missing,
        other => panic!("expected a missing permission, got {other:?}"),
    }
}

/// What stands in the way.
#[track_caller]
pub(crate) fn conflict<T: Debug>(answer: Result<T, Error>) -> Conflict {
    match answer {
        Err(Error::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

/// The version that the object has by now.
#[track_caller]
pub(crate) fn version_mismatch<T: Debug>(answer: Result<T, Error>) -> i64 {
    match answer {
        Err(Error::VersionMismatch { current }) => current,
        other => panic!("expected a version mismatch, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn not_found<T: Debug>(answer: Result<T, Error>) {
    match answer {
        Err(error @ Error::NotFound) => assert_eq!(error.to_string(), "not found"),
        other => panic!("expected not found, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn unavailable<T: Debug>(answer: Result<T, Error>) {
    match answer {
        Err(error @ Error::Unavailable(_)) => assert_eq!(error.to_string(), "the database does not answer"),
        other => panic!("expected an outage, got {other:?}"),
    }
}
