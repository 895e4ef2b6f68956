//! What is refused of files at the start, and what is never told of them.

use std::fs;

use anyhow::Result;
use tls::{Files, Identity};

use crate::shop::{HOUR, Service, authority, id, now};

/// Why the files can't be used.
fn refusal(files: &Files) -> Option<String> {
    Identity::load(files.clone()).err().map(|error| error.to_string())
}

#[test]
fn a_file_that_is_missing_is_named() -> Result<()> {
    let authority = authority()?;
    for missing in 0..3 {
        let order = Service::new(&authority, id("order"))?;
        let files = &order.files;
        let path = [&files.certificate, &files.key, &files.roots][missing];
        fs::remove_file(path)?;
        let refusal = refusal(files).unwrap();
        assert!(refusal.starts_with(&format!("{} can't be read: ", path.display())), "{refusal}");
    }
    Ok(())
}

#[test]
fn a_file_of_another_kind_is_named_with_what_it_should_be() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?;
    let other = authority.issue(&order.id, &[], now(), HOUR)?;
    let Files { certificate, key, roots } = &order.files;
    for (path, content, what) in [
        (certificate, other.key_pem.as_str(), "holds no certificate as PEM"),
        (certificate, "", "holds no certificate as PEM"),
        (
            certificate,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds a malformed certificate",
        ),
        (certificate, authority.certificate_pem(), "names no service"),
        (key, other.certificate_pem.as_str(), "holds no private key as PEM"),
        (key, other.key_pem.as_str(), "is not the key of the certificate"),
        (roots, other.key_pem.as_str(), "holds no authority's certificate as PEM"),
        (roots, "", "holds no authority's certificate as PEM"),
    ] {
        let whole = fs::read(path)?;
        fs::write(path, content)?;
        let refusal = refusal(&order.files).unwrap();
        assert!(refusal.starts_with(&format!("{} {what}", path.display())), "{refusal}");
        fs::write(path, whole)?;
    }
    Identity::load(order.files.clone())?;
    Ok(())
}

#[test]
fn a_private_key_is_in_no_message() -> Result<()> {
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?;
    let other = authority.issue(&order.id, &[], now(), HOUR)?;
    let mut said = vec![format!("{:?}", order.identity()?), format!("{other:?}"), format!("{authority:?}")];
    let identity = order.identity()?;
    said.push(format!("{:?} {:?}", identity.client_config(&id("inventory")), identity.server_config()));

    // Keys in the wrong place, broken, and of something else.
    let key = fs::read_to_string(&order.files.key)?;
    for content in [other.key_pem.clone(), key.replacen('M', "!", 1), key[..key.len() / 2].to_owned()] {
        for path in [&order.files.certificate, &order.files.key, &order.files.roots] {
            let whole = fs::read(path)?;
            fs::write(path, &content)?;
            let error = Identity::load(order.files.clone()).unwrap_err();
            said.push(format!("{error} {error:?}"));
            fs::write(path, whole)?;
        }
    }
    for secret in [key, other.key_pem, authority.key_pem()] {
        // Any line of the key itself, as text or as the numbers of its bytes.
        for line in secret.lines().filter(|line| !line.starts_with("-----")) {
            let bytes = format!("{:?}", line.as_bytes());
            let part = &bytes[1..bytes.len() - 1];
            assert!(said.iter().all(|text| !text.contains(line) && !text.contains(part)));
        }
    }
    Ok(())
}
