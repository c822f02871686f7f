//! What is wrong with a file, and where: printed as `file:line:column: message`, the line, a caret, a hint.

use std::fmt;

use hoga_model::{Fault, Faulty};
use sqlparser::tokenizer::Span;

/// After this many mistakes the rest is not listed: the first ones are the ones to mend.
pub const DIAGNOSTICS_MAX: usize = 100;

/// A longer source line is cut around the mistake.
const SHOWN_CHARS_MAX: usize = 160;
/// How much of a cut line is shown before the mistake.
const SHOWN_CHARS_BEFORE: usize = 60;

/// One mistake in a file. Lines and columns count from 1; columns count characters, not bytes and not screen cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: String,
    pub line: u64,
    pub column: u64,
    /// How many characters are meant, at least 1, never past the end of the line.
    pub length: u64,
    /// Lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line of the file, as written (variables are not substituted in it).
    pub source_line: String,
}

/// Every mistake of a file, in the order of their places. Never empty when it is returned as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    left_out: usize,
}

/// A mistake that does not yet know its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }

    /// A hint, if there is none yet.
    pub(crate) fn or_hint(self, hint: String) -> Problem {
        Problem { hint: self.hint.or(Some(hint)), ..self }
    }

    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Problem {
        Problem { hint, ..self }
    }
}

impl Diagnostics {
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// The number of mistakes found, also those beyond [`DIAGNOSTICS_MAX`].
    pub fn len(&self) -> usize {
        self.list.len() + self.left_out
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those of both, in the order of their places.
    pub fn merged(mut self, other: Diagnostics) -> Diagnostics {
        self.left_out += other.left_out;
        other.list.into_iter().for_each(|diagnostic| self.push(diagnostic));
        self.sort();
        self
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.contains(&diagnostic) {
            return;
        }
        if self.list.len() < DIAGNOSTICS_MAX {
            self.list.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    /// Parsing and resolution each find their own; the reader wants one list from top to bottom.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if !self.source_line.trim().is_empty() {
            let shown = Shown::of(self);
            write!(f, "\n    {}{}{}", shown.before, shown.marked, shown.after)?;
            write!(f, "\n    {}{}", shown.padding(), "^".repeat(shown.carets()))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{diagnostic}")?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl Faulty for Diagnostics {
    fn fault(&self) -> Fault {
        Fault::User
    }
}

/// The part of a source line that is printed, cut around the mistake.
struct Shown {
    before: String,
    marked: String,
    after: String,
}

impl Shown {
    fn of(diagnostic: &Diagnostic) -> Shown {
        let chars: Vec<char> = diagnostic.source_line.chars().collect();
        let start = (diagnostic.column.saturating_sub(1) as usize).min(chars.len());
        let mut from = 0;
        let mut to = chars.len();
        if chars.len() > SHOWN_CHARS_MAX {
            from = start.saturating_sub(SHOWN_CHARS_BEFORE);
            to = (from + SHOWN_CHARS_MAX).min(chars.len());
        }
        let end = start.saturating_add(diagnostic.length as usize).clamp(start, to.max(start));
        let text = |range: std::ops::Range<usize>| -> String {
            chars
                .get(range)
                .unwrap_or_default()
                .iter()
                .map(|c| if c.is_control() && *c != '\t' { ' ' } else { *c })
                .collect()
        };
        let mut shown = Shown { before: text(from..start), marked: text(start..end), after: text(end..to) };
        if from > 0 {
            shown.before.insert(0, '…');
        }
        if to < chars.len() {
            shown.after.push('…');
        }
        shown
    }

    /// As wide on the screen as the text before the mistake: tabs stay tabs, and a Korean letter is two cells wide.
    fn padding(&self) -> String {
        self.before.chars().map(|c| if c == '\t' { "\t".to_owned() } else { " ".repeat(cells(c)) }).collect()
    }

    fn carets(&self) -> usize {
        self.marked.chars().map(cells).sum::<usize>().max(1)
    }
}

/// How many cells of a terminal a character takes (Unicode's East Asian Width, the wide and full-width blocks).
fn cells(c: char) -> usize {
    match c as u32 {
        0x0300..=0x036F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xA960..=0xA97F
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
