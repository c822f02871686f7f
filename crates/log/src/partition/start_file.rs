//! The file that remembers from where on a partition's records are kept, once somebody has deleted the ones before.
//!
//! Text for people, with a checksum; without it the deleted records of the first segment would be back:
//! ```text
//! hoga log start 1
//! 4711
//! crc32c=1f2e3d4c
//! ```

use std::fs;
use std::io;
use std::path::Path;

use super::sync_folder;
use crate::error::LogError;
use crate::replace::replace_file;

const NAME: &str = "log-start";
const FIRST_LINE: &str = "hoga log start 1";

/// 0 if there is no file.
pub(crate) fn read(dir: &Path) -> Result<i64, LogError> {
    let path = dir.join(NAME);
    match fs::read(&path) {
        Ok(bytes) => Ok(decode(&bytes).unwrap_or_else(|| {
            tracing::error!(file = %path.display(), "it is damaged: records that were deleted may be back");
            0
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(LogError::io("read", &path)(error)),
    }
}

/// Durable on return: after a crash it is the old offset or the new one.
pub(super) fn write(dir: &Path, start_offset: i64) -> Result<(), LogError> {
    let written = replace_file(dir, NAME, encode(start_offset).as_bytes()).and_then(|()| sync_folder(dir));
    written.map_err(LogError::io("write", &dir.join(NAME)))
}

fn encode(start_offset: i64) -> String {
    let text = format!("{FIRST_LINE}\n{start_offset}\n");
    let crc = crc32c::crc32c(text.as_bytes());
    format!("{text}crc32c={crc:08x}\n")
}

fn decode(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let offset = text.lines().nth(1)?.parse().ok()?;
    (offset >= 0 && encode(offset) == text).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_comes_back_and_damage_is_noticed() {
        let good = encode(4_711).into_bytes();
        assert_eq!(decode(&good), Some(4_711));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad), None, "byte {at}");
            assert_eq!(decode(&good[..at]), None, "cut at {at}");
        }
    }
}
