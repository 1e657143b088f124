//! The certificates here hold until 2125: `server.pem` for localhost, by the authority `ca.pem`; `own.pem`
//! is one for localhost that `openssl req -x509` would make, signed by itself. The key of both is public.

use super::*;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api/clusters/tls").join(name)
}

/// A cluster that shows this certificate.
async fn with_certificate(name: &str) -> FakeFlink {
    let certificate = CertificateDer::from_pem_file(file(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    FakeFlink::with_tls(vec![FakeJob::new(ONE, "orders")], TlsAcceptor::from(Arc::new(config))).await
}

/// A daemon that follows the cluster at `url`, and trusts this authority.
async fn trusting(url: &str, authority: Option<&str>) -> Host {
    let home = tempfile::tempdir().unwrap();
    let mut text = format!("attach = 'never'\n[[flink]]\nname = 'prod'\nurl = '{url}'\n");
    if let Some(name) = authority {
        text.push_str(&format!("ca-file = '{}'\n", file(name).display()));
    }
    let config = home.path().join("ckptd.toml");
    std::fs::write(&config, text).unwrap();
    started(&Options { config: Some(config), ..Options::default() }).await
}

async fn trouble(host: &Host) -> String {
    let list = until_trouble(host, "prod", |_| true).await;
    let trouble = cluster(&list, "prod")["trouble"].as_str().unwrap().to_owned();
    assert!(!trouble.contains('\n'), "{trouble}");
    trouble
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_told_from_one_that_does() {
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    let url = format!("https://{}", fake.address);
    let said = trouble(&trusting(&url, None).await).await;
    assert!(said.contains(&url) && said.contains("write http://"), "{said}");
}

#[tokio::test]
async fn http_to_a_port_that_speaks_tls_does_not_last() {
    let fake = with_certificate("server.pem").await;
    let said = trouble(&trusting(&fake.url(), None).await).await;
    assert!(said.contains(&fake.url()), "{said}");
}

#[tokio::test]
async fn an_authority_that_nobody_vouches_for_is_named_in_the_configuration() {
    let fake = with_certificate("server.pem").await;
    let url = format!("https://localhost:{}", fake.address.port());
    let said = trouble(&trusting(&url, None).await).await;
    assert!(said.contains("certificate") && said.contains("ca-file"), "{said}");
    let host = trusting(&url, Some("ca.pem")).await;
    let job = until_job(&host, ONE, |job| job["stale"].is_null()).await;
    assert_eq!(job["checkpointTimeout"]["effective"], 20_000);
    // Another authority does not help, and neither does another name.
    let said = trouble(&trusting(&url, Some("own.pem")).await).await;
    assert!(said.contains("ca-file"), "{said}");
    let url = format!("https://127.0.0.1:{}", fake.address.port());
    let said = trouble(&trusting(&url, Some("ca.pem")).await).await;
    assert!(said.contains("localhost") && said.contains("127.0.0.1"), "{said}");
}

/// An authority's certificate is none for a server, whoever trusts it.
#[tokio::test]
async fn a_certificate_that_is_an_authoritys_is_refused_in_words() {
    let fake = with_certificate("own.pem").await;
    let url = format!("https://localhost:{}", fake.address.port());
    for authority in [None, Some("own.pem")] {
        let said = trouble(&trusting(&url, authority).await).await;
        assert!(said.contains("CA:TRUE"), "{said}");
    }
}
