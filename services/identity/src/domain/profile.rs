use values::EmailAddress;

/// What a user is to be called and to sign in with from now on; what is missing stays.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct ProfileChange {
    pub(crate) display_name: Option<String>,
    pub(crate) email: Option<EmailAddress>,
}

impl ProfileChange {
    /// Whether a user with that e-mail address would have another one.
    pub(crate) fn moves(&self, email: &str) -> bool {
        self.email.as_ref().is_some_and(|new| new.as_str() != email)
    }

    /// Whether it would change such a user at all.
    pub(crate) fn changes(&self, email: &str, display_name: &str) -> bool {
        self.moves(email) || self.display_name.as_ref().is_some_and(|new| new != display_name)
    }
}
