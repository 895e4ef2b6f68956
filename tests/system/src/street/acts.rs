use anyhow::{Context, Result};
use futures::future::try_join_all;
use proto::{
    inventory::v1::{AdjustStockRequest, UpdateBookRequest, adjust_stock_request::Change},
    order::v1::{
        CancelOrderRequest, GetOrderRequest, Order, OrderItem, PaymentMethod, PlaceOrderRequest,
        RequestReturnRequest, ResolveReturnRequest, Return, Shipment, ShipmentState,
        UpdateOrderStatusRequest,
    },
    payment::v1::{RefundPaymentRequest, TopUpRequest, WithdrawRequest},
};
use tonic::Status;

use super::{Street, refusal};
use crate::{
    Customer, euros,
    model::{Action, By, CUSTOMERS, Fault, OFFERS, Pay, Refusal},
    new_request_id,
};

/// What came of a call, judged: a word on it, or the fault.
type Judged = Result<Result<String, Fault>>;

/// What the model is told of an answer.
type Told<T> = Result<T, Refusal>;

impl Street {
    /// Does it, and says what the model thinks of the answer.
    pub(super) async fn done(&mut self, action: Action) -> Judged {
        match action {
            Action::TopUp { customer, card, amount } => self.top_up(customer, card, amount).await,
            Action::Withdraw { customer, amount } => self.withdraw(customer, amount).await,
            Action::Balance { customer } => {
                let balance = self.balance(customer).await?;
                Ok(self.model.balance_seen(customer, balance).map(|()| balance.to_string()))
            }
            Action::Place { attempt, customer, lines, pay } => {
                let request = self.request(customer, &lines, pay);
                self.sent.insert(attempt, request.clone());
                self.place(attempt, customer, &lines, pay, request).await
            }
            Action::Rush { attempts, offer, quantity } => self.rush(&attempts, offer, quantity).await,
            Action::PlaceAgain { attempt } => self.place_again(attempt).await,
            Action::PlaceOtherwise { attempt } => self.place_otherwise(attempt).await,
            Action::Cancel { attempt, by } => self.cancel(attempt, by).await,
            Action::Look { attempt, by } => self.look(attempt, by).await,
            Action::Ship { attempt, shop, by } => {
                let Some(answer) = self.move_parcel(attempt, shop, by, ShipmentState::Shipped).await? else {
                    return Ok(Ok(nothing()));
                };
                let judged = self.model.shipped(attempt, shop, by, answer.as_ref());
                Ok(judged.map(|()| word(&answer, |shipment| format!("{:?}", shipment.state()))))
            }
            Action::Deliver { attempt, shop, by } => {
                let answer = self.move_parcel(attempt, shop, by, ShipmentState::Delivered).await?;
                let Some(answer) = answer else { return Ok(Ok(nothing())) };
                let judged = self.model.delivered(attempt, shop, by, answer.as_ref());
                Ok(judged.map(|()| word(&answer, |shipment| format!("{:?}", shipment.state()))))
            }
            Action::AskBack { request, attempt, shop, lines } => {
                self.ask_back(request, attempt, shop, &lines).await
            }
            Action::Resolve { request, shop, accept, restock, by } => {
                self.resolve(request, shop, (accept, restock), by).await
            }
            Action::Refund { attempt, amount } => self.refund(attempt, amount).await,
            Action::Adjust { offer, room, delta } => self.adjust(offer, room, delta).await,
            Action::Count { offer } => {
                let counted = self.shelf(offer).await?;
                Ok(self.model.shelf_seen(offer, counted).map(|()| format!("{counted:?}")))
            }
            Action::Price { offer, price } => self.ask_price(offer, price).await,
            Action::Rest => Ok(Ok(nothing())),
        }
    }

    async fn top_up(&mut self, customer: usize, card: usize, amount: i64) -> Judged {
        let request = TopUpRequest {
            request_id: new_request_id(),
            amount: Some(euros(amount)),
            card_id: self.cards[customer][card].clone(),
        };
        let call = async |request| self.clients.payment().top_up(request).await;
        let answer = told(self.customers[customer].ask(request, call).await?);
        let judged = self.model.topped_up(customer, card, amount, unit(&answer));
        Ok(judged.map(|()| word(&answer, |_| "done".to_owned())))
    }

    async fn withdraw(&mut self, customer: usize, amount: i64) -> Judged {
        let request = WithdrawRequest {
            request_id: new_request_id(),
            amount: Some(euros(amount)),
            card_id: self.cards[customer][0].clone(),
        };
        let call = async |request| self.clients.payment().withdraw(request).await;
        let answer = told(self.customers[customer].ask(request, call).await?);
        let judged = self.model.withdrew(customer, amount, unit(&answer));
        Ok(judged.map(|()| word(&answer, |_| "done".to_owned())))
    }

