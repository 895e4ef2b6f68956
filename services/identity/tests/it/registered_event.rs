use std::time::Duration;

use anyhow::Result;
use proto::identity::v1::UserRegistered;
use testkit::{Broker, Published, eventually, published};

use crate::desk::{Desk, registration};

const SOON: Duration = Duration::from_secs(20);

async fn registered(broker: &Broker, count: usize) -> Result<Vec<Published<UserRegistered>>> {
    eventually("user_registered in the IDENTITY stream", SOON, async || {
        published::<UserRegistered>(broker).await.ok().filter(|events| events.len() >= count)
    })
    .await
}

#[tokio::test]
async fn the_other_services_learn_of_a_registration_and_of_nothing_personal() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    let user = client.create_user(registration("r-1", "ada@example.org")).await?.into_inner();
    client.create_user(registration("r-1", "ada@example.org")).await?;
    let grace = client.create_user(registration("r-1", "grace@example.org")).await?.into_inner();

    let events = registered(&desk.broker, 2).await?;
    let users: Vec<_> = events.iter().map(|event| event.event.user_id.as_str()).collect();
    assert_eq!(users, [user.user_id.as_str(), grace.user_id.as_str()]);
    assert_eq!((events[0].aggregate_id.as_str(), events[0].sequence), (user.user_id.as_str(), 1));
    let headers = format!("{:?}", events[0].headers);
    assert!(!headers.contains("ada") && !headers.contains("Ada"), "{headers}");
    Ok(())
}

#[tokio::test]
async fn users_register_while_the_broker_is_away_and_the_event_follows() -> Result<()> {
    let desk = Desk::open().await?;
    desk.broker.stop().await?;
    let user = desk.client.clone().create_user(registration("r-1", "ada@example.org")).await?.into_inner();
    desk.broker.start_again().await?;
    assert_eq!(registered(&desk.broker, 1).await?[0].event.user_id, user.user_id);
    Ok(())
}
