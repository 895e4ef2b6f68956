//! Callers in a closed loop, and what is counted of them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use proto::inventory::v1::{
    CheckAvailabilityRequest, Line, inventory_service_client::InventoryServiceClient,
};
use serde::Serialize;
use tokio::task::JoinSet;
use tonic::{
    Request,
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes, StdError},
};

use super::subject::Subject;
use crate::{cpu, replica::Replica};

/// The share of the time that is called before anything counts.
const WARM_UP: u32 = 5;

/// What is asked of one subject in one round.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) subject: Subject,
    pub(crate) round: u64,
    pub(crate) callers: usize,
    pub(crate) length: Duration,
}

/// What came of it. Latencies and CPU times are in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) subject: Subject,
    pub(crate) round: u64,
    pub(crate) callers: usize,
    pub(crate) calls: u64,
    pub(crate) calls_per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Of the caller's process, a call.
    pub(crate) client_cpu: f64,
    /// Of the callee's.
    pub(crate) server_cpu: f64,
}

impl Load {
    pub(crate) async fn run<T>(
        self,
        client: &InventoryServiceClient<T>,
        replica: &mut Replica,
    ) -> Result<Sample>
    where
        T: GrpcService<Body> + Clone + Send + 'static,
        T::Future: Send,
        T::Error: Into<StdError>,
        T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
        <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
    {
        self.call_for(client, self.length / WARM_UP).await?;
        let (server, ours, began) = (replica.cpu().await?, cpu::used(), Instant::now());
        let latencies = self.call_for(client, self.length).await?;
        let (took, ours, server) =
            (began.elapsed(), cpu::used().saturating_sub(ours), replica.cpu().await?.saturating_sub(server));
        let calls = latencies.len();
        ensure!(calls > 0, "no call was answered within {:?}", self.length);
        #[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^52 calls or microseconds")]
        let (count, micros) = (calls as f64, |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3);
        Ok(Sample {
            subject: self.subject,
            round: self.round,
            callers: self.callers,
            calls,
            calls_per_second: count / took.as_secs_f64(),
            p50: micros(0.5),
            p99: micros(0.99),
            p999: micros(0.999),
            client_cpu: ours.as_secs_f64() * 1e6 / count,
            server_cpu: server.as_secs_f64() * 1e6 / count,
        })
    }

    /// In nanoseconds. A call that fails ends the run: it would be a cheap one.
    async fn call_for<T>(self, client: &InventoryServiceClient<T>, length: Duration) -> Result<Histogram<u64>>
    where
        T: GrpcService<Body> + Clone + Send + 'static,
        T::Future: Send,
        T::Error: Into<StdError>,
        T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
        <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
    {
        let (end, deadline) = (Instant::now() + length, self.subject.deadline());
        let mut running = JoinSet::new();
        for _ in 0..self.callers {
            let mut client = client.clone();
            running.spawn(async move {
                let mut latencies = Histogram::<u64>::new(2)?;
                let mut began = Instant::now();
                while began < end {
                    client.check_availability(question(deadline)).await?;
                    let now = Instant::now();
                    latencies.record(u64::try_from((now - began).as_nanos()).unwrap_or(u64::MAX))?;
                    began = now;
                }
                anyhow::Ok(latencies)
            });
        }
        let mut all = Histogram::<u64>::new(2)?;
        while let Some(latencies) = running.join_next().await {
            all.add(latencies??)?;
        }
        Ok(all)
    }
}

/// Two lines, as in an ordinary basket.
fn question(deadline: Option<Duration>) -> Request<CheckAvailabilityRequest> {
    let line = |offer_id: &str| Line { offer_id: offer_id.to_owned(), quantity: 1 };
    let lines = vec![line("ofr_01jd3z5m8ce0gtm7n1d5qk4v9a"), line("ofr_01jd3z5m8ce0gtm7n1d5qk4v9b")];
    let mut request = Request::new(CheckAvailabilityRequest { lines });
    if let Some(deadline) = deadline {
        request.set_timeout(deadline);
    }
    request
}
