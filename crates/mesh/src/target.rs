//! Where a service is, in gRPC's own naming.

use std::{fmt, net::SocketAddr, str::FromStr};

/// One or more addresses of one service: `ipv4:127.0.0.1:50052,127.0.0.1:50062`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    addresses: Vec<SocketAddr>,
}

/// Why a target can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Another scheme, or none.
    #[error("a target looks like `ipv4:127.0.0.1:50051`, not {0:?}")]
    Scheme(String),
    /// Not an address with a port.
    #[error("{0:?} is not an IPv4 address with a port")]
    Address(String),
    /// Twice the same address.
    #[error("{0} is named twice")]
    Repeated(SocketAddr),
}

impl Target {
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let list = text.strip_prefix("ipv4:").ok_or_else(|| TargetError::Scheme(text.to_owned()))?;
        let mut addresses = Vec::new();
        for text in list.split(',') {
            let address: SocketAddr = text.parse().map_err(|_| TargetError::Address(text.to_owned()))?;
            if !address.is_ipv4() || address.port() == 0 {
                return Err(TargetError::Address(text.to_owned()));
            }
            if addresses.contains(&address) {
                return Err(TargetError::Repeated(address));
            }
            addresses.push(address);
        }
        Ok(Self { addresses })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ipv4:")?;
        for (position, address) in self.addresses.iter().enumerate() {
            if position > 0 {
                formatter.write_str(",")?;
            }
            address.fmt(formatter)?;
        }
        Ok(())
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { addresses: vec![address] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_is_read_and_written_back() {
        for text in ["ipv4:127.0.0.1:50052", "ipv4:127.0.0.1:50052,127.0.0.1:50062"] {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| text.parse::<Target>().unwrap_err();
        assert_eq!(wrong("127.0.0.1:1"), TargetError::Scheme("127.0.0.1:1".to_owned()));
        assert_eq!(wrong("dns:///inventory:1"), TargetError::Scheme("dns:///inventory:1".to_owned()));
        assert_eq!(wrong("ipv4:"), TargetError::Address(String::new()));
        assert_eq!(wrong("ipv4:127.0.0.1"), TargetError::Address("127.0.0.1".to_owned()));
        assert_eq!(wrong("ipv4:127.0.0.1:0"), TargetError::Address("127.0.0.1:0".to_owned()));
        assert_eq!(wrong("ipv4:127.0.0.1:1,localhost:2"), TargetError::Address("localhost:2".to_owned()));
        assert_eq!(wrong("ipv4:[::1]:1"), TargetError::Address("[::1]:1".to_owned()));
        assert_eq!(
            wrong("ipv4:127.0.0.1:1,127.0.0.1:1"),
            TargetError::Repeated(SocketAddr::from(([127, 0, 0, 1], 1)))
        );
    }
}
