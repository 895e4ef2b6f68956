//! Between the contract's messages and our values.

use proto::{inventory::v1 as pb, types::v1 as types};
use server::wire::{money, timestamp};
use values::{EditionId, LocationId, OfferId, ShopId, WorkId};

use crate::{
    domain::{Line, Reservation, State},
    store::{books::BookRow, shops::Shop},
};

impl From<Shop> for pb::Shop {
    fn from(Shop { shop, locations }: Shop) -> Self {
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
            etag: String::new(),
        }
    }
}

impl From<BookRow> for pb::Book {
    fn from(BookRow { edition, offers }: BookRow) -> Self {
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
            etag: String::new(),
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
