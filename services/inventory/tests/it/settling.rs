use std::time::Duration;

use anyhow::Result;
use proto::inventory::v1::{self as pb, ReservationState, adjust_stock_request::Change};
use testkit::eventually;
use tonic::Code;

use crate::harness::{Bookshop, Owner, SOON, commit, refusal, release, reserve};

/// Waits until nothing of `offer` is reserved any more.
async fn expiry(owner: &mut Owner, offer: &pb::Offer) -> Result<()> {
    eventually("the expiry", SOON, async || (owner.counts(offer).await.ok()?.1 == 0).then_some(())).await
}

#[tokio::test]
async fn a_commit_takes_the_copies_off_the_shelf_once() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    for _ in 0..3 {
        assert_eq!(commit(&owner.client, &held).await?, ReservationState::Committed);
    }
    assert_eq!(release(&owner.client, &held).await?, ReservationState::Committed, "a release comes too late");
    assert_eq!(reserve(&owner.client, "key", &[(&offer, 2)]).await?.state(), ReservationState::Committed);
    assert_eq!(owner.counts(&offer).await?, (3, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_release_frees_the_copies_for_good() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    for _ in 0..3 {
        assert_eq!(release(&owner.client, &held).await?, ReservationState::Released);
    }
    assert_eq!(commit(&owner.client, &held).await?, ReservationState::Released);
    assert_eq!(reserve(&owner.client, "key", &[(&offer, 2)]).await?.state(), ReservationState::Released);
    assert_eq!(owner.counts(&offer).await?, (5, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_reservation_that_expired_is_committed_while_there_is_stock() -> Result<()> {
    let bookshop = Bookshop::open_with(|config| config.reservation_ttl = Duration::from_millis(200)).await?;
    let mut owner = bookshop.owner().await?;
    let (one, other) = (owner.sells(5).await?, owner.sells(1).await?);
    let held = reserve(&owner.client, "key", &[(&one, 2), (&other, 1)]).await?;
    expiry(&mut owner, &one).await?;

    owner.adjusts(&other, Change::OnHand(0)).await?;
    assert_eq!(commit(&owner.client, &held).await?, ReservationState::Expired, "all lines or none");
    assert_eq!(owner.counts(&one).await?, (5, 0));

    owner.adjusts(&other, Change::OnHand(1)).await?;
    assert_eq!(commit(&owner.client, &held).await?, ReservationState::Committed);
    assert_eq!((owner.counts(&one).await?, owner.counts(&other).await?), ((3, 0), (0, 0)));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_held_reservation_past_its_time_can_still_be_committed() -> Result<()> {
    let bookshop = Bookshop::open_with(|config| config.sweep_interval = Duration::from_hours(1)).await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    bookshop.database.execute("UPDATE reservations SET expires_at = now() - interval '1 minute'").await?;
    assert_eq!(commit(&owner.client, &held).await?, ReservationState::Committed);
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_released_reservation_that_had_expired_stays_released() -> Result<()> {
    let bookshop = Bookshop::open_with(|config| config.reservation_ttl = Duration::from_millis(200)).await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    expiry(&mut owner, &offer).await?;
    assert_eq!(release(&owner.client, &held).await?, ReservationState::Released);
    assert_eq!(commit(&owner.client, &held).await?, ReservationState::Released);
    Ok(())
}

#[tokio::test]
async fn what_was_never_reserved_is_not_found() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut client = bookshop.client()?;
    let reservation_id = values::ReservationId::new().to_string();
    let missing = (Code::NotFound, "RESERVATION_NOT_FOUND".to_owned());
    let request = pb::CommitReservationRequest { reservation_id: reservation_id.clone() };
    assert_eq!(refusal(client.commit_reservation(request).await), missing);
    let request = pb::ReleaseReservationRequest { reservation_id };
    assert_eq!(refusal(client.release_reservation(request).await), missing);
    Ok(())
}
