//! One of our functions over the columns of a batch, as DataFusion's expressions see it.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A function of whole columns, all of the same length. Fails if a row cannot be computed.
pub(crate) type Function = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;

#[derive(Clone)]
pub(super) struct Call {
    /// What is the same under one name computes the same: parameters that are in the function are in its name.
    pub(super) name: String,
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    output: DataType,
    function: Arc<Function>,
}

/// The call, or its value if all arguments are known. A constant that cannot be computed fails when it is needed.
pub(in crate::plan) fn call(
    name: impl Into<String>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    output: DataType,
    function: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> Arc<dyn PhysicalExpr> {
    let constants: Option<Vec<ArrayRef>> =
        arguments.iter().map(|argument| argument.downcast_ref::<Literal>()?.value().to_array_of_size(1).ok()).collect();
    if let Some(constants) = constants.filter(|constants| !constants.is_empty())
        && let Ok(value) = function(&constants)
        && let Ok(value) = ScalarValue::try_from_array(&value, 0)
    {
        return Arc::new(Literal::new(value));
    }
    Arc::new(Call { name: name.into(), arguments, output, function: Arc::new(function) })
}

impl PhysicalExpr for Call {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let arguments = self
            .arguments
            .iter()
            .map(|argument| argument.evaluate(batch)?.into_array(rows))
            .collect::<Result<Vec<_>>>()?;
        (self.function)(&arguments).map(ColumnarValue::Array)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Call { arguments: children, ..self.as_ref().clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (index, argument) in self.arguments.iter().enumerate() {
            write!(f, "{}{argument}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        self.name == other.name && self.output == other.output && self.arguments == other.arguments
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.arguments.hash(state);
    }
}
