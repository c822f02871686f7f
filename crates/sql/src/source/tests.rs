//! Substitution and the way back to the original places.
#![allow(clippy::unwrap_used, reason = "tests")]

use expect_test::expect;
use sqlparser::tokenizer::Location;

use super::Source;
use crate::diagnostic::Diagnostics;

fn value(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("broker".to_owned()),
        "EMPTY" => Some(String::new()),
        "QUOTE" => Some("it's".to_owned()),
        "TICK" => Some("a`b".to_owned()),
        "NESTED" => Some("${HOST}".to_owned()),
        _ => None,
    }
}

fn expand(text: &str) -> (String, String) {
    let mut diagnostics = Diagnostics::default();
    let source = Source::new("a.sql", text, &value, &mut diagnostics);
    (source.expanded().to_owned(), diagnostics.to_string())
}

#[test]
fn variables_are_replaced_outside_comments() {
    let cases = [
        ("'${HOST}:9092'", "'broker:9092'"),
        ("'${HOST:-other}'", "'broker'"),
        ("'${UNSET:-127.0.0.1:9092}'", "'127.0.0.1:9092'"),
        ("'${UNSET:-}'", "''"),
        ("'${EMPTY:-default}'", "'default'"),
        ("'${EMPTY}'", "''"),
        ("USE ${HOST};", "USE broker;"),
        ("`${HOST}`", "`broker`"),
        ("-- ${UNSET}\n'${HOST}'", "-- ${UNSET}\n'broker'"),
        ("/* ${UNSET} */ ${HOST}", "/* ${UNSET} */ broker"),
        ("'-- ${HOST}'", "'-- broker'"),
        ("'/* ${HOST}' x", "'/* broker' x"),
        ("'it''s ${HOST}' -- '${UNSET}", "'it''s broker' -- '${UNSET}"),
        // a value cannot end the text it stands in, and is not expanded again
        ("'${QUOTE}'", "'it''s'"),
        ("`${TICK}`", "`a``b`"),
        ("'${NESTED}'", "'${HOST}'"),
        ("$HOST $ {HOST} {HOST}", "$HOST $ {HOST} {HOST}"),
        ("${UNSET:-it's}", "it's"),
    ];
    for (text, expected) in cases {
        assert_eq!(expand(text), (expected.to_owned(), String::new()), "{text}");
    }
}

#[test]
fn wrong_variables_are_named_with_their_place() {
    let (expanded, problems) = expand("-- 한글\n'한글 ${UNSET}' ${1A} '${open\n' ${}");
    expect![[r#"
        a.sql:2:5: variable UNSET is not set and has no default
            '한글 ${UNSET}' ${1A} '${open
                  ^^^^^^^^
          hint: set UNSET in the environment, or write ${UNSET:-default}
        a.sql:2:15: "1A" is not a variable name
            '한글 ${UNSET}' ${1A} '${open
                            ^^^^^
          hint: a name has letters, digits and _; write ${NAME} or ${NAME:-default}
        a.sql:2:22: this ${ has no closing }
            '한글 ${UNSET}' ${1A} '${open
                                   ^^
          hint: write ${NAME} or ${NAME:-default}
        a.sql:3:3: "" is not a variable name
            ' ${}
              ^^^
          hint: a name has letters, digits and _; write ${NAME} or ${NAME:-default}"#]]
    .assert_eq(&problems);
    assert_eq!(expanded, "-- 한글\n'한글 ${UNSET}' invalid_variable '${open\n' invalid_variable");
}

#[test]
fn places_after_a_variable_are_places_of_the_file() {
    let mut diagnostics = Diagnostics::default();
    let text = "한 ${HOST} x\n  y";
    let source = Source::new("a.sql", text, &value, &mut diagnostics);
    assert_eq!(source.expanded(), "한 broker x\n  y");
    let to = |line, column, ends| {
        let place = source.to_original(Location::new(line, column), ends);
        (place.line, place.column)
    };
    assert_eq!(to(1, 1, false), (1, 1));
    assert_eq!(to(1, 3, false), (1, 3), "the variable starts where it starts");
    assert_eq!(to(1, 5, false), (1, 3), "inside a value is at its variable");
    assert_eq!(to(1, 5, true), (1, 10), "and ends after it");
    assert_eq!(to(1, 9, true), (1, 10));
    assert_eq!(to(1, 10, false), (1, 11), "x");
    assert_eq!(to(2, 3, false), (2, 3), "y");
}
