//! What `up` prints once the shop is open.

use std::path::Path;

use comfy_table::{Table, presets};

use crate::local::{self, Local};

use super::{
    services::{GATEWAY, address},
    shop::{MAIL, Shop},
    traces::Traces,
};

pub(crate) fn print(shop: &Shop, traces: &Traces, accounts: &str, bookstore: &Path, local: &Local) {
    let bookstore = local::short(bookstore);
    println!(
        "\nThe shop is open at http://{}.\n\n{}\n{}\nMails: {}, a file each\nTraces: {}",
        address(GATEWAY.port),
        addresses(shop, local),
        accounts.trim_end(),
        local::short(&local.path(MAIL)),
        traces.describe()
    );
    println!(
        "\n\
         In another terminal:\n\
         \x20 {bookstore} login --email ada@example.com\n\
         \x20 {bookstore} books list --category science-fiction\n\
         \x20 {bookstore} order place --book 9780441172719 --watch\n\n\
         Ctrl-C stops it all, as does `cargo xtask down`. The data stays; `cargo xtask reset` wipes it."
    );
}

fn addresses(shop: &Shop, local: &Local) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["Service", "Address", "Health, metrics", "Log"]);
    for (service, log) in shop.services() {
        let admin = format!("http://{}", address(service.admin_port));
        let grpc = address(service.port).to_string();
        table.add_row([service.name.to_owned(), grpc, admin, local::short(log)]);
    }
    if let Some(postgres) = &shop.postgres {
        // The link in `.local`, not the folder it may lead to.
        let log = local::short(&local.path("postgres").join("server.log"));
        table.add_row(["Postgres".to_owned(), format!("127.0.0.1:{}", postgres.port()), String::new(), log]);
    }
    if let Some(nats) = &shop.nats {
        let log = local::short(&nats.store().join("nats-server.log"));
        table.add_row(["NATS".to_owned(), format!("127.0.0.1:{}", nats.port()), String::new(), log]);
    }
    table
}
