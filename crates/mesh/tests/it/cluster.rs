//! A Kubernetes API of the tests' own: the endpoint slices of every Service, listed and watched over HTTP.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use mesh::{Client, Kubernetes, Place, Policy};
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle};
use tokio_stream::{Stream, StreamExt as _, wrappers::BroadcastStream};

/// One pod, as its slice has it.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) address: SocketAddr,
    pub(crate) ready: bool,
    pub(crate) serving: bool,
    pub(crate) terminating: bool,
    pub(crate) zone: Option<&'static str>,
}

impl Pod {
    pub(crate) const fn ready(address: SocketAddr) -> Self {
        Self { address, ready: true, serving: true, terminating: false, zone: None }
    }

    pub(crate) const fn leaving(address: SocketAddr) -> Self {
        Self { ready: false, terminating: true, ..Self::ready(address) }
    }

    pub(crate) const fn starting(address: SocketAddr) -> Self {
        Self { ready: false, serving: false, ..Self::ready(address) }
    }

    pub(crate) const fn at(self, zone: &'static str) -> Self {
        Self { zone: Some(zone), ..self }
    }
}

/// What a watcher is sent.
#[derive(Clone, Debug)]
enum Sent {
    Line(Value),
    Cut,
}

#[derive(Default)]
struct Store {
    version: u64,
    /// By name; each has the port of its first pod, as pods on one machine have different ones.
    slices: BTreeMap<String, Vec<Pod>>,
    /// By version, what watches are told.
    events: Vec<(u64, Value)>,
    /// Versions before this are forgotten.
    oldest: u64,
}

#[derive(Clone)]
struct Shared {
    store: Arc<Mutex<Store>>,
    sent: broadcast::Sender<Sent>,
    refused: Arc<Mutex<Option<StatusCode>>>,
    /// Watches begin, and are told of nothing.
    deaf: Arc<AtomicBool>,
    lists: Arc<AtomicUsize>,
    watches: Arc<AtomicUsize>,
}

pub(crate) struct Cluster {
    config: kube::Config,
    shared: Shared,
    serves: JoinHandle<()>,
}

