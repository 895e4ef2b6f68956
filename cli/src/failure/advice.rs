//! What to do about a refusal, by the reason that the shop gives.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Which role gives a permission, as the shop is set up.
pub(crate) fn role_with(permission: &str) -> &'static str {
    match permission {
        "orders.place" => "customer",
        "shops.register" => "shop_owner",
        _ => "admin",
    }
}

/// What to type where a permission is missing.
pub(crate) fn permission(permission: &str) -> String {
    let role = role_with(permission);
    format!(
        "the role {role} gives it; an admin gives the role: bookstore role grant {role} --email YOU@EXAMPLE.COM"
    )
}

/// Why a token isn't accepted.
pub(super) fn why_signed_out(status: &Status) -> &'static str {
    match reason(status).as_str() {
        "TOKEN_EXPIRED" => "your sign-in has expired",
        "SESSION_REVOKED" => "your sign-in was ended: you signed out, or your roles have changed",
        "TOKEN_INVALID" | "TOKEN_MALFORMED" | "USER_UNKNOWN" => "this shop does not know your sign-in",
        _ => "your sign-in has ended",
    }
}

/// How long the shop asks to stay away where it is too busy for the call.
pub(super) fn wait(status: &Status) -> Option<Duration> {
    if status.code() != Code::ResourceExhausted {
        return None;
    }
    status.get_details_retry_info()?.retry_delay
}

/// What may be done, a line each.
pub(super) fn lines(status: &Status) -> Vec<String> {
    if let Some(wait) = wait(status) {
        // In whole seconds, as people wait.
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        return vec![format!("the shop is busy: wait {seconds} s, then try again")];
    }
    match reason(status).as_str() {
        "PERMISSION_MISSING" => {
            let missing =
                status.get_details_error_info().and_then(|info| info.metadata.get("permission").cloned());
            vec![permission(&missing.unwrap_or_default())]
        }
        "LAST_ADMIN" => {
            vec![
                "make somebody else admin first: bookstore role grant admin --email SOMEBODY@EXAMPLE.COM"
                    .to_owned(),
            ]
        }
        "LAST_OWNER" => {
            vec!["make somebody else owner first: bookstore shop add-member usr_… --role owner".to_owned()]
        }
        "ADDRESS_NOT_FOUND" => {
            vec![
                "your addresses: bookstore address list; another one: bookstore address add --help"
                    .to_owned(),
            ]
        }
        "CARD_MISSING" | "CARD_NOT_FOUND" => {
            vec!["your cards: bookstore card list; another one: bookstore card add --help".to_owned()]
        }
        "CARD_DECLINED" | "CARD_EXPIRED" | "INCORRECT_CVC" | "CARD_LOST_OR_STOLEN" | "SUSPECTED_FRAUD" => {
            vec!["use another card: bookstore card add --help".to_owned()]
        }
        "DEAD_LETTER_DISCARDED" | "REPLAY_FAILED" | "NO_HANDLER" => {
            vec!["what is known of it: bookstore events dead show ID".to_owned()]
        }
        _ if status.code() == Code::Unimplemented => {
            vec![
                "is this the address of a shop, and of the same release as this command? see --url"
                    .to_owned(),
            ]
        }
        _ => Vec::new(),
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;
    use crate::failure::Failure;

    fn refused(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
        let metadata: HashMap<_, _> =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let details = ErrorDetails::with_error_info(reason, "bookstore", metadata);
        Status::with_error_details(code, "no", details)
    }

    #[test]
    fn an_ended_session_says_why_and_how_to_sign_in() {
        for (reason, why) in [
            ("TOKEN_EXPIRED", "has expired"),
            ("SESSION_REVOKED", "was ended"),
            ("TOKEN_INVALID", "does not know"),
            ("", "has ended"),
        ] {
            let failure = Failure::from(refused(Code::Unauthenticated, reason, &[]));

            assert_eq!(failure.exit_code(), 3);
            let told = failure.to_string();
            assert!(told.contains(why) && told.contains("bookstore login"), "{told}");
            assert_eq!(failure.to_json()["error"]["reason"], reason);
        }
    }

    #[test]
    fn a_missing_permission_is_told_with_the_role_that_gives_it() {
        for (permission, role) in
            [("orders.place", "customer"), ("shops.register", "shop_owner"), ("dead_letters.manage", "admin")]
        {
            let metadata = [("permission", permission)];
            let failure = Failure::from(refused(Code::PermissionDenied, "PERMISSION_MISSING", &metadata));

            assert_eq!(failure.exit_code(), 1);
            assert!(
                failure.to_string().contains(&format!("bookstore role grant {role} --email")),
                "{failure}"
            );
            assert_eq!(failure.to_json()["error"]["metadata"]["permission"], permission);
        }
    }

    #[test]
    fn the_last_admin_is_told_to_find_another_one() {
        let failure = Failure::from(refused(Code::FailedPrecondition, "LAST_ADMIN", &[]));

        assert!(failure.to_string().contains("bookstore role grant admin"), "{failure}");
    }

    #[test]
    fn a_busy_shop_says_how_long_to_wait() {
        let mut details = ErrorDetails::with_error_info("OVERLOADED", "bookstore", HashMap::new());
        details.set_retry_info(Some(Duration::from_millis(1500)));
        let status = Status::with_error_details(Code::ResourceExhausted, "too many calls at once", details);

        let failure = Failure::from(status);

        assert_eq!(failure.exit_code(), 4);
        assert!(failure.to_string().ends_with("wait 2 s, then try again"), "{failure}");
        assert_eq!(failure.to_json()["error"]["retry_after_seconds"], 1.5);
    }

    #[test]
    fn what_is_too_large_gets_no_smaller_by_waiting() {
        let failure = Failure::from(refused(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &[]));

        assert_eq!(failure.exit_code(), 1);
        assert!(!failure.to_string().contains("wait"), "{failure}");
    }
}
