use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::{
    io::{DuplexStream, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::pods;

/// Ports of this machine from which connections go to ready pods of a component: each port prefers another pod, and goes
/// to the others when its own cannot be reached, as a load balancer does. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Forward {
    addresses: Vec<SocketAddr>,
    keepers: Vec<JoinHandle<()>>,
}

impl Forward {
    pub(crate) async fn open(pods: &Api<Pod>, component: &str, port: u16, ways: usize) -> Result<Self> {
        let mut forward = Self { addresses: Vec::new(), keepers: Vec::new() };
        for way in 0..ways {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            forward.addresses.push(listener.local_addr()?);
            let (pods, component) = (pods.clone(), component.to_owned());
            forward.keepers.push(tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (pods, component) = (pods.clone(), component.clone());
                    tokio::spawn(async move {
                        // Whoever connected sees that it ends.
                        let _ = pass(client, &pods, &component, port, way).await;
                    });
                }
            }));
        }
        Ok(forward)
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        for keeper in &self.keepers {
            keeper.abort();
        }
    }
}

async fn pass(mut client: TcpStream, pods: &Api<Pod>, component: &str, port: u16, way: usize) -> Result<()> {
    client.set_nodelay(true)?;
    let mut server = reach(pods, component, port, way).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn reach(pods: &Api<Pod>, component: &str, port: u16, way: usize) -> Result<DuplexStream> {
    let ready = pods::ready(pods, component).await?;
    for number in 0..ready.len() {
        if let Ok(stream) = pods::connect(pods, &ready[(way + number) % ready.len()], port).await {
            return Ok(stream);
        }
    }
    bail!("{component} has no pod that can be reached")
}
