//! `bookstore --trace`, and what Jaeger makes of it.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use localservers::{Jaeger, JaegerPorts};
use serde_json::Value;
use system_tests::{Customer, Options, PASSWORD, Service, Shop, command_line};
use tempfile::TempDir;
use testkit::{Trace, eventually, get};
use tokio::process::Command;

use super::{ALL, SOON};

/// Who makes whom do something until an order is confirmed and its customer has been written to.
const MAP: [(&str, &str); 8] = [
    ("cli", "gateway"),
    ("gateway", "order"),
    ("order", "identity"),
    ("order", "inventory"),
    ("order", "payment"),
    ("payment", "order"),
    ("order", "notification"),
    ("notification", "identity"),
];

/// A shop whose traces go to a real Jaeger.
struct Watched {
    shop: Shop,
    jaeger: Jaeger,
    folder: TempDir,
}

impl Watched {
    /// `None` where there is no Jaeger.
    async fn open() -> Result<Option<Self>> {
        let Some(program) = Jaeger::find() else {
            writeln!(io::stderr(), "skipped: no `jaeger` on PATH, nor named by BOOKSTORE_JAEGER")?;
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let at = folder.path().to_owned();
        let jaeger = tokio::task::spawn_blocking(move || Jaeger::start(&program, &at)).await??;
        let variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", jaeger.ports().otlp_endpoint()),
            ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
            // So that there is a trace, it must have been asked for.
            ("BOOKSTORE_TRACES_PER_SECOND", "0".to_owned()),
        ];
        let shop = Shop::start_with(Options { variables, ..Default::default() }).await?;
        Ok(Some(Self { shop, jaeger, folder }))
    }

    fn ports(&self) -> JaegerPorts {
        self.jaeger.ports()
    }

