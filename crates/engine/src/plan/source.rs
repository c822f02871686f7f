//! A topic as a source: what a record gives, what is computed of it, its watermark.

use super::column::{Column, TimeAttribute, schema_of};
use super::expression::{Binder, Scope, ScopeColumn, Session, column, column_indices, with_columns};
use super::reads::{self, Read, Reads};
use super::{field_of, schema_from};
use crate::checkpoint::recover::Startup;
use crate::graph::{Source, SourceColumn, Watermark};
use crate::operators::Operator;
use arrow::datatypes::{DataType as ArrowType, Field, TimeUnit};
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{ColumnKind, Connector, DataType, KafkaTable, Mistake, ScanBounded, ScanStartup, Table};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Without `table.exec.source.idle-timeout`, a partition that is silent for so long holds nothing back. Flink's default is to
/// wait for ever; three partitions for few markets would then never close a window.
pub(super) const IDLE_TIMEOUT_MS: u64 = 10_000;

/// A topic table with all its columns.
#[derive(Debug)]
pub(super) struct SourceDraft {
    pub(super) topic: String,
    table: String,
    startup: Startup,
    is_bounded: bool,
    /// What a record gives, and from where.
    raw: Vec<(Field, Origin)>,
    /// One for each declared column, over what a record gives.
    computed: Vec<Arc<dyn PhysicalExpr>>,
    watermark: Option<Watermark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Field,
    Metadata(SourceColumn),
}

