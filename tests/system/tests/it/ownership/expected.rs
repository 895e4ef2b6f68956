//! What must come of a call: by the method's policy first, then by whose it is what the call asks for.

use auth::{Permission, policy::Allow};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    callers::{Caller, User, Way},
    row::{Answer, Row, Whose},
};

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Answered,
    /// The service said so, for this reason.
    Refused(Code, String),
    /// There was no connection to ask over.
    NotConnected,
}

impl Outcome {
    pub(crate) fn of(status: &Status) -> Self {
        if status.code() == Code::Ok {
            return Self::Answered;
        }
        let told = status.get_details_error_info().filter(|told| told.domain == "bookstore");
        match told {
            Some(told) => {
                let permission = told.metadata.get("permission").map(|name| format!(" {name}"));
                Self::Refused(status.code(), told.reason + &permission.unwrap_or_default())
            }
            None if std::error::Error::source(status).is_some() => Self::NotConnected,
            None => Self::Refused(status.code(), format!("without a reason: {}", status.message())),
        }
    }

    fn refused(code: Code, reason: impl Into<String>) -> Self {
        Self::Refused(code, reason.into())
    }
}

impl Row {
    /// What must come of `caller`'s call.
    pub(crate) fn expected(&self, allow: &Allow, caller: Caller) -> Outcome {
        let refusal = not_admitted(allow, caller).or_else(|| self.not_theirs(caller));
        refusal.unwrap_or_else(|| match self.answer {
            Answer::Ok => Outcome::Answered,
            Answer::Refusal(code, reason) => Outcome::refused(code, reason),
        })
    }

    /// Whether the answer may tell what is the owner's.
    pub(crate) fn is_rightful(&self, allow: &Allow, caller: Caller) -> bool {
        let is_answered = not_admitted(allow, caller).or_else(|| self.not_theirs(caller)).is_none();
        is_answered
            && match self.whose {
                Whose::Everybodys => false,
                Whose::TheCallers => caller.user == User::Owner,
                Whose::TheCallersOr(permission) => {
                    caller.user == User::Owner
                        || caller.user.permissions().is_some_and(|all| all.contains(&permission))
                }
                Whose::TheUsers { .. }
                | Whose::SomebodyElses { .. }
                | Whose::TheShops
                | Whose::TheShopsOr(_)
                | Whose::TheStaffs
                | Whose::TheServices(_) => true,
            }
    }

    /// Why the caller doesn't get what this asks for, even if the policy should admit everybody.
    fn not_theirs(&self, Caller { way, user }: Caller) -> Option<Outcome> {
        match self.whose {
            Whose::Everybodys => return None,
            Whose::TheServices(services) => {
                let is_one = matches!(way, Way::Service(from) if services.contains(&from));
                return (!is_one).then(services_only);
            }
            Whose::TheCallers
            | Whose::TheCallersOr(_)
            | Whose::TheUsers { .. }
            | Whose::SomebodyElses { .. }
            | Whose::TheShops
            | Whose::TheShopsOr(_)
            | Whose::TheStaffs => {}
        }
        let Some(permissions) = user.permissions() else { return Some(sign_in_required()) };
        if let Some(missing) = self.takes.filter(|taken| !permissions.contains(taken)) {
            return Some(permission_missing(missing));
        }
        match self.whose {
            Whose::SomebodyElses { but_for, .. } if permissions.contains(&but_for) => None,
            Whose::SomebodyElses { missing, .. } => Some(Outcome::refused(Code::NotFound, missing)),
            _ if user == User::Owner => None,
            Whose::TheUsers { but_for: Some(permission), .. } if permissions.contains(&permission) => None,
            Whose::TheUsers { missing, .. } => Some(Outcome::refused(Code::NotFound, missing)),
            Whose::TheShopsOr(permission) if permissions.contains(&permission) => None,
            Whose::TheShops | Whose::TheShopsOr(_) => {
                Some(Outcome::refused(Code::PermissionDenied, "NOT_THE_OWNER"))
            }
            Whose::Everybodys
            | Whose::TheCallers
            | Whose::TheCallersOr(_)
            | Whose::TheStaffs
            | Whose::TheServices(_) => None,
        }
    }
}

fn not_admitted(allow: &Allow, Caller { way, user }: Caller) -> Option<Outcome> {
    if !way.is_open() {
        return Some(Outcome::NotConnected);
    }
    // To who stands at the door these methods don't exist, whoever it is.
    if way == Way::Gateway && matches!(allow, Allow::Services(_)) {
        return Some(Outcome::refused(Code::Unimplemented, "UNKNOWN_METHOD"));
    }
    if let Some(reason) = user.refused() {
        return Some(Outcome::refused(Code::Unauthenticated, reason));
    }
    match (allow, user.permissions()) {
        (Allow::Anyone, _) | (Allow::SignedIn, Some(_)) => None,
        (Allow::SignedIn | Allow::Permission(_), None) => Some(sign_in_required()),
        (Allow::Permission(needed), Some(permissions)) => {
            (!permissions.contains(needed)).then(|| permission_missing(*needed))
        }
        (Allow::Services(named), _) => {
            let is_named = matches!(way, Way::Service(from) if named.iter().any(|name| name == from.name()));
            (!is_named).then(services_only)
        }
    }
}

fn sign_in_required() -> Outcome {
    Outcome::refused(Code::Unauthenticated, "SIGN_IN_REQUIRED")
}

fn permission_missing(permission: Permission) -> Outcome {
    Outcome::refused(Code::PermissionDenied, format!("PERMISSION_MISSING {permission}"))
}

fn services_only() -> Outcome {
    Outcome::refused(Code::PermissionDenied, "SERVICES_ONLY")
}
