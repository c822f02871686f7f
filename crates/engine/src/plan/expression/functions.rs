//! The scalar functions: which exist here, what they take, what they give. Every other one is refused by name.
//!
//! A function is here only if its results are Flink's. What they compute is in `crate::functions`.

mod conditional;
mod numeric;
mod temporal;
mod text;

use super::binder::{Bind, Binder};
use super::call::call as compute;
use super::types::{describe, is_integer, is_numeric, is_string, physical_type};
use super::{Bound, Session, cast, nested};
use arrow::array::ArrayRef;
use datafusion::common::Result as ComputeResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{Expr, TrimWhereField, Value};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

/// What replaying the log would compute anew each time.
const NOT_DETERMINISTIC: &[&str] = &[
    "CURRENT_DATE",
    "CURRENT_ROW_TIMESTAMP",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_WATERMARK",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NOW",
    "RAND",
    "RAND_INTEGER",
    "UUID",
];

/// Functions that are written without parentheses.
pub(super) fn is_bare(name: &str) -> bool {
    name.starts_with("CURRENT_") || ["LOCALTIME", "LOCALTIMESTAMP"].contains(&name)
}

pub(super) fn not_deterministic(name: &str, span: Span) -> Mistake {
    Mistake::new(span, format!("{name} runs on Flink only: a replay would compute other rows"))
        .hint("the time of receipt is METADATA FROM 'timestamp'; PROCTIME() can be the time of a window")
}

/// One call on its way: its arguments with their places.
struct Call<'a> {
    name: &'a str,
    arguments: Vec<(Bound, Span)>,
    session: Session,
    span: Span,
}

/// `None` from a group of functions: the name is none of its.
type Found = Option<Bind>;

