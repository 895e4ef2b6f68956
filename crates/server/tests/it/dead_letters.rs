//! What a service answers about the events that it could not handle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use auth::{Permission, Verifier};
use events::{
    Delivery, HandleError, Handler, Verdict, Wake,
    outbox::{self, Outgoing},
};
use proto::{
    events::v1::{
        DeadLetter, DeadLetterState, DiscardRequest, GetRequest, ListRequest, ReplayRequest,
        dead_letters_client::DeadLettersClient,
    },
    order::v1::OrderPlaced,
    payment::v1::PaymentCaptured,
};
use sea_orm::DatabaseTransaction;
use server::{Application, BuildError, Config, Context, Service, SqlMigration};
use testkit::{Broker, TestIdentity, as_user, eventually, publish, publish_bytes, published};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt as _;
use values::{DeadLetterId, EventId, UserId};

const SOON: Duration = Duration::from_secs(20);

/// A service that can't handle what is ordered until its books are mended.
struct Cashier;

#[derive(clap::Parser)]
struct CashierConfig {
    #[command(flatten)]
    server: Config,
    #[arg(skip)]
    verifier: Option<Verifier>,
    #[arg(skip)]
    is_mended: Arc<AtomicBool>,
}

impl AsRef<Config> for CashierConfig {
    fn as_ref(&self) -> &Config {
        &self.server
    }
}

#[tonic::async_trait]
impl Application for Cashier {
    const NAME: &'static str = "payment";
    const PORT: u16 = 50058;
    const MIGRATIONS: &'static [SqlMigration] = &[];
    type Config = CashierConfig;

    async fn build(config: CashierConfig, context: &Context) -> Result<Service, BuildError> {
        let verifier = config.verifier.ok_or("no verifier")?;
        let relay = context.relay("PAYMENT");
        let handler = OnOrderPlaced { is_mended: config.is_mended, wake: relay.wake_handle() };
        let consumer = context.consume("ORDER", handler);
        Ok(Service::new(Self::NAME, verifier)
            .task("the relay", relay.run(context.stop.clone()))
            .task("what was ordered", consumer))
    }
}

struct OnOrderPlaced {
    is_mended: Arc<AtomicBool>,
    wake: Wake,
}

impl Handler for OnOrderPlaced {
    type Event = OrderPlaced;
    type Prepared = ();
    const DURABLE: &'static str = "payment_order_placed";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<OrderPlaced>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        if !self.is_mended.load(Relaxed) {
            return Ok(vec![Verdict::Reject("the books are torn".to_owned()); batch.len()]);
        }
        for (delivery, ()) in batch {
            let order_id = delivery.event.order_id.clone();
            let captured = PaymentCaptured { order_id, ..PaymentCaptured::default() };
            let event = Outgoing::new(&delivery.aggregate_id, 1, &captured);
            let event = event.map_err(|error| HandleError::Failed(error.to_string()))?;
            outbox::append(tx, &[event]).await?;
        }
        Ok(vec![Verdict::Done; batch.len()])
    }

    fn committed(&self, _: &[(Delivery<OrderPlaced>, ())]) {
        self.wake.wake();
    }
}

/// The service with its admin.
struct Desk {
    broker: Broker,
    identity: TestIdentity,
    is_mended: Arc<AtomicBool>,
    service: testkit::Running,
    client: DeadLettersClient<Channel>,
}

impl Desk {
    async fn open() -> Result<Self> {
        let (broker, identity) = (Broker::start().await?, TestIdentity::start().await?);
        let database = testkit::database::<Cashier>().await?;
        let is_mended = Arc::new(AtomicBool::new(false));
        let service = testkit::running::<Cashier>(CashierConfig {
            server: testkit::config::<Cashier>(&database, &broker)?,
            verifier: Some(identity.verifier()),
            is_mended: is_mended.clone(),
        })
        .await?;
        let client = DeadLettersClient::new(service.channel()?);
        Ok(Self { broker, identity, is_mended, service, client })
    }

    fn admin<T>(&self, message: T) -> Result<Request<T>> {
        let token = self.identity.token_with(UserId::new(), &[Permission::DEAD_LETTERS_MANAGE])?;
        as_user(&token, message)
    }

    async fn list(&self, request: ListRequest) -> Result<(Vec<DeadLetter>, String)> {
        let answer = self.client.clone().list(self.admin(request)?).await?.into_inner();
        Ok((answer.dead_letters, answer.next_page_token))
    }

