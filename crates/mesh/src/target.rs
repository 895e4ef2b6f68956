//! Where a service is, in gRPC's own naming.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// Where a service's replicas are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One or more fixed addresses: `ipv4:127.0.0.1:50052,127.0.0.1:50062`.
    Ipv4(Vec<SocketAddr>),
    /// Every A and AAAA record of a name: `dns:///inventory-headless:50052`.
    Dns {
        /// The DNS server to ask, `dns://127.0.0.1:53/host:port`; the system's if absent.
        server: Option<SocketAddr>,
        /// The name to look up, or an address that needs no looking up.
        host: String,
        /// The replicas' port.
        port: u16,
    },
    /// The endpoints of a Kubernetes Service, watched: `k8s:///inventory:grpc`, `k8s:///inventory.shop:50051`.
    Kubernetes {
        /// The Service.
        service: String,
        /// Where it is; in this process's own namespace if absent.
        namespace: Option<String>,
        /// Which of its ports.
        port: ServicePort,
    },
}

/// A port of a Kubernetes Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServicePort {
    /// What the Service calls it.
    Name(String),
    /// That of the pods, whatever the Service makes of it.
    Number(u16),
}

/// Why a target can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Another scheme, or none.
    #[error(
        "a target looks like `dns:///inventory:50051`, `k8s:///inventory:grpc` or `ipv4:127.0.0.1:50051`, not {0:?}"
    )]
    Scheme(String),
    /// Not a Service with a port.
    #[error(
        "{0:?} is not a Service with the name or number of a port: `inventory:grpc`, `inventory.shop:50051`"
    )]
    Service(String),
    /// Not an address with a port.
    #[error("{0:?} is not an IPv4 address with a port")]
    Address(String),
    /// Twice the same address.
    #[error("{0} is named twice")]
    Repeated(SocketAddr),
    /// Not a name with a port.
    #[error("{0:?} is not a host name with a port")]
    Host(String),
    /// Not the address of a DNS server.
    #[error("{0:?} is not a DNS server's address")]
    Server(String),
}

impl Target {
    /// What is called, as HTTP has it; nothing for a list.
    pub(crate) fn authority(&self) -> Option<String> {
        match self {
            Self::Ipv4(_) => None,
            Self::Dns { host, port, .. } if host.contains(':') => Some(format!("[{host}]:{port}")),
            Self::Dns { host, port, .. } => Some(format!("{}:{port}", host.trim_end_matches('.'))),
            Self::Kubernetes { service, namespace: None, .. } => Some(service.clone()),
            Self::Kubernetes { service, namespace: Some(namespace), .. } => {
                Some(format!("{service}.{namespace}"))
            }
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Some(list) = text.strip_prefix("ipv4:") {
            ipv4(list)
        } else if let Some(rest) = text.strip_prefix("dns://") {
            let (server, name) = rest.split_once('/').ok_or_else(|| TargetError::Scheme(text.to_owned()))?;
            dns(server, name)
        } else if let Some(name) = text.strip_prefix("dns:") {
            dns("", name)
        } else if let Some(name) = text.strip_prefix("k8s:///").or_else(|| text.strip_prefix("k8s:")) {
            kubernetes(name)
        } else {
            Err(TargetError::Scheme(text.to_owned()))
        }
    }
}

fn ipv4(list: &str) -> Result<Target, TargetError> {
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
    Ok(Target::Ipv4(addresses))
}

fn dns(server: &str, name: &str) -> Result<Target, TargetError> {
    let wrong = || TargetError::Host(name.to_owned());
    let (host, port) = name.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.parse::<IpAddr>().is_err() && !is_name(host) {
        return Err(wrong());
    }
    let server = match server {
        "" => None,
        text => Some(dns_server(text).ok_or_else(|| TargetError::Server(text.to_owned()))?),
    };
    Ok(Target::Dns { server, host: host.to_owned(), port })
}

fn kubernetes(name: &str) -> Result<Target, TargetError> {
    let read = || {
        let (host, port) = name.rsplit_once(':')?;
        let (service, namespace) = match host.split_once('.') {
            Some((service, namespace)) => (service, Some(namespace)),
            None => (host, None),
        };
        let port = match port.parse() {
            Ok(number) => ServicePort::Number(number),
            Err(_) => ServicePort::Name(port.to_owned()),
        };
        let is_right = [Some(service), namespace].into_iter().flatten().all(is_label)
            && match &port {
                ServicePort::Name(name) => {
                    is_label(name) && name.bytes().any(|byte| byte.is_ascii_alphabetic())
                }
                ServicePort::Number(number) => *number != 0,
            };
        let (service, namespace) = (service.to_owned(), namespace.map(ToOwned::to_owned));
        is_right.then_some(Target::Kubernetes { service, namespace, port })
    };
    read().ok_or_else(|| TargetError::Service(name.to_owned()))
}

/// As Kubernetes names Services, namespaces and ports (RFC 1123).
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn dns_server(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, 53)))
}

