//! States and reasons as the contract names them.

use proto::{order::v1 as pb, payment::v1 as payment};

use crate::domain::{
    Actor, CancelReason, FailureReason, PaymentMethod, PaymentState, ReturnState, ShipmentState, State,
    StockState,
};

pub(crate) const fn payment_method(method: PaymentMethod) -> pb::PaymentMethod {
    match method {
        PaymentMethod::Wallet => pb::PaymentMethod::Wallet,
        PaymentMethod::Card(_) => pb::PaymentMethod::Card,
    }
}

pub(crate) const fn cancel_reason(reason: Option<CancelReason>) -> pb::CancelReason {
    match reason {
        None => pb::CancelReason::Unspecified,
        Some(CancelReason::CustomerRequest) => pb::CancelReason::CustomerRequest,
        Some(CancelReason::InsufficientFunds) => pb::CancelReason::InsufficientFunds,
        Some(CancelReason::PaymentDeclined) => pb::CancelReason::PaymentDeclined,
        Some(CancelReason::PaymentTimeout) => pb::CancelReason::PaymentTimeout,
        Some(CancelReason::StockLost) => pb::CancelReason::StockLost,
        Some(CancelReason::Staff) => pb::CancelReason::Staff,
    }
}

pub(super) const fn failure_reason(reason: Option<FailureReason>) -> payment::FailureReason {
    match reason {
        None | Some(FailureReason::Other) => payment::FailureReason::Unspecified,
        Some(FailureReason::InsufficientFunds) => payment::FailureReason::InsufficientFunds,
        Some(FailureReason::WalletClosed) => payment::FailureReason::WalletClosed,
        Some(FailureReason::CardDeclined) => payment::FailureReason::CardDeclined,
        Some(FailureReason::CardExpired) => payment::FailureReason::CardExpired,
        Some(FailureReason::IncorrectCvc) => payment::FailureReason::IncorrectCvc,
        Some(FailureReason::CardLostOrStolen) => payment::FailureReason::CardLostOrStolen,
        Some(FailureReason::SuspectedFraud) => payment::FailureReason::SuspectedFraud,
        Some(FailureReason::ProcessingError) => payment::FailureReason::ProcessingError,
        Some(FailureReason::CardUnknown) => payment::FailureReason::CardUnknown,
        Some(FailureReason::OrderCancelled) => payment::FailureReason::OrderCancelled,
    }
}

pub(super) const fn state(state: State) -> pb::OrderState {
    match state {
        State::Pending => pb::OrderState::Pending,
        State::Confirmed => pb::OrderState::Confirmed,
        State::Cancelled => pb::OrderState::Cancelled,
        State::PartiallyShipped => pb::OrderState::PartiallyShipped,
        State::Shipped => pb::OrderState::Shipped,
        State::Delivered => pb::OrderState::Delivered,
        State::ReturnRequested => pb::OrderState::ReturnRequested,
        State::Returned => pb::OrderState::Returned,
    }
}

pub(super) const fn payment_state(state: PaymentState) -> pb::PaymentState {
    match state {
        PaymentState::Pending => pb::PaymentState::Pending,
        PaymentState::Captured => pb::PaymentState::Captured,
        PaymentState::Failed => pb::PaymentState::Failed,
        PaymentState::Refunded => pb::PaymentState::Refunded,
    }
}

pub(super) const fn stock_state(state: StockState) -> pb::StockState {
    match state {
        StockState::Reserved => pb::StockState::Reserved,
        StockState::Committed => pb::StockState::Committed,
        StockState::Released => pb::StockState::Released,
    }
}

pub(super) const fn shipment_state(state: ShipmentState) -> pb::ShipmentState {
    match state {
        ShipmentState::Ready => pb::ShipmentState::Ready,
        ShipmentState::Shipped => pb::ShipmentState::Shipped,
        ShipmentState::Delivered => pb::ShipmentState::Delivered,
        ShipmentState::Cancelled => pb::ShipmentState::Cancelled,
    }
}

