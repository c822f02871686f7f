//! Lines and columns of a text: both count from 1, columns count characters, as sqlparser does.

use sqlparser::tokenizer::Location;

/// Where each line of a text starts, and whether columns of that line are bytes.
#[derive(Debug)]
pub(crate) struct LineIndex {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    start: usize,
    /// Without the newline.
    end: usize,
    ascii: bool,
}

impl LineIndex {
    pub(crate) fn new(text: &str) -> LineIndex {
        let mut start = 0;
        let lines = text
            .split('\n')
            .map(|line| {
                let this = Line { start, end: start + line.len(), ascii: line.is_ascii() };
                start = this.end + 1;
                this
            })
            .collect();
        LineIndex { lines }
    }

    /// The location of a byte offset; past the end it is the end.
    pub(crate) fn location(&self, text: &str, offset: usize) -> Location {
        let index = self.lines.partition_point(|line| line.start <= offset).saturating_sub(1);
        let Some(line) = self.lines.get(index) else { return Location::new(1, 1) };
        let within = text.get(line.start..offset.min(text.len())).unwrap_or_default();
        let column = if line.ascii { within.len() } else { within.chars().count() };
        Location::new(index as u64 + 1, column as u64 + 1)
    }

    /// The byte offset of a location; a column past the line's end gives the line's end.
    pub(crate) fn offset(&self, text: &str, place: Location) -> usize {
        let Some(line) = place.line.checked_sub(1).and_then(|index| self.lines.get(index as usize)) else {
            return text.len();
        };
        let column = place.column.saturating_sub(1) as usize;
        if line.ascii {
            return (line.start + column).min(line.end);
        }
        let content = text.get(line.start..line.end).unwrap_or_default();
        content.char_indices().nth(column).map_or(line.end, |(offset, _)| line.start + offset)
    }

    /// A line's text, without its line break.
    pub(crate) fn line<'t>(&self, text: &'t str, number: u64) -> &'t str {
        let line = number.checked_sub(1).and_then(|index| self.lines.get(index as usize));
        let content = line.and_then(|line| text.get(line.start..line.end)).unwrap_or_default();
        content.strip_suffix('\r').unwrap_or(content)
    }
}
