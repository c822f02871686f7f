//! What becomes a row, what does not, and that a bad record leaves no trace in any column.

use super::*;
use arrow::array::AsArray;
use arrow::datatypes::{Decimal128Type, Field as ArrowField, Fields, Int64Type, Schema};
use arrow::util::pretty::pretty_format_batches;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn schema() -> SchemaRef {
    let unit = Fields::from(vec![
        ArrowField::new("ask_price", DataType::Decimal128(20, 8), true),
        ArrowField::new("ask_size", DataType::Decimal128(24, 8), true),
    ]);
    let element = ArrowField::new("element", DataType::Struct(unit), true);
    Arc::new(Schema::new(vec![
        ArrowField::new("code", DataType::Utf8, true),
        ArrowField::new("price", DataType::Decimal128(20, 8), true),
        ArrowField::new("id", DataType::Int64, false),
        ArrowField::new("rate", DataType::Float64, true),
        ArrowField::new("flag", DataType::Boolean, true),
        ArrowField::new("units", DataType::List(Arc::new(element)), true),
    ]))
}

fn decoder() -> JsonDecoder {
    JsonDecoder::new(schema(), None).expect("the types are supported")
}

#[track_caller]
fn check(records: &[&str], expected: Expect) {
    let mut decoder = decoder();
    let mut text = String::new();
    for record in records {
        if let Err(error) = decoder.push(record.as_bytes()) {
            text.push_str(&format!("{record}: {error}\n"));
        }
    }
    let batch = decoder.finish().expect("columns of equal length");
    text.push_str(&pretty_format_batches(&[batch]).expect("printable").to_string());
    expected.assert_eq(&text);
}

