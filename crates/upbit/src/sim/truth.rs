//! The truth file: one JSON line per trade the exchange made, written before anybody is told of the trade.
//!
//! `write` has handed the lines to the operating system when it returns: a killed simulator loses none of them, lost
//! power can. So the file always holds at least what any client has received.

use super::error::SimError;
use super::render::Object;
use super::spelling::Spelling;
use super::tick::SCALE;
use super::totals::Trade;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct TruthFile {
    file: File,
    path: PathBuf,
    lines: Vec<u8>,
}

impl TruthFile {
    /// Begins a new file; what was in it is gone.
    pub(super) fn create(path: &Path) -> Result<TruthFile, SimError> {
        let path = path.to_owned();
        match File::create(&path) {
            Ok(file) => Ok(TruthFile { file, path, lines: Vec::new() }),
            Err(source) => Err(SimError::CreateTruth { path, source }),
        }
    }

    /// Adds a trade to what the next `write` hands over.
    pub(super) fn push(&mut self, trade: &Trade, code: &str) {
        let mut line = Object::begin(&mut self.lines, false);
        line.text("market", "", code);
        line.integer("sequential_id", "", trade.sequential_id as i64);
        line.integer("trade_timestamp", "", trade.executed_ms);
        line.integer("timestamp", "", trade.published_ms);
        line.number("trade_price", "", trade.price.into(), SCALE, Spelling::Plain);
        line.number("trade_volume", "", trade.volume.into(), SCALE, Spelling::Plain);
        line.text("ask_bid", "", trade.side.as_str());
        line.end();
        self.lines.push(b'\n');
    }

    pub(super) fn write(&mut self) -> Result<(), SimError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.lines);
        self.lines.clear();
        written.map_err(|source| SimError::WriteTruth { path: self.path.clone(), source })
    }
}
