use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use anyhow::Result;
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::RecordType,
};
use testkit::{Dns, replicas};

const TTL: Duration = Duration::from_secs(7);

#[tokio::test]
async fn a_name_leads_where_it_was_told_over_udp_and_tcp() -> Result<()> {
    let dns = Dns::start().await?;
    let (first, second) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    dns.set("Inventory.test", [first, second, v6], TTL);
    for resolver in [resolver(&dns, ConnectionConfig::udp())?, resolver(&dns, ConnectionConfig::tcp())?] {
        assert_eq!(look(&resolver, RecordType::A).await?, [(first, 7), (second, 7)]);
        assert_eq!(look(&resolver, RecordType::AAAA).await?, [(v6, 7)]);
        // Again: a connection is for more than one question.
        assert_eq!(look(&resolver, RecordType::A).await?, [(first, 7), (second, 7)]);
    }
    assert_eq!(dns.queries("inventory.test"), 6);
    assert_eq!(dns.queries("order.test"), 0);
    Ok(())
}

#[tokio::test]
async fn what_a_name_leads_to_changes_at_once() -> Result<()> {
    let dns = Dns::start().await?;
    let resolver = resolver(&dns, ConnectionConfig::udp())?;
    let (first, second) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
    let missing = look(&resolver, RecordType::A).await.unwrap_err();
    assert!(missing.is_nx_domain(), "{missing}");

    dns.set("inventory.test", [first], TTL);
    assert_eq!(look(&resolver, RecordType::A).await?, [(first, 7)]);
    dns.set("inventory.test", [second], Duration::ZERO);
    assert_eq!(look(&resolver, RecordType::A).await?, [(second, 0)]);

    dns.set_broken(true);
    let broken = look(&resolver, RecordType::A).await.unwrap_err();
    assert!(!broken.is_no_records_found(), "{broken}");
    dns.set_broken(false);
    assert_eq!(look(&resolver, RecordType::A).await?, [(second, 0)]);

    dns.set("inventory.test", [], TTL);
    let empty = look(&resolver, RecordType::A).await.unwrap_err();
    assert!(empty.is_no_records_found() && !empty.is_nx_domain(), "{empty}");
    dns.remove("inventory.test");
    assert!(look(&resolver, RecordType::A).await.unwrap_err().is_nx_domain());
    Ok(())
}

#[tokio::test]
async fn replicas_are_on_addresses_of_their_own_and_on_one_port() -> Result<()> {
    let addresses = replicas(3).await?;
    let hosts: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    assert_eq!(hosts, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    assert!(addresses.iter().all(|address| address.port() == addresses[0].port() && address.port() > 0));
    let listeners = addresses.iter().map(std::net::TcpListener::bind).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(listeners.len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_target_is_what_the_mesh_takes() -> Result<()> {
    let dns = Dns::start().await?;
    let target: mesh::Target = dns.target("inventory", 50052).parse()?;
    assert_eq!(target.to_string(), format!("dns://{}/inventory:50052", dns.address()));
    Ok(())
}

fn resolver(dns: &Dns, mut connection: ConnectionConfig) -> Result<TokioResolver> {
    connection.port = dns.address().port();
    let server = NameServerConfig::new(dns.address().ip(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().cache_size = 0;
    Ok(builder.build()?)
}

async fn look(
    resolver: &TokioResolver,
    kind: RecordType,
) -> Result<Vec<(IpAddr, u32)>, hickory_resolver::net::NetError> {
    let found = resolver.lookup("inventory.test.", kind).await?;
    let records = found.answers().iter();
    Ok(records.filter_map(|record| Some((record.data.ip_addr()?, record.ttl))).collect())
}
