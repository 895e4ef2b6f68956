//! A service that answers, or doesn't.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result};
use proto::payment::v1::{
    Balance, GetBalanceRequest, GetPaymentRequest, Payment,
    payment_service_server::{PaymentService, PaymentServiceServer},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, metadata::MetadataMap};

#[derive(Clone, Default)]
struct Seen {
    calls: Arc<AtomicUsize>,
    silent: Arc<AtomicBool>,
    metadata: Arc<Mutex<Option<MetadataMap>>>,
}

pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    seen: Seen,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Stub {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Result<Self> {
        crate::seeing::start();
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let seen = Seen::default();
        let (stop, stopped) = oneshot::channel();
        let service = PaymentServiceServer::new(seen.clone());
        let server = tokio::spawn(
            tonic::transport::Server::builder().add_service(service).serve_with_incoming_shutdown(
                TcpListenerStream::new(listener),
                async {
                    let _ = stopped.await;
                },
            ),
        );
        Ok(Self { address, seen, stop, server })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        self.server.await??;
        Ok(())
    }

    pub(crate) fn never_answer(&self) {
        self.seen.silent.store(true, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn last_metadata(&self) -> Result<MetadataMap> {
        self.seen.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone().context("nobody called")
    }
}

#[tonic::async_trait]
impl PaymentService for Seen {
    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Result<Response<Balance>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.metadata().clone());
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(Balance::default()))
    }

    async fn get_payment(&self, _: Request<GetPaymentRequest>) -> Result<Response<Payment>, Status> {
        Err(Status::not_found("no such payment"))
    }
}
