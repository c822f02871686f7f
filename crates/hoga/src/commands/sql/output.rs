//! Rows as people and programs read them. Numbers are printed as the server spelled them: exactly.

use crate::cli::Format;
use std::io::{self, Write};
use tokio_postgres::types::Type;
use tokio_postgres::{Column, SimpleQueryRow};

/// The statements of a text, split at semicolons outside of quotes and comments.
pub fn statements(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut current = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ';' => {
                statements.push(std::mem::take(&mut current));
                rest = &rest[1..];
                continue;
            }
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            other => other.len_utf8(),
        };
        current.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    statements.push(current);
    statements.into_iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

pub fn print(columns: &[Column], rows: &[SimpleQueryRow], format: Format) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => table(&mut out, columns, rows),
        Format::Csv => csv(&mut out, columns, rows),
        Format::Json => json(&mut out, columns, rows),
    }?;
    out.flush()
}

fn table(out: &mut impl Write, columns: &[Column], rows: &[SimpleQueryRow]) -> io::Result<()> {
    let cell = |row: &SimpleQueryRow, index: usize| row.get(index).unwrap_or("").to_owned();
    let width = |index: usize| {
        let cells = rows.iter().map(|row| shown_width(&cell(row, index))).max().unwrap_or(0);
        cells.max(shown_width(columns[index].name()))
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let header: Vec<String> =
        columns.iter().zip(&widths).map(|(column, width)| padded(column.name(), *width, false)).collect();
    writeln!(out, "{}", header.join(" | ").trim_end())?;
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    writeln!(out, "{}", rule.join("-+-"))?;
    for row in rows {
        let cells: Vec<String> = (0..columns.len())
            .map(|index| padded(&cell(row, index), widths[index], is_number(columns[index].type_())))
            .collect();
        writeln!(out, "{}", cells.join(" | ").trim_end())?;
    }
    writeln!(out, "({} row{})", rows.len(), if rows.len() == 1 { "" } else { "s" })
}

fn csv(out: &mut impl Write, columns: &[Column], rows: &[SimpleQueryRow]) -> io::Result<()> {
    let names: Vec<String> = columns.iter().map(|column| csv_field(column.name())).collect();
    writeln!(out, "{}", names.join(","))?;
    for row in rows {
        let cells: Vec<String> =
            (0..columns.len()).map(|index| row.get(index).map_or(String::new(), csv_field)).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// One JSON object a line.
fn json(out: &mut impl Write, columns: &[Column], rows: &[SimpleQueryRow]) -> io::Result<()> {
    for row in rows {
        let members: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, column)| format!("{}:{}", quoted(column.name()), json_value(column.type_(), row.get(index))))
            .collect();
        writeln!(out, "{{{}}}", members.join(","))?;
    }
    Ok(())
}

fn json_value(column: &Type, text: Option<&str>) -> String {
    match text {
        None => "null".to_owned(),
        Some("t") if *column == Type::BOOL => "true".to_owned(),
        Some("f") if *column == Type::BOOL => "false".to_owned(),
        Some(text) if *column == Type::JSON || *column == Type::JSONB => text.to_owned(),
        // NaN and Infinity are no JSON numbers
        Some(text) if is_number(column) && !text.contains(['N', 'I', 'n']) => text.to_owned(),
        Some(text) => quoted(text),
    }
}

fn is_number(column: &Type) -> bool {
    [Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC].contains(column)
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    hoga_model::json::push_string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

fn csv_field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Korean and other wide characters take two cells of a terminal.
fn shown_width(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}') { 2 } else { 1 }).sum()
}

fn padded(text: &str, width: usize, to_the_right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(shown_width(text)));
    if to_the_right { format!("{space}{text}") } else { format!("{text}{space}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_semicolons_outside_of_quotes() {
        assert_eq!(
            statements("SELECT ';'; -- a;b\nSELECT \"x;y\" /* ; */;;"),
            ["SELECT ';'", "-- a;b\nSELECT \"x;y\" /* ; */"]
        );
        assert_eq!(statements("SELECT 'it''s'; SELECT '비;'"), ["SELECT 'it''s'", "SELECT '비;'"]);
    }

    #[test]
    fn json_values_keep_numbers_and_quote_the_rest() {
        assert_eq!(json_value(&Type::NUMERIC, Some("0.00000001")), "0.00000001");
        assert_eq!(json_value(&Type::FLOAT8, Some("NaN")), "\"NaN\"");
        assert_eq!(json_value(&Type::BOOL, Some("t")), "true");
        assert_eq!(json_value(&Type::TEXT, Some("a\"b")), "\"a\\\"b\"");
        assert_eq!(json_value(&Type::JSON, Some("[1]")), "[1]");
        assert_eq!(json_value(&Type::TEXT, None), "null");
    }
}