/// The draft of a topic table and its columns, or everything that is wrong with its definition.
pub(super) fn source_of(
    table: &Table,
    kafka: &KafkaTable,
    session: Session,
    idle_timeout_ms: Option<u64>,
) -> Result<(SourceDraft, Vec<Column>), Vec<Mistake>> {
    let mut problems = Vec::new();
    let mut raw = Vec::new();
    let mut scope = Scope::default();
    for declared in &table.columns {
        let origin = match &declared.kind {
            ColumnKind::Computed(_) => continue,
            ColumnKind::Physical(_) => Ok(Origin::Field),
            ColumnKind::Metadata { key, .. } => metadata(key, declared.span).map(Origin::Metadata),
        };
        let field = field_of(&declared.name, &declared.kind, declared.span);
        let (Some(origin), Some(field), Some(sql_type)) =
            (kept(origin, &mut problems), kept(field, &mut problems), declared.kind.sql_type())
        else {
            continue;
        };
        if let Origin::Metadata(source) = origin
            && let Err(problem) = check_metadata_type(&field, source, declared.span)
        {
            problems.push(problem);
        }
        let column = Column::new(&declared.name, sql_type.data_type.clone(), sql_type.nullable);
        scope.columns.push(ScopeColumn { qualifier: None, column });
        raw.push((field, origin));
    }
    if raw.is_empty() && problems.is_empty() {
        problems.push(Mistake::new(table.span, format!("table {} has no column that a record gives", table.path)));
    }
    let startup = kept(startup(kafka, table.span), &mut problems);
    let mut columns = Vec::new();
    let mut computed = Vec::new();
    if problems.is_empty() {
        for declared in &table.columns {
            match declared_column(&declared.name, &declared.kind, &scope, session, declared.span) {
                Ok((expr, column)) => {
                    computed.push(expr);
                    columns.push(column);
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    let watermark = if problems.is_empty() {
        kept(watermark(table, &mut columns, idle_timeout_ms), &mut problems).flatten()
    } else {
        None
    };
    match startup {
        Some(startup) if problems.is_empty() => {
            let is_bounded = kafka.bounded == ScanBounded::LatestOffset;
            let topic = kafka.topic.clone();
            let table = hoga_sql::quoted(&table.path.table);
            Ok((SourceDraft { topic, table, startup, is_bounded, raw, computed, watermark }, columns))
        }
        _ => Err(problems),
    }
}

fn kept<T>(found: Result<T, Mistake>, problems: &mut Vec<Mistake>) -> Option<T> {
    found.map_err(|problem| problems.push(problem)).ok()
}

fn declared_column(
    name: &str,
    kind: &ColumnKind,
    scope: &Scope,
    session: Session,
    span: Span,
) -> Result<(Arc<dyn PhysicalExpr>, Column), Mistake> {
    if let ColumnKind::Computed(expr) = kind {
        let bound = Binder::new(scope, session, span).bind(expr)?;
        if bound.is_null {
            return Err(Mistake::new(span, "NULL alone has no type").hint("write CAST(NULL AS STRING)"));
        }
        let mut computed = Column::new(name, bound.data_type, bound.nullable);
        computed.time = bound.time;
        return Ok((bound.expr, computed));
    }
    let position = scope.columns.iter().position(|column| column.column.name == name);
    let index = position.ok_or_else(|| Mistake::new(span, format!("column {name} is not there")))?;
    Ok((column(name, index), scope.columns[index].column.clone()))
}

fn watermark(
    table: &Table,
    columns: &mut [Column],
    idle_timeout_ms: Option<u64>,
) -> Result<Option<Watermark>, Mistake> {
    let Some(declared) = &table.watermark else { return Ok(None) };
    let Some(index) = columns.iter().position(|column| column.name == declared.column) else { return Ok(None) };
    let column = &mut columns[index];
    if column.data_type.timestamp_precision().is_none_or(|precision| precision > 3) {
        let message = format!(
            "a watermark column is TIMESTAMP(3) or TIMESTAMP_LTZ(3), and {} is {}",
            column.name, column.data_type
        );
        let hint = "from milliseconds since 1970: ts AS TO_TIMESTAMP_LTZ(column, 3)";
        return Err(Mistake::new(declared.span, message).hint(hint));
    }
    if column.time == Some(TimeAttribute::Proctime) {
        return Err(Mistake::new(declared.span, "PROCTIME() needs no watermark: it is the machine's time"));
    }
    column.time = Some(TimeAttribute::Rowtime);
    let delay_ms = i64::try_from(declared.delay_ms).unwrap_or(i64::MAX);
    Ok(Some(Watermark {
        column: index,
        delay_ms,
        idle_timeout_ms: Some(idle_timeout_ms.unwrap_or(IDLE_TIMEOUT_MS)).filter(|ms| *ms > 0),
    }))
}

fn startup(kafka: &KafkaTable, span: Span) -> Result<Startup, Mistake> {
    match kafka.startup {
        // group offsets are the checkpoint's here, and without one Flink starts at the earliest too
        ScanStartup::EarliestOffset | ScanStartup::GroupOffsets => Ok(Startup::Earliest),
        ScanStartup::LatestOffset => Ok(Startup::Latest),
        ScanStartup::Timestamp { .. } => Err(Mistake::new(span, "scan.startup.mode = 'timestamp' runs on Flink only")),
    }
}

impl SourceDraft {
    /// Takes out of ROW columns the fields that nobody reads: of the declared columns `reads` says what is read. A field that is
    /// NOT NULL stays, since a record without it is a dead letter.
    pub(super) fn keep_fields(&mut self, columns: &mut [Column], reads: &Reads) {
        let mut read_raw = Reads::new();
        for (column, expression) in self.computed.iter().enumerate() {
            let is_watermark = self.watermark.is_some_and(|watermark| watermark.column == column);
            match (super::draft::passes(expression), reads.get(&column)) {
                (Some(raw), Some(read)) => reads::add(&mut read_raw, raw, read),
                (None, Some(_)) => {}
                (_, None) if is_watermark => {}
                (_, None) => continue,
            }
            if super::draft::passes(expression).is_none() || is_watermark {
                let own = reads::reads_of(expression);
                own.iter().for_each(|(raw, read)| reads::add(&mut read_raw, *raw, read));
            }
        }
        for (raw, read) in &read_raw {
            let (Read::Fields(wanted), (field, Origin::Field)) = (read, &mut self.raw[*raw]) else { continue };
            let ArrowType::Struct(fields) = field.data_type() else { continue };
            let kept = fields.iter().filter(|field| !field.is_nullable() || wanted.contains(field.name()));
            *field = field.clone().with_data_type(ArrowType::Struct(kept.cloned().collect()));
            let declared = |expression: &Arc<dyn PhysicalExpr>| super::draft::passes(expression) == Some(*raw);
            for (column, _) in columns.iter_mut().zip(&self.computed).filter(|(_, computed)| declared(computed)) {
                if let DataType::Row(fields) = &mut column.data_type {
                    fields.retain(|field| !field.sql_type.nullable || wanted.contains(&field.name));
                }
            }
        }
    }

    /// The source that decodes only what is needed, and which of the declared columns it gives.
    pub(super) fn lower(&self, columns: &[Column], needed: &BTreeSet<usize>) -> Result<(Source, Vec<usize>)> {
        let mut kept: BTreeSet<usize> = needed.clone();
        kept.extend(self.watermark.map(|watermark| watermark.column));
        let kept: Vec<usize> = kept.into_iter().collect();
        let used: BTreeSet<usize> = kept.iter().flat_map(|column| column_indices(&self.computed[*column])).collect();
        let place = |raw: usize| used.iter().position(|used| *used == raw).unwrap_or(usize::MAX);
        let mut decoded = Vec::new();
        let mut raw_columns = Vec::new();
        for raw in &used {
            let (field, origin) = &self.raw[*raw];
            raw_columns.push(match origin {
                Origin::Field => {
                    decoded.push(field.clone());
                    SourceColumn::Field(decoded.len() - 1)
                }
                Origin::Metadata(source) => *source,
            });
        }
        let expressions =
            kept.iter().map(|column| with_columns(&self.computed[*column], &place)).collect::<Result<Vec<_>>>()?;
        let is_raw = expressions.len() == used.len()
            && expressions.iter().enumerate().all(|(index, expr)| super::draft::passes(expr) == Some(index));
        let given: Vec<Column> = kept.iter().map(|column| columns[*column].clone()).collect();
        let computed =
            if is_raw { Vec::new() } else { vec![Operator::Project { expressions, schema: schema_of(&given) }] };
        let watermark = self.watermark.and_then(|watermark| {
            let column = kept.iter().position(|column| *column == watermark.column)?;
            Some(Watermark { column, ..watermark })
        });
        let source = Source {
            topic: self.topic.clone(),
            table: self.table.clone(),
            declared: self.declared(),
            startup: self.startup,
            is_bounded: self.is_bounded,
            decoded: schema_from(decoded),
            raw_schema: schema_from(used.iter().map(|raw| self.raw[*raw].0.clone()).collect()),
            raw_columns,
            computed,
            watermark,
        };
        Ok((source, kept))
    }

    fn declared(&self) -> Vec<String> {
        let fields = self.raw.iter().filter(|(_, origin)| *origin == Origin::Field);
        fields.map(|(field, _)| field.name().clone()).collect()
    }
}

/// The connector's options, if the table is a topic.
pub(super) fn topic_of(table: &Table) -> Option<&KafkaTable> {
    match table.connector() {
        Connector::Kafka(kafka) => Some(kafka),
        Connector::Paimon(_) => None,
    }
}

fn metadata(key: &str, span: Span) -> Result<SourceColumn, Mistake> {
    match key {
        "timestamp" => Ok(SourceColumn::Timestamp),
        "offset" => Ok(SourceColumn::Offset),
        "partition" => Ok(SourceColumn::Partition),
        "topic" => Ok(SourceColumn::Topic),
        other => Err(Mistake::new(span, format!("metadata '{other}' runs on Flink only"))
            .hint("here: 'timestamp', 'offset', 'partition', 'topic'")),
    }
}

fn check_metadata_type(field: &Field, source: SourceColumn, span: Span) -> Result<(), Mistake> {
    let expected = match source {
        SourceColumn::Timestamp => ArrowType::Timestamp(TimeUnit::Millisecond, Some(crate::types::UTC.into())),
        SourceColumn::Offset => ArrowType::Int64,
        SourceColumn::Partition => ArrowType::Int32,
        SourceColumn::Topic => ArrowType::Utf8,
        SourceColumn::Field(_) => return Ok(()),
    };
    if *field.data_type() == expected {
        return Ok(());
    }
    let message = format!("metadata column `{}` is {}", field.name(), crate::types::sql_name(field.data_type()));
    Err(Mistake::new(span, message).hint(format!("declare it as {}", crate::types::sql_name(&expected))))
}
