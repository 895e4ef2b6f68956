use auth::Permission;
use prost::Name;
use proto::identity::v1::{
    AuthenticateUserRequest, CreateAddressRequest, CreateUserRequest, GetAddressRequest, GetJwksRequest,
    GetUserRequest, GrantRoleRequest, ListAddressesRequest, LogoutRequest, RevokeRoleRequest,
};
use system_tests::{PASSWORD, Service};
use tonic::Code;

use super::{
    row::{Row, Whose},
    world::{BYSTANDER, EMAIL, World, new_request_id},
};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("/bookstore.identity.v1.IdentityService/CreateUser", Whose::Everybodys, |_| {
            new_user(&format!("{}@example.com", new_request_id()))
        }),
        row("/bookstore.identity.v1.IdentityService/CreateUser", Whose::Everybodys, |_| new_user(EMAIL))
            .answering(Code::AlreadyExists, "EMAIL_TAKEN"),
        row("/bookstore.identity.v1.IdentityService/AuthenticateUser", Whose::Everybodys, |_| {
            AuthenticateUserRequest { email: BYSTANDER.to_owned(), password: PASSWORD.to_owned() }
        }),
        row("/bookstore.identity.v1.IdentityService/AuthenticateUser", Whose::Everybodys, |_| {
            AuthenticateUserRequest { email: EMAIL.to_owned(), password: "a wrong guess of it".to_owned() }
        })
        .answering(Code::Unauthenticated, "WRONG_CREDENTIALS"),
        row("/bookstore.identity.v1.IdentityService/GetJwks", Whose::Everybodys, |_| GetJwksRequest {}),
        row("/bookstore.identity.v1.IdentityService/GetUser", a_user(), |world| GetUserRequest {
            user_id: world.owner.user_id.clone(),
            email: String::new(),
        }),
        row("/bookstore.identity.v1.IdentityService/GetUser", a_user(), |_| GetUserRequest {
            user_id: String::new(),
            email: EMAIL.to_owned(),
        }),
        row("/bookstore.identity.v1.IdentityService/GetUser", Whose::TheCallers, |_| {
            GetUserRequest::default()
        }),
        row("/bookstore.identity.v1.IdentityService/Logout", Whose::TheCallers, |_| LogoutRequest {})
            .ending_the_session(),
        // The owner has this role and not the other, so that neither outdates the tokens of the calls that follow.
        row("/bookstore.identity.v1.IdentityService/GrantRole", Whose::TheStaffs, |world| GrantRoleRequest {
            user_id: world.owner.user_id.clone(),
            role: "customer".to_owned(),
        })
        .taking(Permission::ROLES_GRANT),
        row("/bookstore.identity.v1.IdentityService/RevokeRole", Whose::TheStaffs, |world| {
            RevokeRoleRequest { user_id: world.owner.user_id.clone(), role: "admin".to_owned() }
        })
        .taking(Permission::ROLES_GRANT),
        row("/bookstore.identity.v1.IdentityService/CreateAddress", Whose::TheCallers, |_| {
            CreateAddressRequest {
                request_id: new_request_id(),
                recipient: "Somebody".to_owned(),
                lines: vec!["Somewhere 1".to_owned()],
                city: "London".to_owned(),
                country_code: "GB".to_owned(),
                ..Default::default()
            }
        }),
        row("/bookstore.identity.v1.IdentityService/GetAddress", an_address(), |world| GetAddressRequest {
            address_id: world.owner.address_id.clone(),
        }),
        row("/bookstore.identity.v1.IdentityService/ListAddresses", Whose::TheCallers, |_| {
            ListAddressesRequest::default()
        }),
    ]
}

fn row<M: Name>(
    path: &'static str,
    whose: Whose,
    request: impl Fn(&World) -> M + Send + Sync + 'static,
) -> Row {
    Row::new(path, Service::Identity, whose, request)
}

fn a_user() -> Whose {
    Whose::TheUsers { missing: "USER_NOT_FOUND", but_for: Some(Permission::USERS_READ) }
}

fn an_address() -> Whose {
    Whose::TheUsers { missing: "ADDRESS_NOT_FOUND", but_for: None }
}

fn new_user(email: &str) -> CreateUserRequest {
    CreateUserRequest {
        request_id: new_request_id(),
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Somebody".to_owned(),
    }
}
