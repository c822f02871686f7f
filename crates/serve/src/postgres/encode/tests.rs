//! Values as a client sees them, one column at a time.

#![allow(clippy::unwrap_used, reason = "tests")]

use datafusion::arrow::array::*;
use datafusion::arrow::buffer::OffsetBuffer;

use super::super::types::describe;
use super::*;

/// The column as text, NULL as `∅`.
fn shown(array: ArrayRef, zone: &str) -> Vec<String> {
    let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
    let fields = describe(&batch.schema(), &Default::default(), None).unwrap();
    let zone = Zone::parse(zone).unwrap();
    let rows = BatchRows::new(&batch, &fields, &zone).unwrap();
    rows.map(|row| {
        let data = row.unwrap().data;
        let length = i32::from_be_bytes(data[..4].try_into().unwrap());
        assert!(length == -1 || data.len() == 4 + length as usize);
        if length < 0 { "∅".to_owned() } else { String::from_utf8(data[4..].to_vec()).unwrap() }
    })
    .collect()
}

#[test]
fn plain_values() {
    assert_eq!(shown(Arc::new(Int8Array::from(vec![Some(-1), None])), "UTC"), ["-1", "∅"]);
    assert_eq!(shown(Arc::new(UInt64Array::from(vec![u64::MAX])), "UTC"), ["18446744073709551615"]);
    assert_eq!(shown(Arc::new(BooleanArray::from(vec![true, false])), "UTC"), ["t", "f"]);
    let floats = vec![0.1, 1e20, -1e-7, f64::NAN, f64::NEG_INFINITY, 0.0, 100_000.0];
    let expected = ["0.1", "1e+20", "-1e-07", "NaN", "-Infinity", "0", "100000"];
    assert_eq!(shown(Arc::new(Float64Array::from(floats)), "UTC"), expected);
    let bytes = BinaryArray::from(vec![Some([0_u8, 255].as_slice())]);
    assert_eq!(shown(Arc::new(bytes), "UTC"), ["\\x00ff"]);
    assert_eq!(shown(Arc::new(NullArray::new(1)), "UTC"), ["∅"]);
    let words: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    assert_eq!(shown(Arc::new(words), "UTC"), ["a", "∅", "a"]);
}

#[test]
fn instants_in_the_zone_of_the_session_and_wall_clocks_as_they_are() {
    let instants = TimestampMillisecondArray::from(vec![1_785_395_043_831]).with_timezone("UTC");
    assert_eq!(shown(Arc::new(instants), "Asia/Seoul"), ["2026-07-30 16:04:03.831+09"]);
    let clocks = TimestampMillisecondArray::from(vec![1_785_395_043_831]);
    assert_eq!(shown(Arc::new(clocks), "Asia/Seoul"), ["2026-07-30 07:04:03.831"]);
    assert_eq!(shown(Arc::new(Date32Array::from(vec![20_664])), "UTC"), ["2026-07-30"]);
}

#[test]
fn lists_of_plain_values_are_arrays() {
    let words: ListArray = {
        let mut builder = ListBuilder::new(StringBuilder::new());
        builder.append_value([Some("a"), Some("b,c"), None, Some("null"), Some("")]);
        builder.append_null();
        builder.append_value([] as [Option<&str>; 0]);
        builder.finish()
    };
    assert_eq!(shown(Arc::new(words), "UTC"), ["{a,\"b,c\",NULL,\"null\",\"\"}", "∅", "{}"]);
}

#[test]
fn nested_values_are_json_with_every_digit() {
    let prices = Decimal128Array::from(vec![Some(i128::MAX / 2), Some(-10_000_000), None])
        .with_precision_and_scale(38, 8)
        .unwrap();
    let names = StringArray::from(vec!["a\"b", "호가", "\u{1}"]);
    let fields = Fields::from(vec![
        Field::new("price", DataType::Decimal128(38, 8), true),
        Field::new("name", DataType::Utf8, false),
    ]);
    let rows = StructArray::new(fields.clone(), vec![Arc::new(prices), Arc::new(names)], None);
    let element = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    let list = ListArray::new(element, OffsetBuffer::from_lengths([2, 1]), Arc::new(rows), None);
    assert_eq!(
        shown(Arc::new(list), "UTC"),
        [
            "[{\"price\":850705917302346158658436518579.42052863,\"name\":\"a\\\"b\"},{\"price\":-0.1,\"name\":\"호가\"}]",
            "[{\"price\":null,\"name\":\"\\u0001\"}]",
        ]
    );
}
