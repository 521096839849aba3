//! The two cookies of a session (RFC 6265bis): the access token goes with every request, the refresh token only to where
//! sessions are made and ended, unless it can be kept from being planted, which takes the whole host and is worth more. No
//! script can read either.

use std::time::Duration;

use poem::Request;
use poem::http::header::COOKIE;
use poem::http::{HeaderValue, Uri};
use wardkey_core::Problem;

use crate::tokens::TOKEN_LIFE;

/// One of the cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The access token, a JWT.
    Access,
    /// The refresh token.
    Refresh,
}

/// What a request has of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given<'r> {
    Nothing,
    Once(&'r str),
    /// Whose browser has two was given one of them by somebody else.
    Twice,
}

/// The values of `Set-Cookie`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetCookies(pub(crate) [HeaderValue; 2]);

/// Names and attributes, by the address at which browsers find the server.
pub(super) struct Cookies {
    access: Place,
    refresh: Place,
}

/// A cookie's name, and the attributes that it has whatever its value.
struct Place {
    name: String,
    attributes: String,
}

impl SetCookies {
    /// A refusal that sets them too.
    pub(crate) fn on(self, problem: Problem) -> Problem {
        self.0
            .iter()
            .filter_map(|value| value.to_str().ok())
            .fold(problem, |problem, value| problem.header("set-cookie", value))
    }
}

impl Cookies {
    /// For a server at this address. A browser keeps a cookie of a name with `__Host-` or `__Secure-` only if it came
    /// by https, so that nobody in between can plant one; without an address, the server is on one's own machine.
    pub(super) fn new(public_url: Option<&str>) -> Self {
        let url: Option<Uri> = public_url.and_then(|url| url.parse().ok());
        let is_https = url.as_ref().is_some_and(|url| url.scheme_str() == Some("https"));
        let prefix = url.as_ref().map_or("", |url| url.path().trim_end_matches('/'));
        let secure = if is_https { "; Secure" } else { "" };
        let below = if is_https { "__Secure-" } else { "" };
        // `__Host-` is for the whole host alone: no other host of the domain can set it, neither in place of ours nor beside
        // it.
        let is_whole = is_https && prefix.is_empty();
        let name = if is_whole { "__Host-" } else { below };
        let path = if prefix.is_empty() { "/" } else { prefix };
        let refresh_path = if is_whole { "/".to_owned() } else { format!("{prefix}/v1/sessions") };
        Self {
            access: Place {
                name: format!("{name}wardkey_session"),
                attributes: format!("; Path={path}; HttpOnly; SameSite=Lax{secure}"),
            },
            refresh: Place {
                name: format!("{name}wardkey_refresh"),
                attributes: format!("; Path={refresh_path}; HttpOnly; SameSite=Strict{secure}"),
            },
        }
    }

    fn place(&self, cookie: Cookie) -> &Place {
        match cookie {
            Cookie::Access => &self.access,
            Cookie::Refresh => &self.refresh,
        }
    }

    /// What the request has of the cookie. A value that is none of ours is one all the same, and empty.
    pub(super) fn read<'r>(&self, request: &'r Request, cookie: Cookie) -> Given<'r> {
        let name = self.place(cookie).name.as_bytes();
        let pairs = request.headers().get_all(COOKIE).into_iter().flat_map(|line| {
            line.as_bytes().split(|byte| *byte == b';').map(|pair| {
                let mut parts = pair.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            })
        });
        let mut values = pairs.filter(|(given, _)| *given == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Given::Nothing,
            (Some(value), None) => Given::Once(std::str::from_utf8(value).unwrap_or_default()),
            (Some(_), Some(_)) => Given::Twice,
        }
    }

    /// Both cookies; the refresh token is kept for as long as the session lives.
    pub(super) fn set(&self, access: &str, refresh: &str, life: Duration) -> SetCookies {
        SetCookies([self.access.set(access, TOKEN_LIFE), self.refresh.set(refresh, life)])
    }

    /// Takes both away.
    pub(super) fn clear(&self) -> SetCookies {
        SetCookies([self.access.set("", Duration::ZERO), self.refresh.set("", Duration::ZERO)])
    }
}

impl Place {
    fn set(&self, value: &str, life: Duration) -> HeaderValue {
        let Self { name, attributes } = self;
        let text = format!("{name}={value}; Max-Age={}{attributes}", life.as_secs());
        let mut value = HeaderValue::try_from(text).expect("tokens and addresses are visible ASCII");
        value.set_sensitive(true);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(public_url: Option<&str>) -> [String; 2] {
        let set = Cookies::new(public_url).set("a", "r", Duration::from_secs(7));
        set.0.map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_are_bound_to_where_the_server_is_as_tightly_as_browsers_can() {
        assert_eq!(
            set(None),
            [
                "wardkey_session=a; Max-Age=600; Path=/; HttpOnly; SameSite=Lax",
                "wardkey_refresh=r; Max-Age=7; Path=/v1/sessions; HttpOnly; SameSite=Strict",
            ]
        );
        assert_eq!(
            set(Some("https://keys.example.com")),
            [
                "__Host-wardkey_session=a; Max-Age=600; Path=/; HttpOnly; SameSite=Lax; Secure",
                "__Host-wardkey_refresh=r; Max-Age=7; Path=/; HttpOnly; SameSite=Strict; Secure",
            ]
        );
        assert_eq!(
            set(Some("https://example.com/keys")),
            [
                "__Secure-wardkey_session=a; Max-Age=600; Path=/keys; HttpOnly; SameSite=Lax; Secure",
                "__Secure-wardkey_refresh=r; Max-Age=7; Path=/keys/v1/sessions; HttpOnly; SameSite=Strict; Secure",
            ]
        );
    }

    #[test]
    fn a_cookie_is_read_once_and_a_second_one_is_noticed() {
        let cookies = Cookies::new(None);
        let read = |lines: &[&str]| {
            let mut request = Request::builder();
            for line in lines {
                request = request.header("cookie", *line);
            }
            let request = request.finish();
            match cookies.read(&request, Cookie::Access) {
                Given::Nothing => "nothing".to_owned(),
                Given::Once(value) => format!("one {value}"),
                Given::Twice => "two".to_owned(),
            }
        };
        assert_eq!(read(&[]), "nothing");
        assert_eq!(read(&["other=1; xwardkey_session=2", "__Host-wardkey_session=3"]), "nothing");
        assert_eq!(read(&["other=1;wardkey_session=a=b; more=2"]), "one a=b");
        assert_eq!(read(&["wardkey_session"]), "one ");
        assert_eq!(read(&["wardkey_session=a; wardkey_session=a"]), "two");
        assert_eq!(read(&["wardkey_session=a", "wardkey_session=b"]), "two");
    }
}
