//! Numbers for idempotent producers, each given once, ever: taken from the disk in blocks, so that a killed process skips some and repeats none.
//!
//! ```text
//! hoga producer ids 1
//! next=2000
//! crc32c=1f2e3d4c
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::LogError;
use crate::partition::sync_folder;
use crate::replace::replace_file;

const NAME: &str = "producer-ids";
const FIRST_LINE: &str = "hoga producer ids 1";
const BLOCK: i64 = 1_000;

#[derive(Debug)]
pub(crate) struct ProducerIds {
    dir: PathBuf,
    next: i64,
    /// Ids before it are this process's, by the file.
    reserved: i64,
}

impl ProducerIds {
    /// A damaged file is replaced by numbers that time alone keeps from having been used: nobody gets a thousand ids a millisecond.
    pub(crate) fn open(dir: &Path, now_ms: i64) -> Result<ProducerIds, LogError> {
        let path = dir.join(NAME);
        let next = match fs::read(&path) {
            Ok(bytes) => decode(&bytes).unwrap_or_else(|| {
                tracing::error!(file = %path.display(), "it is damaged: producer ids go on from the time");
                now_ms.saturating_mul(BLOCK)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(LogError::io("read", &path)(error)),
        };
        Ok(ProducerIds { dir: dir.to_path_buf(), next, reserved: next })
    }

    pub(crate) fn next(&mut self) -> Result<i64, LogError> {
        if self.next == self.reserved {
            self.reserve(self.reserved + BLOCK)?;
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    fn reserve(&mut self, up_to: i64) -> Result<(), LogError> {
        let written = replace_file(&self.dir, NAME, encode(up_to).as_bytes()).and_then(|()| sync_folder(&self.dir));
        written.map_err(LogError::io("write", &self.dir.join(NAME)))?;
        self.reserved = up_to;
        Ok(())
    }
}

fn encode(next: i64) -> String {
    let text = format!("{FIRST_LINE}\nnext={next}\n");
    let crc = crc32c::crc32c(text.as_bytes());
    format!("{text}crc32c={crc:08x}\n")
}

fn decode(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let next = text.lines().nth(1)?.strip_prefix("next=")?.parse().ok()?;
    (next >= 0 && encode(next) == text).then_some(next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_id_twice_whatever_happens_to_the_process_and_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = BTreeSet::new();
        for process in 0..5 {
            if process == 3 {
                fs::write(dir.path().join(NAME), "next=0").unwrap();
            }
            let mut ids = ProducerIds::open(dir.path(), 1_785_395_043_831 + process).unwrap();
            for _ in 0..1_500 {
                assert!(seen.insert(ids.next().unwrap()));
            }
        }
        assert!(seen.iter().all(|id| *id >= 0));
    }
}
