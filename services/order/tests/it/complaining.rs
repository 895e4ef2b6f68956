//! What a person is told of.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use proto::{
    inventory::v1::ReservationState,
    order::v1::{OrderState, PaymentState},
};
use testkit::eventually;
use tonic::Status;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _};

use crate::{
    inventory::Behaviour,
    shop::{SOON, Shop},
};

/// What the service says.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The complaints so far.
    fn errors(&self) -> Vec<String> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&written);
        text.lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_paid_order_whose_stock_nobody_can_commit_is_told_of_once() -> Result<()> {
    let log = Log::default();
    let writer = log.clone();
    let format = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(EnvFilter::new("off,order=info")).with(format);
    testkit::listen();
    let _guard = tracing::subscriber::set_default(subscriber);
    let shop = Shop::open().await?;
    let reader = shop.reader()?;

    shop.inventory.on_commit(Behaviour::Fails(Status::not_found("no such reservation")));
    let lost = shop.pending(&reader).await?;
    shop.capture(&lost).await?;
    shop.in_payment(PaymentState::Captured, &reader, &lost).await?;
    eventually("it is told of", SOON, async || (log.errors().len() == 1).then_some(())).await?;
    let sweeps = shop.inventory.commit_calls() + 3;
    eventually("sweeps", SOON, async || (shop.inventory.commit_calls() >= sweeps).then_some(())).await?;

    let errors = log.errors();
    let reservation = shop.inventory.reservations().remove(0).1.reservation_id;
    assert!(errors.len() == 1 && errors[0].contains(&lost.order_id), "{errors:?}");
    assert!(errors[0].contains(&reservation), "{errors:?}");

    // A state that no commit leads to is told of as well, of each order.
    let odd = shop.pending(&reader).await?;
    shop.inventory.bring_all_to(ReservationState::Unspecified);
    shop.inventory.on_commit(Behaviour::Answers);
    shop.capture(&odd).await?;
    eventually("it is told of", SOON, async || {
        log.errors().iter().any(|line| line.contains(&odd.order_id)).then_some(())
    })
    .await?;

    // And nothing is lost by it.
    shop.inventory.bring_all_to(ReservationState::Held);
    shop.in_state(OrderState::Confirmed, &reader, &lost).await?;
    shop.in_state(OrderState::Confirmed, &reader, &odd).await?;
    Ok(())
}
