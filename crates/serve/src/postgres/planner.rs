//! From a statement to a stream of rows: every execution opens a session of its own, so that its tables are pinned to
//! that moment, and plans anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::context::{SQLOptions, SessionState, TaskContext};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement;
use futures::StreamExt;
use futures::stream;
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::QueryResponse;

use super::catalog::SystemCatalog;
use super::encode::BatchRows;
use super::failure::{Failure, UNDEFINED_TABLE};
use super::naming::ColumnNames;
use super::parameters::{null, parameter_type, placeholder_number};
use super::session::Session;
use super::statement::{QueryCommand, mentions_catalog};
use super::types::{describe, pg_type};
use crate::SessionFactory;
use crate::rows::interruptible;

pub(super) struct Planner {
    sessions: SessionFactory,
    catalog: SystemCatalog,
}

/// What is known of a query before it runs.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) parameters: Vec<Type>,
    pub(super) schema: SchemaRef,
    pub(super) names: ColumnNames,
}

/// A query that is about to run.
pub(super) struct Execution<'a> {
    pub(super) statement: &'a Statement,
    pub(super) names: &'a ColumnNames,
    /// The text it was parsed from, for positions in errors.
    pub(super) text: &'a str,
    pub(super) parameters: Vec<ScalarValue>,
    /// The columns that were described to the client; the result is brought to their types.
    pub(super) described: Option<&'a SchemaRef>,
    pub(super) formats: Option<&'a Format>,
}

impl Planner {
    pub(super) fn new(sessions: SessionFactory) -> Planner {
        Planner { sessions, catalog: SystemCatalog::default() }
    }

    /// Parameter and result types of a statement, which is planned and thrown away.
    pub(super) async fn shape(
        &self,
        query: &QueryCommand,
        text: &str,
        declared: &[Option<Type>],
        session: &Arc<Session>,
    ) -> Result<Shape, Failure> {
        let (state, plan) = self.plan(&query.statement, text, session).await?;
        let inferred = inferred_parameters(&plan)?;
        let count = inferred.len().max(declared.len());
        let parameters: Vec<Type> = (0..count)
            .map(|index| {
                let declared = declared.get(index).and_then(Option::as_ref);
                parameter_type(declared, inferred.get(index).and_then(Option::as_ref))
            })
            .collect();
        let nulls = parameters.iter().map(null).collect::<Result<Vec<_>, _>>()?;
        let schema = self.analyzed_schema(&state, with_values(plan, nulls)?).map_err(|f| f.located_in(text))?;
        Ok(Shape { parameters, schema, names: query.names.clone() })
    }

    /// Starts a query. Nothing is collected: a batch is made when the client has room for its rows.
    pub(super) async fn execute(
        &self,
        execution: Execution<'_>,
        session: &Arc<Session>,
    ) -> Result<QueryResponse, Failure> {
        let Execution { statement, names, text, parameters, described, formats } = execution;
        let (state, plan) = self.plan(statement, text, session).await?;
        let located = |error| Failure::from(error).located_in(text);
        let plan = as_described(with_values(plan, parameters)?, described, &state)?;
        let physical = interruptible(state.create_physical_plan(&plan).await.map_err(located)?)?;
        let batches = execute_stream(physical, Arc::new(TaskContext::from(&state))).map_err(located)?;
        let fields = Arc::new(describe(&batches.schema(), names, formats)?);
        let zone = session.settings().zone().clone();
        let row_fields = Arc::clone(&fields);
        let text = text.to_owned();
        let rows = batches.flat_map(move |batch| {
            let rows = batch
                .map_err(|error| Failure::from(error).located_in(&text))
                .and_then(|batch| BatchRows::new(&batch, &row_fields, &zone));
            match rows {
                Ok(rows) => stream::iter(rows).left_stream(),
                Err(failure) => stream::iter([Err(failure.into())]).right_stream(),
            }
        });
        Ok(QueryResponse::new(fields, rows))
    }

    async fn plan(
        &self,
        statement: &Statement,
        text: &str,
        session: &Arc<Session>,
    ) -> Result<(SessionState, LogicalPlan), Failure> {
        let context = (self.sessions)()?;
        {
            let state = context.state_ref();
            let mut state = state.write();
            let options = state.config_mut().options_mut();
            // as in PostgreSQL, 0.1 is a decimal and not a double: money compares exactly
            options.sql_parser.parse_float_as_decimal = true;
            options.sql_parser.collect_spans = true;
        }
        if mentions_catalog(text) {
            self.catalog.attach(&context, session).await?;
        }
        let state = context.state();
        let planned = state.statement_to_plan(DfStatement::Statement(Box::new(statement.clone()))).await;
        let plan = planned.map_err(|error| with_near_table(Failure::from(error).located_in(text), &state))?;
        let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reading.verify_plan(&plan)?;
        Ok((state, plan))
    }

