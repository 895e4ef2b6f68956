//! What a shop needs, as its chart says it.

use std::{str::FromStr, time::Duration};

use tls::{SpiffeId, SpiffeIdError};

/// All that is to be there.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The namespace that the shop is in; part of every service's id.
    pub namespace: String,
    /// Whose ids they are: `bookstore.local`.
    pub trust_domain: String,
    /// The domain of the cluster's own names: `cluster.local`.
    pub cluster_domain: String,
    /// Who gets a certificate.
    pub services: Vec<Service>,
    /// Accounts whose passwords nobody needs to know.
    pub accounts: Vec<Account>,
    /// The Secret with identity's signing key.
    pub signing_key: Option<String>,
    /// The first admin's account.
    pub admin: Option<Admin>,
    /// How long certificates are valid, and when they change.
    pub lives: Lives,
    /// Let a new authority take over now, whatever the age of the present one.
    pub new_authority: bool,
}

/// How long what is made is good for.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// A service's certificate.
    pub certificate: Duration,
    /// The authority.
    pub authority: Duration,
    /// What it takes until every process has noticed a changed Secret: kubelets look about once a minute, processes again.
    pub settle: Duration,
}

/// A service, and the names it is reached by: `order=order,order-headless`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its name, and that of its service account.
    pub name: String,
    /// DNS names within the namespace.
    pub hosts: Vec<String>,
}

/// A Secret and the URL that is to be in it: `order-database=postgres://order@postgres:5432/order`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The Secret's name.
    pub secret: String,
    /// Who it is.
    pub username: String,
    scheme: String,
    rest: String,
}

/// A Secret and an e-mail address: `admin-account=admin@example.com`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admin {
    /// The Secret's name.
    pub secret: String,
    /// Who signs in.
    pub email: String,
}

impl Wanted {
    /// Who a service is.
    ///
    /// # Errors
    /// A part that SPIFFE doesn't allow.
    pub fn id(&self, service: &Service) -> Result<SpiffeId, SpiffeIdError> {
        SpiffeId::new(&self.trust_domain, &self.namespace, &service.name)
    }

    /// All names that a service is reached by in the cluster.
    #[must_use]
    pub fn dns_names(&self, service: &Service) -> Vec<String> {
        let Self { namespace, cluster_domain, .. } = self;
        let forms = |host: &String| {
            let inside = format!("{host}.{namespace}.svc");
            [host.clone(), format!("{host}.{namespace}"), format!("{inside}.{cluster_domain}"), inside]
        };
        service.hosts.iter().flat_map(forms).collect()
    }
}

impl Service {
    /// The Secret with its certificate.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("{}-tls", self.name)
    }
}

impl Account {
    /// The URL by which whoever has the password gets in.
    #[must_use]
    pub fn url(&self, password: &str) -> String {
        format!("{}://{}:{password}@{}", self.scheme, self.username, self.rest)
    }
}

impl FromStr for Service {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, hosts) = text.split_once('=').unwrap_or((text, text));
        let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
        if !is_name(name) || !hosts.iter().all(|host| is_name(host)) {
            return Err("must be like order=order,order-headless");
        }
        Ok(Self { name: name.to_owned(), hosts })
    }
}

impl FromStr for Account {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be like order-database=postgres://order@postgres:5432/order, without a password";
        let (secret, url) = text.split_once('=').ok_or(wrong)?;
        let (scheme, rest) = url.split_once("://").ok_or(wrong)?;
        let (username, rest) = rest.split_once('@').ok_or(wrong)?;
        if !(is_name(secret) && is_name(scheme) && is_name(username)) || rest.is_empty() {
            return Err(wrong);
        }
        let [secret, username, scheme, rest] = [secret, username, scheme, rest].map(str::to_owned);
        Ok(Self { secret, username, scheme, rest })
    }
}

impl FromStr for Admin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((secret, email)) if is_name(secret) && email.contains('@') => {
                Ok(Self { secret: secret.to_owned(), email: email.to_owned() })
            }
            _ => Err("must be like admin-account=admin@example.com"),
        }
    }
}

/// Whether it may be part of a Kubernetes object's name (RFC 1123).
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 253 && text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_gets_into_the_url() {
        let account: Account = "order-database=postgres://order@postgres:5432/order".parse().unwrap();
        assert_eq!((account.secret.as_str(), account.username.as_str()), ("order-database", "order"));
        assert_eq!(account.url("hush"), "postgres://order:hush@postgres:5432/order");
        for wrong in ["x", "x=y", "x=postgres://postgres:5432/x", "x=postgres://a:hush@b/c", "X=nats://a@b"] {
            wrong.parse::<Account>().unwrap_err();
        }
    }

    #[test]
    fn a_service_without_hosts_is_reached_by_its_name() {
        let service: Service = "order".parse().unwrap();
        assert_eq!(service.hosts, ["order"]);
        for wrong in ["", "=", "order=", "Order", "order=order,", "-x"] {
            wrong.parse::<Service>().unwrap_err();
        }
    }
}
