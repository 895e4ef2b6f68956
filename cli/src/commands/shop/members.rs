//! `shop members|add-member|remove-member`.

use clap::Args;
use proto::inventory::v1::{
    AddShopMemberRequest, ListShopMembersRequest, ListShopMembersResponse, RemoveShopMemberRequest,
    ShopMember, ShopRole,
};
use serde_json::json;

use super::or_only;
use crate::{
    choice,
    commands::role,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    session::Session,
};

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop members")]
pub(crate) struct List {
    /// Which shop, shp_…; your only one if not given
    shop: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
#[command(
    after_long_help = "Who is to work with you finds their id with: bookstore whoami\n\nExample:\n  bookstore shop add-member usr_… --role staff"
)]
pub(crate) struct Add {
    /// Who: usr_…
    user: String,
    /// An owner may do all that you may; staff look after books, stock and parcels
    #[arg(long, default_value = "staff", value_parser = choice::parser("SHOP_ROLE_", ShopRole::as_str_name))]
    role: ShopRole,
    /// In which shop, shp_…; your only one if not given
    #[arg(long)]
    shop: Option<String>,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop remove-member usr_…")]
pub(crate) struct Remove {
    /// Who: usr_…
    user: String,
    /// From which shop, shp_…; your only one if not given
    #[arg(long)]
    shop: Option<String>,
}

impl List {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let shop_id = or_only(at, session, self.shop).await?;
        let inventory = at.inventory().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListShopMembersRequest {
                    page_size,
                    page_token: page_token.clone(),
                    shop_id: shop_id.clone(),
                };
                inventory.clone().list_shop_members(session.sign(request)).await
            });
            page.await.map(|page| (page.members, page.next_page_token))
        };
        let (members, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListShopMembersResponse { members, next_page_token };
        output.answer(&answer, |answer| {
            output::table(&["USER", "IS", "SINCE"], answer.members.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Add {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let wanted = AddShopMemberRequest {
            shop_id: or_only(at, session, self.shop).await?,
            user_id: user_id(at, session, self.user).await?,
            role: self.role.into(),
        };
        let inventory = at.inventory().await?;
        let member = session
            .change_again(async || inventory.clone().add_shop_member(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&member, |member| output::table(&["USER", "IS", "SINCE"], [row(member)]));
        Ok(())
    }
}

impl Remove {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let wanted = RemoveShopMemberRequest {
            shop_id: or_only(at, session, self.shop).await?,
            user_id: user_id(at, session, self.user).await?,
        };
        let inventory = at.inventory().await?;
        session
            .change_again(async || inventory.clone().remove_shop_member(session.sign(wanted.clone())).await)
            .await?;
        let told = format!("{} does not work there any more.", wanted.user_id);
        output.value(&json!({ "removed": wanted.user_id }), &told);
        Ok(())
    }
}

/// Those who may find others may name them by e-mail address, too.
async fn user_id(at: &Gateway, session: &Session<'_>, user: String) -> Result<String, Failure> {
    if user.contains('@') { Ok(role::find(at, session, user).await?.user_id) } else { Ok(user) }
}

fn row(member: &ShopMember) -> Vec<String> {
    vec![
        member.user_id.clone(),
        choice::word(member.role().as_str_name(), "SHOP_ROLE_"),
        output::time(member.create_time.as_ref()),
    ]
}