    fn analyzed_schema(&self, state: &SessionState, plan: LogicalPlan) -> Result<SchemaRef, Failure> {
        let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| ())?;
        Ok(Arc::new(plan.schema().as_arrow().clone()))
    }
}

fn with_values(plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan, Failure> {
    Ok(plan.replace_params_with_values(&ParamValues::from(values))?)
}

/// A prepared statement's columns keep the types that were described, even if a value would change them
/// (`SELECT $1 + 1` with another kind of number).
fn as_described(
    plan: LogicalPlan,
    described: Option<&SchemaRef>,
    state: &SessionState,
) -> Result<LogicalPlan, Failure> {
    let Some(described) = described else { return Ok(plan) };
    if matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_)) {
        return Ok(plan);
    }
    let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| ())?;
    let schema = plan.schema();
    if schema.fields().len() != described.fields().len() {
        return Err(
            Failure::not_supported("the columns of this prepared statement have changed").with_hint("prepare it again")
        );
    }
    let same = |now: &DataType, then: &DataType| -> Result<bool, Failure> { Ok(pg_type(now)? == pg_type(then)?) };
    let mut all_same = true;
    for (now, then) in schema.fields().iter().zip(described.fields()) {
        all_same &= same(now.data_type(), then.data_type())?;
    }
    if all_same {
        return Ok(plan);
    }
    let columns: Vec<Expr> = schema
        .columns()
        .into_iter()
        .zip(described.fields())
        .map(|(column, then)| cast(Expr::Column(column), then.data_type().clone()).alias(then.name()))
        .collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

/// What each `$n` must be, as far as the statement says. The first use decides.
fn inferred_parameters(plan: &LogicalPlan) -> Result<Vec<Option<DataType>>, Failure> {
    let mut found: BTreeMap<usize, Option<DataType>> = BTreeMap::new();
    let mut failure = None;
    let mut note = |id: &str, data_type: Option<DataType>| match placeholder_number(id) {
        Ok(number) => {
            let known = found.entry(number).or_default();
            *known = known.take().or(data_type);
        }
        Err(wrong) => failure = Some(wrong),
    };
    plan.apply_with_subqueries(|node| {
        let is_limit = matches!(node, LogicalPlan::Limit(_));
        let input = node.inputs().first().map(|input| Arc::clone(input.schema()));
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                match part {
                    Expr::Cast(cast) => {
                        if let Expr::Placeholder(inner) = cast.expr.as_ref() {
                            note(&inner.id, Some(cast.field.data_type().clone()));
                        }
                    }
                    // `column = ANY($1)`
                    Expr::ScalarFunction(call) if call.name() == "array_has" => {
                        if let ([Expr::Placeholder(list), element], Some(input)) = (call.args.as_slice(), &input) {
                            let element = element.get_type(input)?;
                            note(&list.id, Some(DataType::List(Arc::new(Field::new_list_field(element, true)))));
                        }
                    }
                    Expr::Placeholder(placeholder) => {
                        let said = placeholder.field.as_ref().map(|field| field.data_type().clone());
                        note(&placeholder.id, said.or(is_limit.then_some(DataType::Int64)));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let count = found.keys().next_back().copied().unwrap_or(0);
    Ok((1..=count).map(|number| found.remove(&number).flatten()).collect())
}

/// Names the tables that exist when one does not.
fn with_near_table(failure: Failure, state: &SessionState) -> Failure {
    if failure.code != UNDEFINED_TABLE {
        return failure;
    }
    let wrong =
        failure.message.split('"').nth(1).and_then(|name| name.rsplit('.').next()).unwrap_or_default().to_owned();
    let options = &state.config_options().catalog;
    let names = state
        .catalog_list()
        .catalog(&options.default_catalog)
        .and_then(|catalog| catalog.schema(&options.default_schema))
        .map(|schema| schema.table_names())
        .unwrap_or_default();
    failure.with_near_name(&wrong, names.iter().map(String::as_str))
}
