//! Window functions: `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …))`, HOP, CUMULATE, SESSION.

use super::column::{Column, TimeAttribute, WindowRole};
use super::draft::{Draft, DraftId, DraftKind, Windowed};
use super::expression::{describe, flink_only, interval_ms, place};
use super::planner::{Context, Planned, Planner};
use crate::graph::{WindowShape, WindowTime, Windows};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Spanned,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake, did_you_mean, quoted};

/// The arguments of a window function: by name or by position.
struct Arguments<'a> {
    table: &'a Query,
    /// SESSION's.
    partition: Vec<&'a Expr>,
    time: &'a Ident,
    /// Sizes in their order, each None if it is not given.
    sizes: Vec<Option<&'a Expr>>,
    name: String,
    span: Span,
}

/// A function's sizes, as they are called, and how many must be there.
fn parameters(name: &str) -> (&'static [&'static str], usize) {
    match name {
        "HOP" => (&["SLIDE", "SIZE", "OFFSET"], 2),
        "CUMULATE" => (&["STEP", "SIZE", "OFFSET"], 2),
        "SESSION" => (&["GAP"], 1),
        _ => (&["SIZE", "OFFSET"], 1),
    }
}

impl<'a> Planner<'a> {
    pub(super) fn window_function(&mut self, expr: &'a Expr, context: &Context<'a>) -> Planned<DraftId> {
        let Expr::Function(function) = expr else {
            return self.tell(flink_only("this table function", place(expr, context.statement)));
        };
        let arguments = arguments(function, context.statement);
        let arguments = self.keep(arguments)?;
        let input = self.query(arguments.table, context)?;
        let windows = self.windows(&arguments, input, context);
        let (windows, partition) = self.keep(windows)?;
        Ok(self.assign(input, windows, partition, context))
    }

    fn windows(
        &mut self,
        arguments: &Arguments<'a>,
        input: DraftId,
        context: &Context<'a>,
    ) -> Result<(Windows, Vec<usize>), Mistake> {
        let columns = &self.drafts[input].columns;
        let wanted = arguments.time;
        let Some(index) = columns.iter().position(|column| column.name == wanted.value) else {
            let message = format!("column \"{}\" of DESCRIPTOR does not exist", wanted.value);
            let hint = did_you_mean(&wanted.value, columns.iter().map(|column| column.name.as_str()));
            return Err(Mistake { hint, ..Mistake::new(wanted.span, message) });
        };
        let column = &columns[index];
        let time = match column.time {
            Some(TimeAttribute::Rowtime) => WindowTime::Rowtime(index),
            Some(TimeAttribute::Proctime) => WindowTime::ProcessingTime,
            None => {
                let message = format!(
                    "a window is made of a time attribute, and {} is {}",
                    quoted(&column.name),
                    if column.data_type.timestamp_precision().is_some() {
                        "an ordinary time".to_owned()
                    } else {
                        describe(&column.data_type)
                    }
                );
                return Err(Mistake::new(wanted.span, message).hint(
                    "a column with a WATERMARK, window_time of a window below, or PROCTIME(); an expression or a cast over it is none",
                ));
            }
        };
        if self.drafts[input].changes != crate::graph::Changes::Append {
            return Err(flink_only("a window over an updating query", arguments.span)
                .hint("window the rows first, then group by window_start and window_end"));
        }
        let zone = matches!(column.data_type, DataType::TimestampLtz(_)).then_some(context.session.zone);
        let shape = shape(arguments, context.statement)?;
        let mut partition = Vec::new();
        if matches!(shape, WindowShape::Session { .. }) {
            for key in &arguments.partition {
                let name = match key {
                    Expr::Identifier(name) => name,
                    other => {
                        return Err(flink_only("PARTITION BY an expression", place(other, arguments.span))
                            .hint("compute it in a subquery"));
                    }
                };
                let Some(index) = columns.iter().position(|column| column.name == name.value) else {
                    let hint = did_you_mean(&name.value, columns.iter().map(|column| column.name.as_str()));
                    let message = format!("column \"{}\" of PARTITION BY does not exist", name.value);
                    return Err(Mistake { hint, ..Mistake::new(name.span, message) });
                };
                partition.push(index);
            }
        } else if let Some(key) = arguments.partition.first() {
            return Err(Mistake::new(
                place(key, arguments.span),
                format!("PARTITION BY belongs to SESSION, not {}", arguments.name),
            ));
        }
        Ok((Windows { time, shape, zone }, partition))
    }

