//! Where the lake's tables are: a folder, or a bucket of an object store.

use super::{absolute, parse_switch};
use crate::failure::Failure;
use hoga_lake::{Lake, LakeOptions, StoreOptions, unique_name};
use hoga_model::Secret;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Under which commits to a folder are known in Paimon. One process commits to it at a time, so one name is enough.
const COMMIT_USER: &str = "hoga";
/// In the data folder: under which commits to a store are known. Several processes may commit there, each from a log of its
/// own, and a commit is recognised by this name and its number.
const COMMIT_USER_FILE: &str = "commit-user";
/// The store's options, by their names.
pub const OPTIONS: [&str; 5] = ["s3-endpoint", "s3-region", "s3-access-key", "s3-secret-key", "s3-path-style"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warehouse {
    Folder(PathBuf),
    Store(StoreOptions),
}

impl Warehouse {
    /// `location` as it was typed; `option` looks up one of [`OPTIONS`]. None: the folder in `data`.
    pub fn resolve(
        location: Option<&str>,
        data: &Path,
        mut option: impl FnMut(&'static str) -> Option<String>,
    ) -> Result<Warehouse, String> {
        let location = match location {
            None => return Ok(Warehouse::Folder(absolute(&data.join("warehouse")))),
            Some(location) if !location.contains("://") => return Ok(Warehouse::Folder(absolute(Path::new(location)))),
            Some(location) => location,
        };
        let mut store = StoreOptions::at(location).map_err(|error| error.to_string())?;
        let [endpoint, region, access_key, secret_key, path_style] = OPTIONS.map(&mut option);
        if endpoint.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err("s3-endpoint: write a URL, as http://127.0.0.1:9000".to_owned());
        }
        if access_key.is_some() != secret_key.is_some() {
            return Err("s3-access-key and s3-secret-key are needed together".to_owned());
        }
        let path_style = path_style.as_deref().map(parse_switch).transpose();
        store.path_style = path_style.map_err(|hint| format!("s3-path-style: {hint}"))?;
        (store.endpoint, store.region, store.access_key) = (endpoint, region, access_key);
        store.secret_key = secret_key.map(Secret::new);
        Ok(Warehouse::Store(store))
    }

    /// Opens it for a process whose log and checkpoints are in `data`.
    pub async fn open(&self, data: &Path) -> Result<Lake, Failure> {
        let opened = match self {
            Warehouse::Folder(folder) => {
                Lake::open(LakeOptions { warehouse: folder.clone(), commit_user: COMMIT_USER.to_owned() })
            }
            Warehouse::Store(store) => {
                let commit_user = commit_user(data).map_err(|error| {
                    let file = data.join(COMMIT_USER_FILE);
                    Failure::external(format!("cannot read or write \"{}\": {error}", file.display()))
                })?;
                Box::pin(Lake::open_store(store.clone(), commit_user)).await
            }
        };
        opened.map_err(|error| Failure::of(&error))
    }
}

/// The name in the data folder; made, and durable, the first time.
fn commit_user(data: &Path) -> std::io::Result<String> {
    let file = data.join(COMMIT_USER_FILE);
    match std::fs::read_to_string(&file) {
        Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {} // empty: no process has got as far as a commit
    }
    let name = format!("{COMMIT_USER}-{}", &unique_name()[..8]);
    let draft = data.join(format!("{COMMIT_USER_FILE}.tmp"));
    let mut written = std::fs::File::create(&draft)?;
    written.write_all(format!("{name}\n").as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&draft, &file)?;
    std::fs::File::open(data)?.sync_all()?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(location: Option<&str>, options: &[(&str, &str)]) -> Result<Warehouse, String> {
        let option = |name| options.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Warehouse::resolve(location, Path::new("/data"), option)
    }

    #[test]
    fn a_folder_or_a_bucket() {
        assert_eq!(resolve(None, &[("s3-endpoint", "x")]), Ok(Warehouse::Folder("/data/warehouse".into())));
        assert_eq!(resolve(Some("/lake"), &[]), Ok(Warehouse::Folder("/lake".into())));
        let all = [
            ("s3-endpoint", "http://127.0.0.1:9000"),
            ("s3-access-key", "ada"),
            ("s3-secret-key", "geheim"),
            ("s3-path-style", "off"),
        ];
        let Ok(Warehouse::Store(store)) = resolve(Some("s3://lake/a/"), &all) else { unreachable!("a store") };
        assert_eq!((store.location.as_str(), store.access_key.as_deref()), ("s3://lake/a", Some("ada")));
        assert_eq!(store.path_style, Some(false));
        assert!(!format!("{store:?}").contains("geheim"));
        for (location, options, want) in [
            ("s3://lake", &[("s3-access-key", "ada")][..], "needed together"),
            ("s3://lake", &[("s3-endpoint", "127.0.0.1:9000")][..], "write a URL"),
            ("s3://lake", &[("s3-path-style", "perhaps")][..], "on or off"),
            ("hdfs://lake", &[][..], "neither a folder nor s3://"),
        ] {
            assert!(resolve(Some(location), options).is_err_and(|message| message.contains(want)), "{want}");
        }
    }

    #[test]
    fn a_commit_user_stays() {
        let data = tempfile::tempdir().expect("a folder");
        let first = commit_user(data.path()).expect("a name");
        assert!(first.starts_with("hoga-") && first.len() == 13, "{first}");
        assert_eq!(commit_user(data.path()).expect("a name"), first);
        let other = tempfile::tempdir().expect("a folder");
        assert_ne!(commit_user(other.path()).expect("a name"), first);
    }
}
