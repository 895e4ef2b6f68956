//! What anybody sends to the gateway's ports: HTTP/1, HTTP/2, or anything else.

use std::{net::SocketAddr, sync::LazyLock, time::Duration};

use clap::Parser as _;
use gateway::{Config, Gateway};
use server::config::Mesh;
use testkit::Running;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
};

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "connections",
    about: "what anybody sends to the gateway's ports",
    longest: 16_384,
    run,
    examples: || {
        let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        // A HEADERS frame: POST, http, a path and a content type, in HPACK without a table.
        let path = b"/bookstore.inventory.v1.InventoryService/ListBooks";
        let head = [
            &[0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap_or(0)][..],
            path,
            &[0x0f, 0x10, 0x10],
            b"application/grpc",
        ]
        .concat();
        let frame = [&[0, 0, u8::try_from(head.len()).unwrap_or(0), 1, 4, 0, 0, 0, 1][..], &head].concat();
        let data: &[u8] = &[0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0];
        vec![
            b"\0GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n".to_vec(),
            b"\0POST /bookstore.inventory.v1.InventoryService/ListBooks HTTP/1.1\r\nhost: shop\r\n\
              content-type: application/grpc-web-text\r\ncontent-length: 8\r\n\r\nAAAAAAA="
                .to_vec(),
            b"\0POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                .to_vec(),
            [b"\0", preface, &frame, data].concat(),
            b"\x01GET /readyz HTTP/1.1\r\nhost: shop\r\n\r\nGET /metrics HTTP/1.0\r\n\r\n".to_vec(),
            [b"\x01", preface].concat(),
            b"\x01\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        ]
    },
};

/// Until the gateway has answered, or hung up: its own limits are shorter.
const PATIENCE: Duration = Duration::from_mins(1);

struct Shop {
    runtime: Runtime,
    gateway: Running,
}

static SHOP: LazyLock<Shop> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = runtime.block_on(open()).unwrap();
    Shop { runtime, gateway }
});

async fn open() -> anyhow::Result<Running> {
    // Nobody is behind it.
    let mut arguments = vec!["gateway".to_owned()];
    for target in ["identity", "inventory", "order", "payment", "notification"] {
        arguments.extend([format!("--{target}-target"), "ipv4:127.0.0.1:9".to_owned()]);
    }
    let mut config = Config::try_parse_from(arguments)?;
    config.base.mesh = Mesh::Off;
    // Whoever comes from here is many, and is kept to no rate.
    config.trusted_proxies = "127.0.0.0/8".parse().map_err(anyhow::Error::msg)?;
    config.limits.address_rate = 1_000_000;
    config.limits.address_burst = 1_000_000;
    testkit::running_front::<Gateway>(config).await
}

/// The first byte says which port.
fn run(bytes: &[u8]) {
    let Some((port, sent)) = bytes.split_first() else { return };
    let Shop { runtime, gateway } = &*SHOP;
    let address = if port % 2 == 0 { gateway.address } else { gateway.admin };
    runtime.block_on(async {
        let Ok(answered) = tokio::time::timeout(PATIENCE, exchange(address, sent)).await else {
            panic!("a connection that sends nothing more stays open");
        };
        // A refusal may come as a reset.
        drop(answered);
        assert!(gateway.is_ready().await, "the gateway is gone");
    });
}

async fn exchange(address: SocketAddr, sent: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(sent).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
