//! What a node means, as a number: the same query over the same columns has the same one, wherever in the file it stands and
//! whatever else reads its topic. A checkpoint's state is given only to a node that means what it meant.
//!
//! A computed column of a topic is part of the meaning of those queries that read it, and of no other.

use crate::graph::{ColumnId, Graph, NodeId, NodeKind, Sink, Source, SourceColumn, WindowSource, WindowTime, Windows};
use crate::operators::Operator;
use crate::plan::Read;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Raised when the layout of a node's state changes.
const STATE_VERSION: u32 = 1;

/// By node.
pub(crate) fn fingerprints(graph: &Graph) -> Vec<String> {
    let mut texts: Vec<u64> = Vec::with_capacity(graph.nodes.len());
    let mut origins: Vec<Origins> = Vec::with_capacity(graph.nodes.len());
    for id in 0..graph.nodes.len() {
        let mut text = meaning(graph, id, &origins);
        origins.push(origins_of(graph, id, &origins));
        for input in &graph.nodes[id].inputs {
            let _ = write!(text, " < {:016x}", texts[*input]);
        }
        texts.push(hash(text.as_bytes()));
    }
    texts.into_iter().map(|hash| format!("{STATE_VERSION}-{hash:016x}")).collect()
}

/// By topic that the graph writes: what the statements that write it mean, inputs included.
pub fn sink_topic_meanings(graph: &Graph) -> BTreeMap<String, String> {
    let mut meanings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, fingerprint) in graph.nodes.iter().zip(fingerprints(graph)) {
        if let NodeKind::Sink(Sink::Topic { topic, .. }) = &node.kind {
            meanings.entry(topic.clone()).or_default().push(fingerprint);
        }
    }
    let joined = meanings.into_iter().map(|(topic, mut all)| {
        // wherever in the file they stand
        all.sort();
        (topic, format!("{:016x}", hash(all.concat().as_bytes())))
    });
    joined.collect()
}

/// Of each column what the topic's table says of it, if it is no plain field.
type Origins = Vec<Option<String>>;

/// The columns that a node reads.
#[derive(Clone, Copy)]
struct Columns<'a> {
    schema: &'a Schema,
    origins: &'a [Option<String>],
}

impl Columns<'_> {
    fn name(&self, column: ColumnId) -> String {
        let Some(field) = self.schema.fields().get(column) else { return String::new() };
        let origin = self.origins.get(column).and_then(Option::as_ref);
        let origin = origin.map_or_else(String::new, |origin| format!(" = {origin}"));
        format!("{} {}{origin}", field.name(), field.data_type())
    }

    /// Of a ROW of which some fields are read, those: which others it has depends on who else reads it.
    fn read_name(&self, column: ColumnId, read: &Read) -> String {
        let Some(field) = self.schema.fields().get(column) else { return String::new() };
        match (read, field.data_type()) {
            (Read::Fields(names), DataType::Struct(fields)) => {
                let of_row = names.iter().filter_map(|name| fields.find(name));
                let of_row =
                    of_row.map(|(_, of_row)| format!("{}.{} {}", field.name(), of_row.name(), of_row.data_type()));
                of_row.collect::<Vec<_>>().join(", ")
            }
            _ => self.name(column),
        }
    }

    fn names(&self, columns: &[ColumnId]) -> String {
        columns.iter().map(|column| self.name(*column)).collect::<Vec<_>>().join(", ")
    }

    /// An expression with its columns by name.
    fn expression(&self, expression: &Arc<dyn PhysicalExpr>) -> String {
        let without_numbers = Arc::clone(expression).transform(|node| {
            let any: &dyn std::any::Any = node.as_ref();
            Ok(match any.downcast_ref::<Column>() {
                Some(column) => {
                    let origin = self.origins.get(column.index()).and_then(Option::as_ref);
                    let name = match origin {
                        Some(origin) => format!("{} = {origin}", column.name()),
                        None => column.name().to_owned(),
                    };
                    let unnumbered: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, 0));
                    Transformed::yes(unnumbered)
                }
                None => Transformed::no(node),
            })
        });
        without_numbers.map_or_else(|_| expression.to_string(), |found| found.data.to_string())
    }
}

