//! Who may call what, as the contract says beside each method.

use std::collections::{HashMap, HashSet};
use std::fmt;

use prost_reflect::{
    DescriptorError, DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor, Value,
};

use crate::{Caller, Peer, Permission};

/// The method option that carries the policy.
const OPTION: &str = "bookstore.auth.v1.policy";

/// Who may call a method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Allow {
    /// Everybody, signed in or not.
    Anyone,
    /// Users with a valid access token.
    SignedIn,
    /// Users whose access token carries the permission.
    Permission(Permission),
    /// These services of the shop, and no user.
    Services(Vec<String>),
}

/// Why a caller isn't admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Nobody is signed in.
    SignIn,
    /// The user lacks the permission.
    Permission(Permission),
    /// The method is for certain services, of which the caller isn't one.
    ServicesOnly,
}

impl Allow {
    /// Whether the caller may call.
    ///
    /// A user is judged by the token alone, whichever service passes the call on; a service by its name alone, whosever
    /// token it carries.
    ///
    /// # Errors
    /// The caller may not.
    pub fn admits(&self, caller: &Caller, peer: Option<&Peer>) -> Result<(), Refused> {
        match (self, caller) {
            (Self::Anyone, _) | (Self::SignedIn, Caller::Customer(_)) => Ok(()),
            (Self::SignedIn | Self::Permission(_), Caller::Anonymous) => Err(Refused::SignIn),
            (Self::Permission(needed), Caller::Customer(customer)) => {
                if customer.may(*needed) {
                    Ok(())
                } else {
                    Err(Refused::Permission(*needed))
                }
            }
            (Self::Services(names), _) => match peer {
                Some(peer) if names.iter().any(|name| name == peer.service()) => Ok(()),
                _ => Err(Refused::ServicesOnly),
            },
        }
    }

    /// Whether users may call at all: part of the public contract, which the gateway passes on.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        !matches!(self, Self::Services(_))
    }
}

/// A method of the contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Method {
    /// `bookstore.order.v1.OrderService`.
    pub service: String,
    /// `PlaceOrder`.
    pub name: String,
    /// The full name of the message that it takes: `bookstore.order.v1.PlaceOrderRequest`.
    pub request: String,
    /// The full name of the message that it answers with.
    pub response: String,
    /// It takes any number of messages.
    pub is_client_streaming: bool,
    /// It answers with any number of messages.
    pub is_server_streaming: bool,
    /// Who may call it.
    pub allow: Allow,
}

impl Method {
    /// As requests name it: `/bookstore.order.v1.OrderService/PlaceOrder`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}/{}", self.service, self.name)
    }
}

/// The policy of each method of a contract.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Sorted by path.
    methods: Vec<Method>,
    by_path: HashMap<String, usize>,
}

/// Why a contract can't be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptor set can't be read.
    #[error("the contract can't be read: {0}")]
    Contract(#[from] DescriptorError),
    /// The descriptor set has methods but not the option that carries policies.
    #[error("the contract doesn't have the option {OPTION}")]
    NoOption,
    /// Methods without a policy that says who may call them; all of them.
    #[error("{}", Named(.0))]
    Methods(Vec<Unprotected>),
    /// Services that are to be served but that the contract doesn't have, so that nothing says who may call them.
    #[error("no policy says who may call {}", .0.join(", "))]
    Services(Vec<String>),
}

/// A method that nobody could be admitted to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unprotected {
    /// `/bookstore.order.v1.OrderService/PlaceOrder`.
    pub method: String,
    /// What is wrong with its policy.
    pub fault: Fault,
}

/// What is wrong with a policy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// There is none.
    #[error("has no policy")]
    Missing,
    /// There is one that admits nobody.
    #[error("has an empty policy")]
    Empty,
    /// It asks for a permission that doesn't exist.
    #[error("asks for {0:?}, which is no permission of the shop")]
    UnknownPermission(String),
    /// It names no service, or one without a name.
    #[error("names no service")]
    NoService,
}

struct Named<'a>(&'a [Unprotected]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Unprotected { method, fault }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{method} {fault}")?;
        }
        Ok(())
    }
}

