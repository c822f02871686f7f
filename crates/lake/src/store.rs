//! An object store that speaks S3, as a warehouse: what is asked of it, and a write that cannot replace an object.
//!
//! In: a location `s3://bucket/path` and how to reach it. Out: one operator for everything that is read and written there, by
//! Paimon's readers and writers (through [`Store`] as their provider) and by our own commits.
//! Not here: what is retried (`transport`), what an error means (`trouble`).

mod options;
mod transport;
pub(crate) mod trouble;

pub use options::StoreOptions;
pub use trouble::StoreTrouble;

use crate::error::{LakeError, Result};
use async_trait::async_trait;
use futures::StreamExt;
use opendal_core::{ErrorKind, OperationContext, Operator};
use opendal_service_s3::S3;
use paimon::CatalogOptions;
use paimon::io::{FileIO, FileIOBuilder, FileIOProvider};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use trouble::failed;

/// Deletions at a time.
const DELETES_MAX: usize = 8;

/// A bucket that can be reached, or not.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    operator: Operator,
    bucket: String,
    /// The place's name among places: what is kept of an object's footer is kept by it.
    namespace: String,
}

/// An object below a folder.
#[derive(Debug)]
pub(crate) struct StoredObject {
    /// Its path below the folder.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// None if the store does not say.
    pub(crate) modified: Option<SystemTime>,
}

impl Store {
    /// Asks the store nothing yet. To be called where tokio's runtime for the whole process is.
    pub(crate) fn new(options: &StoreOptions) -> Result<Store> {
        let mut service = S3::default().bucket(options.bucket()).region(&options.region());
        if let Some(endpoint) = &options.endpoint {
            service = service.endpoint(endpoint);
        }
        if let (Some(name), Some(secret)) = (&options.access_key, &options.secret_key) {
            service = service.access_key_id(name).secret_access_key(secret.reveal());
        }
        if let Some(token) = &options.session_token {
            service = service.session_token(token.reveal());
        }
        if !options.path_style() {
            service = service.enable_virtual_host_style();
        }
        let operator = Operator::new(service).map_err(failed("open the bucket", &options.location))?;
        let context = OperationContext::new().with_http_transport(transport::transporter());
        let namespace = options.endpoint.clone().unwrap_or_default();
        Ok(Store { operator: operator.with_context(context), bucket: options.bucket().to_owned(), namespace })
    }

    /// Everything of Paimon's goes through the same operator; footers of files that were read are kept, as many as `footers_max` says.
    pub(crate) fn file_io(&self, footers_max: &str) -> paimon::Result<FileIO> {
        let builder = FileIOBuilder::new("s3").with_provider(Arc::new(self.clone()));
        builder.with_prop(CatalogOptions::FILE_FORMAT_METADATA_CACHE_MAX_SIZE, footers_max).build()
    }

    pub(crate) fn folder(&self, location: &str) -> StoreFolder {
        let root = format!("s3://{}/", self.bucket);
        let key = location.strip_prefix(&root).unwrap_or_default().trim_matches('/').to_owned();
        StoreFolder { store: self.clone(), key, place: PathBuf::from(location) }
    }
}

#[async_trait]
impl FileIOProvider for Store {
    async fn create(&self, path: &str) -> paimon::Result<(Operator, String)> {
        match path.strip_prefix("s3://").and_then(|path| path.strip_prefix(&self.bucket)) {
            Some(key) if key.is_empty() || key.starts_with('/') => {
                Ok((self.operator.clone(), key.trim_start_matches('/').to_owned()))
            }
            _ => Err(paimon::Error::ConfigInvalid {
                message: format!("\"{path}\" is not in the warehouse's bucket \"{}\"", self.bucket),
            }),
        }
    }

    /// Without a namespace nothing is kept, and each query asks for each footer again.
    async fn create_with_cache_namespace(&self, path: &str) -> paimon::Result<(Operator, String, Option<String>)> {
        let (operator, key) = self.create(path).await?;
        Ok((operator, key, Some(self.namespace.clone())))
    }
}

