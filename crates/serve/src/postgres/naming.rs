//! What PostgreSQL calls the columns of a result that the statement gives no name. Pure.
//!
//! Programs take values by these names: `count`, not `count(*)`. The rules are those of `FigureColname`
//! (src/backend/parser/parse_target.c). They are laid over the result only; inside the engine nothing is renamed, except
//! that two equal columns (`SELECT 1, 1`) get names to tell them apart, which the engine needs and PostgreSQL does not.

use datafusion::sql::sqlparser::ast::{
    CastKind, Expr, FunctionArguments, Ident, Query, SelectItem, SetExpr, Statement, Value,
};

use super::types::type_by_name;

const NO_NAME: &str = "?column?";

/// The names of a result's columns, as far as the text says them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ColumnNames {
    /// Before the first wildcard.
    front: Vec<String>,
    /// After it; `None`: there is no wildcard.
    back: Option<Vec<String>>,
}

impl ColumnNames {
    /// Reads the names off a statement, and makes its columns distinct for the engine.
    pub(super) fn take(statement: &mut Statement) -> ColumnNames {
        match statement {
            Statement::Query(query) => of_query(query),
            _ => ColumnNames::default(),
        }
    }

    /// The name of column `index` of `count`, if it is not the engine's to say.
    pub(super) fn get(&self, index: usize, count: usize) -> Option<&str> {
        let found = match &self.back {
            _ if index < self.front.len() => self.front.get(index),
            Some(back) => (index + back.len()).checked_sub(count).and_then(|at| back.get(at)),
            None => None,
        };
        found.map(String::as_str)
    }
}

fn of_query(query: &mut Query) -> ColumnNames {
    of_body(&mut query.body)
}

fn of_body(body: &mut SetExpr) -> ColumnNames {
    match body {
        SetExpr::Query(query) => of_query(query),
        // the names of a UNION are those of its left side
        SetExpr::SetOperation { left, right, .. } => {
            of_body(right);
            of_body(left)
        }
        SetExpr::Select(select) => of_items(&mut select.projection),
        _ => ColumnNames::default(),
    }
}

fn of_items(items: &mut [SelectItem]) -> ColumnNames {
    let wildcards = items.iter().filter(|item| is_wildcard(item)).count();
    if wildcards > 1 {
        return ColumnNames::default();
    }
    let (mut front, mut back) = (Vec::new(), None);
    let mut seen: Vec<String> = Vec::new();
    for (index, item) in items.iter_mut().enumerate() {
        let name = match item {
            SelectItem::UnnamedExpr(expression) => name_of(expression).unwrap_or_else(|| NO_NAME.to_owned()),
            SelectItem::ExprWithAlias { alias, .. } => as_written(alias),
            _ => {
                back = Some(Vec::new());
                continue;
            }
        };
        make_distinct(item, index, &mut seen);
        match &mut back {
            Some(back) => back.push(name),
            None => front.push(name),
        }
    }
    ColumnNames { front, back }
}

/// Names the second of two equal columns after its place.
fn make_distinct(item: &mut SelectItem, index: usize, seen: &mut Vec<String>) {
    let key = match &*item {
        SelectItem::ExprWithAlias { alias, .. } => as_written(alias),
        SelectItem::UnnamedExpr(expression) => expression.to_string(),
        _ => return,
    };
    if !seen.contains(&key) {
        return seen.push(key);
    }
    let alias = Ident::with_quote('"', format!("{key}#{}", index + 1));
    if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
}

