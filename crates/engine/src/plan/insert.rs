//! INSERT INTO: the casts that make a query's columns the table's, and what a table can take.

use super::column::{Column, TimeAttribute};
use super::draft::{Draft, DraftId, DraftKind};
use super::expression::{Bound, cast, column, describe, is_numeric, is_string};
use super::planner::{Context, Planned, Planner, Told};
use super::{field_of, schema_from, sink, sort_columns};
use crate::graph::{Changes, Sink};
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{Connector, DataType, Job, Mistake, SqlType, Table, quoted};

/// A table that something is inserted into, and all that comes to it.
pub(super) struct Target {
    pub(super) table: usize,
    pub(super) inputs: Vec<DraftId>,
    span: Span,
}

/// A column that is written: its name and type.
struct Wanted {
    name: String,
    sql_type: SqlType,
}

impl<'a> Planner<'a> {
    /// Plans one INSERT up to its table.
    pub(super) fn insert(&mut self, job: &'a Job, targets: &mut Vec<Target>) -> Planned<()> {
        let pipeline = self.pipeline;
        let Some(position) = pipeline.tables.iter().position(|table| table.path == job.sink) else {
            return self.tell(Mistake::new(job.span, format!("{} is not a table", job.sink)));
        };
        let table = &pipeline.tables[position];
        let context = Context::of_settings(&job.settings, shown(table), job.span);
        let context = self.keep(context)?;
        let id = self.query(&job.query, &context)?;
        self.check_ranks(id)?;
        let id = self.cast_to(id, job, table, &context)?;
        self.check_changes(id, table, job)?;
        match targets.iter_mut().find(|target| target.table == position) {
            Some(target) => target.inputs.push(id),
            None => targets.push(Target { table: position, inputs: vec![id], span: job.span }),
        }
        Ok(())
    }

    /// The sink node of a table.
    pub(super) fn sink(&mut self, target: Target) -> Planned<DraftId> {
        let pipeline = self.pipeline;
        let table = &pipeline.tables[target.table];
        let name = format!("sink {}", shown(table));
        let (first, rest) = target.inputs.split_first().ok_or(Told)?;
        let mut input = *first;
        if !rest.is_empty() {
            let updates = target.inputs.iter().any(|id| self.drafts[*id].changes != Changes::Append);
            if updates {
                let message = format!("a second INSERT INTO {} beside an updating query", table.path);
                return self
                    .tell(Mistake::new(target.span, message).hint("one of them would delete what the other wrote"));
            }
            let columns: Vec<Column> =
                self.drafts[input].columns.iter().map(|column| Column { time: None, ..column.clone() }).collect();
            input = self.drafts.push(Draft {
                name: format!("{}: union", shown(table)),
                kind: DraftKind::Union,
                inputs: target.inputs.clone(),
                columns,
                changes: Changes::Append,
                windowed: None,
                is_shared: false,
            });
        }
        let sink = sink_of(table, target.span);
        let (sink, schema) = self.keep(sink)?;
        let changes = self.drafts[input].changes.clone();
        let kind = DraftKind::Sink(Box::new(sink), schema);
        let draft =
            Draft { name, kind, inputs: vec![input], columns: Vec::new(), changes, windowed: None, is_shared: false };
        Ok(self.drafts.push(draft))
    }

    /// The query's columns under the table's names and types; what the INSERT does not name is NULL.
    fn cast_to(&mut self, id: DraftId, job: &Job, table: &Table, context: &Context<'a>) -> Planned<DraftId> {
        let given = self.drafts[id].columns.clone();
        if given.len() != job.columns.len() {
            let message = format!(
                "the query has {} columns, the table takes {}: {}",
                given.len(),
                job.columns.len(),
                job.columns.join(", ")
            );
            return self.tell(Mistake::new(job.span, message));
        }
        let mut items = Vec::new();
        let mut told = false;
        for wanted in written_columns(table) {
            let position = job.columns.iter().position(|column| *column == wanted.name);
            let bound = match position {
                Some(position) => self.one_cast(&given[position], position, &wanted, job, context),
                None => {
                    let null = super::expression::null();
                    let bound = cast(null, &wanted.sql_type.data_type, context.session, job.span);
                    self.keep(bound)
                }
            };
            match bound {
                Ok(bound) => {
                    let mut target = Column::new(&wanted.name, wanted.sql_type.data_type, bound.nullable);
                    target.time = position.and_then(|position| given[position].time);
                    items.push((bound.expr, target));
                }
                Err(Told) => told = true,
            }
        }
        if told {
            return Err(Told);
        }
        Ok(self.drafts.project(id, &context.name("calc"), items))
    }

