//! `TO_TIMESTAMP_LTZ(numeric, precision)`: an epoch of seconds (0) or milliseconds (3) as TIMESTAMP_LTZ(3).

use crate::types::UTC;
use arrow::array::{Array, AsArray, Int64Array, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

pub(super) const NAME: &str = "to_timestamp_ltz";

/// Flink's TIMESTAMP_LTZ ends with the year 9999; what lies outside becomes NULL there and here.
const MS_MIN: i64 = -62_135_596_800_000;
const MS_MAX: i64 = 253_402_300_799_999;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ToTimestampLtz {
    signature: Signature,
}

impl ToTimestampLtz {
    pub(super) fn new() -> ToTimestampLtz {
        ToTimestampLtz { signature: Signature::exact(vec![DataType::Int64, DataType::Int64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToTimestampLtz {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [epoch, precision] = args.args.as_slice() else {
            return plan_err!("TO_TIMESTAMP_LTZ takes a number and a precision");
        };
        let ms_per_unit = match precision {
            ColumnarValue::Scalar(ScalarValue::Int64(Some(0))) => 1_000,
            ColumnarValue::Scalar(ScalarValue::Int64(Some(3))) => 1,
            _ => return plan_err!("the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds)"),
        };
        let epoch = epoch.to_array(args.number_rows)?;
        let epoch: &Int64Array = epoch.as_primitive::<Int64Type>();
        let in_range = |value: i64| value.checked_mul(ms_per_unit).filter(|ms| (MS_MIN..=MS_MAX).contains(ms));
        let all_valid = epoch.iter().flatten().all(|value| in_range(value).is_some());
        let instants = if all_valid {
            let values = epoch.values().iter().map(|value| value.wrapping_mul(ms_per_unit)).collect();
            TimestampMillisecondArray::try_new(values, epoch.nulls().cloned())?
        } else {
            epoch.iter().map(|value| value.and_then(in_range)).collect()
        };
        Ok(ColumnarValue::Array(Arc::new(instants.with_timezone(UTC))))
    }
}
