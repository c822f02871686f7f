//! Tables of the lake under commits, as the engine makes them, beside the care of tables and queries; and a way to fill a table.
//!
//! `lake_bench commits DIR DAYS COMMITS_A_DAY ROWS_A_COMMIT between|background`: simulated days of tickers of 33 fields into a table. Care
//! comes all the time beside the commits (`background`), or after every second commit, as it does every 60 s at a commit each 30 s (`between`); then
//! into a hot table, too, which keeps two days. A line of JSON for each fortieth of it, what the day's query took among it.
//!
//! `lake_bench load DIR PIPELINE.sql TABLE ROWS_A_COMMIT`: Arrow IPC streams from standard input, each with its length before it (8 bytes,
//! little endian), into a table of that file; then its small files merged.

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::reader::StreamReader;
use hoga_engine::graph::{NodeKind, Sink};
use hoga_engine::{QueryLimits, QueryService};
use hoga_lake::{Lake, LakeOptions, LiveTable, LiveTableOptions, Pace, Retention, TableFiles, TableSpec};
use hoga_model::time::utc_date;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const PIPELINE: &str = include_str!("../../../pipeline/upbit.sql");
const MARKETS: i64 = 200;
const DAY_MS: i64 = 86_400_000;
const FIRST_DAY_MS: i64 = 20_600 * DAY_MS;
const WINDOWS: i64 = 40;
const COMMITS_PER_CARE: i64 = 2;
const MERGES_MAX: usize = 4;
/// Snapshots that an hour of commits each 30 s makes.
const SNAPSHOTS_MAX: i64 = 120;
const HOT_DAYS: i64 = 2;
/// A partition without a new file for so long is taken to be complete.
const QUIET_MS: i64 = 2 * 3_600_000;
const QUERY_PAUSE: Duration = Duration::from_millis(100);

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match *texts.as_slice() {
        ["commits", folder, days, commits, rows, care] => {
            let plan = Plan { days: days.parse()?, commits_a_day: commits.parse()?, rows: rows.parse()? };
            let (in_background, folder) = (care == "background", folder.to_owned());
            runtime.block_on(async move { tokio::spawn(commits_of(folder, plan, in_background)).await })?
        }
        ["load", folder, pipeline, table, rows] => {
            let spec = spec_of(&std::fs::read_to_string(pipeline)?, table)?;
            let (folder, rows) = (folder.to_owned(), rows.parse()?);
            runtime.block_on(async move { tokio::spawn(load(folder, spec, rows)).await })?
        }
        _ => Err("lake_bench commits DIR DAYS COMMITS_A_DAY ROWS_A_COMMIT between|background, or load DIR PIPELINE.sql TABLE ROWS_A_COMMIT".into()),
    }
}

/// A table as a pipeline's file declares it, and what its files are sorted by.
type Declared = (TableSpec, Vec<String>);

fn spec_of(text: &str, table: &str) -> Result<Declared, BoxError> {
    let pipeline = hoga_sql::parse_pipeline("bench.sql", text, &|name| (name == "WAREHOUSE").then(|| "w".into()))
        .map_err(|mistakes| mistakes.to_string())?;
    let plan = hoga_engine::plan::plan_pipeline(&pipeline).map_err(|mistakes| mistakes.to_string())?;
    let found = plan.graph.nodes.into_iter().find_map(|node| match node.kind {
        NodeKind::Sink(Sink::Lake { spec, sort_columns }) if spec.table == table => Some((spec, sort_columns)),
        _ => None,
    });
    found.ok_or_else(|| format!("no statement writes a table \"{table}\"").into())
}

async fn open(folder: &str, tables: Vec<Declared>) -> Result<Vec<Arc<LiveTable>>, BoxError> {
    let warehouse = std::path::absolute(Path::new(folder).join("warehouse"))?;
    // of a user of its own: a hoga on this folder has none of these commits in its checkpoints
    let lake = Lake::open(LakeOptions { warehouse, commit_user: "bench".into() })?;
    let mut opened = Vec::new();
    for (spec, sort_columns) in tables {
        opened.push(lake.ensure_table(&spec, LiveTableOptions { sort_columns, ..LiveTableOptions::default() }).await?);
    }
    Ok(opened)
}

async fn commit(table: &LiveTable, rows: RecordBatch, identifier: i64) -> Result<Duration, BoxError> {
    table.append(rows)?;
    let began = Instant::now();
    let sealed = table.seal();
    let prepared = table.prepare(&sealed, identifier).await?;
    let committed = table.commit(&prepared).await?;
    table.publish(sealed, committed)?;
    Ok(began.elapsed())
}

#[derive(Clone, Copy)]
struct Plan {
    days: i64,
    commits_a_day: i64,
    rows: i64,
}

