//! Many users' names and addresses in one statement.

use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use server::database::sql;
use values::{AddressId, UserId};

/// A user, and how to reach them. Personal data.
#[derive(FromQueryResult)]
pub(crate) struct Contact {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) display_name: String,
}

/// Whom an order goes to: the address is the one that was asked for or the default one. Personal data.
#[derive(FromQueryResult)]
pub(crate) struct Recipient {
    /// Which of the questions it answers, from 1.
    pub(crate) place: i64,
    pub(crate) display_name: String,
    #[sea_orm(nested)]
    pub(crate) address: Option<Address>,
}

/// See [`super::addresses::Model`].
#[derive(FromQueryResult)]
pub(crate) struct Address {
    pub(crate) id: Uuid,
    pub(crate) recipient: String,
    pub(crate) lines: Vec<String>,
    pub(crate) city: String,
    pub(crate) region: String,
    pub(crate) postal_code: String,
    pub(crate) country_code: String,
}

/// Those of the users who are there, in any order.
pub(crate) async fn contacts(db: &impl ConnectionTrait, users: &[UserId]) -> Result<Vec<Contact>, DbErr> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    let find = "SELECT id, email, display_name FROM users WHERE id = ANY($1)";
    Contact::find_by_statement(sql(find, [ids.into()])).all(db).await
}

/// The name of each of the users who are there, with the address of theirs that was asked for (`None`: the default one),
/// if it is there.
pub(crate) async fn recipients(
    db: &impl ConnectionTrait,
    queries: &[(UserId, Option<AddressId>)],
) -> Result<Vec<Recipient>, DbErr> {
    let users: Vec<Uuid> = queries.iter().map(|(user, _)| user.uuid()).collect();
    // An array can't hold nothing where uuids are: the nil one is nobody's.
    let addresses: Vec<Uuid> =
        queries.iter().map(|(_, id)| id.map_or(Uuid::nil(), AddressId::uuid)).collect();
    let find = "
        SELECT place, users.display_name, addresses.id, recipient, lines, city, region, postal_code,
               country_code
        FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS query (user_id, address_id, place)
        JOIN users ON users.id = query.user_id
        LEFT JOIN addresses ON addresses.user_id = users.id AND addresses.id = COALESCE(
            NULLIF(query.address_id, '00000000-0000-0000-0000-000000000000'),
            users.default_address_id,
            (SELECT id FROM addresses AS oldest WHERE oldest.user_id = users.id ORDER BY created_at, id LIMIT 1)
        )";
    Recipient::find_by_statement(sql(find, [users.into(), addresses.into()])).all(db).await
}
