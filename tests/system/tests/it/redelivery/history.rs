//! A shop in which everything has happened that can.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use proto::{
    identity::v1::{DeleteUserRequest, UpdateAddressRequest, UpdateUserRequest},
    inventory::v1::{
        AddShopMemberRequest, CatalogueRow, CatalogueRows, ImportCatalogueRequest, ImportTarget,
        RemoveShopMemberRequest, ShopRole, import_catalogue_request::Piece,
    },
    order::v1::OrderState,
    payment::v1::WithdrawRequest,
};
use system_tests::{Book, Customer, PASSWORD, Seller, Shop, euros, new_request_id};
use tonic::{Code, Request};

use super::quiet::Listeners;

/// Orders under way at once.
const AT_ONCE: usize = 16;
const PRICE: i64 = 100;
/// What each wallet holds at first.
const WEALTH: i64 = 1_000_000;

/// How an order goes.
#[derive(Clone, Copy, Debug)]
enum Course {
    Kept,
    Declined,
    TooDear,
    CancelledAtOnce,
    Cancelled,
    Delivered,
    /// In two parts, of which the shop puts the first back on the shelf.
    Returned,
    ReturnRefused,
    RefundedInPart,
}

const COURSES: [Course; 9] = [
    Course::Kept,
    Course::Declined,
    Course::TooDear,
    Course::CancelledAtOnce,
    Course::Cancelled,
    Course::Delivered,
    Course::Returned,
    Course::ReturnRefused,
    Course::RefundedInPart,
];

/// A shop and who uses it.
pub(super) struct History {
    pub(super) shop: Shop,
    pub(super) listeners: Listeners,
    pub(super) admin: Customer,
    pub(super) seller: Seller,
    /// Plenty of it.
    pub(super) book: Book,
    pub(super) customers: Vec<Customer>,
    /// Every order that was answered with OK.
    pub(super) placed: Vec<String>,
}

impl History {
    /// A shop with customers who have money, and nothing that has happened yet.
    pub(super) async fn begin(shop: Shop) -> Result<Self> {
        let admin = shop.admin().await?;
        let mut seller = shop.seller().await?;
        seller.add_room().await?;
        let book = seller.add_book(PRICE, 100_000).await?;
        let customers = shop.customers(8, WEALTH).await?;
        let listeners = Listeners::of(&shop).await?;
        Ok(Self { shop, listeners, admin, seller, book, customers, placed: Vec::new() })
    }

    /// Places and follows orders, each course by wallet and by card, so many `rounds`.
    pub(super) async fn trade(&mut self, rounds: usize) -> Result<()> {
        let cards = stream::iter(&self.customers).then(|customer| customer.add_card("tok_visa"));
        let cards: Vec<String> = cards.map_ok(|card| card.card_id).try_collect().await?;
        let courses = (0..rounds).flat_map(|round| COURSES.map(|course| (round, course)));
        let orders = courses.flat_map(|(round, course)| {
            let who = round % self.customers.len();
            [(&self.customers[who], None, course), (&self.customers[who], Some(cards[who].as_str()), course)]
        });
        let placed: Vec<Option<String>> = stream::iter(orders)
            .map(|(customer, card, course)| self.order(customer, card, course))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        self.placed.extend(placed.into_iter().flatten());
        Ok(())
    }

    /// Nothing where the course is none for that way to pay.
    async fn order(&self, customer: &Customer, card: Option<&str>, course: Course) -> Result<Option<String>> {
        let two = [(&self.book, 2)];
        let request = match (course, card) {
            (Course::Declined, Some(_)) => {
                let card = customer.add_card("tok_declined").await?.card_id;
                customer.order_by_card(&card, &two)
            }
            (Course::TooDear, None) => {
                let dear = self.seller.add_book(WEALTH, 10).await?;
                customer.order_of(&new_request_id(), &[(&dear, 2)])
            }
            (Course::Declined, None) | (Course::TooDear, Some(_)) => return Ok(None),
            (_, Some(card)) => customer.order_by_card(card, &two),
            (_, None) => customer.order_of(&new_request_id(), &two),
        };
        let order_id = customer.try_place(request).await?.context("PlaceOrder")?.order_id;
        self.follow(customer, &order_id, course).await.with_context(|| format!("{course:?}"))?;
        Ok(Some(order_id))
    }

    async fn follow(&self, customer: &Customer, order_id: &str, course: Course) -> Result<()> {
        if matches!(course, Course::CancelledAtOnce) {
            customer.cancel(order_id).await?;
            return Ok(());
        }
        let order = customer.ended(order_id).await?;
        match course {
            Course::Kept | Course::Declined | Course::TooDear | Course::CancelledAtOnce => {}
            Course::Cancelled => {
                customer.cancel(order_id).await?;
            }
            Course::Delivered => self.seller.owner().deliver(order_id, &self.seller.shop_id).await?,
            Course::Returned => {
                self.seller.owner().deliver(order_id, &self.seller.shop_id).await?;
                for restock in [true, false] {
                    let asked = customer.try_return(order_id, &self.book, 1).await??;
                    self.seller.owner().resolve(&asked.return_id, true, restock).await?;
                }
            }
            Course::ReturnRefused => {
                self.seller.owner().deliver(order_id, &self.seller.shop_id).await?;
                let asked = customer.try_return(order_id, &self.book, 2).await??;
                self.seller.owner().resolve(&asked.return_id, false, false).await?;
            }
            Course::RefundedInPart => {
                anyhow::ensure!(order.state() == OrderState::Confirmed, "{order:?}");
                let payment = customer.payment(order_id).await?.context("no payment")?;
                self.admin.try_refund(&payment.payment_id, PRICE).await??;
            }
        }
        Ok(())
    }

