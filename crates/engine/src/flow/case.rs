//! CASE without filters: where no branch can fail and each is a number that is cheap to come by, all are computed for all rows, and then one
//! is chosen. DataFusion computes a branch for its own rows alone, and copies whole columns for that: of a ROW every field. Pure.

use crate::graph::{Graph, NodeKind};
use crate::operators::Operator;
use crate::plan::read_field;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::kernels::zip::zip;
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{ColumnarValue, Operator as Comparison};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use std::fmt;
use std::sync::Arc;

/// What the graph computes, quicker. It means the same: fingerprints are of the graph as it was planned.
pub(super) fn prepare(graph: &mut Graph) -> Result<()> {
    for id in 0..graph.nodes.len() {
        let input = graph.nodes[id].inputs.first().map(|input| Arc::clone(&graph.nodes[*input].schema));
        match (&mut graph.nodes[id].kind, input) {
            (NodeKind::Source(source), _) => prepare_all(&mut source.computed, &source.raw_schema)?,
            (NodeKind::Calc(operators), Some(input)) => prepare_all(operators, &input)?,
            _ => {}
        }
    }
    Ok(())
}

fn prepare_all(operators: &mut [Operator], input: &SchemaRef) -> Result<()> {
    let mut input = Arc::clone(input);
    for operator in operators {
        match operator {
            Operator::Filter(predicate) => *predicate = prepared(predicate, &input)?,
            Operator::Project { expressions, schema } => {
                for expression in expressions {
                    *expression = prepared(expression, &input)?;
                }
                input = Arc::clone(schema);
            }
        }
    }
    Ok(())
}

fn prepared(expression: &Arc<dyn PhysicalExpr>, input: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let choose = |node: Arc<dyn PhysicalExpr>| {
        Ok(match Choice::of(&node, input)? {
            Some(choice) => Transformed::yes(Arc::new(choice) as Arc<dyn PhysicalExpr>),
            None => Transformed::no(node),
        })
    };
    Arc::clone(expression).transform_up(choose).data()
}

type Expression = Arc<dyn PhysicalExpr>;

/// A CASE of which every branch is computed for every row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Choice {
    /// A condition and its value, again and again; the value without a condition comes last.
    parts: Vec<Expression>,
    output: DataType,
}

impl Choice {
    /// None if the expression is none, or if something in it may fail or is not cheap.
    fn of(expression: &Arc<dyn PhysicalExpr>, input: &Schema) -> Result<Option<Choice>> {
        let Some(case) = expression.downcast_ref::<CaseExpr>() else { return Ok(None) };
        let (None, Some(otherwise)) = (case.expr(), case.else_expr()) else { return Ok(None) };
        let output = case.data_type(input)?;
        let branches = case.when_then_expr().iter().flat_map(|(condition, value)| [condition, value]);
        let parts: Vec<_> = branches.chain([otherwise]).cloned().collect();
        Ok((output.is_primitive() && parts.iter().all(is_cheap)).then_some(Choice { parts, output }))
    }

    fn branches(&self) -> (&[[Expression; 2]], &[Expression]) {
        self.parts.as_chunks::<2>()
    }
}

/// Columns, fields, what is written as it is, and comparisons of these: nothing that fails for a row.
fn is_cheap(expression: &Arc<dyn PhysicalExpr>) -> bool {
    use Comparison::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let is_known = match expression.downcast_ref::<BinaryExpr>() {
        Some(binary) => matches!(binary.op(), And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq),
        None => {
            read_field(expression).is_some()
                || expression.is::<Column>()
                || expression.is::<Literal>()
                || expression.is::<IsNullExpr>()
                || expression.is::<IsNotNullExpr>()
                || expression.is::<NotExpr>()
        }
    };
    is_known && expression.children().into_iter().all(is_cheap)
}

impl PhysicalExpr for Choice {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let value = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(batch)?.into_array(rows);
        let (branches, otherwise) = self.branches();
        let [otherwise] = otherwise else { return internal_err!("CASE without a value for other rows") };
        let mut chosen = value(otherwise)?;
        // the first condition that is met counts
        for [condition, then] in branches.iter().rev() {
            let (condition, then) = (value(condition)?, value(then)?);
            chosen = match condition.as_boolean() {
                unknown if unknown.null_count() > 0 => zip(&prep_null_mask_filter(unknown), &then, &chosen)?,
                known => zip(known, &then, &chosen)?,
            };
        }
        Ok(ColumnarValue::Array(chosen))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.parts.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, parts: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Choice { parts, output: self.output.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (branches, otherwise) = self.branches();
        f.write_str("CASE")?;
        branches.iter().try_for_each(|[condition, value]| write!(f, " WHEN {condition} THEN {value}"))?;
        otherwise.iter().try_for_each(|otherwise| write!(f, " ELSE {otherwise}"))?;
        f.write_str(" END")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use datafusion::common::ScalarValue;
    use datafusion::physical_expr::expressions::binary;
    use proptest::prelude::*;

    proptest! {
        /// The same as DataFusion's, NULLs in conditions and values included.
        #[test]
        fn chooses_as_case_does(rows in prop::collection::vec(prop::array::uniform3(prop::option::of(0_i64..3)), 0..40)) {
            let column = |index: usize| -> ArrayRef { Arc::new(rows.iter().map(|row| row[index]).collect::<Int64Array>()) };
            let names = ["a", "b", "c"];
            let batch = RecordBatch::try_from_iter_with_nullable((0..3).map(|index| (names[index], column(index), true))).expect("a batch");
            let read = |index: usize| -> Arc<dyn PhysicalExpr> { Arc::new(Column::new(names[index], index)) };
            let is = |index: usize, value: i64| {
                let value: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::Int64(Some(value))));
                binary(read(index), Comparison::Eq, value, &batch.schema()).expect("a comparison")
            };
            let branches = vec![(is(0, 0), read(1)), (is(0, 1), read(2)), (is(1, 1), read(0))];
            let case: Arc<dyn PhysicalExpr> = Arc::new(CaseExpr::try_new(None, branches, Some(read(2))).expect("a case"));
            let choice = prepared(&case, &batch.schema()).expect("a choice");
            prop_assert!(choice.is::<Choice>());
            let value = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(&batch).and_then(|found| found.into_array(rows.len())).expect("values");
            prop_assert_eq!(&value(&choice), &value(&case));
        }
    }

    #[test]
    fn what_may_fail_stays_as_it_is() {
        let schema = Schema::new(vec![arrow::datatypes::Field::new("a", DataType::Int64, true)]);
        let a: Arc<dyn PhysicalExpr> = Arc::new(Column::new("a", 0));
        let quotient = binary(Arc::clone(&a), Comparison::Divide, Arc::clone(&a), &schema).expect("a quotient");
        let is_null: Arc<dyn PhysicalExpr> = Arc::new(IsNullExpr::new(Arc::clone(&a)));
        let case: Arc<dyn PhysicalExpr> =
            Arc::new(CaseExpr::try_new(None, vec![(is_null, a)], Some(quotient)).expect("a case"));
        assert!(prepared(&case, &schema).expect("an expression").is::<CaseExpr>());
    }
}