pub(super) const fn actor(actor: Actor) -> pb::Actor {
    match actor {
        Actor::Customer => pb::Actor::Customer,
        Actor::System => pb::Actor::System,
        Actor::Shop => pb::Actor::Shop,
        Actor::Staff => pb::Actor::Staff,
    }
}

/// What a filter asks for; nothing for any.
pub(in crate::rpc) const fn state_filter(state: pb::OrderState) -> Option<State> {
    match state {
        pb::OrderState::Unspecified => None,
        pb::OrderState::Pending => Some(State::Pending),
        pb::OrderState::Confirmed => Some(State::Confirmed),
        pb::OrderState::Cancelled => Some(State::Cancelled),
        pb::OrderState::PartiallyShipped => Some(State::PartiallyShipped),
        pb::OrderState::Shipped => Some(State::Shipped),
        pb::OrderState::Delivered => Some(State::Delivered),
        pb::OrderState::ReturnRequested => Some(State::ReturnRequested),
        pb::OrderState::Returned => Some(State::Returned),
    }
}

/// What a filter asks for; nothing for any.
pub(in crate::rpc) const fn payment_filter(state: pb::PaymentState) -> Option<PaymentState> {
    match state {
        pb::PaymentState::Unspecified => None,
        pb::PaymentState::Pending => Some(PaymentState::Pending),
        pb::PaymentState::Captured => Some(PaymentState::Captured),
        pb::PaymentState::Failed => Some(PaymentState::Failed),
        pb::PaymentState::Refunded => Some(PaymentState::Refunded),
    }
}

/// What a filter asks for; nothing for any.
pub(in crate::rpc) const fn stock_filter(state: pb::StockState) -> Option<StockState> {
    match state {
        pb::StockState::Unspecified => None,
        pb::StockState::Reserved => Some(StockState::Reserved),
        pb::StockState::Committed => Some(StockState::Committed),
        pb::StockState::Released => Some(StockState::Released),
    }
}

/// What a filter asks for; nothing for any.
pub(in crate::rpc) const fn shipment_filter(state: pb::ShipmentState) -> Option<ShipmentState> {
    match state {
        pb::ShipmentState::Unspecified => None,
        pb::ShipmentState::Ready => Some(ShipmentState::Ready),
        pb::ShipmentState::Shipped => Some(ShipmentState::Shipped),
        pb::ShipmentState::Delivered => Some(ShipmentState::Delivered),
        pb::ShipmentState::Cancelled => Some(ShipmentState::Cancelled),
    }
}

/// What a filter asks for; nothing for any.
pub(in crate::rpc) const fn reason_filter(state: pb::CancelReason) -> Option<CancelReason> {
    match state {
        pb::CancelReason::Unspecified => None,
        pb::CancelReason::CustomerRequest => Some(CancelReason::CustomerRequest),
        pb::CancelReason::InsufficientFunds => Some(CancelReason::InsufficientFunds),
        pb::CancelReason::PaymentDeclined => Some(CancelReason::PaymentDeclined),
        pb::CancelReason::PaymentTimeout => Some(CancelReason::PaymentTimeout),
        pb::CancelReason::StockLost => Some(CancelReason::StockLost),
        pb::CancelReason::Staff => Some(CancelReason::Staff),
    }
}

pub(super) const fn return_state(state: ReturnState) -> pb::ReturnState {
    match state {
        ReturnState::Requested => pb::ReturnState::Requested,
        ReturnState::Accepted => pb::ReturnState::Accepted,
        ReturnState::Rejected => pb::ReturnState::Rejected,
    }
}

/// What a filter asks for; nothing for any.
pub(in crate::rpc) const fn return_filter(state: pb::ReturnState) -> Option<ReturnState> {
    match state {
        pb::ReturnState::Unspecified => None,
        pb::ReturnState::Requested => Some(ReturnState::Requested),
        pb::ReturnState::Accepted => Some(ReturnState::Accepted),
        pb::ReturnState::Rejected => Some(ReturnState::Rejected),
    }
}
