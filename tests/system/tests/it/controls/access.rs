//! Guards of what is somebody's, which the ownership matrix is to miss.

use anyhow::Result;
use fault::Guard;
use system_tests::Service;
use testkit::eventually;

use super::ground::SOON;
use crate::ownership::{World, faults_of};

pub(super) const GUARDS: &[Guard] = &[Guard::Ownership, Guard::Policy, Guard::Revocations];

const GET_ORDER: &str = "/bookstore.order.v1.OrderService/GetOrder";
const LIST_ORDERS: &str = "/bookstore.order.v1.OrderService/ListOrders";
const RESERVE_STOCK: &str = "/bookstore.inventory.v1.InventoryService/ReserveStock";
const GET_BALANCE: &str = "/bookstore.payment.v1.PaymentService/GetBalance";

#[tokio::test]
async fn what_is_somebodys_is_guarded() -> Result<()> {
    let world = World::open().await?;
    let faults = faults_of(&world, &[GET_ORDER, LIST_ORDERS, RESERVE_STOCK, GET_BALANCE]).await?;
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    let without = async |service, guard: Guard, paths: &[&str]| {
        world.shop.without(service, &[guard]).await?;
        // The gateway finds out by its next calls that the service is back.
        eventually("the owner is answered again", SOON, async || {
            let is_answered =
                world.owner.order(&world.kept).await.is_ok() && world.owner.balance().await.is_ok();
            is_answered.then_some(())
        })
        .await?;
        let faults = faults_of(&world, paths).await?;
        world.shop.without(service, &[]).await?;
        println!("control: without {} caught: {} faults", guard.name(), faults.len());
        anyhow::Ok(faults)
    };

    // Whoever signs in reads whatever order they can name.
    let faults = without(Service::Order, Guard::Ownership, &[GET_ORDER]).await?;
    has(&faults, "OtherCustomer by Gateway: Answered");
    has(&faults, "OtherCustomer by Gateway: the answer tells the owner's street");

    // Who has signed out goes on.
    let faults = without(Service::Payment, Guard::Revocations, &[GET_BALANCE]).await?;
    has(&faults, "LoggedOut by Gateway: Answered");
    has(&faults, "LoggedOut by Gateway: the answer tells the owner's balance");

    // What is for staff has no other guard. What is somebody's has: the handler asks who calls, and the finder whose it is.
    let faults = without(Service::Order, Guard::Policy, &[LIST_ORDERS, GET_ORDER]).await?;
    let (of_list, of_one): (Vec<String>, Vec<String>) =
        faults.into_iter().partition(|fault| fault.starts_with(LIST_ORDERS));
    has(&of_list, "Anonymous by Gateway: Answered");
    has(&of_list, "OtherCustomer by Gateway: the answer tells the owner's order kept");
    let got_through = |fault: &&String| fault.contains(": Answered") || fault.contains("the answer tells");
    assert_eq!(of_one.iter().find(got_through), None);

    // Any service is any other.
    let faults = without(Service::Inventory, Guard::Policy, &[RESERVE_STOCK]).await?;
    has(&faults, "Anonymous by Service(Payment): Answered");
    Ok(())
}

fn has(faults: &[String], part: &str) {
    assert!(faults.iter().any(|fault| fault.contains(part)), "not {part:?} in:\n{}", faults.join("\n"));
}
