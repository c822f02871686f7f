//! A response on its way: bytes in memory, and batches that stay in their files until the socket takes them.

use bytes::Bytes;

use crate::slice::FileSlice;

#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Bytes(Bytes),
    File(FileSlice),
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::File(slice) => slice.len,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Without its first bytes.
    pub(crate) fn advance(&mut self, count: usize) {
        match self {
            Piece::Bytes(bytes) => bytes::Buf::advance(bytes, count),
            Piece::File(slice) => slice.advance(count),
        }
    }

    /// All bytes of a response that has none in files.
    #[cfg(test)]
    pub(crate) fn concat(pieces: Vec<Piece>) -> Vec<u8> {
        let bytes = pieces.into_iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::File(slice) => slice.read().expect("the file is there"),
        });
        bytes.collect::<Vec<_>>().concat()
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Piece {
        Piece::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Piece {
        Piece::Bytes(Bytes::from(bytes))
    }
}
