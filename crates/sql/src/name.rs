//! Names: how they are written, and which one the user may have meant.

use std::fmt;

use crate::reserved::is_reserved;

/// A table's or view's full name. Displays as `cat.db.table`, with backticks where Flink needs them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TablePath {
    pub catalog: String,
    pub database: String,
    pub table: String,
}

impl fmt::Display for TablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", quoted(&self.catalog), quoted(&self.database), quoted(&self.table))
    }
}

/// A name as SQL text: in backticks if it would not be read back otherwise.
pub fn quoted(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !is_reserved(name);
    if plain { name.to_owned() } else { quoted_always(name) }
}

/// A name in backticks.
pub fn quoted_always(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// `did you mean …`, if one of the candidates is close enough to be what was meant.
pub fn did_you_mean<'c>(typed: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let near = |candidate: &&str| distance(typed, candidate);
    let allowed = (typed.chars().count() + 1) / 3;
    candidates
        .into_iter()
        .map(|candidate| (near(&candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| format!("did you mean {candidate}?"))
}

/// Levenshtein distance without regard to case, where swapping two neighbours counts as one edit. Long names are not compared.
fn distance(a: &str, b: &str) -> usize {
    const COMPARED_CHARS_MAX: usize = 100;
    let chars = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (chars(a), chars(b));
    if a.len().max(b.len()) > COMPARED_CHARS_MAX {
        return usize::MAX;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && *x == b[j - 1] {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}
