use std::time::Duration;

use anyhow::{Context, Result};
use proto::{
    inventory::v1::{
        self as pb, ReservationState, adjust_stock_request::Change, reservation_outcome::Outcome,
    },
    types::v1::Money,
};
use testkit::eventually;
use tonic::Code;
use values::ReservationId;

use crate::harness::{Bookshop, SOON, commit, eur, failed_preconditions, refusal, reserve, wrong_fields};

#[tokio::test]
async fn a_reservation_holds_its_lines_at_the_prices_of_the_moment() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (first, second) = (owner.sells(5).await?, owner.sells_for(2, eur(250)).await?);
    let held = reserve(&owner.client, "usr/1", &[(&second, 2), (&first, 1)]).await?;
    assert_eq!(held.state(), ReservationState::Held);
    let lines: Vec<_> = held
        .lines
        .iter()
        .map(|line| (line.offer_id.clone(), line.quantity, line.unit_price.clone()))
        .collect();
    assert_eq!(
        lines,
        [(second.offer_id.clone(), 2, Some(eur(250))), (first.offer_id.clone(), 1, Some(eur(1000)))],
        "in the order asked for"
    );
    assert!(held.lines.iter().all(|line| line.title == "Emma" && line.shop_id == owner.shop.shop_id));
    assert!(held.expire_time.is_some());
    assert_eq!((owner.counts(&first).await?, owner.counts(&second).await?), ((5, 1), (2, 2)));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn short_lines_are_named_each_and_nothing_is_reserved() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (plenty, few, none) = (owner.sells(5).await?, owner.sells(1).await?, owner.sells(0).await?);
    let answer = reserve(&owner.client, "usr/1", &[(&plenty, 5), (&few, 2), (&none, 1)]).await;
    assert_eq!(
        failed_preconditions(answer),
        [
            (few.offer_id.clone(), "2 wanted, 1 available".to_owned()),
            (none.offer_id.clone(), "1 wanted, 0 available".to_owned())
        ]
    );
    assert_eq!(owner.counts(&plenty).await?, (5, 0));
    // A refusal isn't remembered: the same key may be tried again.
    owner.adjusts(&few, Change::Delta(1)).await?;
    owner.adjusts(&none, Change::Delta(1)).await?;
    assert!(reserve(&owner.client, "usr/1", &[(&plenty, 5), (&few, 2), (&none, 1)]).await.is_ok());
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn unknown_offers_and_several_currencies_are_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let abroad = owner.sells_for(5, Money { minor_units: 500, currency_code: "USD".to_owned() }).await?;
    let unknown = pb::Offer { offer_id: values::OfferId::new().to_string(), ..Default::default() };
    let answer = reserve(&owner.client, "a", &[(&offer, 1), (&unknown, 1)]).await;
    assert_eq!(refusal(answer), (Code::NotFound, "OFFER_NOT_FOUND".to_owned()));
    let answer = reserve(&owner.client, "b", &[(&offer, 1), (&abroad, 1)]).await;
    assert_eq!(
        failed_preconditions(answer),
        [(offer.offer_id.clone(), "costs EUR".to_owned()), (abroad.offer_id.clone(), "costs USD".to_owned())]
    );
    assert_eq!(owner.counts(&offer).await?, (5, 0));
    Ok(())
}

#[tokio::test]
async fn one_key_has_one_reservation_and_other_lines_are_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let first = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    owner.reprices(&offer, 9900).await?;
    assert_eq!(reserve(&owner.client, "key", &[(&offer, 2)]).await?, first);
    let other = reserve(&owner.client, "key", &[(&offer, 3)]).await;
    assert_eq!(refusal(other), (Code::AlreadyExists, "RESERVATION_KEY_REUSED".to_owned()));
    assert_eq!(owner.counts(&offer).await?, (5, 2));
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_of_a_reservation_is_named() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut client = bookshop.client()?;
    let lines = vec![pb::Line { offer_id: "x".to_owned(), quantity: 0 }];
    let answer = client.reserve_stock(pb::ReserveStockRequest { key: String::new(), lines }).await;
    assert_eq!(wrong_fields(answer), ["key", "lines[0].offer_id", "lines[0].quantity"]);
    let request = pb::ReserveStockRequest { key: "x".repeat(129), lines: vec![] };
    assert_eq!(wrong_fields(client.reserve_stock(request).await), ["key", "lines"]);
    let reservation_id = "ord_x".to_owned();
    let answer = client
        .commit_reservation(pb::CommitReservationRequest { reservation_id: reservation_id.clone() })
        .await;
    assert_eq!(wrong_fields(answer), ["reservation_id"]);
    let answer = client.release_reservation(pb::ReleaseReservationRequest { reservation_id }).await;
    assert_eq!(wrong_fields(answer), ["reservation_id"]);
    Ok(())
}

