//! Whom a client takes for the service it means.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::Result;
use mesh::{Client, Target};
use proto::payment::v1::{GetBalanceRequest, payment_service_client::PaymentServiceClient};
use tempfile::TempDir;
use tls::{Files, Identity, SpiffeId, authority::Authority};
use tokio_rustls::TlsAcceptor;
use tonic::Code;
use values::Clock;

use crate::{
    load::{call_for, turn},
    patient,
    replica::{Replica, Reply},
};

const LIFE: Duration = Duration::from_hours(1);

struct House {
    authority: Authority,
    folder: TempDir,
}

impl House {
    fn new() -> Result<Self> {
        let authority = Authority::generate("tests", Clock::system().now().into(), LIFE)?;
        Ok(Self { authority, folder: tempfile::tempdir()? })
    }

    fn write(&self, service: &str) -> Result<Files> {
        let id = SpiffeId::new("bookstore.local", "default", service)?;
        let issued = self.authority.issue(&id, &["localhost"], Clock::system().now().into(), LIFE)?;
        let put = |name: &str, text: &str| {
            let path = Path::new(self.folder.path()).join(format!("{service}-{name}.pem"));
            fs::write(&path, text).map(|()| path)
        };
        Ok(Files {
            certificate: put("certificate", &issued.certificate_pem)?,
            key: put("key", &issued.key_pem)?,
            roots: put("roots", self.authority.certificate_pem())?,
        })
    }

    fn identity(&self, service: &str) -> Result<Identity> {
        Ok(Identity::load(self.write(service)?)?)
    }

    async fn replica(&self, service: &str) -> Result<Replica> {
        let tls = TlsAcceptor::from(self.identity(service)?.server_config());
        Replica::listen(SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls)).await
    }

    fn client(&self, own: &str, server: &Replica) -> Result<PaymentServiceClient<Client>> {
        let target = Target::from(server.address);
        let identity = self.identity(own)?;
        Ok(PaymentServiceClient::new(Client::new("payment", &target, patient(), Some(&identity))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_of_one_house_call_each_other() -> Result<()> {
    let house = House::new()?;
    let server = house.replica("payment").await?;
    let outcome = call_for(&house.client("order", &server)?, Duration::from_millis(500)).await;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    assert_eq!(server.calls(), outcome.made);
    Ok(())
}

#[tokio::test]
async fn another_service_at_that_address_gets_no_call() -> Result<()> {
    let house = House::new()?;
    let server = house.replica("inventory").await?;
    let status = house
        .client("order", &server)?
        .get_balance(GetBalanceRequest::default())
        .await
        .expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!((server.calls(), server.connections()), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_client_that_is_refused_is_unavailable() -> Result<()> {
    let (house, foreign) = (House::new()?, House::new()?);
    let server = house.replica("payment").await?;
    // It trusts the server, and the server doesn't trust it: under TLS 1.3 it believes to be connected.
    let roots = house.write("order")?.roots;
    let identity = Identity::load(Files { roots, ..foreign.write("order")? })?;
    let target = Target::from(server.address);
    let mut client = PaymentServiceClient::new(Client::new("payment", &target, patient(), Some(&identity)));
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(server.calls(), 0);
    Ok(())
}

#[tokio::test]
async fn who_has_an_identity_calls_nobody_in_plaintext() -> Result<()> {
    let house = House::new()?;
    let server = Replica::start().await?;
    let status = house
        .client("order", &server)?
        .get_balance(GetBalanceRequest::default())
        .await
        .expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(server.calls(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_stops_in_good_order_fails_no_call_under_tls() -> Result<()> {
    let house = House::new()?;
    let _turn = turn().await;
    let (stopped, well) = (house.replica("payment").await?, house.replica("payment").await?);
    for replica in [&stopped, &well] {
        replica.reply(Reply::Ok, Duration::from_millis(20));
    }
    let target = Target::Ipv4(vec![stopped.address, well.address]);
    let identity = house.identity("order")?;
    let client = PaymentServiceClient::new(Client::new("payment", &target, patient(), Some(&identity)));
    let load = tokio::spawn(async move { call_for(&client, Duration::from_secs(2)).await });
    crate::eventually("both work", || stopped.calls() > 200 && well.calls() > 200).await;
    stopped.stop().await;
    let outcome = load.await?;
    assert!(outcome.failed.is_empty(), "{} failed: {:?}", outcome.failed.len(), outcome.failed.first());
    Ok(())
}
