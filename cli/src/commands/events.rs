//! `events dead list|show|replay|discard`.

mod ask;
mod print;

use clap::{Args, Subcommand};
use proto::events::v1::{DeadLetter, DiscardRequest, GetRequest, ListRequest, ListResponse, ReplayRequest};
use serde_json::json;

use crate::{
    failure::Failure,
    gateway::{Gateway, Service},
    output::{self, Output},
    paging::{self, Paging},
    session::Session,
};
use ask::{ask_each, find};

#[derive(Subcommand)]
pub(crate) enum Events {
    /// Those that a service gave up: dead letters
    #[command(subcommand, after_long_help = "Example:\n  bookstore events dead list")]
    Dead(Dead),
}

#[derive(Subcommand)]
pub(crate) enum Dead {
    /// List them, the oldest first; without --service, up to --limit of each service
    List(List),
    /// Show one with its body, and why it was given up
    #[command(after_long_help = "Example:\n  bookstore events dead show dlt_…")]
    Show(Which),
    /// Have one handled after all, now: its cause is mended
    #[command(after_long_help = "Example:\n  bookstore events dead replay dlt_…")]
    Replay(Which),
    /// Put one aside for good: nothing will come of it
    #[command(after_long_help = "Example:\n  bookstore events dead discard dlt_…")]
    Discard(Which),
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore events dead list\n  bookstore events dead list --service payment --resolved\n  bookstore events dead list --all --output json | jq -r '.dead_letters[].dead_letter_id'"
)]
pub(crate) struct List {
    /// Only those of this service; of every service if not given
    #[arg(long, value_enum)]
    service: Option<Service>,
    /// Also those that were replayed or discarded
    #[arg(long)]
    resolved: bool,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which one: dlt_…
    id: String,
    /// Whose it is; each service is asked if not given
    #[arg(long, value_enum)]
    service: Option<Service>,
}

impl Events {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        let Self::Dead(dead) = self;
        match dead {
            Dead::List(list) => list.run(at, &session, output).await,
            Dead::Show(which) => {
                let (service, letter) = match which.service {
                    Some(service) => (service, get(at, &session, service, &which.id).await?),
                    None => find(at, &session, &which.id).await?,
                };
                show(output, service, &letter);
                Ok(())
            }
            Dead::Replay(which) => {
                let service = which.service(at, &session).await?;
                let letters = at.dead_letters().await?;
                let letter = session
                    .change_again(async || {
                        let request = ReplayRequest { dead_letter_id: which.id.clone() };
                        letters.clone().replay(service.address(session.sign(request))).await
                    })
                    .await?;
                show(output, service, &letter);
                Ok(())
            }
            Dead::Discard(which) => {
                let service = which.service(at, &session).await?;
                let letters = at.dead_letters().await?;
                let letter = session
                    .change_again(async || {
                        let request = DiscardRequest { dead_letter_id: which.id.clone() };
                        letters.clone().discard(service.address(session.sign(request))).await
                    })
                    .await?;
                show(output, service, &letter);
                Ok(())
            }
        }
    }
}

impl Which {
    async fn service(&self, at: &Gateway, session: &Session<'_>) -> Result<Service, Failure> {
        match self.service {
            Some(service) => Ok(service),
            None => Ok(find(at, session, &self.id).await?.0),
        }
    }
}

impl List {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        if self.service.is_none() && !self.paging.is_from_the_start() {
            return Err(Failure::usage(
                "--page goes on in the list of one service: say which with --service",
            ));
        }
        let services = self.service.map_or(Service::ALL.to_vec(), |service| vec![service]);
        let asked = ask_each(&services, async |service| self.of(at, session, service).await).await?;
        let lists = asked.answers;
        let more: Vec<_> = lists
            .iter()
            .filter(|(_, list)| !list.next_page_token.is_empty())
            .map(|(service, _)| service.name())
            .collect();
        let next = self.service.and_then(|_| lists.first()).map(|(_, list)| list.next_page_token.as_str());
        let rows: Vec<_> = lists
            .iter()
            .flat_map(|(service, list)| list.dead_letters.iter().map(|letter| (*service, letter)))
            .collect();
        if !lists.is_empty() {
            let answered: Vec<_> = lists.iter().map(|(service, _)| service.name()).collect();
            let letters: Vec<_> = rows.iter().map(|(service, letter)| json(*service, letter)).collect();
            let value = json!({
                "dead_letters": letters,
                "services": answered,
                "next_page_token": next.unwrap_or_default(),
                "more_in": more,
            });
            output.value(&value, &print::list(&rows, &answered, self.resolved));
        }
        match next {
            Some(next) => paging::hint_at(next, output),
            None if more.is_empty() => {}
            None => {
                output.hint(&format!("There are more in {}; list all of them with --all", more.join(", ")));
            }
        }
        if asked.silent.is_empty() { Ok(()) } else { Err(Failure::Incomplete(asked.silent)) }
    }

    async fn of(
        &self,
        at: &Gateway,
        session: &Session<'_>,
        service: Service,
    ) -> Result<ListResponse, Failure> {
        let letters = at.dead_letters().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListRequest {
                    page_size,
                    page_token: page_token.clone(),
                    include_resolved: self.resolved,
                };
                letters.clone().list(service.address(session.sign(request))).await
            });
            page.await.map(|page| (page.dead_letters, page.next_page_token))
        };
        let (dead_letters, next_page_token) = self.paging.part(fetch).await?;
        Ok(ListResponse { dead_letters, next_page_token })
    }
}

async fn get(at: &Gateway, session: &Session<'_>, service: Service, id: &str) -> Result<DeadLetter, Failure> {
    let letters = at.dead_letters().await?;
    session
        .ask(async || {
            let request = GetRequest { dead_letter_id: id.to_owned() };
            letters.clone().get(service.address(session.sign(request))).await
        })
        .await
}

fn show(output: &Output, service: Service, letter: &DeadLetter) {
    output.value(&json(service, letter), &print::details(service, letter));
}

/// As the contract has it, and whose it is.
fn json(service: Service, letter: &DeadLetter) -> serde_json::Value {
    let mut value = output::to_json(letter);
    value["service"] = json!(service.name());
    value
}
