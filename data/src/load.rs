//! Loading: users first, then the shop, then many books at once.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use proto::{
    identity::v1::{
        AuthenticateUserRequest, CreateAddressRequest, CreateUserRequest, GrantRoleRequest,
        identity_service_client::IdentityServiceClient,
    },
    inventory::v1::{
        AddBookRequest, AddShopMemberRequest, RegisterShopRequest, ShopRole,
        inventory_service_client::InventoryServiceClient,
    },
    payment::v1::{AddCardRequest, TopUpRequest, payment_service_client::PaymentServiceClient},
    types::v1::Money,
};
use tonic::{Code, Request, metadata::AsciiMetadataValue, transport::Channel};

use crate::{
    catalogue::Book,
    people::{Credentials, Demo, User},
    progress::Progress,
    retry::patiently,
};

const IN_FLIGHT: usize = 32;
/// Who may open a shop.
const SHOP_OWNER: &str = "shop_owner";

/// The calls that loading makes.
pub(crate) struct Shop {
    identity: IdentityServiceClient<Channel>,
    inventory: InventoryServiceClient<Channel>,
    payment: PaymentServiceClient<Channel>,
}

/// Somebody's access token, as the metadata that carries it.
#[derive(Clone)]
struct Bearer(AsciiMetadataValue);

impl Bearer {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.0.clone());
        request
    }
}

impl Shop {
    pub(crate) fn new(gateway: Channel) -> Self {
        Self {
            identity: IdentityServiceClient::new(gateway.clone()),
            inventory: InventoryServiceClient::new(gateway.clone()),
            payment: PaymentServiceClient::new(gateway),
        }
    }

    pub(crate) async fn load(&self, demo: &Demo, admin: &Credentials, books: Vec<Book>) -> Result<()> {
        let progress = Progress::of(demo.users.len() + books.len());
        let mut owner = None;
        let mut staff = Vec::new();
        for user in &demo.users {
            progress.on(&user.email);
            let is_owner = user.email == demo.shop.owner;
            let (user_id, bearer) = self
                .set_up(user, &demo.currency, is_owner.then_some(admin))
                .await
                .with_context(|| format!("cannot set up {}", user.email))?;
            if is_owner {
                owner = Some(bearer);
            }
            if demo.shop.staff.contains(&user.email) {
                staff.push(user_id);
            }
            progress.step();
        }
        let owner = owner.context("the shop's owner is none of the demo users")?;
        let shop_id = self.open_shop(&owner, demo).await?;
        for user_id in staff {
            self.employ(&owner, &shop_id, user_id).await?;
        }
        progress.on("books");
        stream::iter(books)
            .map(|book| self.add_book(&owner, &shop_id, &demo.currency, book))
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(|()| {
                progress.step();
                std::future::ready(Ok(()))
            })
            .await?;
        progress.end();
        Ok(())
    }

    /// Registers a user, signs them in, and gives them what they have. Those who sell are made shop owners by the admin.
    async fn set_up(
        &self,
        user: &User,
        currency: &str,
        promoted_by: Option<&Credentials>,
    ) -> Result<(String, Bearer)> {
        let account = CreateUserRequest {
            request_id: "demo-user".to_owned(),
            email: user.email.clone(),
            password: user.password.clone(),
            display_name: user.name.clone(),
        };
        let known = patiently(async || self.identity.clone().create_user(account.clone()).await).await?;
        let known = known.into_inner();
        // Before they sign in: what a token allows is fixed when it is issued.
        if let Some(admin) = promoted_by
            && !known.roles.iter().any(|role| role == SHOP_OWNER)
        {
            let request = GrantRoleRequest { user_id: known.user_id.clone(), role: SHOP_OWNER.to_owned() };
            self.grant(admin, request).await?;
        }
        let bearer = self.sign_in(&user.email, &user.password).await?;
        self.store_address(&bearer, user).await?;
        if let Some(token) = &user.card {
            let card = AddCardRequest { request_id: "demo-card".to_owned(), token: token.clone() };
            patiently(async || self.payment.clone().add_card(bearer.request(card.clone())).await).await?;
        }
        if let Some(minor_units) = user.wallet {
            let top_up = TopUpRequest {
                request_id: "demo-top-up".to_owned(),
                amount: Some(Money { minor_units, currency_code: currency.to_owned() }),
                card_id: String::new(),
            };
            patiently(async || self.payment.clone().top_up(bearer.request(top_up.clone())).await).await?;
        }
        Ok((known.user_id, bearer))
    }

