//! Calls of any method, their messages as bytes.

use std::{error::Error as _, time::Duration};

use anyhow::{Context, Result};
use prost::bytes::{Buf, BufMut};
use system_tests::{Door, Service, is_passing};
use tokio::time::{sleep, timeout};
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{KeyAndValueRef, MetadataMap},
};

/// No call of the matrix waits for anything but password checks, and for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// Until a caller asks again who has password checks under way, or met a shop that was briefly busy.
const TURN: Duration = Duration::from_millis(100);

/// Passes messages as they are.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// All that came back.
pub(crate) struct Reply {
    /// How it ended.
    pub(crate) status: Status,
    /// The messages, one after the other.
    pub(crate) messages: Vec<u8>,
    /// Everything that the caller could read: messages, metadata, and the status with its details.
    pub(crate) readable: Vec<u8>,
}

/// Calls a method with one message and reads the answer to its end, be it one message or many.
pub(crate) async fn call(
    door: Door,
    path: &str,
    callee: Service,
    token: Option<&str>,
    message: Vec<u8>,
) -> Result<Reply> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    }
    // Where several services have the method.
    request.metadata_mut().insert("bookstore-service", callee.name().parse()?);
    let exchange = async {
        loop {
            let mut again = Request::new(request.get_ref().clone());
            *again.metadata_mut() = request.metadata().clone();
            let reply = exchange(door.clone(), again, path).await?;
            // A matter of time, not of rights, if it is the shop that says so.
            if !is_passing(&reply.status) || reply.status.source().is_some() {
                return Ok(reply);
            }
            sleep(TURN).await;
        }
    };
    timeout(PATIENCE, exchange).await.with_context(|| format!("{path} does not end"))?
}

async fn exchange(door: Door, request: Request<Vec<u8>>, path: &str) -> Result<Reply> {
    let mut client = Grpc::new(door);
    let (mut messages, mut readable) = (Vec::new(), Vec::new());
    let ended = async {
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let path = path.parse().map_err(|_| Status::invalid_argument("no path"))?;
        let response = client.server_streaming(request, path, Bytes).await?;
        write(response.metadata(), &mut readable);
        let mut stream: Streaming<Vec<u8>> = response.into_inner();
        while let Some(message) = stream.message().await? {
            messages.extend(message);
        }
        if let Some(trailers) = stream.trailers().await? {
            write(&trailers, &mut readable);
        }
        Ok(())
    };
    let status = ended.await.err().unwrap_or_else(|| Status::ok(""));
    readable.extend(&messages);
    readable.extend(status.message().as_bytes());
    readable.extend(status.details());
    write(status.metadata(), &mut readable);
    Ok(Reply { status, messages, readable })
}

fn write(metadata: &MetadataMap, to: &mut Vec<u8>) {
    for entry in metadata.iter() {
        match entry {
            KeyAndValueRef::Ascii(_, value) => to.extend(value.as_encoded_bytes()),
            KeyAndValueRef::Binary(_, value) => to.extend(value.to_bytes().unwrap_or_default()),
        }
    }
}
