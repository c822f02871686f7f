//! The pipeline's topics and views as DataFusion's tables, for planning only: nothing can be read from them.

use super::types::FlinkTypes;
use super::{SourceColumn, field_of, mistake_of, schema_of};
use arrow::array::timezone::Tz;
use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, Session, TableProvider,
};
use datafusion::common::{Column, DFSchema, Result, internal_err};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{ColumnKind, Connector, Job, Mistake, Pipeline, Table, TablePath};
use std::sync::Arc;

/// A topic's columns without the computed ones: what a record gives.
pub(super) struct SourceTable {
    fields: Vec<(Field, Origin)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Field,
    Metadata(SourceColumn),
}

impl SourceTable {
    pub(super) fn of(table: &Table, span: Span) -> Result<SourceTable, Mistake> {
        let mut fields = Vec::new();
        for column in &table.columns {
            let origin = match &column.kind {
                ColumnKind::Computed(_) => continue,
                ColumnKind::Physical(_) => Origin::Field,
                ColumnKind::Metadata { key, .. } => Origin::Metadata(metadata(key, column.span)?),
            };
            let field = field_of(&column.name, &column.kind, column.span)?;
            if let Origin::Metadata(source) = origin {
                check_metadata_type(&field, source, column.span)?;
            }
            fields.push((field, origin));
        }
        if fields.is_empty() {
            return Err(Mistake::new(span, format!("table {} has no column that a record gives", table.path)));
        }
        Ok(SourceTable { fields })
    }

    fn schema(&self) -> SchemaRef {
        schema_of(self.fields.iter().map(|(field, _)| field.clone()).collect())
    }

    /// What to decode and where each projected column comes from.
    pub(super) fn project(&self, projection: &[usize]) -> (SchemaRef, SchemaRef, Vec<SourceColumn>) {
        let mut decoded = Vec::new();
        let mut columns = Vec::new();
        for index in projection {
            let (field, origin) = &self.fields[*index];
            columns.push(match origin {
                Origin::Field => {
                    decoded.push(field.clone());
                    SourceColumn::Field(decoded.len() - 1)
                }
                Origin::Metadata(source) => *source,
            });
        }
        let source = projection.iter().map(|index| self.fields[*index].0.clone()).collect();
        (schema_of(decoded), schema_of(source), columns)
    }
}

/// The state that plans one job: Flink's names and types, the pipeline's tables, the session's time zone.
pub(super) fn planning_state(pipeline: &Pipeline, job: &Job) -> Result<SessionState, Mistake> {
    let zone = job.settings.local_time_zone().unwrap_or(crate::types::UTC);
    let zone: Tz = zone.parse().map_err(|_| {
        Mistake::new(job.span, format!("'table.local-time-zone' = '{zone}' is not a time zone"))
            .hint("write a name such as Asia/Seoul, or UTC")
    })?;
    let failed = |error| mistake_of(&error, job.span);
    let mut state = empty_state(zone).map_err(failed)?;
    let catalogs: Arc<dyn CatalogProviderList> = Arc::new(MemoryCatalogProviderList::new());
    state.register_catalog_list(Arc::clone(&catalogs));
    for table in &pipeline.tables {
        if matches!(table.connector(), Connector::Kafka(_)) {
            let view = topic_view(&state, table)?;
            register(&*catalogs, &table.path, view).map_err(failed)?;
        }
    }
    Ok(state)
}

fn empty_state(zone: Tz) -> Result<SessionState> {
    let mut config = SessionConfig::new().with_target_partitions(1).with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    // Flink's names keep their case, its strings are strings, its 1.5 is a DECIMAL
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_type_planner(Arc::new(FlinkTypes))
        .build();
    for function in crate::functions::flink_functions(zone) {
        state.register_udf(Arc::new(function))?;
    }
    Ok(state)
}

/// The topic with its computed columns, in the declared order.
fn topic_view(state: &SessionState, table: &Table) -> Result<Arc<dyn TableProvider>, Mistake> {
    let source = SourceTable::of(table, table.span)?;
    let provider = provider_as_source(Arc::new(TopicTable { schema: source.schema() }));
    let failed = |error| mistake_of(&error, table.span);
    let scan = LogicalPlanBuilder::scan(table.path.table.as_str(), provider, None).map_err(failed)?;
    let expressions = table
        .columns
        .iter()
        .map(|column| match &column.kind {
            ColumnKind::Computed(expression) => {
                let computed =
                    computed(state, expression, scan.schema()).map_err(|error| mistake_of(&error, column.span))?;
                Ok(computed.alias(&column.name))
            }
            _ => Ok(Expr::Column(Column::from_name(&column.name))),
        })
        .collect::<Result<Vec<_>, Mistake>>()?;
    let plan = scan.project(expressions).and_then(LogicalPlanBuilder::build).map_err(failed)?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

fn computed(
    state: &SessionState,
    expression: &datafusion::sql::sqlparser::ast::Expr,
    schema: &DFSchema,
) -> Result<Expr> {
    state.create_logical_expr_from_sql_expr(ExprWithAlias { expr: expression.clone(), alias: None }, schema)
}

fn register(catalogs: &dyn CatalogProviderList, path: &TablePath, table: Arc<dyn TableProvider>) -> Result<()> {
    let catalog = match catalogs.catalog(&path.catalog) {
        Some(catalog) => catalog,
        None => {
            let catalog: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
            catalogs.register_catalog(path.catalog.clone(), Arc::clone(&catalog));
            catalog
        }
    };
    let schema = match catalog.schema(&path.database) {
        Some(schema) => schema,
        None => {
            let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(&path.database, Arc::clone(&schema))?;
            schema
        }
    };
    schema.register_table(path.table.clone(), table).map(drop)
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
    use arrow::datatypes::{DataType, TimeUnit};
    let expected = match source {
        SourceColumn::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some(crate::types::UTC.into())),
        SourceColumn::Offset => DataType::Int64,
        SourceColumn::Partition => DataType::Int32,
        SourceColumn::Topic => DataType::Utf8,
        SourceColumn::Field(_) => return Ok(()),
    };
    if *field.data_type() == expected {
        return Ok(());
    }
    let message = format!("metadata column `{}` is {}", field.name(), crate::types::sql_name(field.data_type()));
    Err(Mistake::new(span, message).hint(format!("declare it as {}", crate::types::sql_name(&expected))))
}

/// A topic's schema; reading happens in the job.
#[derive(Debug)]
struct TopicTable {
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for TopicTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        internal_err!("a topic is read by its job, not by DataFusion")
    }
}