    /// The rows with their windows: the columns of the input, none of them event time any more, and the window's.
    fn assign(&mut self, input: DraftId, windows: Windows, partition: Vec<usize>, context: &Context<'a>) -> DraftId {
        let is_rowtime = windows.time != WindowTime::ProcessingTime;
        let windowed = Windowed { zone: windows.zone, is_rowtime };
        let below = &self.drafts[input];
        let plain = below.columns.iter().map(|column| {
            let time = column.time.filter(|time| *time == TimeAttribute::Proctime);
            let is_windowed_rowtime = column.time == Some(TimeAttribute::Rowtime) || column.is_windowed_rowtime;
            Column { time, window: None, is_windowed_rowtime, ..column.clone() }
        });
        let columns = plain.chain(window_columns(&windowed)).collect();
        self.drafts.push(Draft {
            name: context.name("assign windows"),
            kind: DraftKind::AssignWindows(windows, partition),
            inputs: vec![input],
            columns,
            changes: crate::graph::Changes::Append,
            windowed: Some(windowed),
            is_shared: false,
        })
    }
}

/// `window_start`, `window_end`, `window_time`.
pub(super) fn window_columns(windowed: &Windowed) -> [Column; 3] {
    let edge = |name: &str, role| {
        let mut column = Column::new(name, DataType::Timestamp(3), false);
        column.window = Some(role);
        column
    };
    let time_type = if windowed.zone.is_some() { DataType::TimestampLtz(3) } else { DataType::Timestamp(3) };
    let mut time = Column::new("window_time", time_type, false);
    time.window = Some(WindowRole::Time);
    time.time = Some(if windowed.is_rowtime { TimeAttribute::Rowtime } else { TimeAttribute::Proctime });
    [edge("window_start", WindowRole::Start), edge("window_end", WindowRole::End), time]
}

fn shape(arguments: &Arguments<'_>, statement: Span) -> Result<WindowShape, Mistake> {
    let (names, _) = parameters(&arguments.name);
    let size = |index: usize| -> Result<i64, Mistake> {
        let Some(Some(written)) = arguments.sizes.get(index) else { return Ok(0) };
        interval_ms(written, &format!("{} of {}", names[index], arguments.name), statement)
    };
    let positive = |index: usize| -> Result<i64, Mistake> {
        let ms = size(index)?;
        let span = arguments.sizes.get(index).copied().flatten().map_or(arguments.span, |expr| place(expr, statement));
        if ms > 0 {
            Ok(ms)
        } else {
            Err(Mistake::new(span, format!("{} of {} is more than nothing", names[index], arguments.name)))
        }
    };
    let multiple = |whole: i64, part: i64| -> Result<(), Mistake> {
        if whole % part == 0 {
            return Ok(());
        }
        let span = arguments.sizes.get(1).copied().flatten().map_or(arguments.span, |expr| place(expr, statement));
        let message = format!("SIZE of {} is a multiple of its {}", arguments.name, names[0]);
        Err(Mistake::new(span, message))
    };
    Ok(match arguments.name.as_str() {
        "HOP" => {
            let (slide_ms, size_ms) = (positive(0)?, positive(1)?);
            multiple(size_ms, slide_ms)?;
            WindowShape::Hop { size_ms, slide_ms, offset_ms: size(2)? }
        }
        "CUMULATE" => {
            let (step_ms, max_size_ms) = (positive(0)?, positive(1)?);
            multiple(max_size_ms, step_ms)?;
            WindowShape::Cumulate { max_size_ms, step_ms, offset_ms: size(2)? }
        }
        "SESSION" => WindowShape::Session { gap_ms: positive(0)? },
        _ => WindowShape::Tumble { size_ms: positive(0)?, offset_ms: size(1)? },
    })
}

