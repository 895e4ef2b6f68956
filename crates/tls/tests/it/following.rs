//! Files that change while configurations made from them are in use.

use std::{
    fs, io,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use tls::Identity;
use tokio::time::timeout;

use crate::shop::{Connection, HOUR, Refused, Service, authority, connect, id, now};

/// Two services, and one configuration each that is never made again.
struct Pair {
    order: Service,
    inventory: Service,
    order_identity: Identity,
    inventory_identity: Identity,
    client: Arc<rustls::ClientConfig>,
    server: Arc<rustls::ServerConfig>,
}

impl Pair {
    fn new(authority: &tls::authority::Authority) -> Result<Self> {
        let (order, inventory) =
            (Service::new(authority, id("order"))?, Service::new(authority, id("inventory"))?);
        let (order_identity, inventory_identity) = (order.identity()?, inventory.identity()?);
        let client = order_identity.client_config(&inventory.id);
        let server = inventory_identity.server_config();
        Ok(Self { order, inventory, order_identity, inventory_identity, client, server })
    }

    async fn call(&self) -> Result<Connection, Refused> {
        connect(self.client.clone(), self.server.clone()).await
    }

    fn reload(&self) -> Result<(bool, bool)> {
        Ok((self.order_identity.reload()?, self.inventory_identity.reload()?))
    }
}

#[tokio::test]
async fn roots_are_rotated_without_a_refused_handshake() -> Result<()> {
    let (old, new) = (authority()?, authority()?);
    let pair = Pair::new(&old)?;
    let mut open = pair.call().await.unwrap();

    for service in [&pair.order, &pair.inventory] {
        service.trust(&[&old, &new])?;
    }
    assert!(pair.order_identity.reload()?);
    pair.call().await.unwrap();
    pair.reload()?;
    pair.call().await.unwrap();

    // One certificate after the other, as an operator's renewals come.
    pair.order.renew(&new)?;
    pair.reload()?;
    pair.call().await.unwrap();
    pair.inventory.renew(&new)?;
    pair.reload()?;
    pair.call().await.unwrap();

    for service in [&pair.order, &pair.inventory] {
        service.trust(&[&new])?;
    }
    pair.reload()?;
    pair.call().await.unwrap();

    // Who stands, stands.
    open.goes_on().await?;
    Ok(())
}

#[tokio::test]
async fn an_old_root_that_is_removed_counts_no_more() -> Result<()> {
    let (old, new) = (authority()?, authority()?);
    let pair = Pair::new(&old)?;
    pair.call().await.unwrap();

    // The server alone: it doesn't let the client in any more.
    pair.inventory.trust(&[&new])?;
    pair.reload()?;
    let refused = pair.call().await.err().unwrap();
    assert!(refused.server.contains("BadSignature"), "{refused:?}");

    // The client alone: it doesn't believe the server any more.
    pair.inventory.trust(&[&old])?;
    pair.order.trust(&[&new])?;
    pair.reload()?;
    let refused = pair.call().await.err().unwrap();
    assert!(refused.client.contains("BadSignature"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_handshake_on() -> Result<()> {
    let authority = authority()?;
    let pair = Pair::new(&authority)?;
    let shown = |connection: &Connection| {
        let of = |certificates: Option<&[rustls_pki_types::CertificateDer<'static>]>| {
            certificates.map(<[_]>::to_vec)
        };
        (
            of(connection.client.get_ref().1.peer_certificates()),
            of(connection.server.get_ref().1.peer_certificates()),
        )
    };
    let before = shown(&pair.call().await.unwrap());
    assert_eq!(pair.reload()?, (false, false));
    assert_eq!(shown(&pair.call().await.unwrap()), before);

    for service in [&pair.order, &pair.inventory] {
        service.put(&authority.issue(&service.id, &[], now(), 2 * HOUR)?)?;
    }
    let not_after = pair.order_identity.not_after();
    assert_eq!(pair.reload()?, (true, true));
    let after = shown(&pair.call().await.unwrap());
    assert_ne!(after.0, before.0);
    assert_ne!(after.1, before.1);
    assert!(pair.order_identity.not_after() > not_after + HOUR / 2);
    assert_eq!(pair.reload()?, (false, false));
    Ok(())
}

#[tokio::test]
async fn a_set_that_does_not_fit_together_leaves_the_last_one_in_use() -> Result<()> {
    let authority = authority()?;
    let pair = Pair::new(&authority)?;
    let files = &pair.order.files;
    let [certificate, key, roots] =
        [&files.certificate, &files.key, &files.roots].map(|path| fs::read(path).unwrap());
    let other = authority.issue(&pair.order.id, &[], now(), HOUR)?;
    let half = |whole: &[u8]| whole[..whole.len() / 2].to_vec();

    let broken: [(&Path, Vec<u8>); 9] = [
        // A new certificate whose key hasn't come yet, and the other way round.
        (&files.certificate, other.certificate_pem.into_bytes()),
        (&files.key, other.key_pem.into_bytes()),
        (&files.certificate, half(&certificate)),
        (&files.key, half(&key)),
        (&files.roots, half(&roots)),
        (&files.roots, [roots.clone(), half(&roots)].concat()),
        (&files.certificate, Vec::new()),
        (&files.key, Vec::new()),
        (&files.roots, Vec::new()),
    ];
    for (path, content) in broken {
        let whole = fs::read(path)?;
        fs::write(path, content)?;
        // Its new roots are trusted no sooner than the rest fits.
        let error = pair.order_identity.reload().unwrap_err().to_string();
        assert!(
            error.starts_with(&path.display().to_string()) || error.contains("is not the key"),
            "{error}"
        );
        pair.call().await.unwrap();
        fs::write(path, whole)?;
        assert!(!pair.order_identity.reload()?);
    }
    Ok(())
}

#[tokio::test]
async fn new_roots_beside_a_key_that_does_not_fit_are_not_trusted_yet() -> Result<()> {
    let (old, new) = (authority()?, authority()?);
    let pair = Pair::new(&old)?;
    pair.order.trust(&[&new])?;
    let other = new.issue(&pair.order.id, &[], now(), HOUR)?;
    fs::write(&pair.order.files.certificate, &other.certificate_pem)?;
    pair.order_identity.reload().unwrap_err();
    // The old root is believed still, with the old certificate.
    pair.call().await.unwrap();

    fs::write(&pair.order.files.key, &other.key_pem)?;
    assert!(pair.order_identity.reload()?);
    let refused = pair.call().await.err().unwrap();
    assert!(refused.client.contains("BadSignature"), "{refused:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_came_of_looking_at_the_files_is_said_once() -> Result<()> {
    const EVERY: Duration = Duration::from_secs(5);
    let authority = authority()?;
    let order = Service::new(&authority, id("order"))?;
    let identity = order.identity()?;
    let log = Log::default();
    let maker = log.clone();
    // While there is one subscriber only, tracing asks other tests' threads whether anybody listens, and remembers the no.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(
        tracing_subscriber::fmt().with_writer(move || maker.clone()).with_ansi(false).finish(),
    );
    let mut watched = pin!(identity.keep_fresh(EVERY));
    let mut said = async || {
        // Several looks each time.
        let _ = timeout(EVERY * 4, watched.as_mut()).await;
        log.take()
    };
    assert_eq!(said().await, Vec::<String>::new());

    let key = fs::read(&order.files.key)?;
    fs::remove_file(&order.files.key)?;
    let lines = said().await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("stays in use") && lines[0].contains("tls.key"), "{lines:?}");
    fs::write(&order.files.key, key)?;
    let lines = said().await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("in order again"), "{lines:?}");

    for (age, life, expected) in [
        (HOUR, 2 * HOUR, None),
        (HOUR, HOUR + HOUR / 60, Some("ends soon")),
        (2 * HOUR, HOUR, Some("has ended")),
        (Duration::ZERO, HOUR, None),
    ] {
        order.put(&authority.issue(&order.id, &[], now() - age, life)?)?;
        let lines = said().await;
        assert!(lines[0].contains("renewed"), "{lines:?}");
        assert_eq!(lines.len(), 1 + usize::from(expected.is_some()), "{lines:?}");
        assert!(expected.is_none_or(|expected| lines[1].contains(expected)), "{lines:?}");
    }
    Ok(())
}

/// The lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