    fn one_cast(
        &mut self,
        given: &Column,
        position: usize,
        wanted: &Wanted,
        job: &Job,
        context: &Context<'a>,
    ) -> Planned<Bound> {
        let span = item_span(job, position);
        if given.time == Some(TimeAttribute::Proctime) {
            let message = format!("column {} is PROCTIME() and has no value to write", position + 1);
            return self.tell(Mistake::new(span, message));
        }
        let bound = Bound::new(column(&given.name, position), given.data_type.clone(), given.nullable);
        let is_null = given.is_null;
        if !is_null && !converts(&given.data_type, &wanted.sql_type.data_type) {
            let (from, to) = (describe(&given.data_type), describe(&wanted.sql_type.data_type));
            let message = format!(
                "column {} of the query is {from}, but {} of {} is {to}",
                position + 1,
                quoted(&wanted.name),
                job.sink
            );
            return self.tell(Mistake::new(span, message).hint(format!("write CAST(… AS {to})")));
        }
        let bound = if is_null { super::expression::null() } else { bound };
        let bound = cast(bound, &wanted.sql_type.data_type, context.session, span);
        self.keep(bound)
    }

    /// An updating query needs a table that can take back what it was given.
    fn check_changes(&mut self, id: DraftId, table: &Table, job: &Job) -> Planned<()> {
        let span = job.span;
        let Changes::Updating { key } = &self.drafts[id].changes else { return Ok(()) };
        if let Connector::Kafka(_) = table.connector() {
            let message = format!(
                "the query updates rows that it gave before, and topic table {} takes inserts only",
                table.path.table
            );
            return self.tell(
                Mistake::new(span, message)
                    .hint("group by window_start and window_end, or write into a lake table with a PRIMARY KEY"),
            );
        }
        if table.primary_key.is_empty() {
            let message = format!("the query updates rows that it gave before, and {} has no PRIMARY KEY", table.path);
            return self.tell(Mistake::new(span, message).hint(
                "declare PRIMARY KEY (…) NOT ENFORCED with the query's key, or group by window_start and window_end",
            ));
        }
        let columns = &self.drafts[id].columns;
        let is_key = |index: &usize| table.primary_key.contains(&columns[*index].name);
        match key {
            Some(key) if key.iter().all(is_key) => Ok(()),
            // each row has a key of its own, says who set it: inserts and deletes then need no other
            _ if !job.settings.materializes_upserts() && self.inserts_and_deletes(id) => Ok(()),
            Some(key) => {
                let names: Vec<&str> = key.iter().map(|index| columns[*index].name.as_str()).collect();
                let message = format!(
                    "the query's key ({}) is not in the PRIMARY KEY ({}) of {}",
                    names.join(", "),
                    table.primary_key.join(", "),
                    table.path
                );
                self.tell(Mistake::new(span, message).hint("rows of several keys would replace one another; Flink keeps them all in state, which runs on Flink only"))
            }
            None => {
                let message = "the query updates rows and does not write all columns of its key";
                self.tell(
                    Mistake::new(span, message)
                        .hint("put the columns of GROUP BY, or of PARTITION BY and the number, into the SELECT list"),
                )
            }
        }
    }
}

impl Planner<'_> {
    /// True if the rows are those of a Top-N over inserts, without their number: a row comes and goes, and is never another.
    fn inserts_and_deletes(&self, id: DraftId) -> bool {
        let mut at = id;
        let mut needed: std::collections::BTreeSet<usize> = (0..self.drafts[id].columns.len()).collect();
        loop {
            let draft = &self.drafts[at];
            match &draft.kind {
                DraftKind::Calc(steps) => {
                    needed = super::lower::wanted_of_steps(steps, &needed).pop().unwrap_or_default();
                    let Some(input) = draft.inputs.first() else { return false };
                    at = *input;
                }
                DraftKind::TopN(top) => {
                    let is_number_read = needed.contains(&(draft.columns.len() - 1));
                    let is_over_inserts =
                        draft.inputs.iter().all(|input| self.drafts[*input].changes == Changes::Append);
                    return is_over_inserts && !is_number_read && top.offset == 1 && top.limit > 1;
                }
                _ => return false,
            }
        }
    }
}