    /// So many orders that are confirmed and cancelled: at least five events each.
    pub(super) async fn bulk(&mut self, orders: usize) -> Result<()> {
        let placed: Vec<String> = stream::iter(0..orders)
            .map(async |number| {
                let customer = &self.customers[number % self.customers.len()];
                let order_id = customer.place(&self.book, 1).await?.order_id;
                anyhow::ensure!(customer.ended(&order_id).await?.state() == OrderState::Confirmed);
                customer.cancel(&order_id).await?;
                anyhow::Ok(order_id)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        self.placed.extend(placed);
        Ok(())
    }

    /// What happens beside orders: people who come, change and go, who works where, money that leaves, a feed.
    pub(super) async fn live(&mut self) -> Result<()> {
        let clients = self.shop.clients()?;
        let customer = &self.customers[0];
        let card_id = customer.add_card("tok_visa").await?.card_id;
        let withdrawal = WithdrawRequest { request_id: new_request_id(), amount: Some(euros(700)), card_id };
        customer.ask(withdrawal, async |request| clients.payment().withdraw(request).await).await??;
        move_house(&self.shop, customer, "Cambridge").await?;
        rename(&self.shop, customer, "Ada King").await?;

        let (shop_id, owner) = (self.seller.shop_id.clone(), self.seller.owner());
        for (who, stays) in [(&self.customers[1], true), (&self.customers[2], false)] {
            let (shop_id, user_id) = (shop_id.clone(), who.user_id.clone());
            let (role, of) = (ShopRole::Staff.into(), (shop_id.clone(), user_id.clone()));
            let add = AddShopMemberRequest { shop_id, user_id, role };
            owner.ask(add, async |request| clients.inventory().add_shop_member(request).await).await??;
            if !stays {
                let (shop_id, user_id) = of;
                let remove = RemoveShopMemberRequest { shop_id, user_id };
                owner
                    .ask(remove, async |request| clients.inventory().remove_shop_member(request).await)
                    .await??;
            }
        }
        self.import().await?;
        // With an order that has ended, with one that is under way, and with a wallet that is full.
        for _ in 0..3 {
            let leaver = self.shop.customer(5_000).await?;
            self.placed.push(leaver.place(&self.book, 1).await?.order_id);
            leave(&self.shop, &leaver).await?;
        }
        Ok(())
    }

    async fn import(&self) -> Result<()> {
        let target = ImportTarget { shop_id: self.seller.shop_id.clone(), ..Default::default() };
        let row = |number: i64| CatalogueRow {
            number,
            key: format!("feed-{number}"),
            title: format!("Sketch of the Analytical Engine, volume {number}"),
            authors: vec!["Luigi Menabrea".to_owned()],
            price: "12.90".to_owned(),
            currency_code: "EUR".to_owned(),
            stock: "10".to_owned(),
            ..Default::default()
        };
        let rows = CatalogueRows { rows: (1..=20).map(row).collect() };
        let pieces = [Piece::Target(target), Piece::Rows(rows)]
            .map(|piece| ImportCatalogueRequest { piece: Some(piece) });
        let request: Request<()> = self.seller.owner().request(())?;
        let (metadata, extensions, ()) = request.into_parts();
        let request = Request::from_parts(metadata, extensions, stream::iter(pieces));
        let answer = self.shop.clients()?.inventory().import_catalogue(request).await?.into_inner();
        anyhow::ensure!(answer.created == 20, "{answer:?}");
        Ok(())
    }
}

/// Another address under the same id.
pub(super) async fn move_house(shop: &Shop, customer: &Customer, city: &str) -> Result<()> {
    let request = UpdateAddressRequest {
        address_id: customer.address_id.clone(),
        city: city.to_owned(),
        update_mask: Some(prost_types::FieldMask { paths: vec!["city".to_owned()] }),
        ..Default::default()
    };
    let clients = shop.clients()?;
    customer.ask(request, async |request| clients.identity().update_address(request).await).await??;
    Ok(())
}

/// Another name.
pub(super) async fn rename(shop: &Shop, customer: &Customer, name: &str) -> Result<()> {
    let request = UpdateUserRequest {
        display_name: name.to_owned(),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    let clients = shop.clients()?;
    customer.ask(request, async |request| clients.identity().update_user(request).await).await??;
    Ok(())
}

/// The account is deleted, whatever is under way.
pub(super) async fn leave(shop: &Shop, customer: &Customer) -> Result<()> {
    let request = DeleteUserRequest { user_id: String::new(), current_password: PASSWORD.to_owned() };
    let clients = shop.clients()?;
    let left = customer.ask(request, async |request| clients.identity().delete_user(request).await).await?;
    // Who was not told that it worked, and repeats it, is nobody any more.
    if let Err(status) = left {
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
    Ok(())
}