    /// Runs a command as this customer; its trace's address, and what else it told.
    async fn traced(
        &self,
        customer: &Customer,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Result<(String, String)> {
        let command = |arguments: &[&str]| {
            let mut command = Command::new(command_line()?);
            command
                .args(arguments)
                .env_clear()
                .env("BOOKSTORE_CONFIG_DIR", self.folder.path().join("config"))
                .env("BOOKSTORE_PASSWORD", PASSWORD)
                .env("BOOKSTORE_URL", format!("http://{}", self.shop.address(Service::Gateway)?))
                .stdin(Stdio::null());
            anyhow::Ok(command)
        };
        let signed_in = command(&["login", "--email", &customer.email])?.output().await?;
        ensure!(signed_in.status.success(), "{signed_in:?}");
        let mut traced = command(arguments)?;
        traced.arg("--trace").env("BOOKSTORE_TRACE_URL", self.ports().url());
        traced.envs(variables.iter().map(|(name, value)| (name, value)));
        let told = String::from_utf8(traced.output().await?.stderr)?;
        let link = told.lines().find_map(|line| line.strip_prefix("Trace  "));
        Ok((link.with_context(|| format!("no link in {told}"))?.to_owned(), told))
    }

    async fn answer(&self, path: &str) -> Result<Value> {
        let answer = get(([127, 0, 0, 1], self.ports().pages).into(), path).await?;
        let body = answer.split_once("\r\n\r\n").context("no body")?.1;
        // It may come in pieces, each after its length.
        let json = body.find('{').zip(body.rfind('}')).context("no JSON")?;
        Ok(serde_json::from_str(&body[json.0..=json.1])?)
    }

    /// The trace behind a link, once there is nothing wrong with it any more, and each of these has made the other do
    /// something.
    async fn whole(&self, link: &str, services: &[&str], edges: &[(&str, &str)]) -> Result<Trace> {
        let id = link.rsplit('/').next().unwrap_or_default();
        assert_eq!(link, format!("{}/trace/{id}", self.ports().url()));
        let mut last = Vec::new();
        let whole = eventually("a whole trace", SOON, async || {
            let trace = Trace::from_jaeger(&self.answer(&format!("/api/traces/{id}")).await.ok()?).ok()?;
            last = trace.faults(services);
            let drawn = trace.edges();
            let missing = edges.iter().filter(|edge| !drawn.contains(edge));
            last.extend(missing.map(|(parent, child)| format!("{parent} makes {child} do nothing")));
            last.is_empty().then_some(trace)
        });
        whole.await.with_context(|| format!("{last:#?}"))
    }
}

#[tokio::test]
async fn a_traced_order_is_one_whole_trace_in_jaeger_from_the_command_to_the_mail() -> Result<()> {
    let Some(watched) = Watched::open().await? else { return Ok(()) };
    let book = watched.shop.seller().await?.add_book(1_000, 10).await?;
    let customer = watched.shop.customer(5_000).await?;
    let order = ["order", "place", "--book", &book.offer_id, "--watch"];
    let seen = [("OTEL_EXPORTER_OTLP_ENDPOINT", watched.ports().otlp_endpoint())];
    let (link, told) = watched.traced(&customer, &order, &seen).await?;
    assert!(!told.contains("warning"), "{told}");

    let trace = watched.whole(&link, &[&ALL[..], &["cli"]].concat(), &MAP).await?;
    assert_eq!(trace.roots()[0].name, "bookstore order place");
    assert!(trace.spans().iter().all(|span| !span.is_error), "{:#?}", trace.spans());
    let kinds = |kind: &str| trace.spans().iter().filter(|span| span.kind == kind).count();
    // order.placed, payment.captured, order.confirmed: each is created, and handled.
    assert!(kinds("Producer") >= 3 && kinds("Consumer") >= 3, "{:#?}", trace.spans());

    // Jaeger draws the same map.
    eventually("the service map", SOON, async || {
        let until = 4_102_444_800_000_u64;
        let path = format!("/api/dependencies?endTs={until}&lookback={until}");
        let map = watched.answer(&path).await.ok()?;
        let drawn: BTreeSet<(String, String)> = map["data"]
            .as_array()?
            .iter()
            .filter_map(|edge| {
                Some((edge["parent"].as_str()?.to_owned(), edge["child"].as_str()?.to_owned()))
            })
            .collect();
        let is_drawn =
            |(parent, child): &(&str, &str)| drawn.contains(&((*parent).to_owned(), (*child).to_owned()));
        MAP.iter().all(is_drawn).then_some(())
    })
    .await
}

#[tokio::test]
async fn the_shops_span_is_the_first_where_the_commands_own_is_kept_nowhere_and_a_refusal_is_seen_too()
-> Result<()> {
    let Some(watched) = Watched::open().await? else { return Ok(()) };
    let customer = watched.shop.customer(5_000).await?;
    let (link, _) = watched.traced(&customer, &["wallet", "balance"], &[]).await?;
    let trace = watched.whole(&link, &["gateway", "payment"], &[]).await?;
    let first = trace.roots()[0];
    assert_eq!(
        (&*first.service, &*first.name),
        ("gateway", "bookstore.payment.v1.PaymentService/GetBalance")
    );

    let unknown = ["order", "show", "ord_01h455vb4pex5vsknk084sn02q"];
    let (link, told) = watched.traced(&customer, &unknown, &[]).await?;
    assert!(told.contains("error: "), "{told}");
    let trace = watched.whole(&link, &["gateway", "order"], &[]).await?;
    let asked = trace.spans().iter().find(|span| span.service == "gateway" && span.kind == "Client");
    assert!(asked.context("nobody was asked")?.is_error, "{:#?}", trace.spans());
    Ok(())
}

#[tokio::test]
async fn who_asks_for_too_many_traces_is_told_that_there_is_none() -> Result<()> {
    let Some(mut watched) = Watched::open().await? else { return Ok(()) };
    let variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", watched.ports().otlp_endpoint()),
        ("BOOKSTORE_ASKED_TRACES_PER_SECOND", "0".to_owned()),
    ];
    watched.shop = Shop::start_with(Options { variables, ..Default::default() }).await?;
    let customer = watched.shop.customer(5_000).await?;
    let told = watched.traced(&customer, &["wallet", "balance"], &[]).await.unwrap_err().to_string();
    assert!(told.contains("warning: the shop did not record this"), "{told}");
    Ok(())
}
