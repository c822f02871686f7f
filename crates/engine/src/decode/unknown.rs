//! Fields of records that no table declares: how often each came, and the column that would hold all that was seen of it.
//!
//! In: a field's path and its values as raw JSON. State: a list with an end, for whoever sends records chooses the names. Pure.

/// Fields that are told apart, of a topic; values of all others are only counted.
pub(crate) const UNKNOWN_FIELDS_MAX: usize = 32;
/// Upbit's longest name has 21 letters.
const PATH_BYTES_MAX: usize = 64;
const EXAMPLE_CHARS_MAX: usize = 48;
/// An exponent beyond it makes no difference to the column.
const EXPONENT_MAX: i64 = 1_000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownFields {
    fields: Vec<UnknownField>,
    /// Values of fields that have no place in the list.
    unlisted: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownField {
    /// `name`, or `column[].name` inside the rows of a column.
    pub path: String,
    /// Values, NULLs included.
    pub values: u64,
    /// The first value that was not NULL, cut short.
    pub example: Option<String>,
    seen: Seen,
}

/// What kinds of values came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    booleans: bool,
    /// Strings, arrays and objects: what only a STRING holds.
    texts: bool,
    numbers: Option<Digits>,
}

/// The most of all numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Digits {
    whole: i64,
    fraction: i64,
    /// One was spelled with a point or an exponent: others may follow that need them.
    has_point: bool,
}

impl UnknownFields {
    /// By how many values they came, most first.
    pub fn listed(&self) -> Vec<&UnknownField> {
        let mut fields: Vec<_> = self.fields.iter().filter(|field| field.values > 0).collect();
        fields.sort_by_key(|field| std::cmp::Reverse(field.values));
        fields
    }

    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// Where a field is counted; None: there is no room for it, or it is no name for a column.
    pub(super) fn place_of(&mut self, path: &str) -> Option<usize> {
        if let Some(found) = self.fields.iter().position(|field| field.path == path) {
            return Some(found);
        }
        let is_name = !path.is_empty() && path.len() <= PATH_BYTES_MAX && !path.contains(char::is_control);
        if !is_name || self.fields.len() == UNKNOWN_FIELDS_MAX {
            return None;
        }
        self.fields.push(UnknownField { path: path.to_owned(), ..UnknownField::default() });
        Some(self.fields.len() - 1)
    }

    /// Counts a value, which is well-formed JSON without white space around it.
    pub(super) fn note(&mut self, place: Option<usize>, value: &str) {
        let Some(field) = place.and_then(|place| self.fields.get_mut(place)) else {
            self.unlisted += 1;
            return;
        };
        field.values += 1;
        field.seen.note(value);
        if field.example.is_none() && value != "null" {
            let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
            field.example = Some(value.chars().take(EXAMPLE_CHARS_MAX).map(shown).collect());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unlisted == 0 && self.fields.iter().all(|field| field.values == 0)
    }

    /// Takes all that was counted, under paths made of theirs; places stay. `is_known`: paths that are no news.
    pub(super) fn move_into(
        &mut self,
        into: &mut UnknownFields,
        path_of: impl Fn(&str) -> String,
        is_known: impl Fn(&str) -> bool,
    ) {
        into.unlisted += std::mem::take(&mut self.unlisted);
        for field in self.fields.iter_mut().filter(|field| field.values > 0) {
            let path = std::mem::take(&mut field.path);
            let taken = UnknownField { path: path_of(&path), ..std::mem::take(field) };
            field.path = path;
            if !is_known(&taken.path) {
                into.add(taken);
            }
        }
    }

    /// Adds what another has counted; gives the fields that are new here.
    pub(crate) fn absorb(&mut self, other: UnknownFields) -> &[UnknownField] {
        let known = self.fields.len();
        self.unlisted += other.unlisted;
        for field in other.fields.into_iter().filter(|field| field.values > 0) {
            self.add(field);
        }
        &self.fields[known..]
    }

    fn add(&mut self, field: UnknownField) {
        match self.place_of(&field.path).and_then(|place| self.fields.get_mut(place)) {
            Some(mine) => {
                mine.values += field.values;
                mine.seen.join(field.seen);
                mine.example = mine.example.take().or(field.example);
            }
            None => self.unlisted += field.values,
        }
    }
}

impl UnknownField {
    /// The type that holds every value that came, exactly where SQL can; None while only NULL came.
    pub fn column_type(&self) -> Option<String> {
        let Seen { booleans, texts, numbers } = self.seen;
        let text = || Some("STRING".to_owned());
        match (booleans, texts, numbers) {
            (false, false, None) => None,
            (true, false, None) => Some("BOOLEAN".to_owned()),
            (false, false, Some(digits)) => digits.column_type().map(str::to_owned).or_else(text),
            _ => text(),
        }
    }

