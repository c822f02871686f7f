//! A client that sends just what it is told, down to the Host header.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request's head without its end; more header lines may be appended.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n")
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Empty if there is none of that name.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or("")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Sends a request and reads the answer to its end.
pub(crate) async fn send(address: SocketAddr, request: &str) -> Answer {
    let mut client = Client::open(address, request).await;
    while client.read_more().await {}
    let all = client.received;
    let end = find(&all, b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: all[end + 4..].to_vec() }
}

/// An open connection with one request on it.
pub(crate) struct Client {
    connection: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr, request: &str) -> Client {
        let mut connection = TcpStream::connect(address).await.expect("a listener");
        let end = if request.contains("\r\n\r\n") { "" } else { "Connection: close\r\n\r\n" };
        connection.write_all(format!("{request}{end}").as_bytes()).await.expect("a connection");
        Client { connection, received: Vec::new() }
    }

    /// The data of the next event of that name; what came before it is gone.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let start = format!("event: {name}\ndata: ");
        loop {
            let from = find(&self.received, start.as_bytes()).map(|at| at + start.len());
            if let Some(from) = from
                && let Some(length) = find(&self.received[from..], b"\n\n")
            {
                let rest = self.received.split_off(from + length);
                let data = std::mem::replace(&mut self.received, rest).split_off(from);
                return serde_json::from_slice(&data).expect("an event's data is JSON");
            }
            assert!(self.read_more().await, "the stream ended before {name}");
        }
    }

    /// Waits until the server ends the connection.
    pub(crate) async fn end(&mut self) {
        while self.read_more().await {}
    }

    async fn read_more(&mut self) -> bool {
        let mut part = vec![0; 64 * 1024];
        let length = timeout(PATIENCE, self.connection.read(&mut part)).await.expect("an answer in time");
        let length = length.unwrap_or(0);
        self.received.extend_from_slice(&part[..length]);
        length > 0
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
