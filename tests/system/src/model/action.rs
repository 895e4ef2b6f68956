/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pay {
    /// From the customer's wallet.
    Wallet,
    /// By this one of the customer's cards.
    Card(usize),
    /// By the first card of the customer after this one.
    AnothersCard,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Whose it is: the customer who placed the order, or somebody who works in the shop.
    Rightful,
    /// Somebody who runs the whole.
    Admin,
    /// A customer, or the people of a shop, whom it is none of the business of.
    Stranger,
}

/// Something that somebody does. Customers, offers and shops are numbered; an order has the number of the attempt to
/// place it, a return that of the request for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Puts money into a wallet.
    TopUp {
        /// Whose.
        customer: usize,
        /// From which card.
        card: usize,
        /// Minor units.
        amount: i64,
    },
    /// Takes money out of a wallet.
    Withdraw {
        /// Whose.
        customer: usize,
        /// Minor units.
        amount: i64,
    },
    /// Looks into a wallet.
    Balance {
        /// Whose.
        customer: usize,
    },
    /// Places an order.
    Place {
        /// The number of the attempt.
        attempt: usize,
        /// Who.
        customer: usize,
        /// Offers and copies.
        lines: Vec<(usize, i64)>,
        /// How.
        pay: Pay,
    },
    /// Several customers order the same at the same moment.
    Rush {
        /// The numbers of the attempts and who makes them.
        attempts: Vec<(usize, usize)>,
        /// What.
        offer: usize,
        /// Copies for each.
        quantity: i64,
    },
    /// Sends an order again that was sent before: the same `request_id` and body.
    PlaceAgain {
        /// Which.
        attempt: usize,
    },
    /// Sends another order under a `request_id` that was used.
    PlaceOtherwise {
        /// Whose.
        attempt: usize,
    },
    /// Cancels an order.
    Cancel {
        /// Which.
        attempt: usize,
        /// Who.
        by: By,
    },
    /// Reads an order.
    Look {
        /// Which.
        attempt: usize,
        /// Who.
        by: By,
    },
    /// Tells that a shop's parcel is on its way.
    Ship {
        /// Of which order.
        attempt: usize,
        /// Whose part.
        shop: usize,
        /// Who.
        by: By,
    },
    /// Tells that a shop's parcel has arrived.
    Deliver {
        /// Of which order.
        attempt: usize,
        /// Whose part.
        shop: usize,
        /// Who.
        by: By,
    },
    /// Asks to return books.
    AskBack {
        /// The number of the request.
        request: usize,
        /// Of which order.
        attempt: usize,
        /// To which shop.
        shop: usize,
        /// Offers and copies.
        lines: Vec<(usize, i64)>,
    },
    /// Says yes or no to a return.
    Resolve {
        /// Which.
        request: usize,
        /// The shop that was asked.
        shop: usize,
        /// Yes or no.
        accept: bool,
        /// Whether the books go back on the shelf.
        restock: bool,
        /// Who.
        by: By,
    },
    /// Gives money back for an order.
    Refund {
        /// Which.
        attempt: usize,
        /// Minor units.
        amount: i64,
    },
    /// Counts copies in or out.
    Adjust {
        /// Of which offer.
        offer: usize,
        /// In which of the shop's rooms.
        room: usize,
        /// How many.
        delta: i64,
    },
    /// Looks at a shelf.
    Count {
        /// Of which offer.
        offer: usize,
    },
    /// Asks another price.
    Price {
        /// For which offer.
        offer: usize,
        /// Minor units.
        price: i64,
    },
    /// Waits until all is quiet, and compares everything.
    Rest,
}
