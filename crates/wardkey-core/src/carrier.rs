//! Where in a request a key is carried. One parser on raw bytes serves every way in.

/// A header that may carry a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// `Authorization: Bearer <key>` (RFC 6750).
    Bearer,
    /// A header of its own whose whole value is the key, such as `X-API-Key`; the name in lower case.
    Header(String),
}

impl Carrier {
    /// The name of the header, in lower case.
    pub fn header_name(&self) -> &str {
        match self {
            Self::Bearer => "authorization",
            Self::Header(name) => name,
        }
    }
}

/// The headers that may carry a key, in the order in which they are documented. Keys in query strings or cookies are
/// never read.
///
/// ```
/// use wardkey_core::{CarriedKey, Carriers};
///
/// let request = |name: &str| match name {
///     "authorization" => vec![&b"Bearer wk_live_3fKd"[..]].into_iter(),
///     _ => vec![].into_iter(),
/// };
/// assert!(matches!(Carriers::default().read(request), CarriedKey::One(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carriers(Vec<Carrier>);

impl Default for Carriers {
    /// `Authorization: Bearer`, then `X-API-Key`.
    fn default() -> Self {
        Self(vec![Carrier::Bearer, Carrier::Header("x-api-key".to_owned())])
    }
}

/// What a request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CarriedKey<'a> {
    /// Nothing.
    Absent,
    /// One value that may be a key.
    One(&'a [u8]),
    /// Credentials of another scheme, such as `Basic`, or a value that cannot be a key.
    Other,
    /// Two carriers, or one repeated, even with the same key.
    Ambiguous,
}

impl std::fmt::Debug for CarriedKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::One(_) => "One",
            Self::Other => "Other",
            Self::Ambiguous => "Ambiguous",
        })
    }
}

impl Carriers {
    /// These carriers, each once. Header names are matched without regard to case; an empty list means the default.
    pub fn new(carriers: impl IntoIterator<Item = Carrier>) -> Self {
        let mut distinct = Vec::new();
        let lower = carriers.into_iter().map(|carrier| match carrier {
            Carrier::Header(name) => Carrier::Header(name.to_ascii_lowercase()),
            Carrier::Bearer => Carrier::Bearer,
        });
        for carrier in lower {
            if !distinct.contains(&carrier) {
                distinct.push(carrier);
            }
        }
        if distinct.is_empty() { Self::default() } else { Self(distinct) }
    }

    /// The carriers in order.
    pub fn iter(&self) -> impl Iterator<Item = &Carrier> {
        self.0.iter()
    }

    /// Reads the key of a request. `values_of` yields every value of the header with the given lower-case name, as
    /// raw bytes and in order: a second value or one that is not UTF-8 must not be hidden.
    pub fn read<'a, V: Iterator<Item = &'a [u8]>>(&self, values_of: impl Fn(&str) -> V) -> CarriedKey<'a> {
        let mut carried = CarriedKey::Absent;
        for carrier in &self.0 {
            for value in values_of(carrier.header_name()) {
                if carried != CarriedKey::Absent {
                    return CarriedKey::Ambiguous;
                }
                carried = match carrier {
                    Carrier::Bearer => bearer(value),
                    Carrier::Header(_) => CarriedKey::One(value.trim_ascii()),
                };
            }
        }
        carried
    }
}

/// The token of `Bearer <token>`; the scheme's name has no case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> CarriedKey<'_> {
    const SCHEME: &[u8] = b"bearer";
    let value = value.trim_ascii();
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) && rest.starts_with(b" ") => {
            CarriedKey::One(rest.trim_ascii())
        }
        _ => CarriedKey::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(fields: &'a [(&str, &[u8])]) -> CarriedKey<'a> {
        Carriers::default().read(|name| {
            let name = name.to_owned();
            fields.iter().filter(move |(field, _)| *field == name).map(|(_, value)| *value)
        })
    }

    #[test]
    fn one_parser_tells_absent_one_other_and_ambiguous_apart() {
        assert_eq!(read(&[]), CarriedKey::Absent);
        assert_eq!(read(&[("authorization", b"Bearer abc")]), CarriedKey::One(b"abc"));
        assert_eq!(read(&[("authorization", b"bEARER   abc ")]), CarriedKey::One(b"abc"));
        assert_eq!(read(&[("x-api-key", b"abc")]), CarriedKey::One(b"abc"));
        assert_eq!(read(&[("x-api-key", b"\xff\xfe")]), CarriedKey::One(b"\xff\xfe"));
        assert_eq!(read(&[("x-api-key", b"")]), CarriedKey::One(b""));
        for other in [&b"Basic dXNlcjpwYXNz"[..], b"Bearer", b"Bearerabc", b"abc", b"", b"Bearer\tabc"] {
            assert_eq!(read(&[("authorization", other)]), CarriedKey::Other, "{other:?}");
        }
    }

    #[test]
    fn two_carriers_are_ambiguous_even_with_the_same_key() {
        assert_eq!(read(&[("authorization", b"Bearer abc"), ("x-api-key", b"abc")]), CarriedKey::Ambiguous);
        assert_eq!(read(&[("x-api-key", b"abc"), ("x-api-key", b"abc")]), CarriedKey::Ambiguous);
        assert_eq!(read(&[("authorization", b"Basic x"), ("x-api-key", b"abc")]), CarriedKey::Ambiguous);
    }

    #[test]
    fn names_are_matched_without_case() {
        let carriers = Carriers::new([Carrier::Header("X-Legacy-Key".to_owned())]);
        let legacy = |name: &str| (name == "x-legacy-key").then_some(&b"abc"[..]).into_iter();
        assert_eq!(carriers.read(legacy), CarriedKey::One(b"abc"));
        assert_eq!(Carriers::new([]), Carriers::default());
    }
}
