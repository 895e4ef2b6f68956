//! The command line.

use std::time::Duration;

use certificates::wanted::{Account, Admin, Lives, Service, Wanted};
use clap::{Args, Parser, Subcommand};

/// Makes and renews the secrets of a bookstore on Kubernetes that nobody has given it: its services' certificates with an
/// authority of their own, identity's signing key, and accounts.
///
/// It may be run at any time and any number of times at once. What somebody else has made is left as it is. No key and no
/// password is ever printed.
#[derive(Parser)]
#[command(name = "certificates", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make what is missing, and renew certificates that are two thirds through their life
    Ensure(Ensure),
    /// Say for how long the certificates are still good; ends with 1 if one is missing or has ended
    Show(Shop),
    /// Delete every Secret that this program has made in the namespace: the shop's data are of no use without some of them
    Remove(Place),
}

#[derive(Args)]
pub(crate) struct Place {
    /// The shop's namespace [default: the pod's own, or the kubeconfig's]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
}

#[derive(Args)]
pub(crate) struct Shop {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A service and the DNS names it is reached by in its namespace: order=order,order-headless
    #[arg(long = "service", value_name = "NAME=HOST,…")]
    services: Vec<Service>,
}

#[derive(Args)]
pub(crate) struct Ensure {
    #[command(flatten)]
    pub(crate) shop: Shop,
    /// The trust domain: what the ids of the services begin with
    #[arg(long, value_name = "DOMAIN", default_value = "bookstore.local")]
    trust_domain: String,
    /// The domain of the cluster's own names
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// A Secret with a username, a password and a URL with both: order-database=postgres://order@postgres:5432/order
    #[arg(long = "account", value_name = "SECRET=URL")]
    accounts: Vec<Account>,
    /// A Secret with the key that identity signs tokens with, in signing-key.pem
    #[arg(long, value_name = "SECRET")]
    signing_key: Option<String>,
    /// A Secret with the first admin's email and password: admin-account=admin@example.com
    #[arg(long, value_name = "SECRET=EMAIL")]
    admin: Option<Admin>,
    /// How long a certificate is valid
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = humantime::parse_duration)]
    life: Duration,
    /// How long the authority is valid; the next one takes over at two thirds, without a call being refused
    #[arg(long, value_name = "TIME", default_value = "3y", value_parser = humantime::parse_duration)]
    authority_life: Duration,
    /// How long it takes at most until a changed Secret is known to every process
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    settle: Duration,
    /// Let a new authority take over, whatever the age of the present one: over several runs, each --settle later
    #[arg(long)]
    new_authority: bool,
}

impl Ensure {
    pub(crate) fn wanted(self, namespace: String) -> Wanted {
        Wanted {
            namespace,
            trust_domain: self.trust_domain,
            cluster_domain: self.cluster_domain,
            services: self.shop.services,
            accounts: self.accounts,
            signing_key: self.signing_key,
            admin: self.admin,
            lives: Lives { certificate: self.life, authority: self.authority_life, settle: self.settle },
            new_authority: self.new_authority,
        }
    }
}

impl Shop {
    pub(crate) fn services(self) -> Vec<Service> {
        self.services
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }
}