/// What is known of a node's columns. Behind a projection the node's own meaning says it.
fn origins_of(graph: &Graph, id: NodeId, known: &[Origins]) -> Origins {
    let node = &graph.nodes[id];
    let passed = || node.inputs.first().map(|input| known[*input].clone()).unwrap_or_default();
    match &node.kind {
        NodeKind::Source(source) => source_origins(source),
        NodeKind::Calc(operators) if operators.iter().all(|one| matches!(one, Operator::Filter(_))) => passed(),
        // their own columns come behind those of the input
        NodeKind::Unnest { .. } | NodeKind::AssignWindows(_) => passed(),
        _ => Origins::new(),
    }
}

fn source_origins(source: &Source) -> Origins {
    let raw: Origins = source.raw_columns.iter().map(metadata).collect();
    let raw_columns = Columns { schema: &source.raw_schema, origins: &raw };
    match source.computed.as_slice() {
        [] => raw,
        [Operator::Project { expressions, .. }] => {
            let origin = |value: &Arc<dyn PhysicalExpr>| {
                let any: &dyn std::any::Any = value.as_ref();
                match any.downcast_ref::<Column>() {
                    Some(column) => raw.get(column.index()).cloned().flatten(),
                    None => {
                        let read: Vec<String> = crate::plan::reads_of(value)
                            .iter()
                            .map(|(column, read)| raw_columns.read_name(*column, read))
                            .collect();
                        Some(format!("{} of {}", raw_columns.expression(value), read.join(", ")))
                    }
                }
            };
            expressions.iter().map(origin).collect()
        }
        operators => vec![Some(operators_meaning(raw_columns, operators)); source.raw_columns.len()],
    }
}

fn metadata(column: &SourceColumn) -> Option<String> {
    match column {
        SourceColumn::Field(_) => None,
        metadata => Some(format!("{metadata:?}")),
    }
}

/// The node without its inputs. Columns are named, not numbered: numbers move when another statement reads more of a topic.
fn meaning(graph: &Graph, id: NodeId, origins: &[Origins]) -> String {
    let node = &graph.nodes[id];
    let empty = Schema::empty();
    let input = match node.inputs.first() {
        Some(input) => Columns { schema: &graph.nodes[*input].schema, origins: &origins[*input] },
        None => Columns { schema: &empty, origins: &[] },
    };
    match &node.kind {
        NodeKind::Source(source) => source_meaning(source),
        NodeKind::Calc(operators) => operators_meaning(input, operators),
        NodeKind::Unnest { array, with_ordinality, keeps_empty } => {
            format!("unnest {} {with_ordinality} {keeps_empty}", input.name(*array))
        }
        NodeKind::AssignWindows(windows) => format!("assign {}", windows_meaning(input, windows)),
        NodeKind::WindowAggregate(aggregate) => {
            let windows = match &aggregate.windows {
                WindowSource::Assigned(windows) => windows_meaning(input, windows),
                WindowSource::Attached(window) => {
                    let columns = [window.start, window.end].map(|column| input.name(column));
                    format!("attached {columns:?} {} {}", zone(window.zone), window.is_rowtime)
                }
            };
            format!("window {windows} by {} {}", input.names(&aggregate.keys), calls(input, &aggregate.calls))
        }
        NodeKind::Aggregate(aggregate) => {
            format!("group by {} {}", input.names(&aggregate.keys), calls(input, &aggregate.calls))
        }
        NodeKind::TopN(top) => {
            let order = top
                .order
                .iter()
                .map(|order| format!("{} {} {}", input.name(order.column), order.is_descending, order.nulls_first));
            let window = top.window.map(|window| input.names(&[window.start, window.end]));
            let all: Vec<ColumnId> = (0..input.schema.fields().len()).collect();
            format!(
                "top {} {} {} by {} order {:?} window {window:?} rows {}",
                top.offset,
                top.limit,
                if top.last_wins { "last" } else { "first" },
                input.names(&top.partition),
                order.collect::<Vec<_>>(),
                input.names(&all)
            )
        }
        NodeKind::Union => {
            let inputs = node.inputs.iter().map(|input| format!("{:?}", origins[*input]));
            format!("union {}", inputs.collect::<Vec<_>>().join(", "))
        }
        NodeKind::Sink(_) => "sink".into(),
    }
}