/// The value of a function, its arguments bound.
pub(super) fn call(name: &str, arguments: Vec<(Bound, Span)>, session: Session, span: Span) -> Bind {
    if NOT_DETERMINISTIC.contains(&name) {
        return Err(not_deterministic(name, span));
    }
    let mut call = Call { name, arguments, session, span };
    let groups: [fn(&mut Call<'_>) -> Found; 5] =
        [conditional::find, text::find, numeric::find, temporal::find, collection];
    match groups.iter().find_map(|group| group(&mut call)) {
        Some(bound) => bound,
        None => Err(Mistake::new(span, format!("function {name} runs on Flink only"))
            .hint("docs/sql.md lists the functions of the embedded engine")),
    }
}

fn collection(call: &mut Call<'_>) -> Found {
    let one = |call: &mut Call<'_>| call.count(1, 1).map(|()| call.arguments.remove(0));
    match call.name {
        "CARDINALITY" => Some(one(call).and_then(|(bound, span)| nested::cardinality(bound, span))),
        "ARRAY_CONTAINS" => Some(contains(call)),
        "ELEMENT" => Some(one(call).and_then(|(bound, span)| nested::only_element(bound, span))),
        _ => None,
    }
}

fn contains(call: &mut Call<'_>) -> Bind {
    call.count(2, 2)?;
    let (array, array_span) = call.arguments.remove(0);
    let (value, value_span) = call.arguments.remove(0);
    nested::contains((array, array_span), (value, value_span), call.session)
}

impl Call<'_> {
    fn count(&self, least: usize, most: usize) -> Result<(), Mistake> {
        let count = self.arguments.len();
        if (least..=most).contains(&count) {
            return Ok(());
        }
        let wanted = if least == most {
            format!("{least}")
        } else if most == usize::MAX {
            format!("at least {least}")
        } else {
            format!("{least} to {most}")
        };
        let plural = if wanted == "1" || wanted == "at least 1" { "" } else { "s" };
        Err(Mistake::new(self.span, format!("{} takes {wanted} argument{plural}, and this has {count}", self.name)))
    }

    fn wrong(&self, index: usize, wanted: &str) -> Mistake {
        let (bound, span) = &self.arguments[index];
        let message =
            format!("argument {} of {} is {wanted}, and this is {}", index + 1, self.name, describe(&bound.data_type));
        Mistake::new(*span, message)
    }

    fn cast(&self, index: usize, target: &DataType) -> Result<Arc<dyn PhysicalExpr>, Mistake> {
        let (bound, span) = &self.arguments[index];
        cast::cast(bound.clone(), target, self.session, *span).map(|bound| bound.expr)
    }

    fn text(&self, index: usize) -> Result<Arc<dyn PhysicalExpr>, Mistake> {
        let bound = &self.arguments[index].0;
        if !bound.is_null && !is_string(&bound.data_type) {
            return Err(self.wrong(index, "a STRING").hint("write CAST(… AS STRING)"));
        }
        self.cast(index, &DataType::String)
    }

    fn integer(&self, index: usize) -> Result<Arc<dyn PhysicalExpr>, Mistake> {
        let bound = &self.arguments[index].0;
        if !bound.is_null && !is_integer(&bound.data_type) {
            return Err(self.wrong(index, "an INT"));
        }
        self.cast(index, &DataType::BigInt)
    }

    fn double(&self, index: usize) -> Result<Arc<dyn PhysicalExpr>, Mistake> {
        let bound = &self.arguments[index].0;
        if !bound.is_null && !is_numeric(&bound.data_type) {
            return Err(self.wrong(index, "a number"));
        }
        self.cast(index, &DataType::Double)
    }

    /// A text that must be written out.
    fn literal_text(&self, index: usize, what: &str) -> Result<String, Mistake> {
        let (bound, span) = &self.arguments[index];
        let problem = || Mistake::new(*span, format!("{what} of {} is a text written out", self.name));
        bound.constant_text().map(str::to_owned).ok_or_else(problem)
    }

    fn nullable(&self) -> bool {
        self.arguments.iter().any(|(bound, _)| bound.nullable)
    }

    /// Texts, by position, then whole numbers.
    fn texts_then_integers(&self, texts: usize) -> Result<Vec<Arc<dyn PhysicalExpr>>, Mistake> {
        (0..self.arguments.len())
            .map(|index| if index < texts { self.text(index) } else { self.integer(index) })
            .collect()
    }

    fn result(
        &self,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
        output: DataType,
        function: impl Fn(&[ArrayRef]) -> ComputeResult<ArrayRef> + Send + Sync + 'static,
    ) -> Bind {
        self.named(self.name, arguments, output, function)
    }

    /// The same with a name that tells the parameters inside the function.
    fn named(
        &self,
        name: &str,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
        output: DataType,
        function: impl Fn(&[ArrayRef]) -> ComputeResult<ArrayRef> + Send + Sync + 'static,
    ) -> Bind {
        let expr = compute(name, arguments, physical_type(&output), function);
        Ok(Bound::new(expr, output, self.nullable()))
    }
}

pub(super) fn like(
    binder: &mut Binder<'_>,
    value: &Expr,
    pattern: &Expr,
    escape: Option<&Value>,
    negated: bool,
) -> Bind {
    let arguments = vec![(binder.value(value)?, binder.place(value)), (binder.value(pattern)?, binder.place(pattern))];
    let call = Call { name: "LIKE", arguments, session: binder.session, span: binder.place(value) };
    text::like(&call, escape, negated)
}

pub(super) fn trim(binder: &mut Binder<'_>, value: &Expr, place: Option<&TrimWhereField>, what: Option<&Expr>) -> Bind {
    let mut arguments = vec![(binder.value(value)?, binder.place(value))];
    if let Some(what) = what {
        arguments.push((binder.value(what)?, binder.place(what)));
    }
    let name = match place {
        None | Some(TrimWhereField::Both) => "BTRIM",
        Some(TrimWhereField::Leading) => "LTRIM",
        Some(TrimWhereField::Trailing) => "RTRIM",
    };
    call(name, arguments, binder.session, binder.place(value))
}