/// Where a column of the query stands, if it is a plain SELECT.
fn item_span(job: &Job, position: usize) -> Span {
    use datafusion::sql::sqlparser::ast::{SelectItem, SetExpr};
    let SetExpr::Select(select) = job.query.body.as_ref() else { return job.span };
    let plain = select
        .projection
        .iter()
        .all(|item| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
    match select.projection.get(position) {
        Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) if plain => {
            super::expression::place(expr, job.span)
        }
        _ => job.span,
    }
}

/// A table as node names and messages call it.
fn shown(table: &Table) -> String {
    match table.connector() {
        Connector::Kafka(kafka) => format!("topic {}", kafka.topic),
        Connector::Paimon(_) => format!("{}.{}.{}", table.path.catalog, table.path.database, table.path.table),
    }
}

fn written_columns(table: &Table) -> Vec<Wanted> {
    let wanted = |column: &hoga_sql::Column| {
        let sql_type = column.kind.sql_type()?.clone();
        Some(Wanted { name: column.name.clone(), sql_type })
    };
    table.writable_columns().filter_map(wanted).collect()
}

fn sink_of(table: &Table, span: Span) -> Result<(Sink, SchemaRef), Mistake> {
    match table.connector() {
        Connector::Paimon(_) => {
            let spec = sink::lake_spec(table, span)?;
            let schema = spec.schema.clone();
            let sort_columns = sort_columns(&schema);
            Ok((Sink::Lake { spec, sort_columns }, schema))
        }
        Connector::Kafka(kafka) => {
            let mut fields = Vec::new();
            for declared in table.writable_columns() {
                if let hoga_sql::ColumnKind::Metadata { key, .. } = &declared.kind {
                    let problem = Mistake::new(
                        declared.span,
                        format!("writing the metadata '{key}' of a record runs on Flink only"),
                    );
                    return Err(problem.hint("declare the column VIRTUAL: then it is only read"));
                }
                fields.push(field_of(&declared.name, &declared.kind, declared.span)?);
            }
            let schema = schema_from(fields);
            let mut key = None;
            for name in &kafka.key_fields {
                let Ok(index) = schema.index_of(name) else {
                    let message = format!("'key.fields' names {}, which is no column of {}", quoted(name), table.path);
                    return Err(Mistake::new(table.span, message));
                };
                if *schema.field(index).data_type() != arrow::datatypes::DataType::Utf8 {
                    let message = format!("a raw key is a STRING here, and {} is not", quoted(name));
                    return Err(Mistake::new(table.span, message));
                }
                key = Some(index);
            }
            Ok((Sink::Topic { topic: kafka.topic.clone(), key, json: kafka.json }, schema))
        }
    }
}

/// The casts that Flink makes by itself when a query is written into a table.
fn converts(from: &DataType, to: &DataType) -> bool {
    if from == to || (is_string(from) && matches!(to, DataType::String | DataType::VarChar(_))) {
        return true;
    }
    let rank = |data_type: &DataType| match data_type {
        DataType::TinyInt => Some(1),
        DataType::SmallInt => Some(2),
        DataType::Int => Some(3),
        DataType::BigInt => Some(4),
        _ => None,
    };
    match (from, to) {
        (DataType::Char(_), DataType::Char(_)) => true,
        (from, DataType::Decimal { .. } | DataType::Double) => is_numeric(from),
        (DataType::Float, DataType::Float) => true,
        (from, DataType::Float) => rank(from).is_some() || matches!(from, DataType::Decimal { .. }),
        (DataType::Timestamp(_) | DataType::TimestampLtz(_), DataType::Timestamp(_) | DataType::TimestampLtz(_)) => {
            true
        }
        (DataType::Array(from), DataType::Array(to)) => converts(&from.data_type, &to.data_type),
        (DataType::Row(from), DataType::Row(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| converts(&from.sql_type.data_type, &to.sql_type.data_type))
        }
        (from, to) => rank(from).zip(rank(to)).is_some_and(|(from, to)| from <= to),
    }
}
