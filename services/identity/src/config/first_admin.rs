use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use values::{EmailAddress, EmailAddressError, Violations};

use crate::domain::{Password, PasswordError};

/// Who becomes admin while there is none: an address and a password, or nobody.
///
/// The address is personal data: it is taken from the environment or a file only, and shown nowhere.
#[derive(Clone, Debug, Default)]
pub struct FirstAdmin(pub(crate) Option<Account>);

/// What somebody signs in with.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) email: EmailAddress,
    pub(crate) password: Password,
}

impl FirstAdmin {
    /// For processes that are configured by a program.
    ///
    /// # Errors
    /// Nobody could sign in with these.
    pub fn new(email: &str, password: &str) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let email = violations.parse("email", email);
        let password = violations.take("password", Password::chosen(password));
        violations
            .finish(email.zip(password))
            .map(|(email, password)| Self(Some(Account { email, password })))
    }
}

/// The variables, each by itself.
#[derive(Args)]
struct Variables {
    #[arg(
        long,
        env = EMAIL,
        help = "who becomes admin when there is none; registered at the start if need be",
        hide_env_values = true,
        value_parser = email
    )]
    admin_email: Option<EmailAddress>,
    #[arg(
        long,
        env = PASSWORD,
        help = "the password of the first admin, 12 to 128 characters",
        hide_env_values = true,
        value_parser = password
    )]
    admin_password: Option<Password>,
}

const EMAIL: &str = "BOOKSTORE_ADMIN_EMAIL";
const PASSWORD: &str = "BOOKSTORE_ADMIN_PASSWORD";

fn email(text: &str) -> Result<EmailAddress, EmailAddressError> {
    text.parse()
}

fn password(text: &str) -> Result<Password, PasswordError> {
    Password::chosen(text)
}

impl FromArgMatches for FirstAdmin {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let alone = |given: &str, missing: &str| {
            // clap's own `requires` asks for what is on the command line, where neither may be.
            let message = format!("{missing} is not set, but {given} is: set both or neither\n");
            Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, message))
        };
        match Variables::from_arg_matches(matches)? {
            Variables { admin_email: Some(email), admin_password: Some(password) } => {
                Ok(Self(Some(Account { email, password })))
            }
            Variables { admin_email: None, admin_password: None } => Ok(Self(None)),
            Variables { admin_email: Some(_), .. } => alone(EMAIL, PASSWORD),
            Variables { admin_password: Some(_), .. } => alone(PASSWORD, EMAIL),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for FirstAdmin {
    fn augment_args(command: Command) -> Command {
        Variables::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Variables::augment_args_for_update(command)
    }
}