    /// Those that wait for somebody to decide, as soon as there are so many.
    async fn waiting(&self, count: usize) -> Result<Vec<DeadLetter>> {
        eventually("the events are given up", SOON, async || {
            let (letters, _) = self.list(ListRequest::default()).await.ok()?;
            (letters.len() == count).then_some(letters)
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Result<DeadLetter, Status>> {
        let request = self.admin(GetRequest { dead_letter_id: id.to_owned() })?;
        Ok(self.client.clone().get(request).await.map(tonic::Response::into_inner))
    }

    async fn replay(&self, id: &str) -> Result<Result<DeadLetter, Status>> {
        let request = self.admin(ReplayRequest { dead_letter_id: id.to_owned() })?;
        Ok(self.client.clone().replay(request).await.map(tonic::Response::into_inner))
    }

    async fn discard(&self, id: &str) -> Result<Result<DeadLetter, Status>> {
        let request = self.admin(DiscardRequest { dead_letter_id: id.to_owned() })?;
        Ok(self.client.clone().discard(request).await.map(tonic::Response::into_inner))
    }
}

fn placed(order: &str) -> OrderPlaced {
    OrderPlaced { order_id: order.to_owned(), ..OrderPlaced::default() }
}

fn refused<T>(outcome: Result<T, Status>) -> Result<(Code, String)> {
    let status = outcome.err().context("it was not refused")?;
    let reason = status.get_details_error_info().context("no ErrorInfo")?.reason;
    Ok((status.code(), reason))
}

fn wrong_fields<T>(outcome: Result<T, Status>) -> Result<Vec<String>> {
    let status = outcome.err().context("it was not refused")?;
    anyhow::ensure!(status.code() == Code::InvalidArgument, "{status}");
    let request = status.get_details_bad_request().context("no BadRequest")?;
    Ok(request.field_violations.into_iter().map(|violation| violation.field).collect())
}

#[tokio::test]
async fn an_event_that_was_given_up_is_shown_and_replayed_once_its_cause_is_mended() -> Result<()> {
    let desk = Desk::open().await?;
    let event = publish(&desk.broker, "ord_1", 3, &placed("ord_1")).await?;
    let listed = desk.waiting(1).await?.remove(0);
    assert_eq!(listed.consumer, "payment_order_placed");
    assert_eq!(listed.event_id, event.to_string());
    assert_eq!(listed.subject, "bookstore.order.v1.placed");
    assert_eq!(listed.aggregate_id, "ord_1");
    assert_eq!(listed.error, "the books are torn");
    assert_eq!(listed.state(), DeadLetterState::Dead);
    assert!(listed.create_time.is_some() && listed.resolve_time.is_none());
    assert!(listed.headers.is_empty() && listed.payload.is_empty() && listed.payload_json.is_empty());

    let id = &listed.dead_letter_id;
    let shown = desk.get(id).await??;
    assert_eq!(shown.headers["ce-sequence"], "3");
    assert_eq!(shown.payload, prost::Message::encode_to_vec(&placed("ord_1")));
    assert_eq!(shown.payload_json, r#"{"orderId":"ord_1"}"#);

    let status = desk.replay(id).await?.err().context("it isn't mended")?;
    assert!(status.message().contains("the books are torn"), "{status}");
    assert_eq!(refused::<()>(Err(status))?, (Code::FailedPrecondition, "REPLAY_FAILED".to_owned()));

    desk.is_mended.store(true, Relaxed);
    let replayed = desk.replay(id).await??;
    assert_eq!(replayed.state(), DeadLetterState::Replayed);
    assert!(replayed.resolve_time.is_some());
    assert_eq!(desk.replay(id).await??, replayed);
    eventually("what follows from it is published", SOON, async || {
        (published::<PaymentCaptured>(&desk.broker).await.ok()?.len() == 1).then_some(())
    })
    .await?;
    let refusal = refused(desk.discard(id).await?)?;
    assert_eq!(refusal, (Code::FailedPrecondition, "DEAD_LETTER_REPLAYED".to_owned()));

    assert_eq!(desk.list(ListRequest::default()).await?, (Vec::new(), String::new()));
    let all = ListRequest { include_resolved: true, ..ListRequest::default() };
    assert_eq!(desk.list(all).await?.0.len(), 1);
    desk.service.stop().await
}

#[tokio::test]
async fn an_event_that_was_put_aside_stays_so() -> Result<()> {
    let desk = Desk::open().await?;
    let subject = "bookstore.order.v1.placed";
    publish_bytes(&desk.broker, subject, EventId::new(), "ord_1", 1, b"\xff".to_vec()).await?;
    let id = desk.waiting(1).await?.remove(0).dead_letter_id;
    assert_eq!(desk.get(&id).await??.payload_json, "");
    assert_eq!(refused(desk.replay(&id).await?)?.1, "REPLAY_FAILED");

    let discarded = desk.discard(&id).await??;
    assert_eq!(discarded.state(), DeadLetterState::Discarded);
    assert_eq!(desk.discard(&id).await??, discarded);
    let refusal = refused(desk.replay(&id).await?)?;
    assert_eq!(refusal, (Code::FailedPrecondition, "DEAD_LETTER_DISCARDED".to_owned()));
    assert_eq!(desk.get(&id).await??, discarded);
    Ok(())
}

#[tokio::test]
async fn dead_letters_are_listed_page_by_page_the_oldest_first() -> Result<()> {
    let desk = Desk::open().await?;
    for number in 1..=5 {
        let order = format!("ord_{number}");
        publish(&desk.broker, &order, 1, &placed(&order)).await?;
    }
    desk.waiting(5).await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListRequest { page_size: 2, page_token, include_resolved: false };
        let (letters, next) = desk.list(request).await?;
        found.extend(letters.into_iter().map(|letter| letter.aggregate_id));
        page_token = next;
        if page_token.is_empty() {
            break;
        }
        let other = ListRequest { page_size: -1, page_token: page_token.clone(), include_resolved: true };
        let outcome = desk.client.clone().list(desk.admin(other)?).await;
        assert_eq!(wrong_fields(outcome)?, ["page_size", "page_token"], "another list's token");
    }
    assert_eq!(found, ["ord_1", "ord_2", "ord_3", "ord_4", "ord_5"]);
    Ok(())
}

#[tokio::test]
async fn what_is_no_dead_letter_is_refused() -> Result<()> {
    let desk = Desk::open().await?;
    let (unknown, malformed) = (DeadLetterId::new().to_string(), EventId::new().to_string());
    for outcome in [desk.get(&unknown).await?, desk.replay(&unknown).await?, desk.discard(&unknown).await?] {
        assert_eq!(refused(outcome)?, (Code::NotFound, "DEAD_LETTER_NOT_FOUND".to_owned()));
    }
    for outcome in
        [desk.get(&malformed).await?, desk.replay(&malformed).await?, desk.discard(&malformed).await?]
    {
        assert_eq!(wrong_fields(outcome)?, ["dead_letter_id"]);
    }
    Ok(())
}
