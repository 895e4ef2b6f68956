use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use proto::{
    inventory::v1::{AddShopMemberRequest, RemoveShopMemberRequest, ShopRole},
    order::v1::{Order, OrderState},
    payment::v1::PaymentState,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sqlx::{Connection, PgConnection};
use system_tests::{Customer, Options, Service, Shop, new_request_id};
use testkit::{Stored, eventually};
use uuid::Uuid;
use values::EventId;

use super::{
    history::{History, leave, move_house, rename},
    quiet::{STREAMS, all_published},
    variable,
};

/// Rounds where nobody says how many: one backwards, one shuffled.
const ROUNDS: u64 = 2;
/// Longer than anything is kept back: nobody's time runs out over it.
const HOLD: Duration = Duration::from_mins(10);

/// Whose messages are kept back while services and customers go on.
const PAYMENT_OUTCOMES: [&str; 3] =
    ["order_payment_captured", "order_payment_failed", "order_payment_refunded"];

/// How an order has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Confirmed,
    Cancelled,
    Delivered,
    Returned,
    /// The account went while it was under way.
    Either,
}

impl End {
    fn is(self, state: OrderState) -> bool {
        match self {
            Self::Confirmed => state == OrderState::Confirmed,
            Self::Cancelled => state == OrderState::Cancelled,
            Self::Delivered => state == OrderState::Delivered,
            Self::Returned => state == OrderState::Returned,
            Self::Either => matches!(state, OrderState::Confirmed | OrderState::Cancelled),
        }
    }
}

/// In which order what nobody has heard yet is delivered.
#[derive(Debug)]
enum Sequence {
    Backwards,
    /// Every fourth message comes twice.
    Shuffled(Box<StdRng>),
}

