//! Where an export goes: a file under a temporary name until it is whole, or standard output.

use crate::cli::ExportFormat;
use crate::failure::Failure;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const WRITE_BYTES: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    Parquet,
    Csv,
    /// With a list of its parts at the end; for files, so that they can be mapped into memory.
    ArrowFile,
    ArrowStream,
}

/// Where to, and as what. Nothing is written yet.
pub(super) struct Target {
    /// `None`: standard output.
    path: Option<PathBuf>,
    format: FileFormat,
    force: bool,
    bytes: Arc<AtomicU64>,
}

impl Target {
    /// Or the user's mistake, before anything is asked.
    pub(super) fn resolve(out: &Path, format: Option<ExportFormat>, force: bool) -> Result<Target, Failure> {
        let is_standard = out == Path::new("-");
        let format = format_of(out, format).map_err(Failure::user)?;
        if is_standard {
            if format != FileFormat::Csv && io::stdout().is_terminal() {
                return Err(Failure::user("standard output is a terminal, which cannot show this; give --out FILE"));
            }
            return Ok(Target { path: None, format, force, bytes: Arc::default() });
        }
        let path = out.to_owned();
        match fs::metadata(&path) {
            Ok(found) if !found.is_file() => {
                let hint = "give another name, or - for standard output";
                return Err(Failure::user(format!("\"{}\" is there and is no file; {hint}", path.display())));
            }
            Ok(_) if !force => return Err(exists(&path)),
            _ => {}
        }
        let folder = folder_of(&path);
        if !folder.is_dir() {
            return Err(Failure::user(format!("\"{}\" is no folder; make it, or give another", folder.display())));
        }
        Ok(Target { path: Some(path), format, force, bytes: Arc::default() })
    }

    pub(super) fn format(&self) -> FileFormat {
        self.format
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn create(&self) -> io::Result<Out> {
        let to: Sink = match &self.path {
            None => Sink::Standard(io::stdout()),
            Some(path) => Sink::File(Unfinished::create(path, self.force)?),
        };
        Ok(Out { to: BufWriter::with_capacity(WRITE_BYTES, to), bytes: self.bytes.clone() })
    }

    pub(super) fn exists(&self) -> Failure {
        exists(self.path.as_deref().unwrap_or(Path::new("-")))
    }

    pub(super) fn failed(&self, error: &io::Error) -> Failure {
        let place = self.path.as_deref().map_or("standard output".to_owned(), |path| format!("\"{}\"", path.display()));
        Failure::external(format!("cannot write {place}: {error}"))
    }

    /// `hoga export … --out - | head`: what nobody reads is not missed.
    pub(super) fn is_closed_pipe(&self, error: &io::Error) -> bool {
        self.path.is_none() && error.kind() == ErrorKind::BrokenPipe
    }
}

/// Bytes on their way. Dropped before [`Out::finish`], nothing of them is left.
pub(super) struct Out {
    to: BufWriter<Sink>,
    bytes: Arc<AtomicU64>,
}

impl Out {
    /// Durable, and under its name. If there is a file of that name by now, which was not to be written over: `AlreadyExists`.
    pub(super) fn finish(self) -> io::Result<()> {
        match self.to.into_inner().map_err(io::IntoInnerError::into_error)? {
            Sink::Standard(mut out) => out.flush(),
            Sink::File(file) => file.finish(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

enum Sink {
    Standard(io::Stdout),
    File(Unfinished),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Standard(out) => out.write(bytes),
            Sink::File(file) => file.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Standard(out) => out.flush(),
            Sink::File(file) => file.file.flush(),
        }
    }
}

/// A file under a name that nobody takes for the result, which is removed if it does not get there.
struct Unfinished {
    file: File,
    part: PathBuf,
    path: PathBuf,
    force: bool,
}

impl Unfinished {
    fn create(path: &Path, force: bool) -> io::Result<Unfinished> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = folder_of(path).join(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&part)?;
        Ok(Unfinished { file, part, path: path.to_owned(), force })
    }

    fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        match self.force {
            true => fs::rename(&self.part, &self.path)?,
            // a link fails where a rename would write over; the other name goes as this is dropped
            false => match fs::hard_link(&self.part, &self.path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists && !self.path.exists() => {
                    fs::rename(&self.part, &self.path)?;
                }
                linked => linked?,
            },
        }
        File::open(folder_of(&self.path))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // after a rename it is not there any more
        let _ = fs::remove_file(&self.part);
    }
}

/// What was asked for, else what the name ends in.
fn format_of(out: &Path, asked: Option<ExportFormat>) -> Result<FileFormat, String> {
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let ending = ending.as_deref().unwrap_or("");
    let is_stream = out == Path::new("-") || ending == "arrows";
    match (asked, ending) {
        (Some(ExportFormat::Parquet), _) | (None, "parquet") => Ok(FileFormat::Parquet),
        (Some(ExportFormat::Csv), _) | (None, "csv") => Ok(FileFormat::Csv),
        (Some(ExportFormat::Arrow), _) if is_stream => Ok(FileFormat::ArrowStream),
        (Some(ExportFormat::Arrow), _) | (None, "arrow") => Ok(FileFormat::ArrowFile),
        (None, "arrows") => Ok(FileFormat::ArrowStream),
        (None, _) => {
            Err(format!("\"{}\" does not say what to write; give --format parquet, csv or arrow", out.display()))
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::user(format!("\"{}\" is there already; give another name, or --force", path.display()))
}

/// An error of a format's writer, which may hold one of the file's.
pub(super) fn io_error(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(found) = cause {
        if let Some(found) = found.downcast_ref::<io::Error>() {
            return io::Error::new(found.kind(), found.to_string());
        }
        cause = found.source();
    }
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_name_says_the_format_unless_it_is_said() {
        let of = |out: &str, asked| format_of(Path::new(out), asked);
        assert_eq!(of("a.parquet", None), Ok(FileFormat::Parquet));
        assert_eq!(of("a.CSV", None), Ok(FileFormat::Csv));
        assert_eq!(of("a.arrow", None), Ok(FileFormat::ArrowFile));
        assert_eq!(of("a.arrows", None), Ok(FileFormat::ArrowStream));
        assert_eq!(of("a.csv", Some(ExportFormat::Parquet)), Ok(FileFormat::Parquet));
        assert_eq!(of("-", Some(ExportFormat::Arrow)), Ok(FileFormat::ArrowStream));
        assert!(of("-", None).unwrap_err().contains("--format"));
        assert!(of("a.parquet.gz", None).is_err());
    }

    #[test]
    fn only_a_finished_file_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let target = || Target::resolve(&path, None, false);
        let names = || fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect::<Vec<_>>();
        let mut dropped = target().unwrap().create().unwrap();
        dropped.write_all(b"half").unwrap();
        assert!(!path.exists() && names().len() == 1);
        drop(dropped);
        assert!(names().is_empty(), "{:?}", names());

        let (mut first, mut second) = (target().unwrap().create().unwrap(), target().unwrap());
        first.write_all(b"whole").unwrap();
        first.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names().len()), (b"whole".to_vec(), 1));
        assert!(target().is_err(), "it is there");
        let late = second.create().unwrap().finish().unwrap_err();
        assert_eq!(late.kind(), ErrorKind::AlreadyExists);
        second.force = true;
        second.create().unwrap().finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names().len()), (Vec::new(), 1));
    }
}