    fn request(&self, customer: usize, lines: &[(usize, i64)], pay: Pay) -> PlaceOrderRequest {
        let (method, card_id) = match pay {
            Pay::Wallet => (PaymentMethod::Wallet, String::new()),
            Pay::Card(card) => (PaymentMethod::Card, self.cards[customer][card].clone()),
            Pay::AnothersCard => (PaymentMethod::Card, self.cards[(customer + 1) % CUSTOMERS][0].clone()),
        };
        PlaceOrderRequest {
            request_id: new_request_id(),
            items: self.items(lines),
            address_id: self.customers[customer].address_id.clone(),
            payment_method: method.into(),
            card_id,
        }
    }

    fn items(&self, lines: &[(usize, i64)]) -> Vec<OrderItem> {
        let item = |(offer, copies): &(usize, i64)| OrderItem {
            offer_id: self.books[*offer].offer_id.clone(),
            quantity: i32::try_from(*copies).unwrap_or(i32::MAX),
        };
        lines.iter().map(item).collect()
    }

    async fn send(&self, customer: usize, request: PlaceOrderRequest) -> Result<Told<Order>> {
        let call = async |request| self.clients.order().place_order(request).await;
        Ok(told(self.customers[customer].ask(request, call).await?))
    }

    async fn place(
        &mut self,
        attempt: usize,
        customer: usize,
        lines: &[(usize, i64)],
        pay: Pay,
        request: PlaceOrderRequest,
    ) -> Judged {
        let began = self.now();
        let answer = self.send(customer, request).await?;
        let judged = self.model.placed(attempt, customer, lines, pay, began, answer.as_ref());
        Ok(judged.map(|()| word(&answer, state)))
    }

    async fn rush(&mut self, attempts: &[(usize, usize)], offer: usize, copies: i64) -> Judged {
        let began = self.now();
        let mut requests = Vec::new();
        for (attempt, customer) in attempts {
            let request = self.request(*customer, &[(offer, copies)], Pay::Wallet);
            self.sent.insert(*attempt, request.clone());
            requests.push((*attempt, *customer, request));
        }
        let street = &*self;
        let sent = requests.into_iter().map(async |(attempt, customer, request)| {
            anyhow::Ok((attempt, customer, street.send(customer, request).await?))
        });
        let answers = try_join_all(sent).await?;
        let words: Vec<String> = answers.iter().map(|(_, _, answer)| word(answer, state)).collect();
        Ok(self.model.rushed(offer, copies, began, &answers).map(|()| words.join(", ")))
    }

    async fn place_again(&mut self, attempt: usize) -> Judged {
        let Some((customer, _)) = self.known(attempt) else { return Ok(Ok(nothing())) };
        let request = self.sent.get(&attempt).context("an order that was never sent")?.clone();
        let answer = self.send(customer, request).await?;
        let judged = self.model.placed_again(attempt, self.now(), answer.as_ref());
        Ok(judged.map(|()| word(&answer, state)))
    }

    async fn place_otherwise(&mut self, attempt: usize) -> Judged {
        let Some((customer, _)) = self.known(attempt) else { return Ok(Ok(nothing())) };
        let mut request = self.sent.get(&attempt).context("an order that was never sent")?.clone();
        for item in &mut request.items {
            item.quantity += 1;
        }
        let answer = self.send(customer, request).await?;
        Ok(self.model.placed_otherwise(answer.as_ref()).map(|()| word(&answer, state)))
    }

    async fn cancel(&mut self, attempt: usize, by: By) -> Judged {
        let Some((customer, order_id)) = self.known(attempt) else { return Ok(Ok(nothing())) };
        let request = CancelOrderRequest { request_id: new_request_id(), order_id, note: String::new() };
        let call = async |request| self.clients.order().cancel_order(request).await;
        let answer = told(self.reader(customer, by).ask(request, call).await?);
        let judged = self.model.cancelled(attempt, by, self.now(), answer.as_ref());
        Ok(judged.map(|()| word(&answer, state)))
    }

    async fn look(&mut self, attempt: usize, by: By) -> Judged {
        let Some((customer, order_id)) = self.known(attempt) else { return Ok(Ok(nothing())) };
        let call = async |request| self.clients.order().get_order(request).await;
        let answer = told(self.reader(customer, by).ask(GetOrderRequest { order_id }, call).await?);
        let judged = self.model.looked(attempt, by, self.now(), answer.as_ref());
        Ok(judged.map(|()| word(&answer, state)))
    }

    async fn move_parcel(
        &self,
        attempt: usize,
        shop: usize,
        by: By,
        to: ShipmentState,
    ) -> Result<Option<Told<Shipment>>> {
        let Some((_, order_id)) = self.known(attempt) else { return Ok(None) };
        let tracking = if to == ShipmentState::Shipped { format!("track-{attempt}") } else { String::new() };
        let request = UpdateOrderStatusRequest {
            request_id: new_request_id(),
            order_id,
            shop_id: self.sellers[shop].shop_id.clone(),
            state: to.into(),
            tracking_number: tracking,
            ..Default::default()
        };
        let call = async |request| self.clients.order().update_order_status(request).await;
        Ok(Some(told(self.worker(shop, by).ask(request, call).await?)))
    }

