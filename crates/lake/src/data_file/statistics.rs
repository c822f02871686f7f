//! What the footer of a file says about its columns, as Paimon's manifests have it. Pure.

use crate::manifest::row_of;
use paimon::spec::{DataField, DataType, Datum};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

/// Characters of a text that are kept: Paimon's default, `truncate(16)`.
const TEXT_CHARS_MAX: usize = 16;

/// Of a file's columns, those that have statistics.
pub(super) struct ValueStats {
    /// Serialized rows.
    pub(super) min: Vec<u8>,
    pub(super) max: Vec<u8>,
    pub(super) nulls: Vec<Option<i64>>,
    /// Names of the columns, if it is not all.
    pub(super) columns: Option<Vec<String>>,
}

pub(super) fn value_stats(fields: &[DataField], metadata: &ParquetMetaData) -> ValueStats {
    stats_of(fields, metadata, true)
}

/// Of the columns of a key: whole texts, as Paimon has them, so that a key is never beside its bounds.
pub(super) fn key_stats(fields: &[DataField], metadata: &ParquetMetaData) -> ValueStats {
    stats_of(fields, metadata, false)
}

fn stats_of(fields: &[DataField], metadata: &ParquetMetaData, shortens: bool) -> ValueStats {
    let (mut names, mut types, mut min, mut max, mut nulls) = (vec![], vec![], vec![], vec![], vec![]);
    for field in fields {
        let Some(found) = column_stats(field, metadata, shortens) else { continue };
        names.push(field.name().to_owned());
        types.push(field.data_type());
        min.push(found.min);
        max.push(found.max);
        nulls.push(found.nulls);
    }
    ValueStats {
        min: row_of(&min, &types),
        max: row_of(&max, &types),
        nulls,
        columns: (names.len() < fields.len()).then_some(names),
    }
}

struct ColumnStats {
    min: Option<Datum>,
    max: Option<Datum>,
    nulls: Option<i64>,
}

/// Over all row groups; None of a nested column. A bound that may lie beyond the values counts only if nothing is shortened.
fn column_stats(field: &DataField, metadata: &ParquetMetaData, shortens: bool) -> Option<ColumnStats> {
    let leaves = metadata.file_metadata().schema_descr().columns();
    let leaf = leaves.iter().position(|leaf| leaf.path().parts() == [field.name()])?;
    let mut bounds: Option<(Option<Datum>, Option<Datum>)> = None;
    let mut nulls = Some(0);
    for group in metadata.row_groups() {
        let statistics = group.column(leaf).statistics()?;
        let own_nulls = statistics.null_count_opt();
        nulls = nulls.zip(own_nulls).map(|(sum, own)| sum + own as i64);
        if own_nulls == Some(group.num_rows() as u64) {
            continue;
        }
        let [own_min, own_max] = [true, false].map(|is_min| {
            let is_exact = if is_min { statistics.min_is_exact() } else { statistics.max_is_exact() };
            if is_exact || !shortens { bound(statistics, field.data_type(), is_min) } else { None }
        });
        bounds = Some(match bounds {
            None => (own_min, own_max),
            Some((min, max)) => (
                min.zip(own_min).map(|(min, own)| if own < min { own } else { min }),
                max.zip(own_max).map(|(max, own)| if own > max { own } else { max }),
            ),
        });
    }
    let (min, max) = bounds.unwrap_or_default();
    let (min, max) = if shortens { shortened(min, max) } else { (min, max) };
    Some(ColumnStats { min, max, nulls })
}

