//! Kafka's primitive types, read from a request and written to a response, in the classic and the flexible encoding. Pure.
//!
//! Source: Kafka's protocol guide, "Protocol Primitive Types", and KIP-482 (flexible versions: compact lengths and tagged fields).
//! Reading never panics and allocates in proportion to the bytes that are there, whatever lengths they claim: that is why this is our own and
//! not the `kafka-protocol` crate, whose decoders reserve memory for any claimed array length (decision 5). The crate is the judge in tests.

use bytes::Bytes;

use super::piece::Piece;

/// Elements of all arrays of one request together: more than any client asks for, and a bound on what small bytes become in memory.
const MAX_ARRAY_ELEMENTS: usize = 100_000;
const MAX_UVARINT_BYTES: u32 = 5;

/// The bytes are not the request that their header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed request: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

type Read<T> = Result<T, Malformed>;

/// Reads the fields of one message in order.
#[derive(Debug)]
pub(crate) struct Reader {
    bytes: Bytes,
    flexible: bool,
    elements_left: usize,
}

impl Reader {
    /// In the classic encoding, as every request begins.
    pub(crate) fn new(bytes: Bytes) -> Reader {
        Reader { bytes, flexible: false, elements_left: MAX_ARRAY_ELEMENTS }
    }

    pub(crate) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    #[cfg(test)]
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn i8(&mut self) -> Read<i8> {
        Ok(i8::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn i16(&mut self) -> Read<i16> {
        Ok(i16::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn i32(&mut self) -> Read<i32> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn bool(&mut self) -> Read<bool> {
        Ok(self.i8()? != 0)
    }

    pub(crate) fn string(&mut self) -> Read<String> {
        self.nullable_string()?.ok_or(Malformed("a string is null"))
    }

    pub(crate) fn nullable_string(&mut self) -> Read<Option<String>> {
        let length = if self.flexible { self.compact_length()? } else { classic_length(i64::from(self.i16()?))? };
        let Some(length) = length else { return Ok(None) };
        let bytes = self.slice(length)?;
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Malformed("a string is not UTF-8"))
    }

    /// A slice of the request, which lives as long as it.
    pub(crate) fn nullable_bytes(&mut self) -> Read<Option<Bytes>> {
        let length = if self.flexible { self.compact_length()? } else { classic_length(i64::from(self.i32()?))? };
        length.map(|length| self.slice(length)).transpose()
    }

    /// A copy, for what outlives the request.
    pub(crate) fn owned_bytes(&mut self) -> Read<Bytes> {
        let bytes = self.nullable_bytes()?.ok_or(Malformed("a byte array is null"))?;
        Ok(Bytes::copy_from_slice(&bytes))
    }

    /// An array of primitives; null reads as `None`.
    pub(crate) fn nullable_array<T>(&mut self, mut read: impl FnMut(&mut Reader) -> Read<T>) -> Read<Option<Vec<T>>> {
        let length = if self.flexible { self.compact_length()? } else { classic_length(i64::from(self.i32()?))? };
        let Some(length) = length else { return Ok(None) };
        if length > self.bytes.len() {
            return Err(Malformed("an array is longer than the request"));
        }
        self.elements_left =
            self.elements_left.checked_sub(length).ok_or(Malformed("more array elements than are allowed"))?;
        let mut all = Vec::new();
        for _ in 0..length {
            all.push(read(self)?);
        }
        Ok(Some(all))
    }

    /// An array of primitives that cannot be null.
    pub(crate) fn array<T>(&mut self, read: impl FnMut(&mut Reader) -> Read<T>) -> Read<Vec<T>> {
        self.nullable_array(read)?.ok_or(Malformed("an array is null"))
    }

    /// An array of structures, each with its own tagged fields.
    pub(crate) fn structs<T>(&mut self, read: impl FnMut(&mut Reader) -> Read<T>) -> Read<Vec<T>> {
        self.nullable_structs(read)?.ok_or(Malformed("an array is null"))
    }

    pub(crate) fn nullable_structs<T>(&mut self, mut read: impl FnMut(&mut Reader) -> Read<T>) -> Read<Option<Vec<T>>> {
        self.nullable_array(|reader| {
            let value = read(reader)?;
            reader.tags()?;
            Ok(value)
        })
    }

    /// Skips the tagged fields at the end of a structure; none are of use here. Nothing in the classic encoding.
    pub(crate) fn tags(&mut self) -> Read<()> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let length = self.uvarint()? as usize;
            self.slice(length)?;
        }
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        let bytes = *self.bytes.first_chunk::<N>().ok_or(Malformed("it is cut off"))?;
        bytes::Buf::advance(&mut self.bytes, N);
        Ok(bytes)
    }

    fn slice(&mut self, length: usize) -> Read<Bytes> {
        if length > self.bytes.len() {
            return Err(Malformed("a length is beyond its end"));
        }
        Ok(self.bytes.split_to(length))
    }

    fn compact_length(&mut self) -> Read<Option<usize>> {
        Ok((self.uvarint()? as usize).checked_sub(1))
    }

    fn uvarint(&mut self) -> Read<u32> {
        let mut value = 0_u64;
        for i in 0..MAX_UVARINT_BYTES {
            let byte = u8::from_be_bytes(self.fixed()?);
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| Malformed("a varint is too large"));
            }
        }
        Err(Malformed("a varint is too long"))
    }
}

fn classic_length(length: i64) -> Read<Option<usize>> {
    match length {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Malformed("a length is negative")),
    }
}

/// Writes the fields of one response in order. Record batches are not copied into it but kept as pieces of their own.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    pieces: Vec<Piece>,
    flexible: bool,
}

