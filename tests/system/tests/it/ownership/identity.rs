use auth::Permission;
use prost::Name;
use prost_types::FieldMask;
use proto::identity::v1::{
    AuthenticateUserRequest, BatchGetContactsRequest, BatchGetRecipientsRequest, ChangePasswordRequest,
    CreateAddressRequest, CreateUserRequest, DeleteAddressRequest, DeleteUserRequest, GetAddressRequest,
    GetContactRequest, GetDeliveryAddressRequest, GetJwksRequest, GetUserRequest, GrantRoleRequest,
    ListAddressesRequest, ListUsersRequest, LogoutRequest, RecipientRequest, RefreshTokenRequest,
    RevokeRoleRequest, RotateSigningKeyRequest, SetDefaultAddressRequest, UpdateAddressRequest,
    UpdateUserRequest, ValidateTokenRequest,
};
use system_tests::{PASSWORD, Service};
use tonic::Code;

use super::{
    row::{Row, Whose},
    world::{BYSTANDER, EMAIL, World, new_request_id},
};

pub(crate) fn rows() -> Vec<Row> {
    [users(), sessions(), addresses()].into_iter().flatten().collect()
}

fn users() -> Vec<Row> {
    vec![
        row("/bookstore.identity.v1.IdentityService/CreateUser", Whose::Everybodys, |_| {
            new_user(&format!("{}@example.com", new_request_id()))
        }),
        row("/bookstore.identity.v1.IdentityService/CreateUser", Whose::Everybodys, |_| new_user(EMAIL))
            .answering(Code::AlreadyExists, "EMAIL_TAKEN"),
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
        row("/bookstore.identity.v1.IdentityService/GetContact", CONTACTS, |world| GetContactRequest {
            user_id: world.owner.user_id.clone(),
        }),
        row("/bookstore.identity.v1.IdentityService/UpdateUser", Whose::TheCallers, |_| UpdateUserRequest {
            // As all but the owner are called already.
            display_name: "Ada Lovelace".to_owned(),
            update_mask: Some(mask("display_name")),
            ..Default::default()
        }),
        row("/bookstore.identity.v1.IdentityService/ListUsers", Whose::TheStaffs, |_| {
            // Others sign up all the time.
            ListUsersRequest { role: "shop_owner".to_owned(), ..Default::default() }
        })
        .taking(Permission::USERS_READ),
        row("/bookstore.identity.v1.IdentityService/DeleteUser", Whose::TheCallers, |_| DeleteUserRequest {
            user_id: String::new(),
            current_password: "a wrong guess of it".to_owned(),
        })
        .answering(Code::FailedPrecondition, "WRONG_PASSWORD"),
        row(
            "/bookstore.identity.v1.IdentityService/DeleteUser",
            Whose::SomebodyElses { missing: "USER_NOT_FOUND", but_for: Permission::USERS_DELETE },
            |world| DeleteUserRequest {
                user_id: world.expendable.clone(),
                current_password: PASSWORD.to_owned(),
            },
        ),
        row("/bookstore.identity.v1.IdentityService/ChangePassword", Whose::TheCallers, |_| {
            ChangePasswordRequest {
                current_password: "a wrong guess of it".to_owned(),
                new_password: "another one, long enough".to_owned(),
            }
        })
        .answering(Code::FailedPrecondition, "WRONG_PASSWORD"),
    ]
}

fn sessions() -> Vec<Row> {
    vec![
        row("/bookstore.identity.v1.IdentityService/AuthenticateUser", Whose::Everybodys, |_| {
            AuthenticateUserRequest { email: BYSTANDER.to_owned(), password: PASSWORD.to_owned() }
        }),
        row("/bookstore.identity.v1.IdentityService/AuthenticateUser", Whose::Everybodys, |_| {
            AuthenticateUserRequest { email: EMAIL.to_owned(), password: "a wrong guess of it".to_owned() }
        })
        .answering(Code::Unauthenticated, "WRONG_CREDENTIALS"),
        row("/bookstore.identity.v1.IdentityService/GetJwks", Whose::Everybodys, |_| GetJwksRequest {}),
        row("/bookstore.identity.v1.IdentityService/Logout", Whose::TheCallers, |_| LogoutRequest {})
            .ending_the_session(),
        row("/bookstore.identity.v1.IdentityService/RefreshToken", Whose::Everybodys, |world| {
            RefreshTokenRequest {
                request_id: "the-same-each-time".to_owned(),
                refresh_token: world.bystander.1.clone(),
            }
        }),
        row("/bookstore.identity.v1.IdentityService/RefreshToken", Whose::Everybodys, |_| {
            RefreshTokenRequest { request_id: new_request_id(), refresh_token: "a guess".to_owned() }
        })
        .answering(Code::Unauthenticated, "REFRESH_TOKEN_INVALID"),
        row("/bookstore.identity.v1.IdentityService/ValidateToken", Whose::Everybodys, |world| {
            ValidateTokenRequest { access_token: world.bystander.0.clone() }
        }),
        row("/bookstore.identity.v1.IdentityService/RotateSigningKey", Whose::TheStaffs, |_| {
            RotateSigningKeyRequest { request_id: "once".to_owned() }
        })
        .taking(Permission::SIGNING_KEYS_ROTATE),
    ]
}

fn addresses() -> Vec<Row> {
    vec![
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
        row("/bookstore.identity.v1.IdentityService/UpdateAddress", an_address(), |world| {
            UpdateAddressRequest {
                address_id: world.spare_address.clone(),
                city: "Leeds".to_owned(),
                update_mask: Some(mask("city")),
                ..Default::default()
            }
        }),
        row("/bookstore.identity.v1.IdentityService/SetDefaultAddress", an_address(), |world| {
            SetDefaultAddressRequest { address_id: world.spare_address.clone() }
        }),
        // What isn't the caller's is gone already.
        row("/bookstore.identity.v1.IdentityService/DeleteAddress", Whose::TheCallers, |world| {
            DeleteAddressRequest { address_id: world.spare_address.clone() }
        }),
        row(
            "/bookstore.identity.v1.IdentityService/BatchGetContacts",
            Whose::TheServices(&[Service::Notification]),
            |world| {
                let request = GetContactRequest { user_id: world.owner.user_id.clone() };
                BatchGetContactsRequest { requests: vec![request] }
            },
        ),
        row(
            "/bookstore.identity.v1.IdentityService/BatchGetRecipients",
            Whose::TheServices(&[Service::Order]),
            |world| {
                let request = RecipientRequest {
                    user_id: world.owner.user_id.clone(),
                    address_id: world.owner.address_id.clone(),
                };
                BatchGetRecipientsRequest { requests: vec![request] }
            },
        ),
        row(
            "/bookstore.identity.v1.IdentityService/GetDeliveryAddress",
            Whose::TheServices(&[Service::Order]),
            |world| GetDeliveryAddressRequest {
                user_id: world.owner.user_id.clone(),
                address_id: world.owner.address_id.clone(),
            },
        ),
    ]
}

fn row<M: Name>(
    path: &'static str,
    whose: Whose,
    request: impl Fn(&World) -> M + Send + Sync + 'static,
) -> Row {
    Row::new(path, Service::Identity, whose, request)
}

const CONTACTS: Whose = Whose::TheServices(&[Service::Notification, Service::Order]);

fn mask(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.to_owned()] }
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
