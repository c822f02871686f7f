//! Flink's dialect for sqlparser: how names are quoted, and the two expressions that only Flink writes this way.
//!
//! It claims no other dialect's identity, so sqlparser's extensions for other databases stay off.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, GroupByExpr, ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr,
    TableFactor, TableWithJoins, WildcardAdditionalOptions,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use crate::parser::{encode_problem, parse_sql_type};
use crate::tokens::{Parsed, Steps, TokenStream};
use crate::types::SqlType;

/// Flink SQL's names, strings and expressions, for [`sqlparser::parser::Parser`].
#[derive(Debug, Default, Clone, Copy)]
pub struct FlinkDialect;

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    /// `CAST(… AS type)` with Flink's types, and `TABLE t` as an argument of a window function.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let Token::Word(Word { quote_style: None, keyword, .. }) = &parser.peek_token_ref().token else { return None };
        let opens = parser.peek_nth_token_ref(1).token == Token::LParen;
        match keyword {
            Keyword::CAST if opens => Some(cast(parser, CastKind::Cast)),
            Keyword::TRY_CAST if opens => Some(cast(parser, CastKind::TryCast)),
            Keyword::TABLE if !opens => Some(table_argument(parser)),
            _ => None,
        }
    }

    /// `BETWEEN SYMMETRIC a AND b` is read as `(BETWEEN a AND b OR BETWEEN b AND a)`, `BETWEEN ASYMMETRIC` as `BETWEEN`.
    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        let negated = is_word(parser, 0, "NOT");
        let at = usize::from(negated);
        let symmetric = is_word(parser, at + 1, "SYMMETRIC");
        if !is_word(parser, at, "BETWEEN") || !(symmetric || is_word(parser, at + 1, "ASYMMETRIC")) {
            return None;
        }
        (0..at + 2).for_each(|_| parser.advance_token());
        Some(between(parser, self, expr, negated, symmetric))
    }
}

fn is_word(parser: &Parser, ahead: usize, word: &str) -> bool {
    matches!(&parser.peek_nth_token_ref(ahead).token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn between(
    parser: &mut Parser,
    dialect: &FlinkDialect,
    expr: &Expr,
    negated: bool,
    symmetric: bool,
) -> Result<Expr, ParserError> {
    let precedence = dialect.prec_value(Precedence::Between);
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword_is(Keyword::AND)?;
    let high = parser.parse_subexpr(precedence)?;
    let one = |negated: bool, low: &Expr, high: &Expr| Expr::Between {
        expr: Box::new(expr.clone()),
        negated,
        low: Box::new(low.clone()),
        high: Box::new(high.clone()),
    };
    if !symmetric {
        return Ok(one(negated, &low, &high));
    }
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    let (left, right) = (Box::new(one(negated, &low, &high)), Box::new(one(negated, &high, &low)));
    Ok(Expr::Nested(Box::new(Expr::BinaryOp { left, op, right })))
}

impl TokenStream for Parser<'_> {
    fn peek_at(&self, ahead: usize) -> &TokenWithSpan {
        self.peek_nth_token_ref(ahead)
    }

    fn advance(&mut self) {
        self.advance_token();
    }
}

fn cast(parser: &mut Parser, kind: CastKind) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LParen)?;
    let expr = Box::new(parser.parse_expr()?);
    let target = cast_target(parser).map_err(|problem| encode_problem(&problem))?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Cast { kind, expr, data_type: target.data_type.to_ast(), array: false, format: None })
}

fn cast_target(parser: &mut Parser) -> Parsed<SqlType> {
    parser.expect(&["AS"])?;
    parse_sql_type(parser)
}

/// `TABLE t` is read as `(SELECT * FROM t)`, which is what it means: so whoever walks the tree sees an ordinary table.
/// `TABLE t PARTITION BY k` is the tuple of that and the keys.
fn table_argument(parser: &mut Parser) -> Result<Expr, ParserError> {
    let table_span = parser.peek_token_ref().span;
    parser.advance_token();
    let name = parser.parse_object_name(false)?;
    let table = Expr::Subquery(Box::new(select_all(name, table_span)));
    if !parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        return Ok(table);
    }
    let mut parts = vec![table];
    if parser.consume_token(&Token::LParen) {
        parts.extend(parser.parse_comma_separated(Parser::parse_expr)?);
        parser.expect_token(&Token::RParen)?;
    } else {
        parts.push(parser.parse_expr()?);
    }
    Ok(Expr::Tuple(parts))
}

fn select_all(name: ObjectName, span: Span) -> Query {
    let token = |token: Token| AttachedToken(TokenWithSpan::new(token, span));
    let relation = TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
    let wildcard = WildcardAdditionalOptions { wildcard_token: token(Token::Mul), ..Default::default() };
    let select = Select {
        select_token: token(Token::make_keyword("SELECT")),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::Wildcard(wildcard)],
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation, joins: Vec::new() }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