/// Orders whose events nobody has heard, and how each has to end.
#[derive(Default)]
struct Expected(Vec<(String, End)>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_events_in_any_order_bring_every_order_to_its_end() -> Result<()> {
    let seed =
        variable("BOOKSTORE_REDELIVERY_SEED")?.unwrap_or_else(|| u64::from(Uuid::new_v4().as_fields().0));
    let rounds = variable("BOOKSTORE_REDELIVERY_ROUNDS")?.unwrap_or(ROUNDS);
    let options = Options { payment_deadline: HOLD, ..Options::default() };
    let mut history = History::begin(Shop::start_with(options).await?).await?;
    let (mut events, mut orders) = (0, 0);
    for round in 0..rounds {
        let way = match round {
            0 => Sequence::Backwards,
            _ => Sequence::Shuffled(Box::new(StdRng::seed_from_u64(seed.wrapping_add(round)))),
        };
        let what = format!("round {round} of BOOKSTORE_REDELIVERY_SEED={seed}");
        let (fresh, ended) = told_otherwise(&mut history, way).await.context(what)?;
        events += fresh;
        orders += ended;
    }
    writeln!(
        io::stderr(),
        "seed {seed}: {rounds} orders of delivery of each of {} streams, {events} events that nobody had heard, \
         {orders} orders at their ends",
        STREAMS.len(),
    )?;
    history.shop.check(&history.placed).await
}

/// Lets much happen of which nobody hears, has the broker deliver it in another order, and sees that all ends as it
/// must. How many events nobody had heard, and how many orders they were about.
async fn told_otherwise(history: &mut History, way: Sequence) -> Result<(usize, usize)> {
    let admin = history.shop.admin().await?;
    let mut expected = Expected::default();
    let sold = expected.sold(history).await?;
    history.listeners.quiet(&history.shop).await?;
    let before = lengths(&history.shop).await?;

    for consumer in PAYMENT_OUTCOMES {
        history.shop.broker.hold("PAYMENT", consumer, HOLD).await?;
    }
    let paid = expected.paid(history, &admin).await?;
    for (_, stream) in STREAMS {
        for consumer in history.listeners.to(stream) {
            history.shop.broker.hold(stream, consumer, HOLD).await?;
        }
    }
    expected.cancelled_when_paid(paid).await?;
    expected.shipped(history, sold).await?;
    expected.placed(history).await?;
    people(history).await?;

    for (service, _) in STREAMS {
        all_published(&history.shop, service).await?;
    }
    let fresh = lengths(&history.shop).await? - before;
    deliver(&history.shop, way).await?;

    for (order_id, end) in &expected.0 {
        let order = ends(&admin, order_id, *end).await?;
        history.placed.push(order.order_id);
    }
    history.listeners.quiet(&history.shop).await?;
    same_members(&history.shop).await?;
    history.shop.check(&history.placed).await?;
    Ok((fresh, expected.0.len()))
}

impl Expected {
    /// Orders that are confirmed before anything is kept back.
    async fn sold(&self, history: &History) -> Result<Vec<(Customer, String)>> {
        let mut sold = Vec::new();
        for customer in history.customers.iter().take(4) {
            let card = customer.add_card("tok_visa").await?.card_id;
            let by_card = customer.order_by_card(&card, &[(&history.book, 2)]);
            for request in [by_card, customer.order_of(&new_request_id(), &[(&history.book, 2)])] {
                sold.push((customer.clone(), customer.try_place(request).await??.order_id));
            }
        }
        for (customer, order_id) in &sold {
            ensure!(customer.ended(order_id).await?.state() == OrderState::Confirmed, "{order_id}");
        }
        Ok(sold)
    }

    /// Orders that are paid, or refused, of which the order service hears nothing; staff gives back a part of some, and
    /// some are cancelled and paid back. Of what is returned is yet to be cancelled.
    async fn paid(&mut self, history: &History, admin: &Customer) -> Result<Vec<(Customer, String)>> {
        let mut paid = Vec::new();
        for customer in history.customers.iter().take(4) {
            let declined = customer.add_card("tok_declined").await?.card_id;
            let card = customer.add_card("tok_visa").await?.card_id;
            let request = customer.order_by_card(&declined, &[(&history.book, 1)]);
            self.0.push((customer.try_place(request).await??.order_id, End::Cancelled));
            for number in 0..4 {
                let books = [(&history.book, 2)];
                let request = match number {
                    0 | 1 => customer.order_by_card(&card, &books),
                    _ => customer.order_of(&new_request_id(), &books),
                };
                let order_id = customer.try_place(request).await??.order_id;
                let payment = customer.payment_becomes(&order_id, PaymentState::Captured).await?;
                match number {
                    0 => {
                        admin.try_refund(&payment.payment_id, 1).await??;
                        self.0.push((order_id, End::Confirmed));
                    }
                    2 => {
                        admin.try_refund(&payment.payment_id, 1).await??;
                        customer.cancel(&order_id).await?;
                        customer.payment_becomes(&order_id, PaymentState::Refunded).await?;
                        self.0.push((order_id, End::Cancelled));
                    }
                    _ => paid.push((customer.clone(), order_id)),
                }
            }
        }
        Ok(paid)
    }

    /// Neither hears payment of the cancellation nor order of the payment.
    async fn cancelled_when_paid(&mut self, paid: Vec<(Customer, String)>) -> Result<()> {
        for (customer, order_id) in paid {
            customer.cancel(&order_id).await?;
            self.0.push((order_id, End::Cancelled));
        }
        Ok(())
    }

    /// Confirmed orders are cancelled, sent, and returned in two parts.
    async fn shipped(&mut self, history: &History, sold: Vec<(Customer, String)>) -> Result<()> {
        let (owner, shop_id) = (history.seller.owner(), &history.seller.shop_id);
        for (number, (customer, order_id)) in sold.into_iter().enumerate() {
            let end = match number % 4 {
                0 | 3 => {
                    owner.deliver(&order_id, shop_id).await?;
                    for restock in [true, false] {
                        let asked = customer.try_return(&order_id, &history.book, 1).await??;
                        owner.resolve(&asked.return_id, true, restock).await?;
                    }
                    End::Returned
                }
                1 => {
                    customer.cancel(&order_id).await?;
                    End::Cancelled
                }
                _ => {
                    owner.deliver(&order_id, shop_id).await?;
                    End::Delivered
                }
            };
            self.0.push((order_id, end));
        }
        Ok(())
    }

    /// New orders, some of them cancelled at once; some of people who come and go within the same silence.
    async fn placed(&mut self, history: &History) -> Result<()> {
        for (number, customer) in history.customers.iter().enumerate() {
            let card = customer.add_card(if number % 4 == 3 { "tok_declined" } else { "tok_visa" }).await?;
            let by_card = customer.order_by_card(&card.card_id, &[(&history.book, 1)]);
            let by_wallet = customer.order_of(&new_request_id(), &[(&history.book, 1)]);
            for (request, refused) in [(by_card, number % 4 == 3), (by_wallet, false)] {
                let order_id = customer.try_place(request).await??.order_id;
                let is_cancelled = number % 2 == 0;
                if is_cancelled {
                    customer.cancel(&order_id).await?;
                }
                let end = if is_cancelled || refused { End::Cancelled } else { End::Confirmed };
                self.0.push((order_id, end));
            }
        }
        for wallet in [10_000, 1] {
            let newcomer = history.shop.customer(wallet).await?;
            let kept = newcomer.place(&history.book, 1).await?.order_id;
            let cancelled = newcomer.place(&history.book, 1).await?.order_id;
            newcomer.cancel(&cancelled).await?;
            leave(&history.shop, &newcomer).await?;
            self.0.extend([(kept, End::Either), (cancelled, End::Cancelled)]);
        }
        Ok(())
    }
}

/// Who lives where, is called what and works in which shop changes more than once.
async fn people(history: &History) -> Result<()> {
    let History { shop, seller, customers, .. } = history;
    for city in ["Cambridge", "Oxford", "London"] {
        move_house(shop, &customers[0], city).await?;
        rename(shop, &customers[1], &format!("Ada of {city}")).await?;
    }
    let inventory = shop.clients()?.inventory();
    for (who, stays) in [(&customers[2], true), (&customers[3], false)] {
        let (shop_id, user_id) = (seller.shop_id.clone(), who.user_id.clone());
        let role = ShopRole::Staff.into();
        let add = AddShopMemberRequest { shop_id: shop_id.clone(), user_id: user_id.clone(), role };
        let remove = RemoveShopMemberRequest { shop_id, user_id };
        let (joins, leaves) = (add.clone(), remove.clone());
        inventory.clone().add_shop_member(seller.owner().request(joins)?).await?;
        inventory.clone().remove_shop_member(seller.owner().request(leaves)?).await?;
        inventory.clone().add_shop_member(seller.owner().request(add)?).await?;
        if !stays {
            inventory.clone().remove_shop_member(seller.owner().request(remove)?).await?;
        }
    }
    Ok(())
}

/// All services end, the broker gets its streams in another order, as if it had delivered them so from the first; the
/// services begin again.
async fn deliver(shop: &Shop, mut way: Sequence) -> Result<()> {
    for service in Service::WITH_DATABASE {
        shop.kill(service).await?;
    }
    for (service, stream) in STREAMS {
        let mut messages: Vec<Stored> = shop.broker.stored(stream).await?;
        match &mut way {
            Sequence::Backwards => messages.reverse(),
            Sequence::Shuffled(dice) => {
                // Not of copies from earlier rounds: they would double with every third.
                let ours = messages.iter().filter(|message| message.header("Nats-Msg-Id").is_some());
                let twice: Vec<Stored> =
                    ours.filter(|_| dice.random_ratio(1, 4)).map(Stored::again).collect();
                messages.extend(twice);
                messages.shuffle(dice);
            }
        }
        let places = shop.broker.rebuild(stream, &messages).await?;
        // The copy that has its publisher's id is the one that the outbox notes.
        let ours = messages.iter().zip(places).filter(|(message, _)| message.header("Nats-Msg-Id").is_some());
        let notes = ours.map(|(message, place)| {
            let id = message.header("ce-id").context("an event without an id")?;
            Ok((id.parse::<EventId>()?.uuid(), i64::try_from(place)?))
        });
        let (ids, places): (Vec<Uuid>, Vec<i64>) = notes.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let mut outbox = PgConnection::connect(shop.database(service)?.url()).await?;
        sqlx::query(
            "UPDATE outbox SET stream_sequence = note.place
             FROM unnest($1::uuid[], $2::bigint[]) AS note (id, place) WHERE event_id = note.id",
        )
        .bind(ids)
        .bind(places)
        .execute(&mut outbox)
        .await?;
        outbox.close().await?;
    }
    try_join_all(Service::WITH_DATABASE.map(|service| shop.start_again(service))).await?;
    Ok(())
}

/// Waits until the order has ended so.
async fn ends(admin: &Customer, order_id: &str, end: End) -> Result<Order> {
    let mut last = None;
    let what = format!("{order_id} ends {end:?}");
    let ended = eventually(&what, HOLD / 5, async || {
        let order = admin.order(order_id).await.ok()?;
        last = Some(order.state());
        end.is(order.state()).then_some(order)
    })
    .await;
    ended.with_context(|| format!("it is {last:?}"))
}

/// How many messages there are in all streams.
async fn lengths(shop: &Shop) -> Result<usize> {
    let mut sum = 0;
    for (_, stream) in STREAMS {
        sum += shop.broker.stored(stream).await?.len();
    }
    Ok(sum)
}

/// Order knows who works where as inventory does.
async fn same_members(shop: &Shop) -> Result<()> {
    let mut known = Vec::new();
    for service in [Service::Inventory, Service::Order] {
        let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
        let members: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
            "SELECT shop_id, user_id, role FROM shop_members WHERE role <> '' ORDER BY shop_id, user_id",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        known.push(members);
    }
    ensure!(known[0] == known[1], "inventory knows {:?}, order {:?}", known[0], known[1]);
    Ok(())
}
