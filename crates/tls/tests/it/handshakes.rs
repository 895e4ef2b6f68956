//! Who is let in, and by whom.

use std::sync::Arc;

use anyhow::Result;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ServerSessionMemoryCache, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tls::{SpiffeId, authority::Authority};

use crate::shop::{HOUR, Service, authority, call, connect, id, now};

#[tokio::test]
async fn both_sides_know_each_other_and_speak_http_2() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?.identity()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    let connection = call(&order, &id("inventory"), &inventory).await.unwrap();
    assert_eq!(connection.caller(), Some(id("order")));
    assert_eq!(connection.callee(), Some(id("inventory")));
    assert_eq!(connection.client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(order.id(), id("order"));
    Ok(())
}

#[tokio::test]
async fn a_service_that_was_not_meant_is_refused_and_named() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?.identity()?;
    let payment = Service::new(&authority, id("payment"))?.identity()?;
    let refused = call(&order, &id("inventory"), &payment).await.err().unwrap();
    assert!(
        refused.client.contains("sa/payment shown where spiffe://bookstore.local/ns/default/sa/inventory"),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_refused_by_either_side() -> Result<()> {
    let (ours, theirs) = (authority()?, authority()?);
    let inventory = Service::new(&ours, id("inventory"))?;
    let stranger = Service::new(&theirs, id("order"))?;
    let refused = call(&stranger.identity()?, &id("inventory"), &inventory.identity()?).await.err().unwrap();
    assert!(refused.client.contains("BadSignature"), "{refused:?}");

    // Each time only one side minds.
    stranger.trust(&[&ours])?;
    let refused = call(&stranger.identity()?, &id("inventory"), &inventory.identity()?).await.err().unwrap();
    assert!(refused.server.contains("BadSignature"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn another_trust_domain_or_namespace_of_the_same_authority_is_refused_by_either_side() -> Result<()> {
    let authority = authority()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    for stranger in [
        "spiffe://elsewhere.example/ns/default/sa/inventory",
        "spiffe://bookstore.local/ns/other/sa/inventory",
    ] {
        let stranger = Service::new(&authority, stranger.parse()?)?.identity()?;
        let refused = call(&stranger, &id("inventory"), &inventory).await.err().unwrap();
        assert!(refused.server.contains("shown where a service beside"), "{refused:?}");
        let refused = call(&inventory, &id("inventory"), &stranger).await.err().unwrap();
        assert!(
            refused.client.contains("shown where spiffe://bookstore.local/ns/default/sa/inventory"),
            "{refused:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_before_or_after_its_time_is_refused_by_either_side() -> Result<()> {
    let authority = authority()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    for (since, said) in [(now() - 2 * HOUR, "certificate expired"), (now() + HOUR, "not valid yet")] {
        let order = Service::new(&authority, id("order"))?;
        order.put(&authority.issue(&order.id, &["localhost"], since, HOUR)?)?;
        let order = order.identity()?;
        let refused = call(&order, &id("inventory"), &inventory).await.err().unwrap();
        assert!(refused.server.contains(said), "{refused:?}");
        let refused = call(&inventory, &id("order"), &order).await.err().unwrap();
        assert!(refused.client.contains(said), "{refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() -> Result<()> {
    let authority = authority()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    let client = trusting(&authority)?.with_no_client_auth();
    let refused = connect(Arc::new(client), inventory.server_config()).await.err().unwrap();
    assert!(refused.server.contains("no certificates"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_names_two_services_or_none_is_refused() -> Result<()> {
    let authority = authority()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    for ids in [vec![id("order"), id("payment")], vec![id("order"), id("order")], vec![]] {
        let (certificate, key) = issue(&authority, &ids)?;
        let client = trusting(&authority)?.with_client_auth_cert(vec![certificate], key)?;
        let refused = connect(Arc::new(client), inventory.server_config()).await.err().unwrap();
        assert!(refused.server.contains("no SPIFFE id of one service shown"), "{refused:?}");
    }

    // The same with one, so that it is the names that matter.
    let (certificate, key) = issue(&authority, &[id("order")])?;
    let client = trusting(&authority)?.with_client_auth_cert(vec![certificate], key)?;
    connect(Arc::new(client), inventory.server_config()).await.unwrap();
    Ok(())
}

#[tokio::test]
async fn no_server_lets_a_session_be_resumed() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?.identity()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    let mut eager = (*order.client_config(&id("inventory"))).clone();
    eager.resumption = Resumption::in_memory_sessions(8);
    let (eager, server) = (Arc::new(eager), inventory.server_config());
    for _ in 0..2 {
        assert!(!connect(eager.clone(), server.clone()).await.unwrap().is_resumed());
    }
    Ok(())
}

#[tokio::test]
async fn no_client_resumes_a_session() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?.identity()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    let mut eager = (*inventory.server_config()).clone();
    eager.send_tls13_tickets = 2;
    eager.session_storage = ServerSessionMemoryCache::new(8);
    let (client, eager) = (order.client_config(&id("inventory")), Arc::new(eager));
    for _ in 0..2 {
        assert!(!connect(client.clone(), eager.clone()).await.unwrap().is_resumed());
    }
    Ok(())
}

#[tokio::test]
async fn sessions_would_be_resumed_if_both_sides_were_eager() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?.identity()?;
    let inventory = Service::new(&authority, id("inventory"))?.identity()?;
    let mut client = (*order.client_config(&id("inventory"))).clone();
    client.resumption = Resumption::in_memory_sessions(8);
    let mut server = (*inventory.server_config()).clone();
    server.send_tls13_tickets = 2;
    server.session_storage = ServerSessionMemoryCache::new(8);
    let (client, server) = (Arc::new(client), Arc::new(server));
    connect(client.clone(), server.clone()).await.unwrap();
    assert!(connect(client, server).await.unwrap().is_resumed());
    Ok(())
}

#[tokio::test]
async fn a_certificate_is_one_for_other_tls_software_too() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&authority)?), provider.clone())
            .build()?;
    let issued = authority.issue(&id("inventory"), &["localhost"], now(), HOUR)?;
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            CertificateDer::pem_slice_iter(issued.certificate_pem.as_bytes()).collect::<Result<_, _>>()?,
            PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes())?,
        )?;
    let chain = CertificateDer::pem_file_iter(&order.files.certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&order.files.key)?;
    // By its DNS name, since it knows nothing of SPIFFE.
    let client = trusting(&authority)?.with_client_auth_cert(chain, key)?;
    let connection = connect(Arc::new(client), Arc::new(server)).await.unwrap();
    assert_eq!(connection.caller(), Some(id("order")));
    Ok(())
}

fn roots(authority: &Authority) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())?)?;
    Ok(roots)
}

/// A client that minds DNS names only.
fn trusting(
    authority: &Authority,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(client.with_root_certificates(roots(authority)?))
}

/// A certificate as the authority would never issue it.
fn issue(
    authority: &Authority,
    ids: &[SpiffeId],
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    let issuer =
        Issuer::from_ca_cert_pem(authority.certificate_pem(), KeyPair::from_pem(&authority.key_pem())?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    for id in ids {
        params.subject_alt_names.push(SanType::URI(id.to_string().try_into()?));
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?))
}
