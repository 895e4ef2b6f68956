//! What wallets and cards are asked for.

use anyhow::{Context, Result};
use proto::payment::v1::{
    AddCardRequest, DeleteCardRequest, ListCardsRequest, PayoutState, TopUpRequest, WithdrawRequest,
};
use system_tests::{Service, euros, new_request_id};
use tonic::Code;

use super::scene::{Scene, told};

/// Money comes and goes, by cards that do and don't take part.
pub(crate) async fn keeps_wallet(scene: &Scene<'_>) -> Result<()> {
    let (customer, payment) = (scene.shop.customer(0).await?, scene.clients.payment());
    let request = AddCardRequest { request_id: new_request_id(), token: "tok_visa".to_owned() };
    let add = async |request| payment.clone().add_card(request).await;
    let card_id = told(&customer, request.clone(), add).await?.card_id;
    assert_eq!(told(&customer, request, add).await?.card_id, card_id, "kept twice");

    let top_up = async |request| payment.clone().top_up(request).await;
    let request =
        TopUpRequest { request_id: new_request_id(), amount: Some(euros(5_000)), card_id: card_id.clone() };
    told(&customer, request.clone(), top_up).await?;
    told(&customer, request, top_up).await?;
    customer.balance_becomes(5_000).await?;
    let request = WithdrawRequest {
        request_id: new_request_id(),
        amount: Some(euros(2_000)),
        card_id: card_id.clone(),
    };
    let withdraw = async |request| payment.clone().withdraw(request).await;
    let first = told(&customer, request.clone(), withdraw).await?;
    assert_ne!(first.state(), PayoutState::Failed, "{first:?}");
    let again = told(&customer, request, withdraw).await?;
    assert_eq!(again.withdrawal_id, first.withdrawal_id, "withdrawn twice");
    customer.balance_becomes(3_000).await?;

    let declining = customer.add_card("tok_declined").await?.card_id;
    let request =
        TopUpRequest { request_id: new_request_id(), amount: Some(euros(100)), card_id: declining.clone() };
    let refused = customer.ask(request, top_up).await?.err().context("a card that declines has paid")?;
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let request = DeleteCardRequest { card_id: declining.clone() };
    told(&customer, request, async |request| payment.clone().delete_card(request).await).await?;
    let list = async |request| payment.clone().list_cards(request).await;
    let cards = told(&customer, ListCardsRequest::default(), list).await?.cards;
    assert_eq!(cards.iter().map(|card| &card.card_id).collect::<Vec<_>>(), [&card_id]);
    customer.balance_becomes(3_000).await?;

    // An errand that another replica saw to its end while this one took it up.
    let errand = "INSERT INTO errands (id, kind) VALUES (gen_random_uuid(), 'CHARGE')";
    scene.shop.database(Service::Payment)?.execute(errand).await
}
