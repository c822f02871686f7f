//! What a snapshot says of a column in one file: its bounds and its NULLs. Pure.

use paimon::spec::{BinaryRow, DataField, DataFileMeta, Datum, TableSchema};

/// Statistics of one column of a file that has the table's columns.
pub(crate) struct FileBounds<'a> {
    file: &'a DataFileMeta,
    field: &'a DataField,
    /// The column's among those that have statistics.
    place: usize,
}

impl FileBounds<'_> {
    /// None without statistics, or if the file is older than the table's columns: it may have them elsewhere.
    pub(crate) fn of<'a>(file: &'a DataFileMeta, column: usize, table: &'a TableSchema) -> Option<FileBounds<'a>> {
        let field = table.fields().get(column).filter(|_| file.schema_id == table.id())?;
        let place = match &file.value_stats_cols {
            None => column,
            Some(columns) => columns.iter().position(|column| column == field.name())?,
        };
        Some(FileBounds { file, field, place })
    }

    /// No value is less. None if that is not known, or there is no value.
    pub(crate) fn min(&self) -> Option<Datum> {
        self.bound(self.file.value_stats.min_values())
    }

    /// No value is greater. None as above.
    pub(crate) fn max(&self) -> Option<Datum> {
        self.bound(self.file.value_stats.max_values())
    }

    pub(crate) fn has_no_nulls(&self) -> bool {
        self.file.value_stats.null_counts().get(self.place).copied().flatten() == Some(0)
    }

    fn bound(&self, bytes: &[u8]) -> Option<Datum> {
        let row = BinaryRow::from_serialized_bytes(bytes).ok()?;
        let is_there = i32::try_from(self.place).is_ok_and(|place| place < row.arity());
        row.get_datum(self.place, self.field.data_type()).ok().flatten().filter(|_| is_there)
    }
}