/// What happened since the last line.
#[derive(Default)]
struct Window {
    commits_ms: Vec<f64>,
    day_ms: Vec<f64>,
    hot_ms: Vec<f64>,
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
async fn commits_of(folder: String, plan: Plan, in_background: bool) -> Result<(), BoxError> {
    let (spec, sort_columns) = spec_of(PIPELINE, "ticker")?;
    let hot = TableSpec { table: "ticker_hot".into(), ..spec.clone() };
    let schema = spec.schema.clone();
    let mut declared = vec![(spec, sort_columns.clone())];
    if !in_background {
        declared.push((hot, sort_columns));
    }
    let tables = open(&folder, declared).await?;
    let limits = QueryLimits { memory_bytes: 64 << 20, partitions: 2, spill_folder: Path::new(&folder).join("spill") };
    let queries = Arc::new(QueryService::new(tables.clone(), &limits)?);
    let is_over = Arc::new(AtomicBool::new(false));
    let caring = in_background.then(|| care_beside(tables.clone(), is_over.clone()));
    let asking = in_background.then(|| ask_beside(queries.clone(), is_over.clone()));
    let total = plan.days * plan.commits_a_day;
    let mut window = Window::default();
    for number in 0..total {
        let at_ms = FIRST_DAY_MS + number * DAY_MS / plan.commits_a_day;
        let is_new_day = number > 0 && number % plan.commits_a_day == 0;
        if is_new_day && !in_background {
            // an hour later
            care(&tables, wall_ms() + QUIET_MS, at_ms, Pace::FULL).await?;
        }
        for table in &tables {
            let took = commit(table, tickers(&schema, number * plan.rows, plan.rows, at_ms)?, number + 1).await?;
            if table.table() == "ticker" {
                window.commits_ms.push(took.as_secs_f64() * 1e3);
            }
        }
        if !in_background && (number + 1) % COMMITS_PER_CARE == 0 {
            care(&tables, wall_ms(), at_ms, Pace::FULL).await?;
        }
        if (number + 1) % (total / WINDOWS).max(1) == 0 || number + 1 == total {
            let day = utc_date(at_ms);
            for _ in 0..5 {
                window.day_ms.push(ask(&queries, &day_query("ticker", Some(&day))).await?);
                if tables.len() > 1 {
                    window.hot_ms.push(ask(&queries, &day_query("ticker_hot", None)).await?);
                }
            }
            if let Some((times, _)) = &asking {
                let mut times = times.lock().map_err(|_| "the task that asks panicked")?;
                window.day_ms.append(&mut times);
            }
            let long = tables[0].files().await?;
            let hot = match tables.get(1) {
                Some(hot) => hot.files().await?,
                None => TableFiles::default(),
            };
            println!(
                "{{\"commits\": {}, \"day\": \"{day}\", \"commit_p50_ms\": {:.1}, \"commit_p99_ms\": {:.1}, \"query_day_p50_ms\": {:.1}, \
                 \"query_day_p99_ms\": {:.1}, \"query_hot_p50_ms\": {:.1}, \"files\": {}, \"snapshots\": {}, \"bytes\": {}, \
                 \"hot_files\": {}, \"hot_bytes\": {}}}",
                number + 1,
                quantile(&mut window.commits_ms, 0.5),
                quantile(&mut window.commits_ms, 0.99),
                quantile(&mut window.day_ms, 0.5),
                quantile(&mut window.day_ms, 0.99),
                quantile(&mut window.hot_ms, 0.5),
                long.files,
                long.snapshots,
                long.bytes,
                hot.files,
                hot.bytes,
            );
            window = Window::default();
        }
    }
    is_over.store(true, Ordering::Relaxed);
    if let Some(caring) = caring {
        caring.await??;
    }
    if let Some((_, asking)) = asking {
        asking.await??;
    }
    Ok(())
}

/// What `hoga up` does each minute. `merge_ms`: the machine's time, or later to take what is there for complete; `at_ms` is the simulated one.
async fn care(tables: &[Arc<LiveTable>], merge_ms: i64, at_ms: i64, pace: Pace) -> Result<(), BoxError> {
    for table in tables {
        for _ in 0..MERGES_MAX {
            if table.compact(false, merge_ms, pace).await?.is_none() {
                break;
            }
        }
        if table.table() == "ticker_hot" {
            table.expire_partitions(Some(HOT_DAYS * DAY_MS), at_ms).await?;
        }
        let hour = Retention { snapshots_max: SNAPSHOTS_MAX, ..Retention::DEFAULT };
        table.expire_snapshots(Some(hour), wall_ms()).await?;
    }
    Ok(())
}

fn care_beside(tables: Vec<Arc<LiveTable>>, is_over: Arc<AtomicBool>) -> JoinHandle<Result<(), BoxError>> {
    tokio::spawn(async move {
        while !is_over.load(Ordering::Relaxed) {
            care(&tables, wall_ms(), FIRST_DAY_MS, Pace::BACKGROUND).await?;
            tokio::time::sleep(QUERY_PAUSE).await;
        }
        Ok(())
    })
}

type Asking = (Arc<std::sync::Mutex<Vec<f64>>>, JoinHandle<Result<(), BoxError>>);

/// The day's query again and again.
fn ask_beside(queries: Arc<QueryService>, is_over: Arc<AtomicBool>) -> Asking {
    let times: Arc<std::sync::Mutex<Vec<f64>>> = Arc::default();
    let into = times.clone();
    let task = tokio::spawn(async move {
        while !is_over.load(Ordering::Relaxed) {
            let took = ask(&queries, &day_query("ticker", Some(&utc_date(FIRST_DAY_MS)))).await?;
            into.lock().map_err(|_| "nobody takes the times any more")?.push(took);
            tokio::time::sleep(QUERY_PAUSE).await;
        }
        Ok(())
    });
    (times, task)
}

fn day_query(table: &str, day: Option<&str>) -> String {
    let condition = day.map_or_else(String::new, |day| format!(" WHERE dt = '{day}'"));
    format!("SELECT market, max(trade_price) FROM upbit.{table}{condition} GROUP BY market")
}

async fn ask(queries: &QueryService, sql: &str) -> Result<f64, BoxError> {
    let began = Instant::now();
    let rows = queries.session()?.sql(sql).await?.collect().await?;
    let _seen = rows.iter().map(RecordBatch::num_rows).sum::<usize>();
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Rows of an endless table, from row `first` on: all of one moment.
fn tickers(schema: &SchemaRef, first: i64, count: i64, at_ms: i64) -> Result<RecordBatch, BoxError> {
    let numbers = || (first..first + count).map(|number| number.wrapping_mul(2_654_435_761).rem_euclid(1 << 31));
    let column = |(place, field): (usize, &Arc<arrow::datatypes::Field>)| -> Result<ArrayRef, BoxError> {
        let place = place as i64 + 1;
        Ok(match (field.name().as_str(), field.data_type()) {
            ("market", _) => {
                Arc::new(StringArray::from_iter_values(numbers().map(|n| format!("KRW-M{:03}", n % MARKETS))))
            }
            ("dt", _) => Arc::new(StringArray::from_iter_values(numbers().map(|_| utc_date(at_ms)))),
            (_, DataType::Utf8) => {
                Arc::new(StringArray::from_iter_values(numbers().map(|n| ["RISE", "FALL", "EVEN"][(n % 3) as usize])))
            }
            (_, DataType::Decimal128(precision, scale)) => {
                let values = numbers().map(|n| i128::from(n * place % 1_000_003) * 10_000);
                Arc::new(Decimal128Array::from_iter_values(values).with_precision_and_scale(*precision, *scale)?)
            }
            (_, DataType::Float64) => {
                Arc::new(Float64Array::from_iter_values(numbers().map(|n| (n % 1_000) as f64 / 1e4)))
            }
            (_, DataType::Boolean) => Arc::new(BooleanArray::from_iter(numbers().map(|_| Some(false)))),
            (_, data_type) => {
                let times = TimestampMillisecondArray::from_iter_values(numbers().map(|n| at_ms - n % 50));
                cast(&times, data_type)?
            }
        })
    };
    let columns = schema.fields().iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
async fn load(folder: String, declared: Declared, rows_a_commit: usize) -> Result<(), BoxError> {
    let schema = declared.0.schema.clone();
    let table = open(&folder, vec![declared]).await?.remove(0);
    let (began, mut rows, mut identifier) = (Instant::now(), 0, 0);
    let mut input = std::io::stdin();
    let mut length = [0; 8];
    while input.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length))?];
        input.read_exact(&mut bytes)?;
        for batch in StreamReader::try_new(bytes.as_slice(), None)?.collect::<Result<Vec<_>, _>>()? {
            let mut columns = Vec::with_capacity(schema.fields().len());
            for field in schema.fields() {
                let place = batch.schema_ref().index_of(field.name())?;
                columns.push(cast(batch.column(place), field.data_type())?);
            }
            let batch = RecordBatch::try_new(schema.clone(), columns)?;
            for start in (0..batch.num_rows()).step_by(rows_a_commit) {
                let part = batch.slice(start, rows_a_commit.min(batch.num_rows() - start));
                rows += part.num_rows();
                identifier += 1;
                commit(&table, part, identifier).await?;
            }
        }
        // as in the hours it stands for: what is crowded is merged meanwhile
        while table.compact(false, wall_ms(), Pace::FULL).await?.is_some() {}
    }
    let loaded = began.elapsed();
    while table.compact(true, wall_ms(), Pace::FULL).await?.is_some() {}
    table.expire_snapshots(Some(Retention { snapshots_min: 1, snapshots_max: 1, age_ms: 0 }), wall_ms()).await?;
    let kept = table.files().await?;
    println!(
        "{{\"rows\": {rows}, \"commits\": {identifier}, \"seconds\": {:.1}, \"seconds_with_merges\": {:.1}, \"files\": {}, \"bytes\": {}}}",
        loaded.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        kept.files,
        kept.bytes
    );
    Ok(())
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}
