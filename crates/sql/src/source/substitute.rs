//! `${NAME}` and `${NAME:-default}`: what a shell does, outside comments, and with the places kept.
//!
//! Inside a string a value's quotes are doubled, so that no value can end the string it stands in. An empty value counts as
//! unset when there is a default, as in a shell. Values are not expanded again.

use std::ops::Range;

use super::{RegionKind, Replaced, regions};

pub(super) struct Substituted {
    pub(super) text: String,
    pub(super) replaced: Vec<Replaced>,
    pub(super) mistakes: Vec<Mistake>,
}

pub(super) struct Mistake {
    /// In the original text, in bytes.
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

pub(super) fn substitute(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Substituted {
    let mut out = Substituted { text: String::with_capacity(text.len()), replaced: Vec::new(), mistakes: Vec::new() };
    for region in regions(text) {
        let Some(piece) = text.get(region.range.clone()) else { continue };
        if region.kind == RegionKind::Comment {
            out.text.push_str(piece);
        } else {
            out.piece(piece, region.range.start, region.kind, variable);
        }
    }
    out
}

impl Substituted {
    fn piece(&mut self, piece: &str, start: usize, kind: RegionKind, variable: &dyn Fn(&str) -> Option<String>) {
        let (mut rest, mut at) = (piece, start);
        while let Some(before) = rest.find("${") {
            self.text.push_str(&rest[..before]);
            let (body_at, body) = (at + before, &rest[before..]);
            let Some(length) = body.find(['}', '\n']).filter(|end| body[*end..].starts_with('}')).map(|end| end + 1)
            else {
                self.mistakes.push(Mistake {
                    range: body_at..body_at + "${".len(),
                    message: "this ${ has no closing }".to_owned(),
                    hint: Some("write ${NAME} or ${NAME:-default}".to_owned()),
                });
                self.text.push_str("${");
                (rest, at) = (&body["${".len()..], body_at + "${".len());
                continue;
            };
            let value = self.value(&body[..length], body_at..body_at + length, kind, variable);
            let expanded_from = self.text.len();
            self.text.push_str(&value);
            self.replaced
                .push(Replaced { expanded: expanded_from..self.text.len(), original: body_at..body_at + length });
            (rest, at) = (&body[length..], body_at + length);
        }
        self.text.push_str(rest);
    }

    /// The text that replaces one `${…}`; a mistaken one is kept so that it does not become a second mistake.
    fn value(
        &mut self,
        whole: &str,
        range: Range<usize>,
        kind: RegionKind,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> String {
        let inner = &whole["${".len()..whole.len() - 1];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_variable_name(name) {
            self.mistakes.push(Mistake {
                range,
                message: format!("\"{name}\" is not a variable name"),
                hint: Some("a name has letters, digits and _; write ${NAME} or ${NAME:-default}".to_owned()),
            });
            return if kind == RegionKind::Code { "invalid_variable".to_owned() } else { whole.to_owned() };
        }
        match (variable(name).filter(|value| default.is_none() || !value.is_empty()), default) {
            (Some(value), _) => match kind {
                RegionKind::Text => value.replace('\'', "''"),
                RegionKind::Name => value.replace('`', "``"),
                RegionKind::Code | RegionKind::Comment => value,
            },
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                self.mistakes.push(Mistake {
                    range,
                    message: format!("variable {name} is not set and has no default"),
                    hint: Some(format!("set {name} in the environment, or write ${{{name}:-default}}")),
                });
                if kind == RegionKind::Code { name.to_owned() } else { whole.to_owned() }
            }
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
