//! What keeps other sites from acting in the name of whoever is logged in: a request that changes something must come
//! from a page of this server, and browsers say where it comes from.

use poem::Request;
use poem::http::header::{HOST, ORIGIN};
use poem::http::{HeaderName, HeaderValue, Uri};

use super::Carried;
use crate::problem::{Code, Refusal};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where the pages of this server are.
pub(super) struct OwnOrigin(Option<String>);

/// What a header says.
enum Said<'r> {
    Nothing,
    This(&'r str),
    /// Twice, or no text.
    Nonsense,
}

impl OwnOrigin {
    /// The origin (RFC 6454) of this address; without one, of whatever host the request says it was sent to, as the
    /// server is then on one's own machine.
    pub(super) fn new(public_url: Option<&str>) -> Self {
        let url: Option<Uri> = public_url.and_then(|url| url.parse().ok());
        Self(url.and_then(|url| {
            let (scheme, host) = (url.scheme_str()?.to_lowercase(), url.host()?.to_lowercase());
            let usual = if scheme == "https" { 443 } else { 80 };
            Some(match url.port_u16().filter(|port| *port != usual) {
                Some(port) => format!("{scheme}://{host}:{port}"),
                None => format!("{scheme}://{host}"),
            })
        }))
    }

    /// Refuses what is, or may be, another site's request. Programs that are no browser and have none of our cookies say
    /// nothing of where they come from, and need not.
    ///
    /// # Errors
    /// 403 `csrf_refused`.
    pub(super) fn check(&self, request: &Request, carried: Carried) -> Result<(), Refusal> {
        let is_own = match (said(request, &SEC_FETCH_SITE), said(request, &ORIGIN)) {
            // `none`, by a person's own doing, goes with visiting a page and not with changing something.
            (Said::This(site), _) => site == "same-origin",
            (Said::Nonsense, _) | (_, Said::Nonsense) => false,
            (Said::Nothing, Said::This(origin)) => self.is(origin, request),
            (Said::Nothing, Said::Nothing) => carried == Carried::Nothing,
        };
        if is_own { Ok(()) } else { Err(Code::CsrfRefused.into()) }
    }

    fn is(&self, origin: &str, request: &Request) -> bool {
        match &self.0 {
            Some(own) => origin == own,
            None => match said(request, &HOST) {
                Said::This(host) => {
                    origin.strip_prefix("http://").is_some_and(|from| from.eq_ignore_ascii_case(host))
                }
                Said::Nothing | Said::Nonsense => false,
            },
        }
    }
}

fn said<'r>(request: &'r Request, name: &HeaderName) -> Said<'r> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Said::Nothing,
        (Some(Ok(text)), None) => Said::This(text),
        _ => Said::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(public_url: Option<&str>, headers: &[(&str, &str)], carried: Carried) -> bool {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        OwnOrigin::new(public_url).check(&request.finish(), carried).is_ok()
    }

    #[test]
    fn only_what_comes_from_an_own_page_is_admitted_with_a_cookie() {
        let url = Some("https://Keys.example.com:443/wardkey");
        for (headers, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://keys.example.com")], false),
            (&[("origin", "https://keys.example.com")], true),
            (&[("origin", "http://keys.example.com")], false),
            (&[("origin", "https://keys.example.com:8443")], false),
            (&[("origin", "https://keys.example.com.evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://evil.example"), ("host", "evil.example")], false),
            (&[("origin", "https://keys.example.com"), ("origin", "https://keys.example.com")], false),
            (&[], false),
        ] {
            assert_eq!(admits(url, headers, Carried::Cookies), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_program_without_cookies_need_not_say_where_it_comes_from() {
        assert!(admits(None, &[], Carried::Nothing));
        assert!(!admits(None, &[("sec-fetch-site", "cross-site")], Carried::Nothing));
        assert!(!admits(None, &[("origin", "https://evil.example")], Carried::Nothing));
    }

    #[test]
    fn on_ones_own_machine_the_host_that_was_asked_is_the_own_one() {
        let own = [("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")];
        assert!(admits(None, &own, Carried::Cookies));
        for other in ["http://127.0.0.1:3000", "https://127.0.0.1:8080", "http://localhost:8080"] {
            let headers = [("origin", other), ("host", "127.0.0.1:8080")];
            assert!(!admits(None, &headers, Carried::Cookies), "{other}");
        }
    }
}