/// A folder of a store: a prefix of keys.
#[derive(Debug, Clone)]
pub(crate) struct StoreFolder {
    store: Store,
    key: String,
    /// `s3://bucket/…`, for messages.
    place: PathBuf,
}

impl StoreFolder {
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    fn key(&self, path: &str) -> String {
        if self.key.is_empty() { path.to_owned() } else { format!("{}/{path}", self.key) }
    }

    fn failed(&self, action: &'static str, path: &str) -> impl FnOnce(opendal_core::Error) -> LakeError + use<> {
        failed(action, &self.place.join(path).to_string_lossy())
    }

    /// Writes an object that nobody has: `If-None-Match: *`. False if the name is taken by other bytes.
    ///
    /// Once this returns true the object is durable. After an error it may be there or not.
    pub(crate) async fn create(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        let key = self.key(path);
        match self.store.operator.write_with(&key, bytes.to_vec()).if_not_exists(true).await {
            Ok(_) => Ok(true),
            // taken: perhaps by ourselves, in a try whose answer was lost
            Err(error) if error.kind() == ErrorKind::ConditionNotMatch => match self.store.operator.read(&key).await {
                Ok(there) => Ok(there.to_vec() == bytes),
                // the store was about to write for two at once, and wrote for neither of them yet
                Err(gone) if gone.kind() == ErrorKind::NotFound => Err(self.failed("write", path)(error)),
                Err(error) => Err(self.failed("read", path)(error)),
            },
            Err(error) => Err(self.failed("write", path)(error)),
        }
    }

    /// Writes or replaces an object.
    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.store.operator.write(&self.key(path), bytes).await.map(drop).map_err(self.failed("write", path))
    }

    /// All objects below a folder of this one; with an empty path, below this one.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<StoredObject>> {
        let prefix = match self.key(path).trim_matches('/') {
            "" => String::new(),
            key => format!("{key}/"),
        };
        let listed = self.store.operator.list_with(&prefix).recursive(true).await;
        let entries = listed.map_err(self.failed("list", path))?;
        let objects = entries.into_iter().filter(|entry| entry.metadata().is_file()).map(|entry| StoredObject {
            path: entry.path().strip_prefix(&prefix).unwrap_or(entry.path()).to_owned(),
            bytes: entry.metadata().content_length(),
            modified: entry.metadata().last_modified().map(SystemTime::from),
        });
        Ok(objects.collect())
    }

    /// Deletes objects, some at a time; those that are gone already are none of its business.
    pub(crate) async fn delete(&self, paths: &[String]) -> Result<()> {
        let keys: Vec<(String, String)> = paths.iter().map(|path| (path.clone(), self.key(path))).collect();
        let deletions = futures::stream::iter(keys).map(|(path, key)| async move {
            let deleted = self.store.operator.delete(&key).await;
            deleted.map_err(self.failed("delete", &path))
        });
        let mut deletions = std::pin::pin!(deletions.buffer_unordered(DELETES_MAX));
        while let Some(deleted) = deletions.next().await {
            deleted?;
        }
        Ok(())
    }

    /// Finds out whether this folder can be a warehouse: that it can be written to and read, and that a write can be
    /// refused because the object exists. A store that ignores the condition would lose commits without a word.
    pub(crate) async fn check(&self) -> Result<()> {
        let probe = format!(".hoga-probe-{}", crate::publish::unique_name());
        self.create(&probe, b"first").await?;
        let replaced = self.create(&probe, b"second").await;
        self.delete(&[probe]).await?;
        if replaced? {
            return Err(LakeError::Warehouse {
                path: self.place.clone(),
                reason: "is in a store that does not refuse to overwrite (PUT with If-None-Match: *), so that two writers would lose \
                         each other's commits; use AWS S3, MinIO or another that has conditional writes"
                    .to_owned(),
            });
        }
        Ok(())
    }
}
