//! What the mesh decides can be read from outside.

use std::{sync::LazyLock, time::Duration};

use anyhow::Result;
use mesh::{Client, Target};
use proto::payment::v1::{GetBalanceRequest, payment_service_client::PaymentServiceClient};

use crate::{
    eventually, nobody, patient,
    replica::{Replica, Reply},
};

/// Before the first call of the process: instruments made earlier measure nothing.
pub(crate) fn start() {
    static STARTED: LazyLock<bool> = LazyLock::new(|| {
        let config = telemetry::Config {
            service: "tests",
            filter: "off".to_owned(),
            otlp_endpoint: None,
            sampling: telemetry::Sampling::default(),
            json: false,
        };
        telemetry::init(config).is_ok()
    });
    assert!(*STARTED, "telemetry is set up twice");
}

fn is_said(line: &str) -> bool {
    telemetry::prometheus_text().lines().any(|said| said == line)
}

#[tokio::test]
async fn attempts_retries_breaker_and_endpoints_are_counted() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Status("14"), Duration::ZERO);
    let target = Target::Ipv4(vec![server.address, nobody().await?]);
    let mut client = PaymentServiceClient::new(Client::new("counted", &target, patient(), None));
    loop {
        let asked = server.calls();
        assert!(client.get_balance(GetBalanceRequest::default()).await.is_err());
        if server.calls() == asked {
            break;
        }
    }
    let attempts = server.calls();
    let text = telemetry::prometheus_text();
    for line in [
        format!(r#"mesh_client_attempts_total{{callee="counted",outcome="unavailable"}} {attempts}"#),
        r#"mesh_client_breakers_open{callee="counted"} 1"#.to_owned(),
        r#"mesh_client_breaker_refusals_total{callee="counted"} 1"#.to_owned(),
        r#"mesh_client_endpoints{callee="counted"} 2"#.to_owned(),
        r#"mesh_client_endpoints_ejected{callee="counted"} 1"#.to_owned(),
        r#"mesh_client_connections{callee="counted"} 2"#.to_owned(),
    ] {
        assert!(is_said(&line), "{line} isn't in\n{text}");
    }
    assert!(text.contains(r#"mesh_client_retries_total{callee="counted",reason="unavailable"}"#), "{text}");

    drop(client);
    for gone in ["breakers_open", "endpoints", "connections"] {
        let line = format!(r#"mesh_client_{gone}{{callee="counted"}} 0"#);
        eventually(&line, || is_said(&line)).await;
    }
    Ok(())
}