/// Without its columns, but for the one that says when windows close: which of the others a reader means, the reader's own
/// expressions say.
fn source_meaning(source: &Source) -> String {
    let origins = source_origins(source);
    let watermark = source.watermark.map(|watermark| (watermark.delay_ms, origins.get(watermark.column).cloned()));
    format!("source {} {watermark:?}", source.topic)
}

fn windows_meaning(input: Columns<'_>, windows: &Windows) -> String {
    let time = match windows.time {
        WindowTime::Rowtime(column) => input.name(column),
        WindowTime::ProcessingTime => "processing time".into(),
    };
    format!("{time} {:?} {}", windows.shape, zone(windows.zone))
}

fn calls(input: Columns<'_>, calls: &[crate::graph::AggregateCall]) -> String {
    let call = |call: &crate::graph::AggregateCall| {
        let column = |column: Option<ColumnId>| column.map(|column| input.name(column));
        format!(
            "{:?}({:?}) {:?} {} {}",
            call.function,
            column(call.argument),
            column(call.filter),
            call.is_distinct,
            call.data_type
        )
    };
    calls.iter().map(call).collect::<Vec<_>>().join(", ")
}

fn operators_meaning(input: Columns<'_>, operators: &[Operator]) -> String {
    let mut columns = input;
    let mut texts = Vec::new();
    for operator in operators {
        texts.push(match operator {
            Operator::Filter(predicate) => format!("where {}", columns.expression(predicate)),
            Operator::Project { expressions, schema } => {
                let values = expressions.iter().zip(schema.fields());
                let values = values.map(|(value, field)| format!("{} as {}", columns.expression(value), field.name()));
                let text = values.collect::<Vec<_>>().join(", ");
                // what stands behind reads these
                columns = Columns { schema, origins: &[] };
                text
            }
        });
    }
    texts.join("; ")
}

fn zone(zone: Option<arrow::array::timezone::Tz>) -> String {
    zone.map_or_else(|| "no zone".into(), |zone| format!("{zone:?}"))
}

