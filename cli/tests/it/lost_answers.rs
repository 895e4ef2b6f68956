//! What is done when the shop did as it was told and the answer got lost.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Result;
use proto::identity::v1::{
    AuthenticateUserResponse, DeleteUserRequest, DeleteUserResponse, RefreshTokenRequest,
    identity_service_server::{IdentityService, IdentityServiceServer},
};
use serde_json::json;
use testkit::eventually;
use tokio::{
    io::{copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    shop::Shop,
    terminal::{Outcome, Terminal},
};

const SOON: Duration = Duration::from_secs(30);

/// A line to the shop on which nothing comes back until it breaks; those that follow are good.
struct Line {
    address: SocketAddr,
    broken: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

impl Line {
    async fn to(shop: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (broken, breaks) = watch::channel(false);
        let keeper = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, shop, breaks.clone()));
            }
        });
        Ok(Self { address, broken, keeper })
    }

    /// The same user at the end of this line.
    fn terminal_of(&self, user: &Terminal) -> Result<Terminal> {
        let terminal = Terminal::new(format!("http://{}", self.address))?;
        fs::copy(credentials(user), credentials(&terminal))?;
        Ok(terminal)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn carry(mut client: TcpStream, shop: SocketAddr, mut breaks: watch::Receiver<bool>) -> Result<()> {
    let mut shop = TcpStream::connect(shop).await?;
    if *breaks.borrow() {
        copy_bidirectional(&mut client, &mut shop).await?;
        return Ok(());
    }
    let (mut asked, _answers) = client.split();
    let (mut answered, mut asks) = shop.split();
    let mut nowhere = sink();
    tokio::select! {
        _ = async { tokio::join!(copy(&mut asked, &mut asks), copy(&mut answered, &mut nowhere)) } => {}
        _ = breaks.wait_for(|is_broken| *is_broken) => {}
    }
    Ok(())
}

fn credentials(terminal: &Terminal) -> PathBuf {
    terminal.folder.path().join("credentials.json")
}

async fn is_gone(shop: &Shop) -> Result<()> {
    let elsewhere = shop.terminal()?;
    let login = ["login", "--email", "ada@example.com"];
    eventually("the account is deleted", SOON, async || {
        (elsewhere.run(&login).await.ok()?.code == 1).then_some(())
    })
    .await
}

fn is_told(outcome: &Outcome, terminal: &Terminal) {
    assert_eq!(outcome.code, 5, "{outcome:#?}");
    assert!(outcome.stderr.contains("your account is probably deleted"), "{outcome:#?}");
    assert!(outcome.stderr.contains("bookstore login --email ada@example.com"), "{outcome:#?}");
    assert!(!credentials(terminal).exists());
}

/// An identity whose first answer gets lost.
#[derive(Default)]
struct Forgetful {
    is_deleted: AtomicBool,
}

#[tonic::async_trait]
impl IdentityService for Forgetful {
    async fn delete_user(
        &self,
        _: Request<DeleteUserRequest>,
    ) -> Result<Response<DeleteUserResponse>, Status> {
        if self.is_deleted.swap(true, Ordering::Relaxed) {
            return Err(Status::unauthenticated("the session has ended"));
        }
        Err(Status::unavailable("the connection broke"))
    }

    async fn refresh_token(
        &self,
        _: Request<RefreshTokenRequest>,
    ) -> Result<Response<AuthenticateUserResponse>, Status> {
        Err(Status::unauthenticated("there is no such session"))
    }
}

#[tokio::test]
async fn who_is_deleted_without_an_answer_is_told_when_the_call_is_repeated() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let ada = Terminal::new(format!("http://{}", listener.local_addr()?))?;
    let shop = Server::builder().add_service(IdentityServiceServer::new(Forgetful::default()));
    let shop = tokio::spawn(shop.serve_with_incoming(TcpIncoming::from(listener)));
    let renewal = json!({ "refresh_token": "r", "expires_at": "2100-01-01T00:00:00Z", "request_id": "r-1" });
    let kept = json!({
        "user_id": "usr_1",
        "email": "ada@example.com",
        "expires_at": "2100-01-01T00:00:00Z",
        "access_token": "t",
        "renewal": renewal,
    });
    fs::write(credentials(&ada), kept.to_string())?;

    let told = ada.run(&["account", "delete", "--yes"]).await?;

    shop.abort();
    is_told(&told, &ada);
    Ok(())
}

#[tokio::test]
async fn who_is_deleted_without_an_answer_is_told_when_the_command_is_repeated() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let line = Line::to(shop.door.address()).await?;
    let ada = line.terminal_of(&ada)?;

    let delete = ["account", "delete", "--yes"];
    let child = ada.command(&delete).spawn()?;
    is_gone(&shop).await?;
    line.broken.send_replace(true);
    let unanswered: Outcome = child.wait_with_output().await?.try_into()?;
    assert_eq!(unanswered.code, 5, "{unanswered:#?}");
    let repeat_with = "repeat it with:\n  bookstore account delete --yes";
    assert!(unanswered.stderr.contains(repeat_with), "{unanswered:#?}");

    is_told(&ada.run(&delete).await?, &ada);
    Ok(())
}

#[tokio::test]
async fn who_was_not_deleted_and_is_signed_out_signs_in_again() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let kept = fs::read(credentials(&ada))?;
    ada.prints(&["logout"]).await?;
    fs::write(credentials(&ada), kept)?;

    let refused = ada.run(&["account", "delete", "--yes"]).await?;

    assert_eq!(refused.code, 3, "{refused:#?}");
    assert!(!refused.stderr.contains("deleted"), "{refused:#?}");
    assert!(credentials(&ada).exists());
    Ok(())
}
