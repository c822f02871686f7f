//! Accumulators against naive results: straight, in pieces that are merged, with a filter, with NULLs.

use super::*;
use arrow::array::{
    AsArray, BooleanArray, Decimal128Array, Float64Array, Int8Array, Int32Array, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{Decimal128Type, Float64Type, Int8Type, Int32Type, Int64Type, TimeUnit};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn call(function: AggregateFunction, is_distinct: bool, data_type: DataType) -> AggregateCall {
    AggregateCall { function, argument: Some(0), filter: None, is_distinct, data_type }
}

/// The result of one group over all values, computed straight and from two merged halves: both must agree.
fn result(call: &AggregateCall, values: &ArrayRef) -> ArrayRef {
    let new = || accumulator(call, Some(values.data_type()), false).expect("an accumulator");
    let update = |accumulator: &mut Box<dyn Accumulator>, values: &ArrayRef| {
        accumulator.resize(1);
        let groups = vec![0; values.len()];
        let input = Input { values: Some(values), filter: None, rows: None, groups: &groups };
        accumulator.update(input).expect("values");
    };
    let mut straight = new();
    update(&mut straight, values);
    let half = values.len() / 2;
    let (mut first, mut second, mut merged) = (new(), new(), new());
    update(&mut first, &values.slice(0, half));
    update(&mut second, &values.slice(half, values.len() - half));
    merged.resize(3);
    for part in [&first, &second] {
        let state = part.state(&[0]).expect("a state");
        assert_eq!(state.iter().map(|column| column.data_type().clone()).collect::<Vec<_>>(), part.state_types());
        merged.merge(&state, &[2]).expect("a merge");
    }
    let straight = straight.evaluate(&[0]).expect("a result");
    assert_eq!(merged.evaluate(&[2]).expect("a result").as_ref(), straight.as_ref(), "{call:?}");
    merged.clear(2);
    let empty = new_evaluated(call, values.data_type());
    assert_eq!(merged.evaluate(&[2]).expect("a result").as_ref(), empty.as_ref(), "a cleared group is empty");
    assert_eq!(straight.data_type(), &call.data_type, "{call:?}");
    straight
}

fn new_evaluated(call: &AggregateCall, data_type: &DataType) -> ArrayRef {
    let mut accumulator = accumulator(call, Some(data_type), false).expect("an accumulator");
    accumulator.resize(1);
    accumulator.evaluate(&[0]).expect("a result")
}

fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).expect("a type"))
}

#[test]
fn whole_numbers_wrap_and_are_cut() {
    use AggregateFunction::{Avg, Sum};
    let int: ArrayRef = Arc::new(Int32Array::from(vec![i32::MAX, i32::MAX]));
    assert_eq!(result(&call(Sum, false, DataType::Int32), &int).as_primitive::<Int32Type>().value(0), -2);
    let tiny: ArrayRef = Arc::new(Int8Array::from(vec![127, 127]));
    assert_eq!(result(&call(Sum, false, DataType::Int8), &tiny).as_primitive::<Int8Type>().value(0), -2);
    let int: ArrayRef = Arc::new(Int32Array::from(vec![i32::MAX, i32::MAX - 1]));
    assert_eq!(result(&call(Avg, false, DataType::Int32), &int).as_primitive::<Int32Type>().value(0), i32::MAX - 1);
    let big: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX]));
    assert_eq!(result(&call(Avg, false, DataType::Int64), &big).as_primitive::<Int64Type>().value(0), -1);
    let int: ArrayRef = Arc::new(Int32Array::from(vec![-1, -2]));
    assert_eq!(result(&call(Avg, false, DataType::Int32), &int).as_primitive::<Int32Type>().value(0), -1);
}

#[test]
fn decimals_round_half_up_and_overflow_to_null() {
    use AggregateFunction::{Avg, Sum};
    let values = decimals(vec![Some(10), Some(20), None, Some(20)], 3, 1);
    let average = result(&call(Avg, false, DataType::Decimal128(38, 6)), &values);
    assert_eq!(average.as_primitive::<Decimal128Type>().value(0), 1_666_667);
    let minus = decimals(vec![Some(-10), Some(-20), Some(-20)], 3, 1);
    let average = result(&call(Avg, false, DataType::Decimal128(38, 6)), &minus);
    assert_eq!(average.as_primitive::<Decimal128Type>().value(0), -1_666_667);
    let most = 10_i128.pow(38) - 1;
    let sum = |values| result(&call(Sum, false, DataType::Decimal128(38, 0)), &decimals(values, 38, 0));
    assert_eq!(sum(vec![Some(most - 1), Some(1)]).as_primitive::<Decimal128Type>().value(0), most);
    assert!(sum(vec![Some(most), Some(1)]).is_null(0));
    assert!(sum(vec![None, None]).is_null(0), "nothing has no sum");
}