/// The smallest or the largest value of a row group.
fn bound(statistics: &Statistics, data_type: &DataType, is_min: bool) -> Option<Datum> {
    macro_rules! of {
        ($stats:expr) => {
            if is_min { $stats.min_opt() } else { $stats.max_opt() }
        };
    }
    let decimal = |unscaled: i128| match data_type {
        DataType::Decimal(kind) => Some(Datum::Decimal { unscaled, precision: kind.precision(), scale: kind.scale() }),
        _ => None,
    };
    match (statistics, data_type) {
        (Statistics::Boolean(found), DataType::Boolean(_)) => of!(found).copied().map(Datum::Bool),
        (Statistics::Int32(found), DataType::TinyInt(_)) => {
            of!(found).and_then(|value| i8::try_from(*value).ok()).map(Datum::TinyInt)
        }
        (Statistics::Int32(found), DataType::SmallInt(_)) => {
            of!(found).and_then(|value| i16::try_from(*value).ok()).map(Datum::SmallInt)
        }
        (Statistics::Int32(found), DataType::Int(_)) => of!(found).copied().map(Datum::Int),
        (Statistics::Int32(found), DataType::Date(_)) => of!(found).copied().map(Datum::Date),
        (Statistics::Int32(found), DataType::Decimal(_)) => of!(found).and_then(|value| decimal(i128::from(*value))),
        (Statistics::Int64(found), DataType::BigInt(_)) => of!(found).copied().map(Datum::Long),
        (Statistics::Int64(found), DataType::Decimal(_)) => of!(found).and_then(|value| decimal(i128::from(*value))),
        (Statistics::Int64(found), DataType::Timestamp(kind)) if kind.precision() <= 3 => {
            of!(found).map(|millis| Datum::Timestamp { millis: *millis, nanos: 0 })
        }
        (Statistics::Int64(found), DataType::LocalZonedTimestamp(kind)) if kind.precision() <= 3 => {
            of!(found).map(|millis| Datum::LocalZonedTimestamp { millis: *millis, nanos: 0 })
        }
        (Statistics::Float(found), DataType::Float(_)) => of!(found).copied().map(Datum::Float),
        (Statistics::Double(found), DataType::Double(_)) => of!(found).copied().map(Datum::Double),
        (Statistics::ByteArray(found), DataType::Char(_) | DataType::VarChar(_)) => {
            let text = of!(found).and_then(|value| std::str::from_utf8(value.data()).ok());
            text.map(|text| Datum::String(text.to_owned()))
        }
        (Statistics::FixedLenByteArray(found), DataType::Decimal(_)) => {
            of!(found).and_then(|value| from_bytes(value.data())).and_then(decimal)
        }
        _ => None,
    }
}

/// Most significant byte first, in as few as the column has.
fn from_bytes(bytes: &[u8]) -> Option<i128> {
    let fill = if *bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// Long texts: their beginning as the smallest, and as the largest the first text that comes after it; without one, neither.
fn shortened(min: Option<Datum>, max: Option<Datum>) -> (Option<Datum>, Option<Datum>) {
    let is_long = |text: &String| text.chars().nth(TEXT_CHARS_MAX).is_some();
    let min = min.map(|min| match min {
        Datum::String(text) if is_long(&text) => Datum::String(text.chars().take(TEXT_CHARS_MAX).collect()),
        min => min,
    });
    match max {
        Some(Datum::String(text)) if is_long(&text) => {
            let mut chars: Vec<char> = text.chars().take(TEXT_CHARS_MAX).collect();
            while let Some(last) = chars.pop() {
                if let Some(next) = char::from_u32(last as u32 + 1) {
                    chars.push(next);
                    return (min, Some(Datum::String(chars.into_iter().collect())));
                }
            }
            (None, None)
        }
        max => (min, max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_from_bytes() {
        assert_eq!(from_bytes(&[0xff, 0x85]), Some(-123));
        assert_eq!(from_bytes(&[0, 0, 1, 0]), Some(256));
        assert_eq!(from_bytes(&[]), None);
        assert_eq!(from_bytes(&[0; 17]), None);
    }

    #[test]
    fn long_texts() {
        let text = |text: &str| Some(Datum::String(text.to_owned()));
        let short = (text("KRW-BTC"), text("KRW-XRP"));
        assert_eq!(shortened(short.0.clone(), short.1.clone()), short);
        assert_eq!(
            shortened(text("0123456789abcdefgh"), text("0123456789abcdefgh")),
            (text("0123456789abcdef"), text("0123456789abcdeg"))
        );
        let last = char::MAX.to_string().repeat(17);
        assert_eq!(shortened(text("a"), text(&last)), (None, None), "nothing comes after it");
    }
}
