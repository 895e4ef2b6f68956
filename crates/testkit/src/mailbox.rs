use std::time::Duration;

use anyhow::Result;
use localservers::{Letter, MailServer, Manners};

use crate::eventually;

/// A mail server of the test's own, which keeps what it gets. Stops when dropped.
#[derive(Debug)]
pub struct Mailbox(MailServer);

impl Mailbox {
    /// Starts one on a free port.
    pub fn open() -> Result<Self> {
        MailServer::start().map(Self)
    }

    /// For `BOOKSTORE_SMTP_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// How it behaves from now on.
    pub fn behave(&self, manners: Manners) {
        self.0.behave(manners);
    }

    /// How it behaves towards the next mail that has no manners of its own yet.
    pub fn behave_once(&self, manners: Manners) {
        self.0.behave_once(manners);
    }

    /// All that it has taken so far, the oldest first.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.0.letters()
    }

    /// What it has taken for this e-mail address, the oldest first.
    #[must_use]
    pub fn letters_to(&self, email: &str) -> Vec<Letter> {
        let mut letters = self.letters();
        letters.retain(|letter| letter.recipients.iter().any(|recipient| recipient == email));
        letters
    }

    /// Waits until it has taken so many for this e-mail address, or more.
    pub async fn received(&self, email: &str, count: usize, within: Duration) -> Result<Vec<Letter>> {
        eventually(&format!("{count} letters"), within, async || {
            let letters = self.letters_to(email);
            (letters.len() >= count).then_some(letters)
        })
        .await
    }
}