#[test]
fn extremes_and_arrival() {
    use AggregateFunction::{FirstValue, LastValue, Max, Min};
    let text: ArrayRef = Arc::new(StringArray::from(vec![None, Some("한"), Some("😀"), Some("a"), None]));
    let chosen = |function| {
        let chosen = result(&call(function, false, DataType::Utf8), &text);
        chosen.as_string::<i32>().value(0).to_owned()
    };
    assert_eq!([Min, Max, FirstValue, LastValue].map(chosen), ["a", "😀", "한", "a"]);
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 2.0]));
    let mut most = accumulator(&call(Max, false, DataType::Float64), Some(&DataType::Float64), false).expect("MAX");
    most.resize(1);
    let input = Input { values: Some(&doubles), filter: None, rows: None, groups: &[0, 0, 0] };
    most.update(input).expect("values");
    let most = most.evaluate(&[0]).expect("a result");
    assert_eq!(most.as_primitive::<Float64Type>().value(0), 2.0, "a NaN is not greater");
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![5, 3, 9]).with_timezone("UTC"));
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let least = result(&call(Min, false, time), &times);
    assert_eq!(least.as_primitive::<arrow::datatypes::TimestampMillisecondType>().value(0), 3);
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
    assert!(!result(&call(Min, false, DataType::Boolean), &flags).as_boolean().value(0));
    assert!(result(&call(FirstValue, false, DataType::Boolean), &flags).as_boolean().value(0));
}

#[test]
fn lists_in_the_order_of_arrival() {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("b")]));
    let call = call(AggregateFunction::ListAgg { separator: "; ".into() }, false, DataType::Utf8);
    assert_eq!(result(&call, &text).as_string::<i32>().value(0), "a; ; b");
}

#[test]
fn only_rows_that_the_filter_passes() {
    let mut count = accumulator(&call(AggregateFunction::Count, false, DataType::Int64), None, false).expect("COUNT");
    count.resize(2);
    let filter = BooleanArray::from(vec![Some(true), None, Some(false), Some(true), Some(true)]);
    let input = Input { values: None, filter: Some(&filter), rows: Some(&[0, 1, 3]), groups: &[1, 1, 0] };
    count.update(input).expect("rows");
    assert_eq!(count.evaluate(&[0, 1]).expect("counts").as_primitive::<Int64Type>().values(), &[1, 1]);
}

proptest! {
    #[test]
    fn sums_and_distinct_values(values in prop::collection::vec(prop::option::of(-5_i64..5), 0..40)) {
        let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        let known: Vec<i64> = values.iter().flatten().copied().collect();
        let set: BTreeSet<i64> = known.iter().copied().collect();
        let of = |function, is_distinct| {
            let found = result(&call(function, is_distinct, DataType::Int64), &column);
            found.as_primitive::<Int64Type>().iter().next().flatten()
        };
        use AggregateFunction::{Avg, Count, Max, Min, Sum};
        let some = |value: i64| (!known.is_empty()).then_some(value);
        prop_assert_eq!(of(Count, false), Some(known.len() as i64));
        prop_assert_eq!(of(Sum, false), some(known.iter().sum()));
        prop_assert_eq!(of(Min, false), known.iter().min().copied());
        prop_assert_eq!(of(Max, true), known.iter().max().copied());
        prop_assert_eq!(of(Count, true), Some(set.len() as i64));
        prop_assert_eq!(of(Sum, true), some(set.iter().sum()));
        prop_assert_eq!(of(Avg, true), set.iter().sum::<i64>().checked_div(set.len() as i64));
    }
}

/// What each function gives of the values that are there, in the order of their arrival.
fn naive(function: &AggregateFunction, is_distinct: bool, values: &[i64]) -> Option<String> {
    let mut values = values.to_vec();
    if is_distinct {
        let mut seen = BTreeSet::new();
        values.retain(|value| seen.insert(*value));
    }
    let sum: i64 = values.iter().sum();
    let number = match function {
        AggregateFunction::Count => Some(values.len() as i64),
        AggregateFunction::Sum => (!values.is_empty()).then_some(sum),
        AggregateFunction::Avg => sum.checked_div(values.len() as i64),
        AggregateFunction::Min => values.iter().min().copied(),
        AggregateFunction::Max => values.iter().max().copied(),
        AggregateFunction::FirstValue => values.first().copied(),
        AggregateFunction::LastValue => values.last().copied(),
        AggregateFunction::ListAgg { separator } => {
            let texts: Vec<String> = values.iter().map(i64::to_string).collect();
            return (!texts.is_empty()).then(|| texts.join(separator));
        }
    };
    number.map(|number| number.to_string())
}