/// Unquoted names are lower case.
fn as_written(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// `None`: PostgreSQL has no name for it.
fn name_of(expression: &Expr) -> Option<String> {
    let word = |word: &str| Some(word.to_owned());
    match expression {
        Expr::Identifier(name) => Some(as_written(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(as_written),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name_of(inner),
        Expr::CompoundFieldAccess { root, .. } => name_of(root),
        Expr::Function(call) => {
            let name = call.name.0.last()?.as_ident().map(as_written)?;
            // written without parentheses, these are the same word in PostgreSQL
            Some(match (name.as_str(), &call.args) {
                ("now", FunctionArguments::None) => "current_timestamp".to_owned(),
                _ => name,
            })
        }
        Expr::Cast { expr, data_type, kind: CastKind::Cast | CastKind::DoubleColon, .. } => {
            name_of(expr).or_else(|| Some(cast_name(&data_type.to_string())))
        }
        Expr::TypedString(typed) => Some(cast_name(&typed.data_type.to_string())),
        Expr::Interval(_) => word("interval"),
        Expr::Value(value) => match value.value {
            Value::Boolean(_) => word("bool"),
            _ => None,
        },
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(name_of).or_else(|| word("case")),
        Expr::Exists { .. } => word("exists"),
        Expr::Array(_) => word("array"),
        Expr::Extract { .. } => word("extract"),
        Expr::Substring { .. } => word("substring"),
        Expr::Trim { .. } => word("btrim"),
        Expr::Position { .. } => word("position"),
        Expr::Overlay { .. } => word("overlay"),
        Expr::Ceil { .. } => word("ceil"),
        Expr::Floor { .. } => word("floor"),
        Expr::AtTimeZone { .. } => word("timezone"),
        Expr::Tuple(_) => word("row"),
        Expr::Subquery(query) => ColumnNames::take(&mut Statement::Query(query.clone())).front.pop(),
        _ => None,
    }
}

/// `BIGINT` and `int8` are `int8`: the name in `pg_type`.
fn cast_name(written: &str) -> String {
    let lower = written.to_lowercase();
    let base = lower.split(['(', ' ', '[']).next().unwrap_or_default();
    let base = base.rsplit('.').next().unwrap_or(base);
    type_by_name(&lower, base).to_owned()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn named(text: &str) -> (String, ColumnNames) {
        let mut statement =
            Parser::parse_sql(&PostgreSqlDialect {}, text).expect("valid SQL").pop().expect("one statement");
        let names = ColumnNames::take(&mut statement);
        (statement.to_string(), names)
    }

    fn names(text: &str) -> Vec<String> {
        let names = named(text).1;
        (0..names.front.len()).map(|index| names.get(index, names.front.len()).unwrap_or("∅").to_owned()).collect()
    }

    /// Taken from PostgreSQL 15.
    #[test]
    fn names_are_postgresqls() {
        assert_eq!(
            names("SELECT count(*), sum(t.a), Market, t.\"Price\", 1, 'x', a + 1"),
            ["count", "sum", "market", "Price", "?column?", "?column?", "?column?"]
        );
        assert_eq!(
            names("SELECT a::text, '1'::bigint, CAST(1 AS double precision), DATE '2026-01-01', true"),
            ["a", "int8", "float8", "date", "bool"]
        );
        assert_eq!(
            names("SELECT CASE WHEN a THEN 1 END, CASE WHEN a THEN 1 ELSE b END, (SELECT max(x) FROM t)"),
            ["case", "b", "max"]
        );
        assert_eq!(
            names("SELECT EXTRACT(hour FROM a), ARRAY[1], EXISTS (SELECT 1), version(), 1 AS one"),
            ["extract", "array", "exists", "version", "one"]
        );
        assert_eq!(names("SELECT count(*) FROM a UNION SELECT 1"), ["count"]);
    }

    #[test]
    fn a_wildcard_in_the_middle() {
        let names = named("SELECT count(*), t.*, a + 1, b").1;
        let shown: Vec<_> = (0..5).map(|index| names.get(index, 5)).collect();
        assert_eq!(shown, [Some("count"), None, None, Some("?column?"), Some("b")]);
        assert_eq!(named("SELECT a.*, 1, b.*").1, ColumnNames::default());
    }

    #[test]
    fn equal_columns_are_told_apart_inside() {
        let (text, names) = named("SELECT 1, 1, a AS x, b AS x");
        assert_eq!(text, "SELECT 1, 1 AS \"1#2\", a AS x, b AS \"x#4\"");
        assert_eq!(names.front, ["?column?", "?column?", "x", "x"]);
    }
}
