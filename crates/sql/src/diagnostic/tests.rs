//! How a mistake is shown.
#![allow(clippy::unwrap_used, reason = "tests")]

use expect_test::expect;

use super::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics};

fn diagnostic(line: &str, column: u64, length: u64) -> Diagnostic {
    Diagnostic {
        file: "pipeline/upbit.sql".to_owned(),
        line: 12,
        column,
        length,
        message: "message".to_owned(),
        hint: None,
        source_line: line.to_owned(),
    }
}

#[test]
fn the_caret_is_under_the_mistake() {
    let shown = |line: &str, column, length| format!("{}\n", diagnostic(line, column, length));
    let all = [
        shown("  code STRNG,", 8, 5),
        // a Korean letter is one column and two cells
        shown("'체결가' STRNG", 7, 5),
        shown("STRING '체결가'", 9, 3),
        // tabs stay tabs
        shown("\tcode\tSTRNG", 7, 5),
        // past the end: the place where something is missing
        shown("SELECT", 7, 1),
        shown("", 1, 1),
    ];
    expect![[r#"
        pipeline/upbit.sql:12:8: message
              code STRNG,
                   ^^^^^
        pipeline/upbit.sql:12:7: message
            '체결가' STRNG
                     ^^^^^
        pipeline/upbit.sql:12:9: message
            STRING '체결가'
                    ^^^^^^
        pipeline/upbit.sql:12:7: message
            	code	STRNG
            	    	^^^^^
        pipeline/upbit.sql:12:7: message
            SELECT
                  ^
        pipeline/upbit.sql:12:1: message
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn a_long_line_is_cut_around_the_mistake() {
    let line = format!("{}STRNG{}", "x".repeat(1_000), "y".repeat(1_000));
    let shown = diagnostic(&line, 1_001, 5).to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[1].chars().count() < 200, "{}", lines[1]);
    let caret = lines[2].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[1].chars().skip(caret).take(5).collect::<String>(), "STRNG");
}

#[test]
fn too_many_are_counted_and_not_listed() {
    let mut diagnostics = Diagnostics::default();
    for line in 0..DIAGNOSTICS_MAX as u64 + 7 {
        diagnostics.push(Diagnostic { line, ..diagnostic("x", 1, 1) });
    }
    assert_eq!(diagnostics.len(), DIAGNOSTICS_MAX + 7);
    assert!(diagnostics.to_string().ends_with("and 7 more"));
}