/// Values come and go; after each piece, and after a checkpoint in between, the result is that of those which are there.
fn check_retraction(function: &AggregateFunction, is_distinct: bool, steps: &[(bool, i64)], saved_at: usize) {
    let is_text = matches!(function, AggregateFunction::ListAgg { .. });
    let column = |values: &[i64]| -> ArrayRef {
        match is_text {
            true => Arc::new(values.iter().map(|value| Some(value.to_string())).collect::<StringArray>()),
            false => Arc::new(Int64Array::from(values.to_vec())),
        }
    };
    let data_type = if is_text { DataType::Utf8 } else { DataType::Int64 };
    let call = call(function.clone(), is_distinct, data_type.clone());
    let new = || accumulator(&call, Some(&data_type), true).expect("an accumulator");
    let mut accumulator = new();
    accumulator.resize(3);
    let mut there: Vec<i64> = Vec::new();
    for (step, (adds, value)) in steps.iter().enumerate() {
        if step == saved_at {
            let state = accumulator.state(&[2]).expect("a state");
            let types: Vec<DataType> = state.iter().map(|column| column.data_type().clone()).collect();
            assert_eq!(types, accumulator.state_types());
            accumulator = new();
            accumulator.resize(3);
            accumulator.merge(&state, &[2]).expect("its own state");
        }
        let values = column(&[*value, *value]);
        // the second row is another group's
        let input = Input { values: Some(&values), filter: None, rows: None, groups: &[2, 0] };
        let known = there.iter().position(|known| known == value);
        match (adds, known) {
            (false, Some(known)) => {
                there.remove(known);
                accumulator.retract(input).expect("it was there");
            }
            _ => {
                there.push(*value);
                accumulator.update(input).expect("a value");
            }
        }
        let found = accumulator.evaluate(&[2]).expect("a result");
        let found = arrow::util::display::array_value_to_string(&found, 0).expect("text");
        let expected = naive(function, is_distinct, &there).unwrap_or_default();
        assert_eq!(found, expected, "{function:?} distinct {is_distinct} of {there:?}");
    }
    accumulator.clear(2);
    let (cleared, empty) = (accumulator.evaluate(&[2]).expect("a result"), new_evaluated_retracting(&call, &data_type));
    assert_eq!(cleared.as_ref(), empty.as_ref(), "a cleared group is empty");
}

fn new_evaluated_retracting(call: &AggregateCall, data_type: &DataType) -> ArrayRef {
    let mut accumulator = accumulator(call, Some(data_type), true).expect("an accumulator");
    accumulator.resize(1);
    accumulator.evaluate(&[0]).expect("a result")
}

proptest! {
    #[test]
    fn what_is_taken_back_is_gone(
        steps in prop::collection::vec((prop::bool::weighted(0.6), -3_i64..4), 1..40),
        saved_at in 0_usize..40,
    ) {
        use AggregateFunction::{Avg, Count, FirstValue, LastValue, ListAgg, Max, Min, Sum};
        let functions = [Count, Sum, Avg, Min, Max, FirstValue, LastValue, ListAgg { separator: ", ".into() }];
        for function in &functions {
            check_retraction(function, false, &steps, saved_at);
            // Flink gives a value back with its last row: of FIRST_VALUE that is not the first one's place
            if matches!(function, Count | Sum | Avg) {
                check_retraction(function, true, &steps, saved_at);
            }
        }
    }
}

#[test]
fn a_sum_of_no_values_any_more_is_null() {
    let call = call(AggregateFunction::Sum, false, DataType::Float64);
    let values: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 0.2, 0.3]));
    let mut sum = accumulator(&call, Some(&DataType::Float64), true).expect("a sum");
    sum.resize(1);
    let input = Input { values: Some(&values), filter: None, rows: None, groups: &[0, 0, 0] };
    sum.update(input).expect("values");
    assert!(sum.evaluate(&[0]).expect("a result").is_valid(0));
    sum.retract(input).expect("they were there");
    assert!(sum.evaluate(&[0]).expect("a result").is_null(0));
}
