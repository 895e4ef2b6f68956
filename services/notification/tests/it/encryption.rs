//! A mail server that wants TLS, as those on the internet do.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use proto::notification::v1::DeliveryState;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use testkit::Certificates;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::shop::Shop;

#[tokio::test]
async fn mails_are_handed_over_where_the_certificate_is_good_and_nowhere_else() -> Result<()> {
    let mut shop = Shop::closed().await?;
    let folder = tempfile::tempdir()?;
    let files = Certificates::new("mail.example")?.write(folder.path(), "mail")?;
    let to = shop.mailbox.url().trim_start_matches("smtp://").parse()?;
    let address = in_front_of(to, &files.certificate, &files.key).await?;
    let url = ("BOOKSTORE_SMTP_URL", format!("smtps://localhost:{}", address.port()));
    let reader = shop.reader("Ada");

    let stranger = shop.launch([url.clone()], &folder.path().join("stranger.log")).await?;
    shop.register(&reader).await?;
    testkit::eventually("it was tried", crate::shop::SOON, async || {
        let refused = "SELECT count(*) FROM deliveries WHERE last_error LIKE '%certificate%'";
        (shop.count(refused).await.ok()? == 1).then_some(())
    })
    .await?;
    drop(stranger);
    assert_eq!(shop.mailbox.letters(), []);

    let roots = ("SSL_CERT_FILE", files.roots.display().to_string());
    let _friend = shop.launch([url, roots], &folder.path().join("friend.log")).await?;
    assert_eq!(shop.letters(&reader, 1).await?.len(), 1);
    // It speaks plain SMTP itself, and would send all the same.
    shop.start().await?;
    shop.delivery_in(DeliveryState::Sent, &reader).await?;
    assert_eq!(shop.mailbox.letters().len(), 1);
    Ok(())
}

/// TLS in front of a server that speaks none.
async fn in_front_of(to: SocketAddr, certificate: &Path, key: &Path) -> Result<SocketAddr> {
    let chain = CertificateDer::pem_slice_iter(&fs::read(certificate)?).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&fs::read(key)?).ok().context("no key")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever distrusts the certificate hangs up.
                if let (Ok(mut stream), Ok(mut server)) =
                    (acceptor.accept(stream).await, TcpStream::connect(to).await)
                {
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                }
            });
        }
    });
    Ok(address)
}
