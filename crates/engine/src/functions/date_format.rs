//! `DATE_FORMAT(timestamp, pattern)`: an instant in the session's time zone, or a local time, as text.

use super::date_pattern::Pattern;
use arrow::array::timezone::Tz;
use arrow::array::{Array, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use chrono::{DateTime, NaiveDateTime, TimeZone};
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(super) const NAME: &str = "date_format";

#[derive(Debug)]
pub(super) struct DateFormat {
    signature: Signature,
    zone: Tz,
}

impl DateFormat {
    pub(super) fn new(zone: Tz) -> DateFormat {
        DateFormat { signature: Signature::any(2, Volatility::Immutable), zone }
    }
}

impl PartialEq for DateFormat {
    fn eq(&self, other: &DateFormat) -> bool {
        self.zone.to_string() == other.zone.to_string()
    }
}

impl Eq for DateFormat {}

impl Hash for DateFormat {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.zone.to_string().hash(state);
    }
}

impl ScalarUDFImpl for DateFormat {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [DataType::Timestamp(_, _), DataType::Utf8 | DataType::Utf8View] => Ok(DataType::Utf8),
            _ => plan_err!("DATE_FORMAT takes a TIMESTAMP or TIMESTAMP_LTZ and a pattern such as 'yyyy-MM-dd'"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [time, pattern] = args.args.as_slice() else { return plan_err!("DATE_FORMAT takes two arguments") };
        let pattern = match pattern {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text))) => text,
            _ => return plan_err!("the pattern of DATE_FORMAT is a string literal"),
        };
        let pattern = Pattern::parse(pattern).map_err(|error| plan_datafusion_err!("DATE_FORMAT: {error}"))?;
        let time = time.to_array(args.number_rows)?;
        let is_instant = matches!(time.data_type(), DataType::Timestamp(_, Some(_)));
        let zone = time.data_type().clone();
        let millis = match zone {
            DataType::Timestamp(_, zone) => cast(&time, &DataType::Timestamp(TimeUnit::Millisecond, zone))?,
            _ => return plan_err!("DATE_FORMAT takes a TIMESTAMP or TIMESTAMP_LTZ"),
        };
        let millis = millis.as_primitive::<TimestampMillisecondType>();
        let mut texts = StringBuilder::with_capacity(millis.len(), millis.len() * pattern.text_bytes());
        let mut text = String::new();
        // a column of arrivals holds few distinct seconds: format again only when the printed part changes
        let mut last: Option<i64> = None;
        for value in millis.iter() {
            let Some(ms) = value else {
                texts.append_null();
                continue;
            };
            let unit = ms.div_euclid(pattern.resolution_ms());
            if last != Some(unit) {
                text.clear();
                pattern.write(self.local(ms, is_instant)?, &mut text);
                last = Some(unit);
            }
            texts.append_value(&text);
        }
        Ok(ColumnarValue::Array(Arc::new(texts.finish())))
    }
}

impl DateFormat {
    fn local(&self, ms: i64, is_instant: bool) -> Result<NaiveDateTime> {
        let utc = DateTime::from_timestamp_millis(ms)
            .ok_or_else(|| plan_datafusion_err!("DATE_FORMAT: {ms} ms is outside the calendar"))?
            .naive_utc();
        Ok(if is_instant { self.zone.from_utc_datetime(&utc).naive_local() } else { utc })
    }
}