impl Cluster {
    pub(crate) async fn start() -> Result<Self> {
        crate::seeing::start();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let config = kube::Config::new(format!("http://{}", listener.local_addr()?).parse()?);
        let shared = Shared {
            store: Arc::new(Mutex::new(Store { version: 1, ..Store::default() })),
            sent: broadcast::channel(64).0,
            refused: Arc::default(),
            deaf: Arc::default(),
            lists: Arc::default(),
            watches: Arc::default(),
        };
        let slices = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices";
        let router = Router::new().route(slices, get(answer)).with_state(shared.clone());
        let serves = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { config, shared, serves })
    }

    /// Who asks it, from nowhere in particular.
    pub(crate) fn kubernetes(&self) -> Kubernetes {
        self.kubernetes_at(Place::default())
    }

    pub(crate) fn kubernetes_at(&self, place: Place) -> Kubernetes {
        Kubernetes::at(self.config.clone(), place)
    }

    /// Writes a slice, and tells those who watch.
    pub(crate) fn put(&self, name: &str, pods: &[Pod]) {
        let mut store = lock(&self.shared.store);
        let kind =
            if store.slices.insert(name.to_owned(), pods.to_vec()).is_some() { "MODIFIED" } else { "ADDED" };
        self.tell(&mut store, kind, name, pods);
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut store = lock(&self.shared.store);
        let pods = store.slices.remove(name).unwrap_or_default();
        self.tell(&mut store, "DELETED", name, &pods);
    }

    fn tell(&self, store: &mut Store, kind: &str, name: &str, pods: &[Pod]) {
        store.version += 1;
        let event = json!({ "type": kind, "object": slice(name, pods, store.version) });
        store.events.push((store.version, event.clone()));
        if !self.shared.deaf.load(Ordering::SeqCst) {
            let _ = self.shared.sent.send(Sent::Line(event));
        }
    }

    /// Only the version, as API servers do from time to time.
    pub(crate) fn bookmark(&self) {
        let mut store = lock(&self.shared.store);
        store.version += 1;
        let version = store.version.to_string();
        let _ = self.shared.sent.send(Sent::Line(json!({
            "type": "BOOKMARK",
            "object": {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": { "resourceVersion": version },
            },
        })));
    }

    /// Forgets what happened up to now: who watches from there is told that it is gone.
    pub(crate) fn compact(&self) {
        let mut store = lock(&self.shared.store);
        store.version += 1;
        store.oldest = store.version;
        store.events.clear();
    }

    /// Ends every watch.
    pub(crate) fn cut(&self) {
        let _ = self.shared.sent.send(Sent::Cut);
    }

    /// Ends every watch with an error in it.
    pub(crate) fn end_with(&self, code: u16) {
        let _ = self.shared.sent.send(Sent::Line(json!({ "type": "ERROR", "object": status(code) })));
    }

    /// From now on every request.
    pub(crate) fn refuse(&self, status: Option<StatusCode>) {
        *lock(&self.shared.refused) = status;
    }

    pub(crate) fn tell_nobody(&self) {
        self.shared.deaf.store(true, Ordering::SeqCst);
    }

    pub(crate) fn lists(&self) -> usize {
        self.shared.lists.load(Ordering::SeqCst)
    }

    pub(crate) fn watches(&self) -> usize {
        self.shared.watches.load(Ordering::SeqCst)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

/// A client of the Service `payment`, whose port is called `grpc`.
pub(crate) fn payment(kubernetes: Kubernetes) -> Result<PaymentServiceClient<Client>> {
    let policy = Policy { kubernetes, ..crate::patient() };
    Ok(PaymentServiceClient::new(Client::new("payment", &"k8s:///payment:grpc".parse()?, policy, None)))
}

async fn answer(State(shared): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let is_watch = query.get("watch").is_some_and(|watch| watch == "true");
    let counter = if is_watch { &shared.watches } else { &shared.lists };
    counter.fetch_add(1, Ordering::SeqCst);
    if let Some(code) = *lock(&shared.refused) {
        return (code, status(code.as_u16()).to_string()).into_response();
    }
    // Some tests have a neighbour whose Service isn't this one.
    let is_meant = |name: &str| {
        let service = name.split_once('-').map_or(name, |(service, _)| service);
        query.get("labelSelector").is_none_or(|wanted| wanted.ends_with(&format!("={service}")))
    };
    let version: u64 = query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or_default();
    if is_watch {
        return watch(&shared, version).into_response();
    }
    let store = lock(&shared.store);
    let slices = store.slices.iter().filter(|(name, _)| is_meant(name));
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSliceList",
        "metadata": { "resourceVersion": store.version.to_string() },
        "items": slices.map(|(name, pods)| slice(name, pods, store.version)).collect::<Vec<_>>(),
    })
    .to_string()
    .into_response()
}

fn watch(shared: &Shared, from: u64) -> Body {
    let store = lock(&shared.store);
    let missed: Vec<_> = if from < store.oldest {
        vec![Sent::Line(json!({ "type": "ERROR", "object": status(410) })), Sent::Cut]
    } else if shared.deaf.load(Ordering::SeqCst) {
        Vec::new()
    } else {
        store.events.iter().filter(|(at, _)| *at > from).map(|(_, event)| Sent::Line(event.clone())).collect()
    };
    let coming = BroadcastStream::new(shared.sent.subscribe()).filter_map(Result::ok);
    Body::from_stream(lines(tokio_stream::iter(missed).chain(coming)))
}

fn lines(events: impl Stream<Item = Sent>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    events
        .map_while(|event| match event {
            Sent::Line(event) => Some(format!("{event}\n")),
            Sent::Cut => None,
        })
        .map(|line| Ok(Bytes::from(line)))
}

fn slice(name: &str, pods: &[Pod], version: u64) -> Value {
    let endpoint = |pod: &Pod| {
        json!({
            "addresses": [pod.address.ip()],
            "conditions": { "ready": pod.ready, "serving": pod.serving, "terminating": pod.terminating },
            "nodeName": format!("node-{}", pod.zone.unwrap_or_default()),
            "zone": pod.zone,
        })
    };
    let ip = pods.first().map_or(IpAddr::from([127, 0, 0, 1]), |pod| pod.address.ip());
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": name, "namespace": "default", "resourceVersion": version.to_string() },
        "addressType": if ip.is_ipv4() { "IPv4" } else { "IPv6" },
        "ports": [{ "name": "grpc", "port": pods.first().map_or(1, |pod| pod.address.port()), "protocol": "TCP" }],
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

fn status(code: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "message": "so the test wants it",
        "code": code,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