fn arguments(function: &Function, statement: Span) -> Result<Arguments<'_>, Mistake> {
    let name = function.name.to_string().to_ascii_uppercase();
    let span = super::query::span_or(function.name.span(), statement);
    let FunctionArguments::List(list) = &function.args else {
        return Err(Mistake::new(span, format!("{name} takes a table, a DESCRIPTOR and sizes")));
    };
    let (names, required) = parameters(&name);
    let slots: Vec<&str> = ["DATA", "TIMECOL"].into_iter().chain(names.iter().copied()).collect();
    let mut found: Vec<Option<&Expr>> = vec![None; slots.len()];
    for (position, argument) in list.args.iter().enumerate() {
        let (slot, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (position, expr),
            FunctionArg::Named { name: argument, arg: FunctionArgExpr::Expr(expr), .. } => {
                let upper = argument.value.to_ascii_uppercase();
                let Some(slot) = slots.iter().position(|slot| *slot == upper) else {
                    let hint = did_you_mean(&upper, slots.iter().copied())
                        .or_else(|| Some(format!("it has {}", slots.join(", "))));
                    let message = format!("{name} has no argument {}", argument.value);
                    return Err(Mistake { hint, ..Mistake::new(argument.span, message) });
                };
                (slot, expr)
            }
            _ => return Err(Mistake::new(span, format!("{name} takes a table, a DESCRIPTOR and sizes"))),
        };
        match found.get_mut(slot) {
            Some(place) => *place = Some(value),
            None => {
                let message = format!("{name} takes {} arguments at most", slots.len());
                return Err(Mistake::new(place(value, span), message));
            }
        }
    }
    if let Some(missing) = (0..2 + required).find(|slot| found[*slot].is_none()) {
        let example = match name.as_str() {
            "HOP" => "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
            "CUMULATE" => "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)",
            "SESSION" => "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE)",
            _ => "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
        };
        let message = format!("{name} lacks its {}", slots[missing]);
        return Err(Mistake::new(span, message).hint(format!("write {example}")));
    }
    let (table, partition) = table_argument(found[0], span)?;
    let time = descriptor(found[1], span)?;
    Ok(Arguments { table, partition, time, sizes: found.split_off(2), name, span })
}

/// `TABLE t`, a subquery, or `TABLE t PARTITION BY k`.
fn table_argument(expr: Option<&Expr>, span: Span) -> Result<(&Query, Vec<&Expr>), Mistake> {
    let wrong = |expr: Option<&Expr>| {
        let span = expr.map_or(span, |expr| place(expr, span));
        Mistake::new(span, "the first argument of a window function is a table").hint("write TABLE t")
    };
    match expr {
        Some(Expr::Subquery(query)) => Ok((query, Vec::new())),
        Some(Expr::Nested(inner)) => table_argument(Some(inner), span),
        Some(Expr::Tuple(parts)) => match parts.split_first() {
            Some((Expr::Subquery(query), keys)) => Ok((query, keys.iter().collect())),
            _ => Err(wrong(expr)),
        },
        other => Err(wrong(other)),
    }
}

fn descriptor(expr: Option<&Expr>, span: Span) -> Result<&Ident, Mistake> {
    let wrong = |span: Span| {
        Mistake::new(span, "the second argument of a window function is DESCRIPTOR(column)")
            .hint("write DESCRIPTOR(ts)")
    };
    let Some(Expr::Function(function)) = expr else { return Err(wrong(expr.map_or(span, |expr| place(expr, span)))) };
    let at = super::query::span_or(function.name.span(), span);
    if !function.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") {
        return Err(wrong(at));
    }
    match &function.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name)))] => Ok(name),
            _ => Err(wrong(at)),
        },
        _ => Err(wrong(at)),
    }
}