#[tokio::test]
async fn of_several_requests_each_has_its_own_outcome() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (plenty, scarce) = (owner.sells(5).await?, owner.sells(1).await?);
    let mut client = bookshop.client()?;
    let asks = |key: &str, offer: &str, quantity| pb::ReserveStockRequest {
        key: key.to_owned(),
        lines: vec![pb::Line { offer_id: offer.to_owned(), quantity }],
    };
    let requests = vec![
        asks("first", &plenty.offer_id, 2),
        asks("second", &scarce.offer_id, 2),
        asks("", "x", 0),
        asks("first", &plenty.offer_id, 2),
    ];

    let reserve = pb::BatchReserveStockRequest { requests };
    let outcomes = client.batch_reserve_stock(reserve).await?.into_inner().outcomes;

    let [Outcome::Reservation(held), Outcome::Refusal(short), Outcome::Refusal(malformed), again] =
        <[Outcome; 4]>::try_from(outcomes.into_iter().filter_map(|one| one.outcome).collect::<Vec<_>>())
            .map_err(|outcomes| anyhow::anyhow!("{outcomes:?}"))?
    else {
        anyhow::bail!("other outcomes")
    };
    // As if each had been asked for alone, details and all.
    let alone = client.reserve_stock(asks("third", &scarce.offer_id, 2)).await.expect_err("reserved");
    let short = server::status::refused(short);
    assert_eq!(
        (short.code(), short.message(), short.details()),
        (alone.code(), alone.message(), alone.details())
    );
    let malformed = Err::<tonic::Response<()>, _>(server::status::refused(malformed));
    assert_eq!(wrong_fields(malformed), ["key", "lines[0].offer_id", "lines[0].quantity"]);
    assert_eq!(again, Outcome::Reservation(held.clone()));
    assert_eq!((owner.counts(&plenty).await?, owner.counts(&scarce).await?), ((5, 2), (1, 0)));

    let unknown = ReservationId::new().to_string();
    let requests = [held.reservation_id, unknown]
        .map(|reservation_id| pb::CommitReservationRequest { reservation_id })
        .to_vec();
    let commit = pb::BatchCommitReservationsRequest { requests };
    let outcomes = client.batch_commit_reservations(commit).await?.into_inner().outcomes;
    let told = outcomes.into_iter().map(|one| match one.outcome {
        Some(Outcome::Reservation(reservation)) => Ok(reservation.state()),
        Some(Outcome::Refusal(refusal)) => Err(Code::from_i32(refusal.code)),
        None => Err(Code::Unknown),
    });
    assert_eq!(told.collect::<Vec<_>>(), [Ok(ReservationState::Committed), Err(Code::NotFound)]);
    assert_eq!(owner.counts(&plenty).await?, (3, 0));
    Ok(())
}

#[tokio::test]
async fn a_call_carries_1_to_256_requests() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut client = bookshop.client()?;
    for count in [0, 257] {
        let requests = vec![pb::ReserveStockRequest::default(); count];
        let answer = client.batch_reserve_stock(pb::BatchReserveStockRequest { requests }).await;
        assert_eq!(wrong_fields(answer), ["requests"]);
        let requests = vec![pb::CommitReservationRequest::default(); count];
        let answer = client.batch_commit_reservations(pb::BatchCommitReservationsRequest { requests }).await;
        assert_eq!(wrong_fields(answer), ["requests"]);
    }
    Ok(())
}

#[tokio::test]
async fn users_are_refused_even_with_a_token() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    let denied = (Code::PermissionDenied, "SERVICES_ONLY".to_owned());
    let mut gateway = bookshop.gateway()?;

    let lines = vec![pb::Line { offer_id: offer.offer_id.clone(), quantity: 1 }];
    let reserve = pb::ReserveStockRequest { key: "mine".to_owned(), lines };
    let commit = pb::CommitReservationRequest { reservation_id: held.reservation_id.clone() };
    let release = pb::ReleaseReservationRequest { reservation_id: held.reservation_id.clone() };
    assert_eq!(refusal(gateway.reserve_stock(owner.user.asks(reserve.clone())?).await), denied);
    assert_eq!(refusal(gateway.commit_reservation(owner.user.asks(commit.clone())?).await), denied);
    assert_eq!(refusal(gateway.release_reservation(owner.user.asks(release.clone())?).await), denied);
    assert_eq!(refusal(gateway.reserve_stock(reserve).await), denied);
    assert_eq!(refusal(gateway.commit_reservation(commit).await), denied);
    assert_eq!(refusal(gateway.release_reservation(release).await), denied);
    assert_eq!(owner.counts(&offer).await?, (5, 2));
    Ok(())
}

