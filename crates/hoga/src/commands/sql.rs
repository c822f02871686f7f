//! `hoga sql`: statements to a running hoga, or to the tables of a data folder, printed as a table, CSV or JSON.

mod output;

use crate::cli::SqlArgs;
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
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

pub const DEFAULT_URL: &str = "postgres://hoga@127.0.0.1:5433/hoga";
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
        match &args.data {
            None => {
                let url = args.connect.as_deref().unwrap_or(DEFAULT_URL);
                ask(url, &statement, &args).await
            }
            Some(data) => {
                // the same client and the same listener as online, so that an answer never depends on the way
                let cancel = CancellationToken::new();
                let url = serve_folder(data, args.warehouse.as_deref(), cancel.clone()).await?;
                let answer = ask(&url, &statement, &args).await;
                cancel.cancel();
                answer
            }
        }
    })
}

async fn ask(url: &str, text: &str, args: &SqlArgs) -> Result<(), Failure> {
    let client = connect(url).await?;
    for statement in output::statements(text) {
        let refused = |error: tokio_postgres::Error| Failure::user(refusal(&error));
        let prepared = client.prepare(&statement).await.map_err(refused)?;
        let messages = client.simple_query(&statement).await.map_err(refused)?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        crate::output::written(output::print(prepared.columns(), &rows.collect::<Vec<_>>(), args.format))?;
    }
    Ok(())
}

/// A client of a running hoga.
pub async fn connect(url: &str) -> Result<Client, Failure> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|error| {
        let reason = with_causes(&error);
        Failure::external(format!(
            "no hoga answers at {url}: {reason}; start one with: hoga up, or read a folder with --data DIR"
        ))
    })?;
    // it ends with the client; how it ended is of no interest any more
    tokio::spawn(connection);
    Ok(client)
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
pub async fn serve_folder(data: &Path, warehouse: Option<&str>, cancel: CancellationToken) -> Result<String, Failure> {
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
