//! Page tokens: what a list gives out, and what comes back.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use values::{
    OrderId,
    page::{self, PageTokenError},
};

use crate::{Target, text};

/// As lists have them: a moment and an id, a name and an id, a rank.
#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Named {
    name: String,
    id: OrderId,
}

const SCOPES: [&str; 3] = ["ListOrders", "ListBooks category=poetry", ""];

pub(super) const TARGET: Target = Target {
    name: "page-tokens",
    about: "page tokens of lists",
    longest: 8192,
    run,
    examples: || {
        let id = OrderId::from_uuid(<_>::default());
        let named = Named { name: "Žluťoučký \"kůň\"".to_owned(), id };
        let mut tokens = vec![
            page::encode(SCOPES[0], &(17_i64, id)),
            page::encode(SCOPES[1], &named),
            page::encode(SCOPES[2], &(0.25_f64, -3_i64)),
        ];
        // Decoded, so that what is inside can be changed too.
        tokens
            .extend(["[17,\"ord_01h455vb4pex5vsknk084sn02q\"]", "{\"name\":\"\\u0000\"}"].map(str::to_owned));
        tokens.into_iter().map(String::into_bytes).collect()
    },
};

fn run(bytes: &[u8]) {
    let Some(text) = text::of(bytes) else { return };
    for scope in SCOPES {
        as_it_came::<(i64, OrderId)>(scope, text);
        as_it_came::<Named>(scope, text);
        as_it_came::<(f64, i64)>(scope, text);
        as_it_came::<Option<String>>(scope, text);
        wrapped::<(i64, OrderId)>(scope, text);
        wrapped::<Named>(scope, text);
        wrapped::<(f64, i64)>(scope, text);
    }
}

fn as_it_came<C: DeserializeOwned + Serialize + PartialEq>(scope: &str, token: &str) {
    if let Ok(Some(cursor)) = page::decode::<C>(scope, token) {
        let again = page::encode(scope, &cursor);
        assert!(page::decode::<C>(scope, &again) == Ok(Some(cursor)), "a cursor doesn't come back");
        for other in SCOPES.into_iter().filter(|other| *other != scope) {
            assert!(
                page::decode::<C>(other, token) == Err(PageTokenError::OtherScope),
                "taken for another list's"
            );
        }
    }
}

/// The bytes as the cursor within a token that is otherwise right: what somebody makes who knows how tokens are made.
fn wrapped<C: DeserializeOwned + Serialize + PartialEq>(scope: &str, cursor: &str) {
    let text = page::encode(scope, &Raw(cursor));
    as_it_came::<C>(scope, &text);
}

/// JSON that is whatever it is.
struct Raw<'a>(&'a str);

impl Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<serde_json::Value>(self.0) {
            Ok(json) => json.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}
