//! One SQL file: its text, the positions in it, and `${NAME}` substitution with a way back to the original.
//!
//! In: a file's name and text, and a function from variable names to values.
//! Out: the expanded text that the lexer reads, and for every place in it the line and column of the file the user wrote.
//! Not here: reading the file or the environment.

use sqlparser::tokenizer::{Location, Span};

use crate::diagnostic::{Diagnostic, Diagnostics, Problem};

mod lines;
mod scan;
mod substitute;

pub(crate) use lines::LineIndex;
pub(crate) use scan::{RegionKind, regions};

/// A larger file is refused: a pipeline definition has some hundred lines, and every later step is linear in this.
pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;

/// A file before and after substitution. Spans that leave this room are always spans of the original text.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    original: String,
    original_lines: LineIndex,
    expanded: String,
    expanded_lines: LineIndex,
    replaced: Vec<Replaced>,
    /// Where an unset variable stands: its mistake is reported once, and what follows from it is not.
    unset: Vec<Span>,
}

/// One substitution: the same piece in the expanded and in the original text, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replaced {
    expanded: std::ops::Range<usize>,
    original: std::ops::Range<usize>,
}

impl Source {
    /// Substitutes variables. Problems (an unset variable, an open `${`) go to `diagnostics`; the source is usable either way.
    pub(crate) fn new(
        name: &str,
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
        diagnostics: &mut Diagnostics,
    ) -> Source {
        let text = if text.len() > SOURCE_BYTES_MAX { "" } else { text };
        let original_lines = LineIndex::new(text);
        let substituted = substitute::substitute(text, variable);
        let mut source = Source {
            name: name.to_owned(),
            original: text.to_owned(),
            expanded_lines: LineIndex::new(&substituted.text),
            expanded: substituted.text,
            replaced: substituted.replaced,
            original_lines,
            unset: Vec::new(),
        };
        for mistake in substituted.mistakes {
            let span = source.original_span(mistake.range.start, mistake.range.end);
            let problem = Problem { span, message: mistake.message, hint: mistake.hint };
            diagnostics.push(source.diagnostic(&problem));
            source.unset.push(span);
        }
        source
    }

    /// The text after substitution: what Flink would be given.
    pub(crate) fn expanded(&self) -> &str {
        &self.expanded
    }

    /// Turns a place of the expanded text, as the tokenizer counts it, into a place of the file.
    /// `ends` picks the side when the place is inside a substituted value: the end of the `${…}`, or its start.
    pub(crate) fn to_original(&self, place: Location, ends: bool) -> Location {
        let offset = self.original_offset(self.expanded_lines.offset(&self.expanded, place), ends);
        self.original_lines.location(&self.original, offset)
    }

    /// The location of a byte offset of the expanded text, as the tokenizer counts.
    pub(crate) fn expanded_location(&self, offset: usize) -> Location {
        self.expanded_lines.location(&self.expanded, offset)
    }

    /// The user's own text at a span: variables are still variables, so no secret is in it.
    pub(crate) fn original_text(&self, span: Span) -> &str {
        let start = self.original_lines.offset(&self.original, span.start);
        let end = self.original_lines.offset(&self.original, span.end).max(start);
        self.original.get(start..end).unwrap_or_default()
    }

    /// Reports a problem, unless it only follows from a variable that is not set.
    pub(crate) fn report(&self, problem: Problem, diagnostics: &mut Diagnostics) {
        let within = |unset: &Span| unset.start.line == problem.span.start.line && overlaps(*unset, problem.span);
        if !self.unset.iter().any(within) {
            diagnostics.push(self.diagnostic(&problem));
        }
    }

    fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let Span { start, end } = problem.span;
        let line_text = self.original_lines.line(&self.original, start.line);
        let line_chars = line_text.chars().count() as u64;
        let last = if end.line == start.line { end.column } else { line_chars + 1 };
        Diagnostic {
            file: self.name.clone(),
            line: start.line,
            column: start.column,
            length: last.saturating_sub(start.column).max(1),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
            source_line: line_text.to_owned(),
        }
    }

    fn original_span(&self, start: usize, end: usize) -> Span {
        Span::new(
            self.original_lines.location(&self.original, start),
            self.original_lines.location(&self.original, end),
        )
    }

    fn original_offset(&self, expanded: usize, ends: bool) -> usize {
        let after = self.replaced.partition_point(|piece| piece.expanded.start <= expanded);
        let Some(piece) = after.checked_sub(1).and_then(|index| self.replaced.get(index)) else {
            return expanded;
        };
        if expanded >= piece.expanded.end {
            piece.original.end + (expanded - piece.expanded.end)
        } else if ends && expanded > piece.expanded.start {
            piece.original.end
        } else {
            piece.original.start
        }
    }
}

fn overlaps(a: Span, b: Span) -> bool {
    let before = |x: Location, y: Location| (x.line, x.column) < (y.line, y.column);
    before(a.start, b.end) && before(b.start, a.end)
}

#[cfg(test)]
mod tests;