impl Policies {
    /// Reads the policies of every method in an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    /// A method has no policy, or one that can't be understood: nobody could be admitted to it, and to start would
    /// hide that.
    pub fn of(descriptor_set: &[u8]) -> Result<Self, Error> {
        let pool = DescriptorPool::decode(descriptor_set)?;
        let option = pool.get_extension_by_name(OPTION).ok_or(Error::NoOption)?;
        let (mut methods, mut unprotected) = (Vec::new(), Vec::new());
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            match allow(&method, &option) {
                Ok(allow) => methods.push(Method::of(&method, allow)),
                Err(fault) => unprotected.push(Unprotected { method: path(&method), fault }),
            }
        }
        if !unprotected.is_empty() {
            unprotected.sort_by(|one, other| one.method.cmp(&other.method));
            return Err(Error::Methods(unprotected));
        }
        Ok(Self::indexed(methods))
    }

    /// Who may call the method at `path`, such as `/bookstore.order.v1.OrderService/PlaceOrder`; nothing if the contract
    /// has no such method.
    #[must_use]
    pub fn of_method(&self, path: &str) -> Option<&Allow> {
        self.by_path.get(path).map(|index| &self.methods[*index].allow)
    }

    /// The policies of these services alone (`bookstore.order.v1.OrderService`): of all that a process serves.
    ///
    /// # Errors
    /// Names those that the contract doesn't have, and so no policy for their methods.
    pub fn only<'a>(self, services: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let wanted: HashSet<_> = services.into_iter().collect();
        let has = |service: &str| self.methods.iter().any(|method| method.service == service);
        let mut unknown: Vec<_> =
            wanted.iter().filter(|service| !has(service)).map(ToString::to_string).collect();
        if !unknown.is_empty() {
            unknown.sort();
            return Err(Error::Services(unknown));
        }
        let methods = self.methods.into_iter().filter(|method| wanted.contains(method.service.as_str()));
        Ok(Self::indexed(methods.collect()))
    }

    fn indexed(mut methods: Vec<Method>) -> Self {
        methods.sort_by_key(Method::path);
        let by_path = methods.iter().enumerate().map(|(index, method)| (method.path(), index)).collect();
        Self { methods, by_path }
    }

    /// Every method, by path.
    pub fn iter(&self) -> std::slice::Iter<'_, Method> {
        self.methods.iter()
    }
}

impl<'a> IntoIterator for &'a Policies {
    type Item = &'a Method;
    type IntoIter = std::slice::Iter<'a, Method>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Method {
    fn of(method: &MethodDescriptor, allow: Allow) -> Self {
        Self {
            service: method.parent_service().full_name().to_owned(),
            name: method.name().to_owned(),
            request: method.input().full_name().to_owned(),
            response: method.output().full_name().to_owned(),
            is_client_streaming: method.is_client_streaming(),
            is_server_streaming: method.is_server_streaming(),
            allow,
        }
    }
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

fn allow(method: &MethodDescriptor, option: &ExtensionDescriptor) -> Result<Allow, Fault> {
    let options = method.options();
    // Asking for the value alone would answer with a default one.
    if !options.has_extension(option) {
        return Err(Fault::Missing);
    }
    let value = options.get_extension(option);
    let policy = value.as_message().ok_or(Fault::Empty)?;
    let (field, value) = policy.fields().next().ok_or(Fault::Empty)?;
    match (field.name(), value) {
        ("anyone", _) => Ok(Allow::Anyone),
        ("signed_in", _) => Ok(Allow::SignedIn),
        ("permission", Value::String(name)) => {
            name.parse().map(Allow::Permission).map_err(|_| Fault::UnknownPermission(name.clone()))
        }
        ("services", Value::Message(services)) => names(services).map(Allow::Services),
        _ => Err(Fault::Empty),
    }
}

fn names(services: &DynamicMessage) -> Result<Vec<String>, Fault> {
    let names = services.get_field_by_name("names").ok_or(Fault::NoService)?;
    let names = names.as_list().ok_or(Fault::NoService)?;
    let services: Vec<_> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if services.is_empty() || services.iter().any(|service| service.trim().is_empty()) {
        return Err(Fault::NoService);
    }
    Ok(services)
}

#[cfg(test)]
mod tests;