    /// Whether it is inside a column's rows: such a column cannot be widened, only a table gains columns.
    pub fn is_nested(&self) -> bool {
        self.path.contains(['.', '['])
    }
}

impl Seen {
    fn note(&mut self, value: &str) {
        match value.as_bytes().first() {
            Some(b't' | b'f') => self.booleans = true,
            Some(b'"' | b'{' | b'[') => self.texts = true,
            Some(b'-' | b'0'..=b'9') => self.join(Seen { numbers: Some(Digits::of(value)), ..Seen::default() }),
            _ => {}
        }
    }

    fn join(&mut self, other: Seen) {
        self.booleans |= other.booleans;
        self.texts |= other.texts;
        self.numbers = match (self.numbers, other.numbers) {
            (Some(one), Some(two)) => Some(Digits {
                whole: one.whole.max(two.whole),
                fraction: one.fraction.max(two.fraction),
                has_point: one.has_point || two.has_point,
            }),
            (one, two) => one.or(two),
        };
    }
}

impl Digits {
    fn of(token: &str) -> Digits {
        let (mantissa, exponent) = match token.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let beyond = if exponent.starts_with('-') { -EXPONENT_MAX } else { EXPONENT_MAX };
                (mantissa, exponent.parse::<i64>().unwrap_or(beyond).clamp(-EXPONENT_MAX, EXPONENT_MAX))
            }
            None => (token, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole = whole.trim_start_matches(['-', '0']);
        let fraction = fraction.trim_end_matches('0');
        let has_point = token.contains(['.', 'e', 'E']);
        if whole.is_empty() && fraction.is_empty() {
            return Digits { has_point, ..Digits::default() };
        }
        let count = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX / 2);
        Digits { whole: (count(whole) + exponent).max(0), fraction: (count(fraction) - exponent).max(0), has_point }
    }

    /// The types that Upbit's other numbers have. None: no number type holds it.
    fn column_type(self) -> Option<&'static str> {
        Some(match (self.has_point, self.whole, self.fraction) {
            (false, 0..=18, _) => "BIGINT",
            (false, 19..=38, _) => "DECIMAL(38, 0)",
            (false, ..) => return None,
            (true, 0..=12, 0..=8) => "DECIMAL(20, 8)",
            (true, 13..=16, 0..=8) => "DECIMAL(24, 8)",
            (true, 0..=22, 0..=16) => "DECIMAL(38, 16)",
            (true, ..) => "DOUBLE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(values: &[&str]) -> Option<String> {
        let mut fields = UnknownFields::default();
        let place = fields.place_of("f");
        values.iter().for_each(|value| fields.note(place, value));
        fields.listed().first().and_then(|field| field.column_type())
    }

    #[test]
    fn a_column_holds_all_that_came() {
        for (values, expected) in [
            (&["null"][..], None),
            (&["true", "null", "false"], Some("BOOLEAN")),
            (&["1785395043830", "0", "-5"], Some("BIGINT")),
            (&["1234567890123456789012"], Some("DECIMAL(38, 0)")),
            (&["100", "0E-8", "1.16539E8"], Some("DECIMAL(20, 8)")),
            (&["0.1", "9999999999999.5"], Some("DECIMAL(24, 8)")),
            (&["95088751392.9099200000000000"], Some("DECIMAL(20, 8)")),
            (&["95088751392.9099200000000001"], Some("DECIMAL(38, 16)")),
            (&["0.0045660377"], Some("DECIMAL(38, 16)")),
            (&["1e-20", "7"], Some("DOUBLE")),
            (&["1e99999999999999999999"], Some("DOUBLE")),
            (&["\"KRW\""], Some("STRING")),
            (&["1", "\"1\""], Some("STRING")),
            (&["true", "1"], Some("STRING")),
            (&["[1]", "{}"], Some("STRING")),
        ] {
            assert_eq!(type_of(values).as_deref(), expected, "{values:?}");
        }
    }

    #[test]
    fn the_list_ends_whoever_sends() {
        let mut fields = UnknownFields::default();
        for name in
            (0..1_000).map(|index| format!("x{index}")).chain(["\u{1b}[2J".into(), "n".repeat(65), String::new()])
        {
            let place = fields.place_of(&name);
            fields.note(place, &"9".repeat(10_000));
        }
        assert_eq!((fields.listed().len(), fields.unlisted()), (UNKNOWN_FIELDS_MAX, 1_003 - UNKNOWN_FIELDS_MAX as u64));
        assert!(
            fields
                .listed()
                .iter()
                .all(|field| field.example.as_ref().is_some_and(|text| text.len() <= EXAMPLE_CHARS_MAX))
        );
        let mut all = UnknownFields::default();
        let mut others = UnknownFields::default();
        let place = others.place_of("other");
        others.note(place, "1");
        assert_eq!(all.absorb(fields.clone()).len(), UNKNOWN_FIELDS_MAX);
        assert_eq!(all.absorb(others), []);
        assert_eq!(all.absorb(fields.clone()), []);
        assert_eq!((all.listed()[0].values, all.unlisted()), (2, 2 * fields.unlisted() + 1));
    }
}
