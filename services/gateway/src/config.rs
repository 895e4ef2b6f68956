//! What the gateway is told from outside.

use std::{net::IpAddr, ops::RangeInclusive, str::FromStr, time::Duration};

use clap::Parser;
use http::{HeaderValue, Uri};
use ipnet::IpNet;
use mesh::Target;
use server::config::{Base, duration_in};

use crate::limit::Limits;

const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(1);

/// What the gateway is told from outside.
#[derive(Clone, Debug, Parser)]
#[command(name = "gateway", version, about = "The one door: calls of clients, passed on to the services")]
pub struct Config {
    /// What every process is told.
    #[command(flatten)]
    pub base: Base,
    /// Where identity answers.
    #[arg(
        long,
        env = "BOOKSTORE_IDENTITY_TARGET",
        help = "where identity answers: `dns:///identity:50051`",
        default_value = "ipv4:127.0.0.1:50051"
    )]
    pub identity_target: Target,
    /// Where inventory answers.
    #[arg(
        long,
        env = "BOOKSTORE_INVENTORY_TARGET",
        help = "where inventory answers: `dns:///inventory:50052`",
        default_value = "ipv4:127.0.0.1:50052"
    )]
    pub inventory_target: Target,
    /// Where order answers.
    #[arg(
        long,
        env = "BOOKSTORE_ORDER_TARGET",
        help = "where order answers: `dns:///order:50053`",
        default_value = "ipv4:127.0.0.1:50053"
    )]
    pub order_target: Target,
    /// Where payment answers.
    #[arg(
        long,
        env = "BOOKSTORE_PAYMENT_TARGET",
        help = "where payment answers: `dns:///payment:50054`",
        default_value = "ipv4:127.0.0.1:50054"
    )]
    pub payment_target: Target,
    /// Where notification answers.
    #[arg(
        long,
        env = "BOOKSTORE_NOTIFICATION_TARGET",
        help = "where notification answers: `dns:///notification:50055`",
        default_value = "ipv4:127.0.0.1:50055"
    )]
    pub notification_target: Target,
    /// What one caller may ask for.
    #[command(flatten)]
    pub limits: Limits,
    /// Whom to believe about where calls come from.
    #[arg(
        long,
        env = "BOOKSTORE_TRUSTED_PROXIES",
        help = "the networks of the proxies whose `x-forwarded-for` is believed: `10.0.0.0/8,fd00::/8`; nobody's if empty",
        default_value = ""
    )]
    pub trusted_proxies: Networks,
    /// Whose pages may call from a browser.
    #[arg(
        long,
        env = "BOOKSTORE_CORS_ORIGINS",
        help = "the origins whose pages may call with gRPC-Web: `https://shop.example`; `*` for any; none if empty",
        default_value = ""
    )]
    pub cors_origins: Origins,
    /// Whether the access log names addresses, which are personal data.
    #[arg(
        long,
        env = "BOOKSTORE_LOG_ADDRESSES",
        help = "whether the access log names the address of each client, which is personal data",
        default_value_t = false,
        default_missing_value = "true",
        num_args = 0..=1,
        action = clap::ArgAction::Set
    )]
    pub log_addresses: bool,
    /// How many traces clients may have recorded.
    #[arg(
        long,
        env = "BOOKSTORE_ASKED_TRACES_PER_SECOND",
        help = "how many traces a second are recorded because clients ask for it; they need an OTLP endpoint",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000)
    )]
    pub asked_traces_per_second: u32,
    /// The largest message that is passed on, in either direction, in bytes.
    #[arg(
        long,
        env = "BOOKSTORE_MAX_MESSAGE",
        help = "how many bytes a message may have to be passed on, in either direction",
        default_value_t = Config::MAX_MESSAGE,
        value_parser = clap::value_parser!(u32).range(1024..=1 << 30)
    )]
    pub max_message: u32,
    /// How long a unary call may take if its client doesn't say.
    #[arg(
        long,
        env = "BOOKSTORE_DEFAULT_DEADLINE",
        help = "how long a call may take whose client does not say: `20s`; streams may last",
        default_value = "20s",
        value_parser = duration_in(DEADLINES)
    )]
    pub default_deadline: Duration,
}

impl Config {
    /// What gRPC's clients take, too.
    const MAX_MESSAGE: u32 = 4 << 20;
}

impl AsRef<Base> for Config {
    fn as_ref(&self) -> &Base {
        &self.base
    }
}

/// A list of networks, which may be empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks(pub Vec<IpNet>);

impl FromStr for Networks {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let network = |text: &str| {
            let address = || Some(IpNet::from(text.parse::<IpAddr>().ok()?));
            let network = text.parse().ok().or_else(address);
            network.ok_or_else(|| format!("{text:?} is no network like `10.0.0.0/8`"))
        };
        list.split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(network)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Origins of web pages (RFC 6454).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Origins {
    /// Only pages that came from where the calls go.
    #[default]
    None,
    /// Every page.
    Any,
    /// Pages from here.
    These(Vec<HeaderValue>),
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        match list.trim() {
            "" => return Ok(Self::None),
            "*" => return Ok(Self::Any),
            _ => {}
        }
        list.split(',').map(str::trim).map(origin).collect::<Result<_, _>>().map(Self::These)
    }
}

/// As browsers write it: scheme, host, and the port unless it is the scheme's own.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = || format!("{text:?} is no origin like `https://shop.example`");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    if text.ends_with('/') || uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    HeaderValue::from_str(&text.to_ascii_lowercase()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Config::command().debug_assert();
    }

    #[test]
    fn networks_are_read() {
        let read: Networks = "10.0.0.0/8, 192.0.2.1,fd00::/8".parse().unwrap();
        assert_eq!(
            read.0.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]
        );
        assert_eq!("".parse::<Networks>(), Ok(Networks::default()));
        assert!("10.0.0.0/33".parse::<Networks>().unwrap_err().contains("10.0.0.0/33"));
    }

    #[test]
    fn origins_are_read() {
        assert_eq!("".parse(), Ok(Origins::None));
        assert_eq!("*".parse(), Ok(Origins::Any));
        let these = ["https://shop.example", "http://localhost:3000"].map(HeaderValue::from_static);
        assert_eq!("https://shop.example, http://localhost:3000".parse(), Ok(Origins::These(these.to_vec())));
        for wrong in
            ["shop.example", "https://shop.example/", "https://shop.example/app", "ftp://shop.example", "*,*"]
        {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
    }
}
