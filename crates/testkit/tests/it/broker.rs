use anyhow::Result;
use proto::{order::v1::OrderConfirmed, payment::v1::PaymentFailed};
use testkit::{Broker, publish, published};

fn confirmed(order_id: &str) -> OrderConfirmed {
    OrderConfirmed { order_id: order_id.to_owned(), user_id: "usr_1".to_owned() }
}

async fn orders(broker: &Broker) -> Result<Vec<String>> {
    Ok(published::<OrderConfirmed>(broker).await?.into_iter().map(|message| message.event.order_id).collect())
}

#[tokio::test]
async fn what_is_published_is_there_to_be_read() -> Result<()> {
    let broker = Broker::start().await?;
    assert_eq!(orders(&broker).await?, Vec::<String>::new());

    let id = publish(&broker, "ord_1", 2, &confirmed("ord_1")).await?;
    publish(&broker, "pay_1", 1, &PaymentFailed::default()).await?;

    let messages = published::<OrderConfirmed>(&broker).await?;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].id, id.to_string());
    assert_eq!(messages[0].aggregate_id, "ord_1");
    assert_eq!(messages[0].sequence, 2);
    assert_eq!(messages[0].stream_sequence, 1);
    Ok(())
}

#[tokio::test]
async fn a_restored_broker_has_lost_what_came_after_the_snapshot() -> Result<()> {
    let broker = Broker::start().await?;
    publish(&broker, "ord_1", 1, &confirmed("ord_1")).await?;
    broker.stop().await?;
    let snapshot = broker.snapshot().await?;
    broker.start_again().await?;
    publish(&broker, "ord_2", 1, &confirmed("ord_2")).await?;
    broker.kill().await?;

    broker.restore(&snapshot).await?;
    broker.start_again().await?;

    assert_eq!(orders(&broker).await?, ["ord_1"]);
    Ok(())
}

#[tokio::test]
async fn a_wiped_broker_is_empty() -> Result<()> {
    let broker = Broker::start().await?;
    publish(&broker, "ord_1", 1, &confirmed("ord_1")).await?;
    broker.kill().await?;
    broker.wipe().await?;
    broker.start_again().await?;
    assert_eq!(orders(&broker).await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_killed_broker_keeps_what_it_acknowledged() -> Result<()> {
    let broker = Broker::start().await?;
    publish(&broker, "ord_1", 1, &confirmed("ord_1")).await?;
    broker.kill().await?;
    broker.start_again().await?;
    assert_eq!(orders(&broker).await?, ["ord_1"]);
    Ok(())
}

#[tokio::test]
async fn the_store_of_a_running_broker_is_not_touched() -> Result<()> {
    let broker = Broker::start().await?;
    let refusal = broker.wipe().await.unwrap_err();
    assert!(refusal.to_string().contains("stop or kill it"), "{refusal}");
    Ok(())
}
