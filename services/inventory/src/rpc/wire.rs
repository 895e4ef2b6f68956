//! Between the contract's messages and our values.

use proto::{inventory::v1 as pb, types::v1 as types};
use sea_orm::DbErr;
use server::wire::{money, timestamp};
use values::{EditionId, LocationId, OfferId, ShopId, UserId, WorkId};

use crate::{
    domain::{Line, Reservation, State},
    store::{
        books::BookRow,
        members::{Role, member},
        shops::Shop,
    },
};

impl From<Shop> for pb::Shop {
    fn from(shop: Shop) -> Self {
        let etag = shop.etag();
        let Shop { shop, locations } = shop;
        Self {
            shop_id: ShopId::from_uuid(shop.id).to_string(),
            name: shop.name,
            city: shop.city,
            locations: (locations.into_iter())
                .map(|location| pb::Location {
                    location_id: LocationId::from_uuid(location.id).to_string(),
                    name: location.name,
                })
                .collect(),
            create_time: Some(timestamp(shop.created_at)),
            etag,
        }
    }
}

/// A shop as everybody may see it: where its stock lies is for those who work there.
pub(super) fn public(shop: Shop) -> pb::Shop {
    pb::Shop { locations: Vec::new(), ..shop.into() }
}

impl From<Role> for pb::ShopRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Staff => Self::Staff,
        }
    }
}

impl TryFrom<member::Model> for pb::ShopMember {
    type Error = DbErr;

    fn try_from(member: member::Model) -> Result<Self, DbErr> {
        Ok(Self {
            shop_id: ShopId::from_uuid(member.shop_id).to_string(),
            user_id: UserId::from_uuid(member.user_id).to_string(),
            role: pb::ShopRole::from(member.role()?).into(),
            create_time: Some(timestamp(member.joined_at)),
        })
    }
}

impl From<BookRow> for pb::Book {
    fn from(BookRow { edition, offers }: BookRow) -> Self {
        let etag = edition.etag();
        Self {
            edition_id: EditionId::from_uuid(edition.id).to_string(),
            work_id: WorkId::from_uuid(edition.work_id).to_string(),
            title: edition.title,
            authors: edition.authors,
            isbn: edition.isbn.unwrap_or_default(),
            publisher: edition.publisher,
            published_year: edition.published_year,
            language_code: edition.language_code,
            description: edition.description,
            categories: edition.categories,
            offers: (offers.into_iter())
                .map(|offer| pb::Offer {
                    offer_id: OfferId::from_uuid(offer.id).to_string(),
                    shop_id: ShopId::from_uuid(offer.shop_id).to_string(),
                    shop_name: offer.shop_name,
                    price: Some(types::Money {
                        minor_units: offer.price_minor_units,
                        currency_code: offer.currency_code,
                    }),
                    available: offer.available,
                })
                .collect(),
            etag,
        }
    }
}

impl From<State> for pb::ReservationState {
    fn from(state: State) -> Self {
        match state {
            State::Held => Self::Held,
            State::Committed => Self::Committed,
            State::Released => Self::Released,
            State::Expired => Self::Expired,
            State::Restocked => Self::Restocked,
        }
    }
}

impl From<Reservation> for pb::Reservation {
    fn from(reservation: Reservation) -> Self {
        Self {
            reservation_id: reservation.id.to_string(),
            state: pb::ReservationState::from(reservation.state).into(),
            lines: reservation.lines.into_iter().map(pb::ReservedLine::from).collect(),
            expire_time: Some(timestamp(reservation.expires_at)),
        }
    }
}

impl From<Line> for pb::ReservedLine {
    fn from(line: Line) -> Self {
        Self {
            offer_id: line.offer.to_string(),
            edition_id: line.edition.to_string(),
            shop_id: line.shop.to_string(),
            title: line.title,
            quantity: line.quantity.into(),
            unit_price: Some(money(line.unit_price)),
        }
    }
}
