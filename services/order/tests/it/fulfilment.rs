//! What tests of shipping and returning share: shops with people in them, and orders of their books.

use anyhow::Result;
use auth::Permission;
use proto::{
    inventory::v1::{ShopMemberChanged, ShopRole},
    order::v1::{
        Order, OrderItem, OrderState, PlaceOrderRequest, RequestReturnRequest, ResolveReturnRequest, Return,
        Shipment, ShipmentState, UpdateOrderStatusRequest,
    },
};
use testkit::as_user;
use values::{EventId, ShopId, UserId};

use crate::shop::{Answer, Reader, Shop, request};

impl Shop {
    /// Somebody who works in these shops from now on.
    pub(crate) async fn worker(&self, shops: &[ShopId]) -> Result<Reader> {
        let worker = self.reader()?;
        for &shop in shops {
            self.employ(worker.user, shop, ShopRole::Staff, 1).await?;
        }
        Ok(worker)
    }

    /// Tells the service what a user is in a shop from this version of it on.
    pub(crate) async fn employ(
        &self,
        user: UserId,
        shop: ShopId,
        role: ShopRole,
        sequence: i64,
    ) -> Result<()> {
        let changed =
            ShopMemberChanged { shop_id: shop.to_string(), user_id: user.to_string(), role: role.into() };
        let event = testkit::publish(&self.broker, &changed.shop_id, sequence, &changed).await?;
        self.handled(&[event]).await
    }

    /// Somebody with these permissions.
    pub(crate) fn staff(&self, permissions: &[Permission]) -> Result<Reader> {
        let reader = self.reader()?;
        let token = self.identity.token_with(reader.user, permissions)?;
        Ok(Reader { token, ..reader })
    }

    /// An order of two copies from each of these shops that is paid and has its stock.
    pub(crate) async fn confirmed_of(&self, reader: &Reader, shops: &[ShopId]) -> Result<Order> {
        let items = shops
            .iter()
            .map(|&shop| OrderItem { offer_id: self.inventory.offer_of(shop).to_string(), quantity: 2 });
        let request = PlaceOrderRequest { items: items.collect(), ..request(reader) };
        let order = self.place(reader, request).await??;
        self.capture(&order).await?;
        self.in_state(OrderState::Confirmed, reader, &order).await
    }

    /// As [`Self::confirmed_of`], and it has arrived.
    pub(crate) async fn delivered_of(&self, reader: &Reader, shops: &[ShopId]) -> Result<Order> {
        let order = self.confirmed_of(reader, shops).await?;
        let staff = self.staff(&[Permission::ORDERS_MANAGE])?;
        for &shop in shops {
            for told in [sent(&order, Some(shop)), arrived(&order, Some(shop))] {
                self.tell(&staff, told).await??;
            }
        }
        self.get(reader, &order.order_id).await?.map_err(Into::into)
    }

    pub(crate) async fn tell(
        &self,
        who: &Reader,
        request: UpdateOrderStatusRequest,
    ) -> Result<Answer<Shipment>> {
        let answer = self.client.clone().update_order_status(as_user(&who.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    pub(crate) async fn send_back(
        &self,
        who: &Reader,
        request: RequestReturnRequest,
    ) -> Result<Answer<Return>> {
        let answer = self.client.clone().request_return(as_user(&who.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    pub(crate) async fn resolve(
        &self,
        who: &Reader,
        request: ResolveReturnRequest,
    ) -> Result<Answer<Return>> {
        let answer = self.client.clone().resolve_return(as_user(&who.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }
}

pub(crate) fn fresh_id() -> String {
    EventId::new().to_string()
}

/// Tells that a shop has sent its part.
pub(crate) fn sent(order: &Order, shop: Option<ShopId>) -> UpdateOrderStatusRequest {
    UpdateOrderStatusRequest {
        request_id: fresh_id(),
        order_id: order.order_id.clone(),
        shop_id: shop.map(|shop| shop.to_string()).unwrap_or_default(),
        state: ShipmentState::Shipped.into(),
        tracking_number: "RM 123".to_owned(),
        carrier: "Royal Mail".to_owned(),
        note: "left at noon".to_owned(),
    }
}

/// Tells that a shop's part has arrived.
pub(crate) fn arrived(order: &Order, shop: Option<ShopId>) -> UpdateOrderStatusRequest {
    UpdateOrderStatusRequest {
        state: ShipmentState::Delivered.into(),
        tracking_number: String::new(),
        carrier: String::new(),
        ..sent(order, shop)
    }
}