    async fn ask_back(
        &mut self,
        request: usize,
        attempt: usize,
        shop: usize,
        lines: &[(usize, i64)],
    ) -> Judged {
        let Some((customer, order_id)) = self.known(attempt) else { return Ok(Ok(nothing())) };
        let message = RequestReturnRequest {
            request_id: new_request_id(),
            order_id,
            shop_id: self.sellers[shop].shop_id.clone(),
            items: self.items(lines),
            reason: String::new(),
        };
        let call = async |request| self.clients.order().request_return(request).await;
        let answer = told(self.customers[customer].ask(message, call).await?);
        let judged = self.model.asked_back(request, attempt, lines, answer.as_ref());
        Ok(judged.map(|()| word(&answer, return_state)))
    }

    async fn resolve(
        &mut self,
        request: usize,
        shop: usize,
        (accept, restock): (bool, bool),
        by: By,
    ) -> Judged {
        let Some(return_id) = self.model.return_id(request).map(str::to_owned) else {
            return Ok(Ok(nothing()));
        };
        let message = ResolveReturnRequest {
            request_id: new_request_id(),
            return_id,
            accept,
            restock,
            answer: String::new(),
        };
        let call = async |request| self.clients.order().resolve_return(request).await;
        let answer = told(self.worker(shop, by).ask(message, call).await?);
        let judged = self.model.resolved(request, (accept, restock), by, answer.as_ref());
        Ok(judged.map(|()| word(&answer, return_state)))
    }

    async fn refund(&mut self, attempt: usize, amount: i64) -> Judged {
        let Some((customer, order_id)) = self.known(attempt) else { return Ok(Ok(nothing())) };
        let payment = self.payment(customer, &order_id).await?;
        // It may not have heard of the order yet.
        let Some(payment) = payment else { return Ok(Ok(nothing())) };
        let message = RefundPaymentRequest {
            request_id: new_request_id(),
            payment_id: payment.payment_id,
            amount: Some(euros(amount)),
            note: String::new(),
        };
        let call = async |request| self.clients.payment().refund_payment(request).await;
        let answer = told(self.admin.ask(message, call).await?);
        let judged = self.model.refunded(attempt, amount, unit(&answer));
        Ok(judged.map(|()| word(&answer, |_| "done".to_owned())))
    }

    async fn adjust(&mut self, offer: usize, room: usize, delta: i64) -> Judged {
        let seller = &self.sellers[OFFERS[offer].0];
        let request = AdjustStockRequest {
            request_id: new_request_id(),
            offer_id: self.books[offer].offer_id.clone(),
            location_id: seller.rooms[room].clone(),
            reason: "counted".to_owned(),
            change: Some(Change::Delta(i32::try_from(delta)?)),
        };
        let call = async |request| self.clients.inventory().adjust_stock(request).await;
        let answer = told(seller.owner().ask(request, call).await?);
        let answer = answer.map(|level| (level.on_hand, level.reserved));
        let judged = self.model.adjusted(offer, delta, answer.as_ref().map(|level| *level));
        Ok(judged.map(|()| word(&answer, |level| format!("{level:?}"))))
    }

    async fn ask_price(&mut self, offer: usize, price: i64) -> Judged {
        let request = UpdateBookRequest {
            offer_id: self.books[offer].offer_id.clone(),
            price: Some(euros(price)),
            update_mask: Some(prost_types::FieldMask { paths: vec!["price".to_owned()] }),
            ..Default::default()
        };
        let call = async |request| self.clients.inventory().update_book(request).await;
        let owner: &Customer = self.sellers[OFFERS[offer].0].owner();
        Ok(match owner.ask(request, call).await? {
            Ok(_) => {
                self.model.priced(offer, price);
                Ok("done".to_owned())
            }
            Err(status) => Err(Fault(format!("UpdateBook: {status}"))),
        })
    }

    /// The customer and the id of an order, if the attempt made one.
    fn known(&self, attempt: usize) -> Option<(usize, String)> {
        let id = self.model.order_id(attempt)?.to_owned();
        let (_, customer, _) = self.model.orders().find(|(of, ..)| *of == attempt)?;
        Some((customer, id))
    }
}

fn told<T>(answer: Result<T, Status>) -> Told<T> {
    answer.map_err(|status| refusal(&status))
}

fn unit<T>(answer: &Told<T>) -> Result<(), &Refusal> {
    answer.as_ref().map(|_| ())
}

fn word<T>(answer: &Told<T>, write: impl Fn(&T) -> String) -> String {
    match answer {
        Ok(answer) => write(answer),
        Err(refusal) => format!("{:?} {}", refusal.code, refusal.reason),
    }
}

fn state(order: &Order) -> String {
    format!("{:?} {:?}", order.state(), order.payment_state())
}

fn return_state(returned: &Return) -> String {
    format!("{:?}", returned.state())
}

fn nothing() -> String {
    "nothing to be done".to_owned()
}