#[test]
fn the_order_of_keys_may_change_from_record_to_record() {
    check(
        &[
            r#"{"id":1,"x":0,"code":"a","price":1,"y":[],"flag":true}"#,
            r#"{"x":0,"price":2,"flag":false,"id":2,"z":"é\u0041","code":"b"}"#,
            r#"{"id":3,"x":0,"code":"c","price":3,"y":[],"flag":true}"#,
            r#"{ "id" : 4 , "x" : 0 , "code" : "d" , "price" : 4 }"#,
            r#"{"id":5,"x":"#,
            r#"{"id":6,"units":[{"ask_size":1,"ask_price":2,"other":3},{"ask_price":4,"ask_size":true}]}"#,
            r#"{"id":7,"units":[{"ask_price":5,"ask_size":6}]}"#,
        ],
        expect![[r#"
            {"id":5,"x":: invalid JSON at byte 12: the text ends where a value should be
            {"id":6,"units":[{"ask_size":1,"ask_price":2,"other":3},{"ask_price":4,"ask_size":true}]}: field "ask_size": expected DECIMAL(24, 8), found true
            +------+------------+----+------+-------+-------------------------------------------------+
            | code | price      | id | rate | flag  | units                                           |
            +------+------------+----+------+-------+-------------------------------------------------+
            | a    | 1.00000000 | 1  |      | true  |                                                 |
            | b    | 2.00000000 | 2  |      | false |                                                 |
            | c    | 3.00000000 | 3  |      | true  |                                                 |
            | d    | 4.00000000 | 4  |      |       |                                                 |
            |      |            | 7  |      |       | [{ask_price: 5.00000000, ask_size: 6.00000000}] |
            +------+------------+----+------+-------+-------------------------------------------------+"#]],
    );
}

#[test]
fn rows() {
    check(
        &[
            r#"{"code":"KRW-BTC","price":1.16539E8,"id":17853950437790001,"rate":0.25,"flag":true,"units":[{"ask_price":1,"ask_size":2.5},{"ask_size":"3"}]}"#,
            r#"{"unknown":{"a":[1]},"id":"9223372036854775807","price":"0E-8","code":12.50}"#,
            r#"{"id":1,"id":2,"units":[],"code":null,"code":"last wins"}"#,
            r#"{"id":3,"units":[null],"flag":"FALSE","rate":"1e3","code":{"a":"비트"}}"#,
        ],
        expect![[r#"
            +--------------+--------------------+---------------------+--------+-------+--------------------------------------------------------------------------------------+
            | code         | price              | id                  | rate   | flag  | units                                                                                |
            +--------------+--------------------+---------------------+--------+-------+--------------------------------------------------------------------------------------+
            | KRW-BTC      | 116539000.00000000 | 17853950437790001   | 0.25   | true  | [{ask_price: 1.00000000, ask_size: 2.50000000}, {ask_price: , ask_size: 3.00000000}] |
            | 12.50        | 0.00000000         | 9223372036854775807 |        |       |                                                                                      |
            | last wins    |                    | 2                   |        |       | []                                                                                   |
            | {"a":"비트"} |                    | 3                   | 1000.0 | false | []                                                                                   |
            +--------------+--------------------+---------------------+--------+-------+--------------------------------------------------------------------------------------+"#]],
    );
}

#[test]
fn a_bad_record_is_no_row_and_says_why() {
    check(
        &[
            r#"{"id":1,"code":"a""#,
            r#"{"id":1} x"#,
            r#"[1]"#,
            r#"{"code":"no id"}"#,
            r#"{"id":null}"#,
            r#"{"id":1.5}"#,
            r#"{"id":1,"price":"abc"}"#,
            r#"{"id":1,"price":1e30}"#,
            r#"{"id":1,"units":{"ask_price":1}}"#,
            r#"{"id":1,"units":[{"ask_price":1},{"ask_price":true}]}"#,
            r#"{"id":1,"flag":1}"#,
            r#"{"id":7,"code":"the only row"}"#,
        ],
        expect![[r#"
            {"id":1,"code":"a": invalid JSON at byte 18: expected , or } after a value
            {"id":1} x: invalid JSON at byte 9: text after the end of the value
            [1]: invalid JSON at byte 0: expected an object
            {"code":"no id"}: field "id" is NULL or missing, but its column is NOT NULL
            {"id":null}: field "id" is NULL or missing, but its column is NOT NULL
            {"id":1.5}: field "id": 1.5 is not a whole number that fits BIGINT
            {"id":1,"price":"abc"}: field "price": "abc" is not a number
            {"id":1,"price":1e30}: field "price": 1e30 does not fit DECIMAL(20, 8)
            {"id":1,"units":{"ask_price":1}}: field "units": expected ARRAY<ROW<`ask_price` DECIMAL(20, 8), `ask_size` DECIMAL(24, 8)>>, found {"ask_price":1}
            {"id":1,"units":[{"ask_price":1},{"ask_price":true}]}: field "ask_price": expected DECIMAL(20, 8), found true
            {"id":1,"flag":1}: field "flag": expected BOOLEAN, found 1
            +--------------+-------+----+------+------+-------+
            | code         | price | id | rate | flag | units |
            +--------------+-------+----+------+------+-------+
            | the only row |       | 7  |      |      |       |
            +--------------+-------+----+------+------+-------+"#]],
    );
}

#[test]
fn decimals_never_pass_through_a_double() {
    let mut decoder = decoder();
    decoder.push(br#"{"id":9007199254740993,"price":123456789012.12345678}"#).expect("a row");
    let batch = decoder.finish().expect("a batch");
    assert_eq!(batch.column(1).as_primitive::<Decimal128Type>().value(0), 12_345_678_901_212_345_678);
    assert_eq!(batch.column(2).as_primitive::<Int64Type>().value(0), 9_007_199_254_740_993);
}

proptest! {
    #[test]
    fn bad_records_between_good_ones_change_nothing(records in prop::collection::vec(prop_oneof![
        (0_i64..1000).prop_map(|id| (true, format!(r#"{{"id":{id},"code":"{id}","units":[{{"ask_price":{id}}}],"price":{id}.5}}"#))),
        Just((false, r#"{"code":"x","units":[{"ask_price":1},{"ask_price":2}],"price":1,"id":"x"}"#.to_owned())),
        Just((false, r#"{"id":5,"price":1,"units":[{"ask_price":1},{"ask_price":[]}]}"#.to_owned())),
        Just((false, r#"{"id":5,"code":"half"#.to_owned())),
    ], 0..20)) {
        let mut mixed = decoder();
        let mut good = decoder();
        for (is_good, record) in &records {
            prop_assert_eq!(mixed.push(record.as_bytes()).is_ok(), *is_good);
            if *is_good {
                good.push(record.as_bytes()).expect("a good record");
            }
        }
        prop_assert_eq!(mixed.finish().expect("a batch"), good.finish().expect("a batch"));
    }
}

#[test]
fn fields_that_nobody_declares_are_counted_and_those_declared_are_not() {
    let known = ["unused", "units[].bid_price"].map(str::to_owned).into();
    let mut decoder = JsonDecoder::new(schema(), Some(Arc::new(known))).expect("the types are supported");
    for _ in 0..3 {
        decoder
            .push(br#"{"id":1,"unused":0,"new":1.5,"units":[{"ask_price":1,"bid_price":2,"orders":3},{"orders":4}]}"#)
            .expect("a row");
    }
    decoder.push(br#"{"new":null,"id":2,"newer":{"a":[]}}"#).expect("a row");
    let listed = |decoder: &mut JsonDecoder| {
        let taken = decoder.take_unknown().unwrap_or_default();
        let text = |field: &UnknownField| format!("{} {} {:?}", field.path, field.values, field.column_type());
        taken.listed().into_iter().map(text).collect::<Vec<_>>()
    };
    let expected = ["units[].orders 6 Some(\"BIGINT\")", "new 4 Some(\"DECIMAL(20, 8)\")", "newer 1 Some(\"STRING\")"];
    assert_eq!(listed(&mut decoder), expected);
    assert_eq!(decoder.finish().expect("a batch").num_rows(), 4);
    assert_eq!(decoder.take_unknown(), None, "each is told once");
    decoder.push(br#"{"newer":1,"id":3,"new":true}"#).expect("a row");
    assert_eq!(listed(&mut decoder), ["new 1 Some(\"BOOLEAN\")", "newer 1 Some(\"BIGINT\")"]);

    let names: String = (0..1_000).map(|index| format!(",\"x{index}\":{index}")).collect();
    decoder.push(format!("{{\"id\":4{names}}}").as_bytes()).expect("a row");
    let taken = decoder.take_unknown().expect("some");
    assert_eq!((taken.listed().len(), taken.unlisted()), (UNKNOWN_FIELDS_MAX - 2, 1_002 - UNKNOWN_FIELDS_MAX as u64));
}
