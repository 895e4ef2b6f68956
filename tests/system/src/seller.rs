use std::time::Duration;

use anyhow::{Context, Result};
use proto::{
    inventory::v1::{
        AddBookRequest, AdjustStockRequest, CreateLocationRequest, GetStockRequest, GetStockResponse,
        RegisterShopRequest, StockLevel, adjust_stock_request,
    },
    types::v1::Money,
};
use testkit::eventually;

use crate::{
    Clients, Customer,
    customer::{EUR, PASSWORD, new_request_id},
};

/// Somebody with a shop.
#[derive(Clone, Debug)]
pub struct Seller {
    owner: Customer,
    clients: Clients,
    /// TypeID, `shp_…`.
    pub shop_id: String,
    /// Its stock rooms, `loc_…`, the first one first.
    pub rooms: Vec<String>,
}

/// A book on offer.
#[derive(Clone, Debug)]
pub struct Book {
    /// TypeID, `ofr_…`.
    pub offer_id: String,
    /// TypeID, `edn_…`.
    pub edition_id: String,
    /// Price of one copy, in minor units.
    pub price: i64,
}

impl Seller {
    /// Registers somebody, whom `admin` makes a shop owner, and opens their shop.
    pub async fn register(clients: Clients, admin: &Customer) -> Result<Self> {
        let owner = Customer::register(clients.clone(), 0).await?;
        admin.grant(&owner.user_id, "shop_owner").await?;
        let session = Customer::sign_in(clients.clone(), &owner.email, PASSWORD).await?;
        let owner = Customer { address_id: owner.address_id, ..session };
        let request = RegisterShopRequest {
            request_id: new_request_id(),
            name: "Shakespeare and Company".to_owned(),
            city: "Paris".to_owned(),
        };
        let call = async |request| clients.inventory().register_shop(request).await;
        let shop = owner.ask(request, call).await?.context("RegisterShop")?;
        let rooms = shop.locations.into_iter().map(|room| room.location_id).collect();
        Ok(Self { owner, clients, shop_id: shop.shop_id, rooms })
    }

    /// Who owns the shop, and works there.
    #[must_use]
    pub const fn owner(&self) -> &Customer {
        &self.owner
    }

    /// Opens another stock room.
    pub async fn add_room(&mut self) -> Result<()> {
        let (request_id, shop_id) = (new_request_id(), self.shop_id.clone());
        let request = CreateLocationRequest { request_id, shop_id, name: "The cellar".to_owned() };
        let call = async |request| self.clients.inventory().create_location(request).await;
        self.rooms.push(self.owner.ask(request, call).await?.context("CreateLocation")?.location_id);
        Ok(())
    }

    /// Offers a book that nobody else offers.
    pub async fn add_book(&self, price: i64, copies: i32) -> Result<Book> {
        let request = AddBookRequest {
            request_id: new_request_id(),
            shop_id: self.shop_id.clone(),
            title: format!("Notes on the Analytical Engine, {}", new_request_id()),
            authors: vec!["Ada Lovelace".to_owned()],
            price: Some(Money { minor_units: price, currency_code: EUR.to_owned() }),
            initial_stock: copies,
            ..Default::default()
        };
        let call = async |request| self.clients.inventory().add_book(request).await;
        let book = self.owner.ask(request, call).await?.context("AddBook")?;
        let offer = book.offers.first().context("AddBook answered without the offer")?;
        Ok(Book { offer_id: offer.offer_id.clone(), edition_id: book.edition_id.clone(), price })
    }

    /// Counts the shelf anew.
    pub async fn count(&self, book: &Book, on_hand: i32) -> Result<()> {
        let request = AdjustStockRequest {
            request_id: new_request_id(),
            offer_id: book.offer_id.clone(),
            location_id: String::new(),
            reason: "counted".to_owned(),
            change: Some(adjust_stock_request::Change::OnHand(on_hand)),
        };
        let call = async |request| self.clients.inventory().adjust_stock(request).await;
        self.owner.ask(request, call).await?.context("AdjustStock")?;
        Ok(())
    }

    /// Copies on the shelf, and how many of them are reserved.
    pub async fn stock(&self, book: &Book) -> Result<(i64, i64)> {
        let request = GetStockRequest { offer_id: book.offer_id.clone() };
        let call = async |request| self.clients.inventory().get_stock(request).await;
        let stock = self.owner.ask(request, call).await?.context("GetStock")?;
        Ok(Self::counted(&stock))
    }

    /// Copies in all rooms, and how many of them are reserved.
    pub(crate) fn counted(stock: &GetStockResponse) -> (i64, i64) {
        let sum = |count: fn(&StockLevel) -> i64| stock.levels.iter().map(count).sum();
        (sum(|level| level.on_hand), sum(|level| level.reserved))
    }

    /// Waits until so many copies are on the shelf, and so many of them reserved.
    pub async fn stock_becomes(&self, book: &Book, on_hand: i64, reserved: i64) -> Result<()> {
        let what = format!("{on_hand} copies on the shelf, {reserved} of them reserved");
        eventually(&what, Duration::from_secs(30), async || {
            self.stock(book).await.is_ok_and(|stock| stock == (on_hand, reserved)).then_some(())
        })
        .await
    }
}