/// Labels of letters, digits, hyphens and underscores (which Kubernetes doesn't make, but others do).
fn is_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(addresses) => {
                formatter.write_str("ipv4:")?;
                for (position, address) in addresses.iter().enumerate() {
                    let comma = if position > 0 { "," } else { "" };
                    write!(formatter, "{comma}{address}")?;
                }
                Ok(())
            }
            Self::Dns { server, host, port } => {
                formatter.write_str("dns://")?;
                if let Some(server) = server {
                    write!(formatter, "{server}")?;
                }
                if host.contains(':') {
                    write!(formatter, "/[{host}]:{port}")
                } else {
                    write!(formatter, "/{host}:{port}")
                }
            }
            Self::Kubernetes { service, namespace, port } => {
                write!(formatter, "k8s:///{service}")?;
                if let Some(namespace) = namespace {
                    write!(formatter, ".{namespace}")?;
                }
                write!(formatter, ":{port}")
            }
        }
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Number(number) => write!(formatter, "{number}"),
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Ipv4(vec![address])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_is_read_and_written_back() {
        for text in [
            "ipv4:127.0.0.1:50052",
            "ipv4:127.0.0.1:50052,127.0.0.1:50062",
            "dns:///inventory-headless:50052",
            "dns:///inventory.shop.svc.cluster.local.:50052",
            "dns:///127.0.0.1:50052",
            "dns:///[::1]:50052",
            "dns://127.0.0.1:5353/inventory:50052",
            "dns://[::1]:5353/inventory:50052",
            "k8s:///inventory:grpc",
            "k8s:///inventory:50051",
            "k8s:///inventory.shop-2:grpc",
        ] {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_short_forms_of_grpc_are_read() {
        let read = |text: &str| text.parse::<Target>().map(|target| target.to_string());
        assert_eq!(read("dns:inventory:1").as_deref(), Ok("dns:///inventory:1"));
        assert_eq!(read("k8s:inventory:grpc").as_deref(), Ok("k8s:///inventory:grpc"));
        assert_eq!(read("dns://10.0.0.10/inventory:1").as_deref(), Ok("dns://10.0.0.10:53/inventory:1"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| text.parse::<Target>().unwrap_err();
        assert_eq!(wrong("127.0.0.1:1"), TargetError::Scheme("127.0.0.1:1".to_owned()));
        assert_eq!(wrong("dns://inventory:1"), TargetError::Scheme("dns://inventory:1".to_owned()));
        assert_eq!(wrong("ipv4:"), TargetError::Address(String::new()));
        assert_eq!(wrong("ipv4:127.0.0.1"), TargetError::Address("127.0.0.1".to_owned()));
        assert_eq!(wrong("ipv4:127.0.0.1:0"), TargetError::Address("127.0.0.1:0".to_owned()));
        assert_eq!(wrong("ipv4:127.0.0.1:1,localhost:2"), TargetError::Address("localhost:2".to_owned()));
        assert_eq!(wrong("ipv4:[::1]:1"), TargetError::Address("[::1]:1".to_owned()));
        assert_eq!(
            wrong("ipv4:127.0.0.1:1,127.0.0.1:1"),
            TargetError::Repeated(SocketAddr::from(([127, 0, 0, 1], 1)))
        );
        for host in ["inventory", "inventory:0", "inventory:x", ":1", "in ventory:1", "a..b:1", "a/b:1"] {
            assert_eq!(wrong(&format!("dns:///{host}")), TargetError::Host(host.to_owned()));
        }
        for service in [
            "inventory",
            "inventory:",
            "inventory:0",
            "inventory:65536",
            "inventory:GRPC",
            ":grpc",
            ".shop:grpc",
            "inventory.:grpc",
            "inventory.shop.svc:grpc",
            "-inventory:grpc",
            "/inventory:grpc",
        ] {
            assert_eq!(wrong(&format!("k8s:///{service}")), TargetError::Service(service.to_owned()));
        }
        assert_eq!(wrong("k8s://shop/inventory:1"), TargetError::Service("//shop/inventory:1".to_owned()));
        assert_eq!(wrong("dns://nowhere/inventory:1"), TargetError::Server("nowhere".to_owned()));
    }
}
