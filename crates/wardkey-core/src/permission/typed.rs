//! Permissions that the compiler checks.

use std::marker::PhantomData;

use super::set::{PermissionIndex, PermissionSet};

/// A permission as a type, declared with [`permissions!`](crate::permissions).
pub trait Permission: Send + Sync + 'static {
    /// `resource:action`.
    const NAME: &'static str;

    /// The number of the name in this process.
    fn index() -> PermissionIndex;
}

/// What a route asks for: a permission, [`All`] or [`OneOf`] several, or `()` for any key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no permission",
    label = "not declared with `permissions!`",
    note = "declare it: permissions! {{ \"Group\" {{ pub Name = \"resource:action\", read, \"Label\" }} }}"
)]
pub trait Requires: Send + Sync + 'static {
    /// Whether these permissions are enough.
    fn is_met_by(held: &PermissionSet) -> bool;

    /// Adds what these permissions lack; nothing if they are enough.
    fn list_missing(held: &PermissionSet, missing: &mut Vec<&'static str>);

    /// Adds every permission that is named, each with whether it is one of several that would do.
    fn list_names(names: &mut Vec<&'static str>);
}

impl<P: Permission> Requires for P {
    fn is_met_by(held: &PermissionSet) -> bool {
        held.contains(P::index())
    }

    fn list_missing(held: &PermissionSet, missing: &mut Vec<&'static str>) {
        if !Self::is_met_by(held) {
            missing.push(P::NAME);
        }
    }

    fn list_names(names: &mut Vec<&'static str>) {
        names.push(P::NAME);
    }
}

/// Any key: no permission is asked for.
impl Requires for () {
    fn is_met_by(_: &PermissionSet) -> bool {
        true
    }

    fn list_missing(_: &PermissionSet, _: &mut Vec<&'static str>) {}

    fn list_names(_: &mut Vec<&'static str>) {}
}

/// Every one of a tuple of requirements: `All<(PipelinesRead, PipelinesRun)>`.
#[derive(Debug)]
pub struct All<T>(PhantomData<T>);

/// At least one of a tuple of requirements: `OneOf<(KeysWrite, AdminKeys)>`.
#[derive(Debug)]
pub struct OneOf<T>(PhantomData<T>);

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Requires),+> Requires for All<($($name,)+)> {
            fn is_met_by(held: &PermissionSet) -> bool {
                $($name::is_met_by(held))&&+
            }

            fn list_missing(held: &PermissionSet, missing: &mut Vec<&'static str>) {
                $($name::list_missing(held, missing);)+
            }

            fn list_names(names: &mut Vec<&'static str>) {
                $($name::list_names(names);)+
            }
        }

        impl<$($name: Requires),+> Requires for OneOf<($($name,)+)> {
            fn is_met_by(held: &PermissionSet) -> bool {
                $($name::is_met_by(held))||+
            }

            fn list_missing(held: &PermissionSet, missing: &mut Vec<&'static str>) {
                if !Self::is_met_by(held) {
                    $($name::list_missing(held, missing);)+
                }
            }

            fn list_names(names: &mut Vec<&'static str>) {
                $($name::list_names(names);)+
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);

/// Declares the product's permissions, once, as types; also yields the catalogue that a deployment is given.
///
/// ```
/// mod may {
///     wardkey_core::permissions! {
///         "Pipelines" {
///             pub PipelinesRead = "pipelines:read", read, "See pipelines";
///             pub PipelinesRun = "pipelines:run", write, "Run pipelines";
///         }
///         "Connections" {
///             pub ConnectionsRead = "connections:read", read, "See connections"
///         }
///     }
/// }
///
/// use wardkey_core::{Permission, PermissionGroup};
///
/// assert_eq!(may::PipelinesRead::NAME, "pipelines:read");
/// // The same as a file:
/// let file = PermissionGroup::catalogue_file(may::CATALOGUE);
/// assert!(file.starts_with(r#"{"groups":[{"label":"Pipelines","permissions":[{"name":"pipelines:read""#));
/// ```
///
/// A name that is not `resource:action`, or whose resource is Wardkey's own, does not compile:
///
/// ```compile_fail
/// wardkey_core::permissions! { "Keys" { pub Mine = "keys:write", write, "Make keys" } }
/// ```
#[macro_export]
macro_rules! permissions {
    ($($group:literal { $($(#[$doc:meta])* $vis:vis $name:ident = $permission:literal, $class:ident, $label:literal);+ $(;)? })+) => {
        $($(
            $crate::__permission! { $(#[$doc])* $vis $name = $permission, $label }
            const _: () = assert!(
                $crate::permission::is_product_name($permission),
                "a permission is `resource:action` in lower case, and its resource is not admin, keys or operator",
            );
        )+)+

        /// Every permission declared here, by group.
        pub const CATALOGUE: &[$crate::PermissionGroup] = &[$(
            $crate::PermissionGroup {
                label: $group,
                permissions: &[$(($permission, $crate::__class!($class), $label)),+],
            }
        ),+];
    };
}

/// One permission as a type.
#[doc(hidden)]
#[macro_export]
macro_rules! __permission {
    ($(#[$doc:meta])* $vis:vis $name:ident = $permission:literal, $label:literal) => {
        $(#[$doc])*
        #[doc = concat!("`", $permission, "`: ", $label, ".")]
        #[derive(Debug, Clone, Copy)]
        $vis struct $name;

        impl $crate::Permission for $name {
            const NAME: &'static str = $permission;

            fn index() -> $crate::PermissionIndex {
                static INDEX: ::std::sync::OnceLock<$crate::PermissionIndex> = ::std::sync::OnceLock::new();
                *INDEX.get_or_init(|| $crate::permission::index_of::<Self>())
            }
        }
    };
}

/// The class of a permission by its word.
#[doc(hidden)]
#[macro_export]
macro_rules! __class {
    (read) => {
        $crate::PermissionClass::Read
    };
    (write) => {
        $crate::PermissionClass::Write
    };
}

/// Numbers a declared permission; what the declaring macro calls, once a type.
#[doc(hidden)]
pub fn index_of<P: Permission>() -> PermissionIndex {
    PermissionIndex::intern(P::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{AdminKeys, KeysWrite};

    #[test]
    fn all_needs_each_and_one_of_needs_any() {
        let mut held = PermissionSet::EMPTY;
        held.insert(KeysWrite::index());
        assert!(OneOf::<(KeysWrite, AdminKeys)>::is_met_by(&held));
        assert!(!All::<(KeysWrite, AdminKeys)>::is_met_by(&held));
        let mut missing = Vec::new();
        All::<(KeysWrite, AdminKeys)>::list_missing(&held, &mut missing);
        OneOf::<(KeysWrite, AdminKeys)>::list_missing(&held, &mut missing);
        assert_eq!(missing, ["admin:keys"]);
        assert!(<()>::is_met_by(&PermissionSet::EMPTY));
    }
}
