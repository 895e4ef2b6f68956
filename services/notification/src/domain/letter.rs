use super::news::{News, Reason};

/// What somebody reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// One line of ASCII.
    pub(crate) subject: String,
    /// Lines parted by LF.
    pub(crate) text: String,
}

/// Longer than any name or tracking number should be.
const LONGEST: usize = 200;

impl Letter {
    /// Writes to somebody called `name`, in the name of `sender`.
    pub(crate) fn write(news: &News, name: &str, sender: &str) -> Self {
        let (subject, message) = words(news);
        let (name, sender) = (in_line(name), in_line(sender));
        // Anybody may register anybody's address, and call them whatever they want them to read.
        let is_theirs = *news != News::Registered;
        let greeting =
            if name.is_empty() || !is_theirs { "Hello,".to_owned() } else { format!("Hello {name},") };
        Self { subject, text: format!("{greeting}\n\n{message}\n\n{sender}") }
    }
}

fn words(news: &News) -> (String, String) {
    match news {
        News::Registered => (
            "Welcome".to_owned(),
            "your account is open. Enjoy browsing, and tell us if anything is amiss.".to_owned(),
        ),
        News::Confirmed { order } => (
            format!("Your order {order} is confirmed"),
            format!(
                "we have your payment, and the books of your order {order} are set aside for you.\n\
                 We write again when they are on their way."
            ),
        ),
        News::Shipped { order, tracking_number, carrier } => {
            let (number, carrier) = (in_line(tracking_number), in_line(carrier));
            let by = if carrier.is_empty() { String::new() } else { format!(" with {carrier}") };
            (
                format!("A parcel of your order {order} is on its way"),
                format!(
                    "books of your order {order} are on their way to you{by}.\n\
                     The tracking number is {number}"
                ),
            )
        }
        News::Cancelled { order, reason } => {
            let because = reason.map(because).unwrap_or_default();
            (
                format!("Your order {order} is cancelled"),
                format!(
                    "your order {order} is cancelled{because}.\n\
                     If you have paid for it, you get your money back, and we write again when that is done."
                ),
            )
        }
        News::Refunded { order, amount, refunded } => {
            let altogether = match refunded {
                Some(all) if all != amount => format!("\nThat makes {all} altogether."),
                _ => String::new(),
            };
            (
                format!("A refund for your order {order}"),
                format!("we have given back {amount} for your order {order}.{altogether}"),
            )
        }
    }
}

const fn because(reason: Reason) -> &'static str {
    match reason {
        Reason::CustomerRequest => ", as you asked",
        Reason::InsufficientFunds => ": there was less money than the total in the wallet or on the card",
        Reason::PaymentDeclined => ": the payment was declined",
        Reason::PaymentTimeout => ": no payment arrived in time",
        Reason::StockLost => ": the books were sold out before the payment arrived",
        Reason::Staff => " by our staff",
    }
}

/// What others wrote, as a part of one line: it can neither begin a line of its own nor turn the line around.
fn in_line(text: &str) -> String {
    let is_foul = |character: char| {
        character.is_control()
            // Line and paragraph separators; what changes the direction of the text around it.
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let clean: String = text
        .chars()
        .take(LONGEST)
        .map(|character| if is_foul(character) { ' ' } else { character })
        .collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use values::OrderId;

    use super::*;

    const ORDER: &str = "ord_01h455vb4pex5vsknk084sn02q";

    fn order() -> OrderId {
        ORDER.parse().unwrap()
    }

    fn text(news: &News) -> String {
        Letter::write(news, "Adélaïde", "The Bookstore").text
    }

    #[test]
    fn a_letter_greets_tells_and_is_signed() {
        let letter = Letter::write(&News::Confirmed { order: order() }, "Adélaïde", "The Bookstore");
        assert_eq!(letter.subject, format!("Your order {ORDER} is confirmed"));
        assert_eq!(
            letter.text,
            format!(
                "Hello Adélaïde,\n\n\
                 we have your payment, and the books of your order {ORDER} are set aside for you.\n\
                 We write again when they are on their way.\n\n\
                 The Bookstore"
            )
        );
        assert!(
            Letter::write(&News::Registered, "Buy at evil.example", "").text.starts_with("Hello,\n\nyour")
        );
        assert!(Letter::write(&News::Confirmed { order: order() }, " ", "").text.starts_with("Hello,\n\nwe"));
    }

    #[test]
    fn it_says_what_happened() {
        let shipped = |carrier: &str| News::Shipped {
            order: order(),
            tracking_number: "1Z 999".to_owned(),
            carrier: carrier.to_owned(),
        };
        assert!(text(&shipped("")).contains("on their way to you.\nThe tracking number is 1Z 999\n"));
        assert!(text(&shipped("Post")).contains("on their way to you with Post.\n"));

        let refunded = |amount: &str, all: Option<&str>| News::Refunded {
            order: order(),
            amount: amount.parse().unwrap(),
            refunded: all.map(|all| all.parse().unwrap()),
        };
        let partly = text(&refunded("5.00 EUR", Some("7.50 EUR")));
        assert!(partly.contains(&format!("given back 5.00 EUR for your order {ORDER}.\n")), "{partly}");
        assert!(partly.contains("That makes 7.50 EUR altogether."), "{partly}");
        for whole in [refunded("500 JPY", Some("500 JPY")), refunded("500 JPY", None)] {
            assert!(!text(&whole).contains("altogether"));
        }
    }

    #[test]
    fn each_reason_of_a_cancellation_has_its_words() {
        let reasons = [
            None,
            Some(Reason::CustomerRequest),
            Some(Reason::InsufficientFunds),
            Some(Reason::PaymentDeclined),
            Some(Reason::PaymentTimeout),
            Some(Reason::StockLost),
            Some(Reason::Staff),
        ];
        let mut texts: Vec<_> =
            reasons.map(|reason| text(&News::Cancelled { order: order(), reason })).into();
        assert!(
            texts[0].contains("is cancelled.\n") && texts[3].contains("cancelled: the payment was declined.")
        );
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), reasons.len());
    }

    /// Of all characters, those that `any::<String>()` leaves out among them.
    fn anything() -> impl Strategy<Value = String> {
        prop::collection::vec(any::<char>(), 0..30).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn what_others_write_stays_in_its_line(
            name in anything(), sender in anything(), tracking_number in anything(),
            carrier in "[\u{0}-\u{9f}\u{2028}\u{2029}\u{202e}]{0,20}",
        ) {
            let news = News::Shipped { order: order(), tracking_number, carrier };
            let letter = Letter::write(&news, &name, &sender);
            let plain = Letter::write(&News::Shipped {
                order: order(), tracking_number: "1".to_owned(), carrier: String::new(),
            }, "", "");
            prop_assert_eq!(letter.text.split('\n').count(), plain.text.split('\n').count());
            prop_assert!(!letter.text.chars().any(|character| character.is_control() && character != '\n'));
            prop_assert!(letter.subject.is_ascii() && !letter.subject.contains(|c: char| c.is_control()));
        }
    }
}
