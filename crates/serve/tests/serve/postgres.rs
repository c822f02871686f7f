//! The PostgreSQL wire, asked by psql and by tokio-postgres.

mod protocol;
mod psql;

use std::net::SocketAddr;
use std::time::Duration;

use hoga_serve::Secret;
use hoga_serve::postgres::{PostgresConfig, RunningPostgres, serve};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

use crate::fixtures::sessions;

/// A listener on a free port, which stops with the test.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    pub(crate) running: Option<RunningPostgres>,
    pub(crate) stop: CancellationToken,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn config() -> PostgresConfig {
    PostgresConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub(crate) async fn started(config: PostgresConfig) -> Wire {
    let stop = CancellationToken::new();
    let running = serve(config, sessions(), stop.clone()).await.expect("a free port on loopback");
    Wire { address: running.local_addr(), running: Some(running), stop }
}

pub(crate) async fn connected(wire: &Wire) -> Client {
    connect(wire, "user=ann dbname=hoga").await.expect("a client that may enter")
}

pub(crate) async fn connect(wire: &Wire, options: &str) -> Result<Client, tokio_postgres::Error> {
    let options = format!("host={} port={} {options}", wire.address.ip(), wire.address.port());
    let (client, connection) = tokio_postgres::connect(&options, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// SQLSTATE and message of what went wrong.
pub(crate) fn failure(error: &tokio_postgres::Error) -> (String, String) {
    let error = error.as_db_error().unwrap_or_else(|| panic!("no answer of the server: {error}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

/// A statement that takes longer than any test waits.
pub(crate) const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b \
                           WHERE a.value * b.value % 7 = 3";

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_with_the_fix() {
    let wire = started(config()).await;
    let error = serve(PostgresConfig::new(wire.address), sessions(), CancellationToken::new()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {}: the port is in use; stop the other program or choose another address with \
             --postgres ADDR or HOGA_POSTGRES",
            wire.address
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_need_a_password() {
    let everywhere = PostgresConfig::new(SocketAddr::from(([0, 0, 0, 0], 0)));
    let error = serve(everywhere.clone(), sessions(), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().starts_with("listening on 0.0.0.0:0 needs a password"), "{error}");

    let with_password = PostgresConfig { password: Some(Secret::new("호가 secret")), ..everywhere };
    assert!(format!("{with_password:?}").contains("***") && !format!("{with_password:?}").contains("secret"));
    let mut wire = started(with_password).await;
    wire.address.set_ip([127, 0, 0, 1].into());
    let client = connect(&wire, "user=ann dbname=hoga password='호가 secret'").await.expect("the right password");
    assert_eq!(client.query_one("SELECT session_user", &[]).await.unwrap().get::<_, String>(0), "ann");
    let wrong = connect(&wire, "user=ann dbname=hoga password=guess").await.expect_err("a wrong password");
    let expected = ("28P01".to_owned(), "password authentication failed for user \"ann\"".to_owned());
    assert_eq!(failure(&wrong), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_says_goodbye_and_frees_the_port() {
    let mut wire = started(config()).await;
    let client = connected(&wire).await;
    let waiting = tokio::spawn(async move { client.simple_query(ENDLESS).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.stop.cancel();
    let running = wire.running.take().unwrap();
    tokio::time::timeout(Duration::from_secs(4), running.stopped()).await.expect("stopped in time");
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(failure(&error).0, "57P01");
    std::net::TcpListener::bind(wire.address).expect("the port is free again");
}
