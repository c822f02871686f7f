//! Small answers that are made here and not by a query: a few columns of text.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use futures::stream;
use pgwire::api::Type;
use pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse};
use pgwire::messages::data::DataRow;

pub(super) fn text_columns(names: &[&str]) -> Vec<FieldInfo> {
    names.iter().map(|name| FieldInfo::new((*name).to_owned(), None, None, Type::TEXT, FieldFormat::Text)).collect()
}

/// Text is the same in both formats, so nobody needs to ask for one.
pub(super) fn text_table(columns: Vec<FieldInfo>, rows: Vec<Vec<String>>) -> QueryResponse {
    let rows = rows.into_iter().map(|values| {
        let mut data = BytesMut::new();
        for value in &values {
            data.put_i32(value.len() as i32);
            data.put_slice(value.as_bytes());
        }
        Ok(DataRow::new(data, values.len() as i16))
    });
    let mut response = QueryResponse::new(Arc::new(columns), stream::iter(rows.collect::<Vec<_>>()));
    response.set_command_tag("SHOW");
    response
}
