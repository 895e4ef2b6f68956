//! What the matrix has to know of a method beside its policy.

use auth::Permission;
use prost::Name;
use system_tests::Service;
use tonic::Code;

use super::world::World;

/// A method at one of the services that have it.
pub(crate) struct Row {
    /// `/bookstore.order.v1.OrderService/PlaceOrder`.
    pub(crate) path: &'static str,
    /// Who is to answer.
    pub(crate) callee: Service,
    /// The full name of what `request` makes.
    pub(crate) message: String,
    /// Whose it is what the request asks for.
    pub(crate) whose: Whose,
    /// What it takes, so that a policy that asks for less is a fault.
    pub(crate) takes: Option<Permission>,
    /// The answer to those who may have it.
    pub(crate) answer: Answer,
    /// Whether the caller's session ends by it.
    pub(crate) ends_session: bool,
    request: Request,
}

type Request = Box<dyn Fn(&World) -> Vec<u8> + Send + Sync>;

/// Whose it is what a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    /// All who may call get the same.
    Everybodys,
    /// All who may call get what is their own.
    TheCallers,
    /// As the one before, but with the permission everybody's.
    TheCallersOr(Permission),
    /// The owner's. For others, but those with the permission, it doesn't exist.
    TheUsers { missing: &'static str, but_for: Option<Permission> },
    /// Somebody's whom nobody here is. For others, but those with the permission, it doesn't exist.
    SomebodyElses { missing: &'static str, but_for: Permission },
    /// The owner's shop's. Others may know of it, and no more.
    TheShops,
    /// As the one before, but with the permission everybody's.
    TheShopsOr(Permission),
    /// Of those who hold the permission that it takes; what they get is somebody's all the same.
    TheStaffs,
    /// Of these services; what they get is somebody's all the same.
    TheServices(&'static [Service]),
}

/// The answer to those who may have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Ok,
    /// It tells that the caller came through.
    Refusal(Code, &'static str),
}

impl Row {
    pub(crate) fn new<M: Name>(
        path: &'static str,
        callee: Service,
        whose: Whose,
        request: impl Fn(&World) -> M + Send + Sync + 'static,
    ) -> Self {
        Self {
            path,
            callee,
            message: M::full_name(),
            whose,
            takes: None,
            answer: Answer::Ok,
            ends_session: false,
            request: Box::new(move |world| request(world).encode_to_vec()),
        }
    }

    pub(crate) fn taking(self, permission: Permission) -> Self {
        Self { takes: Some(permission), ..self }
    }

    pub(crate) fn answering(self, code: Code, reason: &'static str) -> Self {
        Self { answer: Answer::Refusal(code, reason), ..self }
    }

    pub(crate) fn ending_the_session(self) -> Self {
        Self { ends_session: true, ..self }
    }

    /// A request that nobody has sent before.
    pub(crate) fn request(&self, world: &World) -> Vec<u8> {
        (self.request)(world)
    }
}
