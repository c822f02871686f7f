//! Which log the checkpoints of a data folder count in: its own, or a cluster's. Offsets of the one say nothing of the other.

use crate::failure::Failure;
use std::io::ErrorKind;
use std::path::Path;

/// Holds the cluster's id. Absent if the log is in the data folder.
const FILE: &str = "cluster-id";

/// Takes the data folder for this log (`None`: its own); refuses if what is in it was computed from another.
pub fn claim(data: &Path, cluster_id: Option<&str>) -> Result<(), Failure> {
    let path = data.join(FILE);
    let failed = |error: std::io::Error| Failure::external(format!("cannot use \"{}\": {error}", path.display()));
    let claimed = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if claimed.as_deref() == cluster_id {
        return Ok(());
    }
    let is_used = std::fs::read_dir(data.join("checkpoints")).is_ok_and(|mut files| files.next().is_some());
    match (claimed, cluster_id) {
        (None, Some(id)) if !is_used => {
            std::fs::create_dir_all(data).and_then(|()| std::fs::write(&path, format!("{id}\n"))).map_err(failed)
        }
        (claimed, _) => {
            let whose = claimed.map_or_else(|| "its own log".to_owned(), |id| format!("the Kafka cluster {id}"));
            Err(Failure::user(format!(
                "the tables in \"{}\" were computed from {whose}, and its offsets mean nothing elsewhere; choose another --data folder",
                data.display()
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_the_log_it_was_computed_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path();
        assert!(claim(data, None).is_ok());
        assert!(claim(data, Some("one")).is_ok(), "nothing was computed yet");
        assert!(claim(data, Some("one")).is_ok());
        std::fs::create_dir_all(data.join("checkpoints/x")).expect("a folder");
        for other in [None, Some("two")] {
            let Err(failure) = claim(data, other) else { unreachable!("another log") };
            assert!(failure.exit_code() == 2 && failure.message().contains("cluster one"), "{}", failure.message());
        }
        let own = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(own.path().join("checkpoints/x")).expect("a folder");
        assert!(claim(own.path(), None).is_ok());
        assert!(claim(own.path(), Some("one")).is_err());
    }
}
