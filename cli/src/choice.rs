//! The words of the contract's enums, as people type and read them: `partially-shipped`.

use clap::{
    builder::{PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};

use crate::output;

/// Parses one of the words of an enum whose names begin with `prefix`.
pub(crate) fn parser<E>(
    prefix: &'static str,
    name: fn(&E) -> &'static str,
) -> impl TypedValueParser<Value = E>
where
    E: TryFrom<i32> + Clone + Send + Sync + 'static,
{
    // 0 is what is never sent; the others have no gaps. Their words live as long as the command line, which is
    // made once.
    let all: Vec<(&str, E)> = (1..)
        .map_while(|number| E::try_from(number).ok())
        .map(|value| (&*word(name(&value), prefix).replace(' ', "-").leak(), value))
        .collect();
    PossibleValuesParser::new(all.iter().map(|(word, _)| *word).collect::<Vec<_>>()).try_map(move |typed| {
        let found = all.iter().find(|(word, _)| *word == typed);
        found.map(|(_, value)| value.clone()).ok_or_else(|| clap::Error::new(ErrorKind::InvalidValue))
    })
}

/// `partially shipped` for `ORDER_STATE_PARTIALLY_SHIPPED`; empty for what is unspecified.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    output::word(name, prefix).to_lowercase().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};
    use proto::order::v1::OrderState;

    use super::*;

    fn parse(typed: &str) -> Result<OrderState, String> {
        let state = Arg::new("state").value_parser(parser("ORDER_STATE_", OrderState::as_str_name));
        let found = Command::new("test").arg(state).try_get_matches_from(["test", typed]);
        found
            .map(|mut found| found.remove_one::<OrderState>("state").unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_word_but_the_unspecified_can_be_typed() {
        assert_eq!(parse("pending"), Ok(OrderState::Pending));
        assert_eq!(parse("partially-shipped"), Ok(OrderState::PartiallyShipped));
        assert_eq!(parse("returned"), Ok(OrderState::Returned));
        let wrong = parse("unspecified").unwrap_err();
        assert!(wrong.contains("return-requested"), "{wrong}");
    }
}
