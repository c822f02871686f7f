//! The log's folder: locked against other processes, what is in it found at start, a partition's folder taken out of it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{TOPICS_FILE, Topic};
use crate::error::LogError;
use crate::partition::{Partition, PartitionOptions, sync_folder};
use crate::recovery::{Recovered, RecoveryReport, recover_partition};
use crate::topic::{Retention, TopicInfo, decode_topics, folder_name, parse_folder_name};

const LOCK_FILE: &str = "LOCK";
/// No partition's folder ends like this.
const DELETED_SUFFIX: &str = ".deleted";

pub(super) fn lock_folder(dir: &Path) -> Result<File, LogError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.map_err(LogError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = if holder.is_empty() { "unknown".to_owned() } else { holder };
            return Err(LogError::Locked { dir: dir.to_path_buf(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(LogError::io("lock", &path)(error)),
    }
    // for the message above: who it is; a full disk must not keep the log from opening
    if let Err(error) = file.set_len(0).and_then(|()| write!(file, "process {}", std::process::id())) {
        tracing::warn!(file = %path.display(), %error, "cannot write who holds the log");
    }
    Ok(file)
}

/// Deletes a partition's folder, if it is there. Renamed first: a folder is never there in part under its name.
pub(super) fn discard_folder(dir: &Path, folder: &str) -> Result<(), LogError> {
    let path = dir.join(folder);
    let away = dir.join(format!("{folder}{DELETED_SUFFIX}"));
    let discard = || -> io::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        if away.exists() {
            fs::remove_dir_all(&away)?;
        }
        fs::rename(&path, &away)?;
        sync_folder(dir)?;
        fs::remove_dir_all(&away)
    };
    discard().map_err(LogError::io("delete the folder", &path))
}

/// Finishes deletions that an earlier process began.
pub(super) fn remove_deleted(dir: &Path) -> Result<(), LogError> {
    for entry in fs::read_dir(dir).map_err(LogError::io("list the folder", dir))? {
        let path = entry.map_err(LogError::io("list the folder", dir))?.path();
        if path.is_dir() && path.to_string_lossy().ends_with(DELETED_SUFFIX) {
            fs::remove_dir_all(&path).map_err(LogError::io("delete the folder", &path))?;
        }
    }
    Ok(())
}

/// The topics of the file or, if it is damaged or missing, of the folders.
pub(super) fn read_topics(dir: &Path, now_ms: i64, report: &mut RecoveryReport) -> Result<Vec<TopicInfo>, LogError> {
    let path = dir.join(TOPICS_FILE);
    let reason = match fs::read(&path) {
        Ok(bytes) => match decode_topics(&bytes) {
            Ok(infos) => return Ok(infos),
            Err(reason) => reason,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "it is missing",
        Err(error) => return Err(LogError::io("read", &path)(error)),
    };
    let mut partitions = BTreeMap::<String, u32>::new();
    for entry in fs::read_dir(dir).map_err(LogError::io("list the folder", dir))? {
        let name = entry.map_err(LogError::io("list the folder", dir))?.file_name();
        if let Some((topic, partition)) = name.to_str().and_then(parse_folder_name) {
            let count = partitions.entry(topic.to_owned()).or_default();
            *count = (*count).max(partition + 1);
        }
    }
    // a new folder has neither
    if !partitions.is_empty() || reason != "it is missing" {
        report.topics_rebuilt =
            Some(format!("\"{}\": {reason}; topics taken from the folders, retention is the default", path.display()));
    }
    let info = |(name, partitions)| TopicInfo { name, partitions, retention: Retention::default(), created_ms: now_ms };
    Ok(partitions.into_iter().map(info).collect())
}

/// Opens all partitions, several at once: checking a segment takes a core.
pub(super) fn open_topics(
    dir: &Path,
    infos: Vec<TopicInfo>,
    options: &PartitionOptions,
    report: &mut RecoveryReport,
) -> Result<BTreeMap<String, Arc<Topic>>, LogError> {
    let jobs: Vec<(&str, u32, PathBuf)> = infos
        .iter()
        .flat_map(|info| (0..info.partitions).map(|p| (info.name.as_str(), p, dir.join(folder_name(&info.name, p)))))
        .collect();
    report.missing_folders = jobs.iter().map(|(_, _, dir)| dir.clone()).filter(|dir| !dir.exists()).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((job, (topic, partition, dir))) = {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(job).map(|found| (job, found))
                } {
                    let found = recover_partition(topic, *partition, dir);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(job, found);
                }
            });
        }
    });
    let mut topics = BTreeMap::<String, Vec<Arc<Partition>>>::new();
    for (job, found) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (topic, partition, dir) = &jobs[job];
        let found = found?;
        count(&found, report);
        let opened = Partition::new(topic, *partition, dir.clone(), options.clone(), found);
        topics.entry((*topic).to_owned()).or_default().push(Arc::new(opened));
    }
    report.topics = infos.len();
    let with_partitions = |info: &TopicInfo| {
        let partitions = topics.remove(&info.name).unwrap_or_default();
        (
            info.name.clone(),
            Arc::new(Topic { info: Mutex::new(info.clone()), partitions, changes: watch::Sender::new(0) }),
        )
    };
    Ok(infos.iter().map(with_partitions).collect())
}

fn count(found: &Recovered, report: &mut RecoveryReport) {
    report.partitions += 1;
    report.segments += found.sealed.len() + 1;
    report.bytes += found.active.index.log_bytes + found.sealed.iter().map(|s| s.index.log_bytes).sum::<u64>();
    report.checked_bytes += found.active.index.log_bytes.saturating_sub(found.point.1);
    report.torn_tails.extend(found.torn_tail.clone());
    report.damaged.extend(found.damaged.iter().cloned());
    report.reindexed.extend(found.reindexed.iter().cloned());
}

pub(super) fn tell(report: &RecoveryReport) {
    let RecoveryReport { topics, partitions, segments, bytes, checked_bytes, .. } = report;
    tracing::info!(topics, partitions, segments, bytes, checked_bytes, "log opened");
    for tail in &report.torn_tails {
        tracing::warn!("{tail}");
    }
    for range in &report.damaged {
        tracing::error!("{range}");
    }
    for folder in &report.missing_folders {
        tracing::error!(folder = %folder.display(), "the folder of a partition is missing: its records are lost");
    }
    if let Some(reason) = &report.topics_rebuilt {
        tracing::error!("{reason}");
    }
}