#[tokio::test]
async fn an_expired_reservation_frees_its_stock_and_its_key_reserves_again_at_the_old_prices() -> Result<()> {
    let bookshop = Bookshop::open_with(|config| config.reservation_ttl = Duration::from_millis(300)).await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    eventually("the expiry", SOON, async || (owner.counts(&offer).await.ok()? == (5, 0)).then_some(()))
        .await?;

    owner.reprices(&offer, 9900).await?;
    let again = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    assert_eq!((again.state(), &again.reservation_id), (ReservationState::Held, &held.reservation_id));
    assert_eq!(again.lines, held.lines);
    let expiry =
        |reservation: &pb::Reservation| reservation.expire_time.map(|time| (time.seconds, time.nanos));
    assert!(expiry(&again) > expiry(&held), "its time begins anew");
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn an_expired_reservation_whose_stock_is_gone_is_not_reserved_again() -> Result<()> {
    let bookshop = Bookshop::open_with(|config| config.reservation_ttl = Duration::from_millis(300)).await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(2).await?;
    let held = reserve(&owner.client, "first", &[(&offer, 2)]).await?;
    eventually("the expiry", SOON, async || (owner.counts(&offer).await.ok()? == (2, 0)).then_some(()))
        .await?;
    owner.adjusts(&offer, Change::Delta(-1)).await?;
    let answer = reserve(&owner.client, "first", &[(&offer, 2)]).await;
    assert_eq!(failed_preconditions(answer), [(offer.offer_id.clone(), "2 wanted, 1 available".to_owned())]);
    assert_eq!(commit(&owner.client, &held).await?, ReservationState::Expired);
    Ok(())
}

#[tokio::test]
async fn a_held_reservation_past_its_time_is_renewed_by_its_key() -> Result<()> {
    // As if no sweeper came by for an hour.
    let bookshop = Bookshop::open_with(|config| config.sweep_interval = Duration::from_hours(1)).await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    bookshop.database.execute("UPDATE reservations SET expires_at = now() - interval '1 minute'").await?;
    let again = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    assert_eq!((again.state(), &again.reservation_id), (ReservationState::Held, &held.reservation_id));
    let stored = bookshop.number("SELECT count(*) FROM reservations WHERE expires_at > now()").await?;
    assert_eq!((stored, owner.counts(&offer).await?), (1, (5, 2)));
    Ok(())
}

#[tokio::test]
async fn copies_come_from_the_fewest_locations() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(2).await?;
    let (shop, id): (values::ShopId, values::OfferId) =
        (owner.shop.shop_id.parse()?, offer.offer_id.parse()?);
    // Further rooms come with a later release.
    for copies in [3, 6] {
        let room = values::LocationId::new();
        let sql = format!(
            "INSERT INTO locations (id, shop_id, name) VALUES ('{0}', '{1}', 'Room of {copies}');
             INSERT INTO stock (offer_id, location_id, shop_id, on_hand) VALUES ('{2}', '{0}', '{1}', {copies});
             INSERT INTO stock_movements (offer_id, location_id, change, kind) VALUES ('{2}', '{0}', {copies}, 'INITIAL')",
            room.uuid(),
            shop.uuid(),
            id.uuid()
        );
        bookshop.database.execute(&sql).await?;
    }
    let mut by_room = async || -> Result<Vec<i64>> {
        let call = owner.user.asks(pb::GetStockRequest { offer_id: offer.offer_id.clone() })?;
        let levels = owner.client.get_stock(call).await?.into_inner().levels;
        Ok(levels.into_iter().map(|level| level.reserved).collect())
    };
    let client = bookshop.client()?;
    reserve(&client, "three", &[(&offer, 3)]).await?;
    assert_eq!(by_room().await?, [0, 3, 0], "the smallest room that has them all");
    let eight = reserve(&client, "eight", &[(&offer, 8)]).await?;
    assert_eq!(by_room().await?, [2, 3, 6]);
    commit(&client, &eight).await?;
    assert_eq!(by_room().await?, [0, 3, 0]);
    let levels = bookshop.number("SELECT sum(on_hand)::bigint FROM stock").await?;
    assert_eq!(levels, 3);
    eight.lines.first().context("a line")?;
    bookshop.assert_the_stock_adds_up().await
}