impl Writer {
    /// `flexible` is the encoding of the body.
    pub(crate) fn new(flexible: bool) -> Writer {
        Writer { out: Vec::with_capacity(256), pieces: Vec::new(), flexible }
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    pub(crate) fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    /// Longer ones than the protocol can carry are cut at a character: they are messages of ours.
    pub(crate) fn nullable_string(&mut self, value: Option<&str>) {
        let value = value.map(|text| {
            let mut end = text.len().min(i16::MAX as usize);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            &text[..end]
        });
        match (self.flexible, value) {
            (true, None) => self.uvarint(0),
            (true, Some(text)) => self.uvarint(text.len() as u32 + 1),
            (false, None) => self.i16(-1),
            (false, Some(text)) => self.i16(text.len() as i16),
        }
        self.out.extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.length(Some(value.len()));
        self.out.extend_from_slice(value);
    }

    /// Record batches as one byte array, without copying them.
    pub(crate) fn records(&mut self, batches: Vec<Piece>) {
        self.length(Some(batches.iter().map(Piece::len).sum()));
        if !batches.is_empty() {
            self.pieces.push(std::mem::take(&mut self.out).into());
            self.pieces.extend(batches);
        }
    }

    /// An array of primitives.
    pub(crate) fn array<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Writer, &T)) {
        self.length(Some(values.len()));
        for value in values {
            write(self, value);
        }
    }

    /// What stands in front of an array's elements; `None` is a null array.
    pub(crate) fn array_length(&mut self, length: Option<usize>) {
        self.length(length);
    }

    /// No tagged fields: the end of a structure. Nothing in the classic encoding.
    pub(crate) fn tags(&mut self) {
        if self.flexible {
            self.out.push(0);
        }
    }

    /// The response with its length in front: pieces to be sent one after another.
    pub(crate) fn finish(mut self) -> Vec<Piece> {
        if !self.out.is_empty() {
            self.pieces.push(self.out.into());
        }
        let length: usize = self.pieces.iter().map(Piece::len).sum();
        // responses are limited far below 2 GiB
        let prefix = Bytes::copy_from_slice(&(length as i32).to_be_bytes());
        self.pieces.insert(0, prefix.into());
        self.pieces
    }

    /// The fields alone, for what is neither a frame nor has records.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from(self.out)
    }

    fn length(&mut self, length: Option<usize>) {
        match (self.flexible, length) {
            (true, length) => self.uvarint(length.map_or(0, |length| length as u32 + 1)),
            (false, length) => self.i32(length.map_or(-1, |length| length as i32)),
        }
    }

    fn uvarint(&mut self, value: u32) {
        let mut rest = value;
        while rest >= 0x80 {
            self.out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.out.push(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn body(writer: Writer) -> Bytes {
        let frame = Piece::concat(writer.finish());
        assert_eq!(i32::from_be_bytes(*frame.first_chunk().unwrap()) as usize, frame.len() - 4);
        Bytes::from(frame).slice(4..)
    }

    #[test]
    fn both_encodings_come_back() {
        for flexible in [false, true] {
            let mut writer = Writer::new(flexible);
            writer.i8(-1);
            writer.i16(2);
            writer.i32(i32::MIN);
            writer.i64(i64::MAX);
            writer.bool(true);
            writer.string("호가");
            writer.nullable_string(None);
            writer.records(vec![Bytes::from_static(b"ab").into(), vec![7; 300].into()]);
            writer.array(&[1, 2], |w, n| w.i32(*n));
            writer.array_length(None);
            writer.tags();
            let mut reader = Reader::new(body(writer));
            reader.set_flexible(flexible);
            assert_eq!((reader.i8(), reader.i16(), reader.i32()), (Ok(-1), Ok(2), Ok(i32::MIN)));
            assert_eq!((reader.i64(), reader.bool(), reader.string()), (Ok(i64::MAX), Ok(true), Ok("호가".to_owned())));
            assert_eq!(reader.nullable_string(), Ok(None));
            assert_eq!(reader.nullable_bytes().unwrap().unwrap().len(), 302);
            assert_eq!(reader.array(Reader::i32), Ok(vec![1, 2]));
            assert_eq!(reader.nullable_array(Reader::i32), Ok(None));
            assert_eq!((reader.tags(), reader.remaining()), (Ok(()), 0));
        }
    }

    #[test]
    fn lengths_that_lie_are_refused_without_memory() {
        let classic = |bytes: &'static [u8]| Reader::new(Bytes::from_static(bytes));
        let flexible = |bytes: &'static [u8]| {
            let mut reader = classic(bytes);
            reader.set_flexible(true);
            reader
        };
        assert!(classic(b"\x7f\xff\xff\xff\0").array(Reader::i8).is_err());
        assert!(classic(b"\xff\xff\xff\xfe").array(Reader::i8).is_err());
        assert!(classic(b"\x7f\xff").string().is_err());
        assert!(classic(b"\0\x01\xff").string().is_err());
        assert!(flexible(b"\xff\xff\xff\xff\x0f\0").array(Reader::i8).is_err());
        assert!(flexible(b"\xff\xff\xff\xff\xff\xff").tags().is_err());
        assert!(flexible(b"\x01\x01\x7f").tags().is_err());
        let mut many = vec![0_u8; MAX_ARRAY_ELEMENTS + 10];
        many[..4].copy_from_slice(&(MAX_ARRAY_ELEMENTS as i32 + 1).to_be_bytes());
        assert!(Reader::new(Bytes::from(many)).array(Reader::i8).is_err());
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let mut writer = Writer::new(false);
        writer.string(&"호".repeat(20_000));
        let mut reader = Reader::new(body(writer));
        assert_eq!(reader.string().unwrap().chars().count(), i16::MAX as usize / 3);
        assert_eq!(reader.remaining(), 0);
    }
}
