//! A recording in the exchange's place: a file with one frame per line, handed to a [`Handler`] like live frames.
//!
//! In: `frames.jsonl`, and the times of receipt in `frames.recv_ts.txt` next to it if there is such a file (line n
//! belongs to line n; seconds since the epoch with a fraction). Without it the clock says when a frame was received.
//! A line that nobody can read is handed over too: it is a dead letter like any other frame. Empty lines are skipped.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hoga_model::number::parse_decimal;
use hoga_model::time::Clock;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::error::UpbitError;
use crate::frame::FRAME_BYTES_MAX;
use crate::session::{FRAMES_PER_BATCH_MAX, Handler, SessionState};

/// How much of a file is asked for at a time.
const READ_BYTES: usize = 256 << 10;
/// Progress is reported every so many lines.
const LINES_PER_REPORT: u64 = 100_000;

/// Plays the file from front to back as fast as the handler takes it, or until it is cancelled; answers with the number
/// of frames that were handed over.
///
/// `on_idle` is called every [`FRAMES_PER_BATCH_MAX`] frames and at the end.
pub async fn replay(
    file: &Path,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    handler: &mut dyn Handler,
) -> Result<u64, UpbitError> {
    let mut lines = Lines::open(file).await?;
    let times_file = file.with_extension("recv_ts.txt");
    let mut times = match Lines::open(&times_file).await {
        Ok(times) => Some(times),
        Err(UpbitError::ReplayOpen { source, .. }) if source.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut frames: u64 = 0;
    while let Some(frame) = lines.next().await? {
        let time = match &mut times {
            Some(times) => times.next().await?,
            None => None,
        };
        if frame.trim_ascii().is_empty() {
            continue;
        }
        let recv_ms = match (&times, time) {
            (Some(_), time) => parse_time(time).map_err(|reason| UpbitError::ReplayTimes {
                file: times_file.clone(),
                line: lines.number,
                reason,
            })?,
            (None, _) => clock.now_ms(),
        };
        handler.on_frame(frame, recv_ms).map_err(UpbitError::Handler)?;
        frames += 1;
        if frames.is_multiple_of(LINES_PER_REPORT) {
            handler.on_state(SessionState::Replaying { frames });
        }
        if frames.is_multiple_of(FRAMES_PER_BATCH_MAX as u64) {
            handler.on_idle().map_err(UpbitError::Handler)?;
            tokio::task::yield_now().await;
            if cancel.is_cancelled() {
                return Ok(frames);
            }
        }
    }
    handler.on_idle().map_err(UpbitError::Handler)?;
    handler.on_state(SessionState::Replayed { frames });
    Ok(frames)
}

/// `1618678263.010785` → 1618678263010: cut, as a clock cuts, not rounded.
fn parse_time(line: Option<Bytes>) -> Result<i64, String> {
    let line = line.ok_or("this line's time of receipt is missing; give one per frame, or remove the file")?;
    let text = String::from_utf8_lossy(line.trim_ascii());
    parse_decimal(&text, 30, 9)
        .ok()
        .and_then(|nanoseconds| i64::try_from(nanoseconds / 1_000_000).ok())
        .ok_or_else(|| format!("\"{}\" is not a time in seconds since 1970", text.chars().take(64).collect::<String>()))
}

/// The lines of a file, as slices of what was read. Memory stays bounded whatever the file holds.
struct Lines {
    path: PathBuf,
    file: File,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line feed.
    searched: usize,
    at_end: bool,
    /// Of the line that was last handed out, from 1.
    number: u64,
}

impl Lines {
    async fn open(path: &Path) -> Result<Lines, UpbitError> {
        let failed = |source| UpbitError::ReplayOpen { file: path.to_owned(), source };
        let file = File::open(path).await.map_err(failed)?;
        if file.metadata().await.map_err(failed)?.is_dir() {
            return Err(failed(std::io::Error::from(ErrorKind::IsADirectory)));
        }
        let buffer = BytesMut::new();
        Ok(Lines { path: path.to_owned(), file, buffer, searched: 0, at_end: false, number: 0 })
    }

    /// The next line without its ending. Of a line over [`FRAME_BYTES_MAX`] it is one byte more than that: enough for
    /// `read_frame` to refuse it.
    async fn next(&mut self) -> Result<Option<Bytes>, UpbitError> {
        self.number += 1;
        let Some(length) = self.find_end().await? else {
            self.at_end = true;
            self.searched = 0;
            return Ok((!self.buffer.is_empty()).then(|| self.buffer.split().freeze()));
        };
        if length > FRAME_BYTES_MAX {
            let line = self.buffer.split_to(FRAME_BYTES_MAX + 1).freeze();
            self.searched = 0;
            self.skip_line().await?;
            return Ok(Some(line));
        }
        let mut line = self.buffer.split_to(length + 1).freeze();
        self.searched = 0;
        line.truncate(length);
        if line.ends_with(b"\r") {
            line.truncate(length - 1);
        }
        Ok(Some(line))
    }

    /// The length of the line at the front of the buffer, or one more than the limit; `None` if the file ends first.
    async fn find_end(&mut self) -> Result<Option<usize>, UpbitError> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                return Ok(Some(self.searched + at));
            }
            self.searched = self.buffer.len();
            if self.searched > FRAME_BYTES_MAX {
                return Ok(Some(FRAME_BYTES_MAX + 1));
            }
            if self.at_end || self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Drops what is left of a line that is too long.
    async fn skip_line(&mut self) -> Result<(), UpbitError> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer) {
                drop(self.buffer.split_to(at + 1));
                return Ok(());
            }
            self.buffer.clear();
            if self.read().await? == 0 {
                return Ok(());
            }
        }
    }

    async fn read(&mut self) -> Result<usize, UpbitError> {
        self.buffer.reserve(READ_BYTES);
        let read = self.file.read_buf(&mut self.buffer).await;
        read.map_err(|source| UpbitError::ReplayRead { file: self.path.clone(), line: self.number, source })
    }
}

#[cfg(test)]
mod tests;
