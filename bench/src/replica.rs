//! The service that is called: one method, answered from memory, in a process of its own so that its CPU time is apart.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, Result};
use http::{Request, Response};
use proto::{
    inventory::v1::{
        CheckAvailabilityRequest, CheckAvailabilityResponse, LineAvailability,
        inventory_service_server::SERVICE_NAME,
    },
    types::v1::Money,
};
use serde::{Deserialize, Serialize};
use tls::{Files, Identity};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    body::Body,
    server::NamedService,
    transport::{Server, server::Connected},
};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::cpu;

/// The callee's name, to the mesh and in its certificate.
pub(crate) const CALLEE: &str = "inventory";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
    #[arg(long)]
    roots: PathBuf,
}

/// Where it listens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) plaintext: SocketAddr,
    pub(crate) mtls: [SocketAddr; 2],
}

/// Listens until its standard input ends; each line of that asks for the CPU time used so far, in nanoseconds.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let Args { certificate, key, roots } = args;
    let files = Files { certificate: certificate.clone(), key: key.clone(), roots: roots.clone() };
    let acceptor = TlsAcceptor::from(Identity::load(files)?.server_config());
    let addresses = Addresses {
        plaintext: listen(|stream| async { Some(stream) }).await?,
        mtls: [listen_tls(acceptor.clone()).await?, listen_tls(acceptor).await?],
    };
    println!("{}", serde_json::to_string(&addresses)?);
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    while asked.next_line().await?.is_some() {
        println!("{}", cpu::used().as_nanos());
    }
    Ok(())
}

async fn listen_tls(acceptor: TlsAcceptor) -> Result<SocketAddr> {
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok() }
    })
    .await
}

async fn listen<S, F>(shake_hands: impl Fn(TcpStream) -> F + Send + 'static) -> Result<SocketAddr>
where
    S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    F: Future<Output = Option<S>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (ready, accepted) = mpsc::channel::<Result<S, std::io::Error>>(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            if let Some(stream) = shake_hands(stream).await {
                let _ = ready.send(Ok(stream)).await;
            }
        }
    });
    let serving = Server::builder().add_service(Inventory).serve_with_incoming(ReceiverStream::new(accepted));
    tokio::spawn(serving);
    Ok(address)
}

/// Has as many copies as are asked for.
#[derive(Clone)]
struct Inventory;

impl NamedService for Inventory {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<Request<Body>> for Inventory {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != "/bookstore.inventory.v1.InventoryService/CheckAvailability" {
                return Ok(Status::unimplemented("").into_http());
            }
            let codec = ProstCodec::<CheckAvailabilityResponse, CheckAvailabilityRequest>::default();
            let answer = tower::service_fn(|request: tonic::Request<_>| async move {
                Ok::<_, Status>(tonic::Response::new(available(request.into_inner())))
            });
            Ok(tonic::server::Grpc::new(codec).unary(answer, request).await)
        })
    }
}

fn available(request: CheckAvailabilityRequest) -> CheckAvailabilityResponse {
    let price = Money { currency_code: "EUR".to_owned(), minor_units: 1299 };
    let lines = request.lines.into_iter().map(|line| LineAvailability {
        offer_id: line.offer_id,
        available_quantity: i64::from(line.quantity),
        unit_price: Some(price.clone()),
        available: true,
    });
    let lines = lines.collect();
    CheckAvailabilityResponse { lines, available: true }
}

/// The other process, as the one that measures sees it. It ends with this.
pub(crate) struct Replica {
    pub(crate) addresses: Addresses,
    _process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Replica {
    pub(crate) async fn start(files: &Files) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("replica")
            .args(["--certificate".as_ref(), files.certificate.as_os_str()])
            .args(["--key".as_ref(), files.key.as_os_str()])
            .args(["--roots".as_ref(), files.roots.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let questions = process.stdin.take().context("no standard input")?;
        let mut answers = BufReader::new(process.stdout.take().context("no standard output")?).lines();
        let addresses = answers.next_line().await?.context("the replica has not started")?;
        let addresses = serde_json::from_str(&addresses)?;
        Ok(Self { addresses, _process: process, questions, answers })
    }

    pub(crate) async fn cpu(&mut self) -> Result<Duration> {
        self.questions.write_all(b"\n").await?;
        let nanos = self.answers.next_line().await?.context("the replica is gone")?;
        Ok(Duration::from_nanos(nanos.parse()?))
    }
}