    async fn grant(&self, admin: &Credentials, request: GrantRoleRequest) -> Result<()> {
        let admin = self
            .sign_in(&admin.email, &admin.password)
            .await
            .context("cannot sign in as admin; --admin-email and --admin-password say who that is")?;
        patiently(async || self.identity.clone().grant_role(admin.request(request.clone())).await)
            .await
            .with_context(|| format!("cannot make the user a {SHOP_OWNER}"))?;
        Ok(())
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<Bearer> {
        let credentials = AuthenticateUserRequest { email: email.to_owned(), password: password.to_owned() };
        let session =
            patiently(async || self.identity.clone().authenticate_user(credentials.clone()).await).await?;
        Ok(Bearer(format!("Bearer {}", session.into_inner().access_token).parse()?))
    }

    async fn store_address(&self, bearer: &Bearer, user: &User) -> Result<()> {
        let Some(address) = &user.address else { return Ok(()) };
        let request = CreateAddressRequest {
            request_id: "demo-address".to_owned(),
            recipient: address.recipient.clone(),
            lines: address.lines.clone(),
            city: address.city.clone(),
            region: String::new(),
            postal_code: address.postal_code.clone(),
            country_code: address.country_code.clone(),
        };
        patiently(async || self.identity.clone().create_address(bearer.request(request.clone())).await)
            .await?;
        Ok(())
    }

    async fn open_shop(&self, owner: &Bearer, demo: &Demo) -> Result<String> {
        let request = RegisterShopRequest {
            request_id: "demo-shop".to_owned(),
            name: demo.shop.name.clone(),
            city: demo.shop.city.clone(),
        };
        let shop =
            patiently(async || self.inventory.clone().register_shop(owner.request(request.clone())).await)
                .await
                .context("cannot open the demo shop")?;
        Ok(shop.into_inner().shop_id)
    }

    /// Lets somebody work in the shop.
    async fn employ(&self, owner: &Bearer, shop_id: &str, user_id: String) -> Result<()> {
        let request =
            AddShopMemberRequest { shop_id: shop_id.to_owned(), user_id, role: ShopRole::Staff.into() };
        patiently(async || self.inventory.clone().add_shop_member(owner.request(request.clone())).await)
            .await
            .context("cannot let the demo staff work in the shop")?;
        Ok(())
    }

    async fn add_book(&self, owner: &Bearer, shop_id: &str, currency: &str, book: Book) -> Result<()> {
        let request = AddBookRequest {
            request_id: format!("demo-book-{}", book.isbn13),
            shop_id: shop_id.to_owned(),
            authors: book.authors(),
            categories: book.categories(),
            title: book.title,
            isbn: book.isbn13,
            publisher: book.publisher,
            published_year: book.year,
            language_code: book.language,
            description: book.description,
            price: Some(Money { minor_units: book.price, currency_code: currency.to_owned() }),
            initial_stock: book.stock,
        };
        let answer =
            patiently(async || self.inventory.clone().add_book(owner.request(request.clone())).await).await;
        match answer {
            // It was loaded from an earlier catalogue, or the shop's owner was faster: the shop's own facts stand.
            Err(status) if status.code() == Code::AlreadyExists => Ok(()),
            answer => answer.map(drop).with_context(|| format!("cannot add {}", request.isbn)),
        }
    }
}
