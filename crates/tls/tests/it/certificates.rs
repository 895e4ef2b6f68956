//! What an authority makes.

use anyhow::Result;
use tls::{SpiffeId, authority::Authority};
use x509_parser::{extensions::GeneralName, pem::parse_x509_pem, prelude::X509Certificate};

use crate::shop::{HOUR, Service, authority, call, id, now};

const P_256: &str = "1.2.840.10045.3.1.7";

#[test]
fn a_certificate_names_the_service_and_serves_both_sides_of_a_call() -> Result<()> {
    let issued = authority()?.issue(&id("order"), &["order", "order.default.svc"], now(), HOUR)?;
    let (_, pem) = parse_x509_pem(issued.certificate_pem.as_bytes())?;
    let certificate = pem.parse_x509()?;

    let names: Vec<_> = certificate.subject_alternative_name()?.unwrap().value.general_names.clone();
    let order = GeneralName::URI("spiffe://bookstore.local/ns/default/sa/order");
    assert_eq!(names, [order, GeneralName::DNSName("order"), GeneralName::DNSName("order.default.svc")]);
    let usage = certificate.key_usage()?.unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let usage = certificate.extended_key_usage()?.unwrap().value;
    assert!(usage.server_auth && usage.client_auth && !usage.any);
    assert!(!certificate.is_ca());
    assert_eq!(key_of(&certificate).as_deref(), Some(P_256));
    // X509-SVID, section 4.1 and RFC 5280, section 4.2.1.1.
    assert!(certificate.extensions().iter().any(|extension| extension.oid.to_id_string() == "2.5.29.35"));
    Ok(())
}

#[test]
fn a_certificate_is_valid_somewhat_before_it_was_made() -> Result<()> {
    let made = now();
    let issued = authority()?.issue(&id("order"), &[], made, HOUR)?;
    let (_, pem) = parse_x509_pem(issued.certificate_pem.as_bytes())?;
    let made = i64::try_from(made.duration_since(std::time::UNIX_EPOCH)?.as_secs())?;
    let validity = pem.parse_x509()?.validity().clone();
    assert_eq!(validity.not_before.timestamp(), made - 300);
    assert_eq!(validity.not_after.timestamp(), made + 3600);
    Ok(())
}

#[test]
fn an_authority_may_sign_certificates_and_nothing_else() -> Result<()> {
    let authority = authority()?;
    let (_, pem) = parse_x509_pem(authority.certificate_pem().as_bytes())?;
    let certificate = pem.parse_x509()?;
    let constraints = certificate.basic_constraints()?.unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage()?.unwrap().value;
    assert!(usage.key_cert_sign() && !usage.digital_signature());
    assert_eq!(key_of(&certificate).as_deref(), Some(P_256));
    Ok(())
}

#[tokio::test]
async fn an_authority_that_was_kept_goes_on_issuing() -> Result<()> {
    let first = authority()?;
    let again = Authority::from_pem(first.certificate_pem(), &first.key_pem())?;
    let order = Service::new(&first, id("order"))?.identity()?;
    let inventory = Service::new(&again, id("inventory"))?.identity()?;
    call(&order, &id("inventory"), &inventory).await.unwrap();
    call(&inventory, &id("order"), &order).await.unwrap();
    Ok(())
}

#[test]
fn a_name_that_is_no_service_gets_no_certificate() {
    assert!(SpiffeId::new("bookstore.local", "default", "or der").is_err());
    assert!(authority().unwrap().issue(&id("order"), &["ordér"], now(), HOUR).is_err());
    assert!(Authority::from_pem("", "").is_err());
}

fn key_of(certificate: &X509Certificate<'_>) -> Option<String> {
    Some(certificate.public_key().algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string())
}
