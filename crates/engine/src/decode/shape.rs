//! The keys of objects so far in their usual order, wanted or not: records of a topic have their fields in one order, and the next key is
//! compared with the expected one before it is looked up. It changes the speed and nothing else. Pure.

use hoga_model::json::{JsonError, Scanner};

/// Keys that are remembered in their order; a topic of objects with ever new keys is read without.
const SHAPE_KEYS_MAX: usize = 256;

/// What becomes of a key's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// By its index.
    Wanted(usize),
    Declared,
    /// By its place among the unknown, if it has one.
    Unknown(Option<usize>),
}

#[derive(Default)]
pub(super) struct Shape {
    keys: Vec<KnownKey>,
}

struct KnownKey {
    name: String,
    /// As compact JSON writes it, colon included.
    text: Vec<u8>,
    meaning: Meaning,
}

impl Shape {
    /// These keys are wanted, and expected in their order.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a String>) -> Shape {
        let mut shape = Shape::default();
        for (index, name) in names.enumerate() {
            shape.find_or_learn(index, name, Meaning::Wanted(index));
        }
        shape
    }

    /// What the next key of the object means, whose value is to be read next; None closes the object. `place` is where the key is
    /// looked for first: 0 at the beginning of an object.
    #[inline]
    pub(super) fn next(
        &mut self,
        json: &mut Scanner<'_>,
        place: &mut usize,
        meaning_of: impl FnOnce(&str) -> Meaning,
    ) -> Result<Option<Meaning>, JsonError> {
        let meaning = match self.keys.get(*place) {
            Some(known) if json.next_key_is(&known.text) => known.meaning,
            _ => {
                let Some(key) = json.next_key()? else { return Ok(None) };
                let meaning = meaning_of(&key);
                *place = self.find_or_learn(*place, &key, meaning);
                meaning
            }
        };
        *place += 1;
        Ok(Some(meaning))
    }

    /// The key's place, looked for from `place` on first; an unknown one is put there.
    fn find_or_learn(&mut self, place: usize, key: &str, meaning: Meaning) -> usize {
        let later = self.keys.iter().skip(place).position(|known| known.name == *key).map(|ahead| place + ahead);
        if let Some(found) = later.or_else(|| self.keys.iter().position(|known| known.name == *key)) {
            return found;
        }
        if self.keys.len() == SHAPE_KEYS_MAX {
            return place;
        }
        let place = place.min(self.keys.len());
        self.keys.insert(place, KnownKey { name: key.to_owned(), text: quoted_key(key), meaning });
        place
    }
}

/// A key as compact JSON writes it, colon included. What needs escapes gets a text that no JSON holds, and is looked up instead.
fn quoted_key(name: &str) -> Vec<u8> {
    if name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        return vec![0];
    }
    [b"\"", name.as_bytes(), b"\":"].concat()
}
