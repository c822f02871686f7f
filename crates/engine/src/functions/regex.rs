//! Java's regular expressions, as far as Rust's mean the same.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringBuilder};
use datafusion::common::Result;
use regex::Regex;
use std::sync::Arc;

/// True for what is a pattern neither here nor in Java: a bracket that is not closed.
pub(crate) fn is_no_pattern(source: &str) -> bool {
    let (mut round, mut in_class, mut escaped) = (0i32, false, false);
    for c in source.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => round += 1,
            ')' if !in_class => round -= 1,
            _ => {}
        }
        if round < 0 {
            return true;
        }
    }
    round != 0 || in_class || escaped
}

#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Java's classes such as `\d` are ASCII, and so are they here.
    pub(crate) fn parse(source: &str) -> std::result::Result<Pattern, String> {
        let ascii = source.replace("\\d", "[0-9]").replace("\\w", "[a-zA-Z0-9_]");
        // inside brackets the classes above would nest, and mean the same
        Regex::new(&ascii).map(Pattern).map_err(|error| {
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
    }

    /// A group of the first match; NULL without a match or a group.
    pub(crate) fn extract(&self, array: &ArrayRef, group: usize) -> Result<ArrayRef> {
        let mut found = StringBuilder::with_capacity(array.len(), array.len() * 16);
        let mut locations = self.0.capture_locations();
        for text in array.as_string::<i32>() {
            let range = text.and_then(|text| {
                if group == 0 {
                    return self.0.find(text).map(|found| found.range());
                }
                self.0.captures_read(&mut locations, text)?;
                locations.get(group).map(|(from, to)| from..to)
            });
            found.append_option(text.zip(range).map(|(text, range)| &text[range]));
        }
        Ok(Arc::new(found.finish()))
    }

    /// Every match replaced. The replacement is taken as it is: `$1` in it is no group, as in Flink.
    pub(crate) fn replace(&self, array: &ArrayRef, replacement: &str) -> Result<ArrayRef> {
        let mut replaced = StringBuilder::with_capacity(array.len(), array.len() * 16);
        for text in array.as_string::<i32>() {
            replaced.append_option(text.map(|text| self.0.replace_all(text, regex::NoExpand(replacement))));
        }
        Ok(Arc::new(replaced.finish()))
    }

    /// True if it matches somewhere.
    pub(crate) fn matches(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let texts = array.as_string::<i32>();
        Ok(Arc::new(texts.iter().map(|text| text.map(|text| self.0.is_match(text))).collect::<BooleanArray>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringArray;

    fn texts(array: &ArrayRef) -> Vec<Option<&str>> {
        array.as_string::<i32>().iter().collect()
    }

    #[test]
    fn first_match_and_its_groups() {
        let urls: ArrayRef =
            Arc::new(StringArray::from(vec![Some("https://a.b/?x=1&channel_id=apple"), Some("none"), None]));
        let pattern = Pattern::parse("(&|^)channel_id=([^&]*)").expect("a pattern");
        assert_eq!(texts(&pattern.extract(&urls, 2).expect("computed")), [Some("apple"), None, None]);
        assert_eq!(texts(&pattern.extract(&urls, 0).expect("computed")), [Some("&channel_id=apple"), None, None]);
        assert_eq!(texts(&pattern.extract(&urls, 9).expect("computed")), [None, None, None]);
        assert!(Pattern::parse("a(?=b)").is_err(), "looking ahead is Java's");
    }

    #[test]
    fn what_is_no_pattern_anywhere() {
        assert!(["(x", "x)", "[a", "\\"].iter().all(|source| is_no_pattern(source)));
        assert!(!["(x)", "[(]", "\\(", "a(?=b)"].iter().any(|source| is_no_pattern(source)));
    }

    #[test]
    fn replaced_literally() {
        let input: ArrayRef = Arc::new(StringArray::from(vec!["a1b22"]));
        let pattern = Pattern::parse("\\d+").expect("a pattern");
        assert_eq!(texts(&pattern.replace(&input, "<$1>").expect("computed")), [Some("a<$1>b<$1>")]);
    }
}
