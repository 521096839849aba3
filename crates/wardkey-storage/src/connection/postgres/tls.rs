//! What `sslmode` and `sslrootcert` ask for.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::OpenError;

/// How a connection is encrypted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Disable,
    Prefer,
    Require,
    VerifyFull { roots: Option<PathBuf> },
}

/// Takes what concerns encryption out of a URL.
pub(super) fn split(url: &str) -> Result<(String, Tls), OpenError> {
    let (base, parameters) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut roots, mut others) = ("prefer", None, Vec::new());
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = value,
            Some(("sslrootcert", value)) => roots = Some(decode_path(value)?),
            _ => others.push(parameter),
        }
    }
    let tls = match mode {
        "disable" => Tls::Disable,
        "prefer" => Tls::Prefer,
        "require" => Tls::Require,
        "verify-full" => Tls::VerifyFull { roots: roots.take() },
        _ => return refuse("sslmode must be disable, prefer, require or verify-full"),
    };
    if roots.is_some() {
        return refuse("sslrootcert is looked at with sslmode=verify-full only");
    }
    let url = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    Ok((url, tls))
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, OpenError> {
    Err(OpenError::InvalidUrl { reason: reason.into() })
}

/// Undoes percent-encoding.
fn decode_path(text: &str) -> Result<PathBuf, OpenError> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => return refuse("sslrootcert is not percent-encoded"),
        }
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map(PathBuf::from).or_else(|_| refuse("sslrootcert is not UTF-8"))
}

impl Tls {
    pub(super) fn mode(&self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyFull { .. } => SslMode::Require,
        }
    }

    pub(super) fn connector(self) -> Result<MakeRustlsConnect, OpenError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenError::Connect { source: error.into() })?;
        let config = match self {
            Self::VerifyFull { roots } => {
                builder.with_root_certificates(load_roots(roots)?).with_no_client_auth()
            }
            Self::Disable | Self::Prefer | Self::Require => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
                .with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

fn load_roots(file: Option<PathBuf>) -> Result<RootCertStore, OpenError> {
    let mut store = RootCertStore::empty();
    if let Some(file) = file {
        let unreadable = |error: &dyn std::fmt::Display| OpenError::InvalidUrl {
            reason: format!("sslrootcert {}: {error}", file.display()),
        };
        for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| unreadable(&error))? {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            store.add(certificate).map_err(|error| unreadable(&error))?;
        }
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if store.is_empty() {
        return refuse("sslmode=verify-full finds no root certificate; name a file by sslrootcert");
    }
    Ok(store)
}

/// Encryption without knowing with whom, which is all that `prefer` and `require` promise, as everywhere.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sslmode_is_honoured_or_refused() {
        let tls = |parameters: &str| {
            split(&format!("postgres://host/db{parameters}")).map(|(url, tls)| {
                assert!(!url.contains("ssl"), "{url}");
                tls
            })
        };
        assert_eq!(tls("").unwrap(), Tls::Prefer);
        assert_eq!(tls("?sslmode=disable").unwrap().mode(), SslMode::Disable);
        assert_eq!(tls("?application_name=x&sslmode=require").unwrap().mode(), SslMode::Require);
        let roots = Some(PathBuf::from("/etc/my ca.pem"));
        assert_eq!(
            tls("?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem").unwrap(),
            Tls::VerifyFull { roots }
        );
        for refused in
            ["?sslmode=allow", "?sslmode=verify-ca", "?sslmode=", "?sslrootcert=/ca.pem", "?sslrootcert=%x"]
        {
            assert!(tls(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_missing_root_certificate_is_an_error_and_not_less_checking() {
        let roots = Some(PathBuf::from("/nonexistent/ca.pem"));
        assert!(matches!(Tls::VerifyFull { roots }.connector(), Err(OpenError::InvalidUrl { .. })));
    }
}