/// FNV-1a: stable over versions, since checkpoints hold it.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &str = "`k` STRING, `ms` BIGINT, `v` INT, `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, `twice` AS `v` * 2, \
        `ts` AS TO_TIMESTAMP_LTZ(`ms`, 3), WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND";
    const QUERY: &str = "SELECT `k`, SUM(`v`) AS `s` FROM `t` WHERE `v` > 1 GROUP BY `k`";

    /// The fingerprint of the state of the query behind table `s`.
    fn of(columns: &str, query: &str, others: &str) -> String {
        let text = format!(
            "CREATE TEMPORARY TABLE `t` ({columns}) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json');
             CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w'); CREATE DATABASE lake.d;
             CREATE TABLE lake.d.s (`k` STRING, `s` BIGINT, PRIMARY KEY (`k`) NOT ENFORCED) WITH ('bucket' = '1');
             CREATE TABLE lake.d.o (`k` STRING, `s` BIGINT) WITH ('bucket' = '-1');
             {others} INSERT INTO lake.d.s {query};"
        );
        let (pipeline, mistakes) = hoga_sql::read_pipeline("t", &text, &|_| None);
        assert!(mistakes.is_empty(), "{mistakes}");
        let plan = crate::plan::plan_pipeline(&pipeline.expect("a pipeline")).map_err(|mistakes| mistakes.to_string());
        let graph = plan.expect("a plan").graph;
        let named = |node: &crate::graph::Node| {
            let keeps_state =
                matches!(node.kind, NodeKind::Aggregate(_) | NodeKind::WindowAggregate(_) | NodeKind::TopN(_));
            keeps_state && node.name.starts_with("lake.d.s")
        };
        let index = graph.nodes.iter().rposition(named).expect("a node with state");
        fingerprints(&graph).swap_remove(index)
    }

    #[test]
    fn a_query_is_the_same_wherever_it_stands() {
        let usual = of(COLUMNS, QUERY, "");
        assert_eq!(of(COLUMNS, QUERY, "INSERT INTO lake.d.o SELECT `k`, `ms` FROM `t`;"), usual);
        assert_eq!(of(&COLUMNS.replace("`k` STRING, `ms` BIGINT,", "`ms` BIGINT, `k` STRING,"), QUERY, ""), usual);
        assert_ne!(of(COLUMNS, &QUERY.replace("> 1", "> 2"), ""), usual);
        assert_ne!(of(COLUMNS, &QUERY.replace("SUM", "MAX"), ""), usual);
        assert_ne!(of(&COLUMNS.replace("`v` INT", "`v` BIGINT"), QUERY, ""), usual);
    }

    #[test]
    fn a_computed_column_means_what_it_computes() {
        let thrice = COLUMNS.replace("`v` * 2", "`v` * 3");
        let reading = "SELECT `k`, SUM(`twice`) AS `s` FROM `t` GROUP BY `k`";
        assert_ne!(of(&thrice, reading, ""), of(COLUMNS, reading, ""));
        assert_eq!(of(&thrice, QUERY, ""), of(COLUMNS, QUERY, ""), "it reads another column");
        let through = "SELECT `k`, MAX(`twice`) AS `s` FROM (SELECT * FROM `t` WHERE `v` > 1) GROUP BY `k`";
        assert_ne!(of(&thrice, through, ""), of(COLUMNS, through, ""), "also behind a filter");
        let both = "SELECT `k`, SUM(`twice`) AS `s` FROM (SELECT * FROM `t` UNION ALL SELECT * FROM `t`) GROUP BY `k`";
        assert_ne!(of(&thrice, both, ""), of(COLUMNS, both, ""), "also behind a union");
    }

    /// Who else reads which fields of a ROW changes nothing.
    #[test]
    fn a_computed_column_of_a_row_means_the_fields_that_it_reads() {
        let columns =
            COLUMNS.replace("`v` INT", "`r` ROW<`v` INT, `w` INT, `x` STRING>").replace("`v` * 2", "`r`.`v` * 2");
        let query = "SELECT `k`, SUM(`twice`) AS `s` FROM `t` GROUP BY `k`";
        let usual = of(&columns, query, "");
        let field =
            "INSERT INTO lake.d.o SELECT `r`.`x`, `r`.`w` FROM `t`;".replace("`r`.`w`", "CAST(`r`.`w` AS BIGINT)");
        assert_eq!(of(&columns, query, &field), usual);
        let whole = "INSERT INTO lake.d.o SELECT `k`, CAST(1 AS BIGINT) FROM `t` WHERE `r` IS NOT NULL;";
        assert_eq!(of(&columns, query, whole), usual);
        assert_ne!(of(&columns.replace("`v` INT", "`v` BIGINT"), query, ""), usual);
        assert_ne!(of(&columns.replace("`r`.`v` * 2", "`r`.`w` * 2"), query, ""), usual);
    }

    #[test]
    fn event_time_means_what_it_is_computed_of() {
        let bars = "SELECT `k`, SUM(`v`) AS `s` FROM TABLE(TUMBLE(TABLE `t`, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) \
            GROUP BY `k`, window_start, window_end";
        let later = COLUMNS.replace("TO_TIMESTAMP_LTZ(`ms`, 3)", "TO_TIMESTAMP_LTZ(`ms` + 1, 3)");
        assert_ne!(of(&later, bars, ""), of(COLUMNS, bars, ""));
        let received = COLUMNS
            .replace("`ts` AS TO_TIMESTAMP_LTZ(`ms`, 3)", "`ts` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL");
        assert_ne!(of(&received, bars, ""), of(COLUMNS, bars, ""));
        let patient = COLUMNS.replace("'5' SECOND", "'6' SECOND");
        assert_ne!(of(&patient, bars, ""), of(COLUMNS, bars, ""));
    }
}
