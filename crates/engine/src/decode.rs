//! JSON records into Arrow columns: only the fields a plan needs, each row whole or not at all.
//!
//! In: the bytes of records. Out: a batch of the rows that could be read, for each other record the reason, and which fields
//! nobody declares. State: the columns of the batch in the making. Not here: topics, offsets, dead letters.
//!
//! The rules are those of Flink's `json` format: a missing field is NULL, unknown fields are ignored, the last of two
//! equal keys wins, numbers may come as strings, anything becomes a STRING. Numbers never pass through a double on their
//! way into a DECIMAL or BIGINT.

mod column;
mod shape;
mod unknown;

pub(crate) use unknown::UNKNOWN_FIELDS_MAX;
pub use unknown::{UnknownField, UnknownFields};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use column::Column;
use hoga_model::json::{JsonError, Kind, Scanner};
use hoga_model::number::NumberError;
use shape::{Meaning, Shape};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Why a record is not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("field \"{field}\": {reason}")]
    Number { field: String, reason: NumberError },
    #[error("field \"{field}\": expected {expected}, found {found}")]
    WrongType { field: String, expected: String, found: String },
    #[error("field \"{field}\" is NULL or missing, but its column is NOT NULL")]
    Null { field: String },
}

/// Decodes records into batches of one schema.
pub(crate) struct JsonDecoder {
    schema: SchemaRef,
    fields: Vec<Field>,
    shape: Shape,
    names: Names,
    rows: usize,
}

/// What a record's fields are by their names.
struct Names {
    wanted: HashMap<String, usize>,
    /// Paths of the fields that are not wanted and no news either; None: whatever is not wanted is no news.
    known: Option<Arc<BTreeSet<String>>>,
    unknown: UnknownFields,
}

impl Names {
    fn meaning_of(&mut self, key: &str) -> Meaning {
        match (self.wanted.get(key), &self.known) {
            (Some(index), _) => Meaning::Wanted(*index),
            (None, Some(known)) if !known.contains(key) => Meaning::Unknown(self.unknown.place_of(key)),
            _ => Meaning::Declared,
        }
    }
}

struct Field {
    name: String,
    nullable: bool,
    column: Column,
}

impl JsonDecoder {
    /// `schema` holds the wanted fields only; what is neither wanted nor `known` (by its path: `column[].name` inside rows) is
    /// counted, if that is given. Fails on a type that has no JSON form here.
    pub(crate) fn new(
        schema: SchemaRef,
        known: Option<Arc<BTreeSet<String>>>,
    ) -> Result<JsonDecoder, crate::types::UnsupportedType> {
        let fields = schema
            .fields()
            .iter()
            .map(|field| {
                Ok(Field {
                    name: field.name().clone(),
                    nullable: field.is_nullable(),
                    column: Column::new(field.data_type(), known.is_some())?,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let wanted = fields.iter().enumerate().map(|(index, field)| (field.name.clone(), index)).collect();
        let names = Names { wanted, known, unknown: UnknownFields::default() };
        Ok(JsonDecoder { schema, fields, shape: Shape::default(), names, rows: 0 })
    }

    /// Adds one record as a row; on an error no trace of it remains.
    pub(crate) fn push(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        let result = self.read_object(record).and_then(|filled| match filled == self.fields.len() {
            true => Ok(()),
            false => self.fill_missing(),
        });
        match &result {
            Ok(()) => self.rows += 1,
            Err(_) => self.fields.iter_mut().for_each(|field| field.column.truncate(self.rows)),
        }
        result
    }

    /// The rows so far as a batch; the decoder starts again, with room for as many.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays: Vec<ArrayRef> =
            self.fields.iter_mut().map(|field| field.column.finish()).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }

    /// The fields nobody declares that came since this was asked last; None: there were none.
    pub(crate) fn take_unknown(&mut self) -> Option<UnknownFields> {
        let known = self.names.known.as_ref()?;
        let mut taken = UnknownFields::default();
        let is_known = |path: &str| known.contains(path);
        if !self.names.unknown.is_empty() {
            self.names.unknown.move_into(&mut taken, str::to_owned, is_known);
        }
        for field in &mut self.fields {
            field.column.take_unknown(&field.name, &mut taken, &is_known);
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// Returns how many fields have a value now.
    fn read_object(&mut self, record: &[u8]) -> Result<usize, DecodeError> {
        let mut json = Scanner::from_bytes(record)?;
        json.begin_object()?;
        let (mut place, mut filled) = (0, 0);
        while let Some(meaning) = self.shape.next(&mut json, &mut place, |key| self.names.meaning_of(key))? {
            let index = match meaning {
                Meaning::Wanted(index) => index,
                Meaning::Declared => {
                    json.skip()?;
                    continue;
                }
                Meaning::Unknown(listed) => {
                    let value = json.skip()?;
                    self.names.unknown.note(listed, value);
                    continue;
                }
            };
            let field = &mut self.fields[index];
            match field.column.len() > self.rows {
                true => field.column.take_back(self.rows),
                false => filled += 1,
            }
            if json.peek()? == Kind::Null {
                json.null()?;
                if !field.nullable {
                    return Err(DecodeError::Null { field: field.name.clone() });
                }
                field.column.push_null();
            } else {
                field.column.push(&mut json, &field.name)?;
            }
        }
        json.end()?;
        Ok(filled)
    }

    fn fill_missing(&mut self) -> Result<(), DecodeError> {
        for field in &mut self.fields {
            if field.column.len() == self.rows {
                if !field.nullable {
                    return Err(DecodeError::Null { field: field.name.clone() });
                }
                field.column.push_null();
            }
        }
        Ok(())
    }
}

fn wrong_type(field: &str, expected: &DataType, found: &str) -> DecodeError {
    let found = found.chars().take(64).collect();
    DecodeError::WrongType { field: field.to_owned(), expected: crate::types::sql_name(expected), found }
}

#[cfg(test)]
mod tests;
