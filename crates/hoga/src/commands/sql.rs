//! `hoga sql`: statements to a running hoga, or to the tables of a data folder, printed as a table, CSV or JSON.

mod output;

use crate::cli::{Format, SqlArgs, TablesArgs};
use crate::config::{Warehouse, absolute, variable_of};
use crate::failure::{Failure, with_causes};
use crate::up::procedures::TableProcedures;
use crate::up::topology::QUERY_PARTITIONS;
use hoga_engine::{QueryLimits, QueryService};
use hoga_lake::LiveTable;
use hoga_model::time::SystemClock;
use hoga_serve::SessionFactory;
use hoga_serve::postgres::{self, PostgresConfig};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

const DEFAULT_URL: &str = "postgres://hoga@127.0.0.1:5433/hoga";
/// PostgreSQL's, which a URL without a port means.
const DEFAULT_PORT: u16 = 5432;
const OFFLINE_MEMORY_BYTES: usize = 1 << 30;

pub fn run(args: SqlArgs) -> Result<(), Failure> {
    let statement = match &args.command {
        Some(text) => text.clone(),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| {
                Failure::user(format!("cannot read standard input: {error}; or use -c \"SELECT …\""))
            })?;
            text
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(QUERY_PARTITIONS)
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        let client = connect(&args.tables, &cancel).await?;
        let answer = ask(&client, &statement, args.format).await;
        cancel.cancel();
        answer
    })
}

async fn ask(client: &Client, text: &str, format: Format) -> Result<(), Failure> {
    for statement in output::statements(text) {
        let refused = |error: tokio_postgres::Error| Failure::user(refusal(&error));
        let prepared = client.prepare(&statement).await.map_err(refused)?;
        let messages = client.simple_query(&statement).await.map_err(refused)?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        crate::output::written(output::print(prepared.columns(), &rows.collect::<Vec<_>>(), format))?;
    }
    Ok(())
}

/// A client of a running hoga; or of the tables of a folder, by the same listener, so that an answer never depends on the way.
pub async fn connect(tables: &TablesArgs, cancel: &CancellationToken) -> Result<Client, Failure> {
    let url = match &tables.data {
        Some(data) => serve_folder(data, tables.warehouse.as_deref(), cancel.clone()).await?,
        None => tables.connect.clone().unwrap_or_else(|| DEFAULT_URL.to_owned()),
    };
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        Failure::user(format!("--connect is no URL as {DEFAULT_URL}: {}", with_causes(&error)))
    })?;
    if let Some(password) = tables.postgres_password.as_ref().filter(|_| config.get_password().is_none()) {
        config.password(password);
    }
    let (client, connection) = config.connect(NoTls).await.map_err(|error| unconnected(&config, &error))?;
    // it ends with the client; how it ended is of no interest any more
    tokio::spawn(connection);
    Ok(client)
}

/// Why there is no connection. The password is in no message.
fn unconnected(config: &Config, error: &tokio_postgres::Error) -> Failure {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .zip(config.get_ports().iter().chain(std::iter::repeat(&DEFAULT_PORT)))
        .map(|(host, port)| match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let place = format!("postgres://{}", hosts.join(","));
    let reason = with_causes(error);
    let is_wrong = error.code().is_some_and(|code| *code == SqlState::INVALID_PASSWORD);
    match config.get_password() {
        None if is_wrong || reason.contains("password missing") => Failure::user(format!(
            "{place} asks for a password; give it as HOGA_POSTGRES_PASSWORD, or in the URL of --connect"
        )),
        Some(_) if is_wrong => {
            Failure::user(format!("{place} has another password than that of --connect or HOGA_POSTGRES_PASSWORD"))
        }
        _ => Failure::external(format!(
            "no hoga answers at {place}: {reason}; start one with: hoga up, or read a folder with --data DIR"
        )),
    }
}

/// The server's own words, with its hint.
pub fn refusal(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refused) => match refused.hint() {
            Some(hint) => format!("{}; {hint}", refused.message()),
            None => refused.message().to_owned(),
        },
        None => with_causes(error),
    }
}

/// Opens the tables of a folder and listens on a loopback port for this process.
async fn serve_folder(data: &Path, warehouse: Option<&str>, cancel: CancellationToken) -> Result<String, Failure> {
    let (sessions, tables) = open_folder(data, warehouse).await?;
    let mut config = PostgresConfig::new(([127, 0, 0, 1], 0).into());
    config.procedures = Some(TableProcedures::offline(tables, Arc::new(SystemClock)));
    let running = postgres::serve(config, sessions, cancel).await.map_err(|error| Failure::of(&error))?;
    Ok(format!("postgres://hoga@{}/hoga", running.local_addr()))
}

/// The tables that a hoga which does not run any more has left, and sessions on them. `warehouse`: where they are; else in the
/// folder, else where HOGA_WAREHOUSE says.
pub async fn open_folder(
    data: &Path,
    warehouse: Option<&str>,
) -> Result<(SessionFactory, Vec<Arc<LiveTable>>), Failure> {
    let variable = |name: &str| std::env::var(variable_of(name)).ok();
    let has_tables = data.join("warehouse").is_dir();
    let place = warehouse.map(str::to_owned).or_else(|| variable("warehouse").filter(|_| !has_tables));
    if place.is_none() && !has_tables {
        return Err(Failure::user(format!(
            "\"{}\" has no tables; give the folder that hoga up --data wrote, and its --warehouse if it had one",
            data.display()
        )));
    }
    let data = absolute(data);
    let place = Warehouse::resolve(place.as_deref(), &data, variable).map_err(Failure::user)?;
    let lake = Box::pin(place.open(&data)).await?;
    let failed = |error| Failure::of::<hoga_lake::LakeError>(&error);
    let mut tables = Vec::new();
    for database in lake.list_databases().await.map_err(failed)? {
        for table in lake.list_tables(&database).await.map_err(failed)? {
            tables.push(lake.open_table(&database, &table).await.map_err(failed)?);
        }
    }
    let limits = QueryLimits {
        memory_bytes: OFFLINE_MEMORY_BYTES,
        partitions: QUERY_PARTITIONS,
        spill_folder: std::env::temp_dir(),
    };
    let queries = QueryService::new(tables.clone(), &limits)
        .map_err(|error| Failure::external(format!("cannot prepare the query service: {error}")))?;
    Ok((Arc::new(move || queries.session()), tables))
}
