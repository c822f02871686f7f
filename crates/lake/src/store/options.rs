//! Where a store is and how to reach it. Pure.

use crate::error::{LakeError, Result};
use hoga_model::Secret;
use std::path::PathBuf;

/// What AWS and MinIO take for a region nobody has named.
const REGION: &str = "us-east-1";

/// A warehouse in a store that speaks S3. What is None comes from AWS's own environment variables (`AWS_ACCESS_KEY_ID`,
/// `AWS_PROFILE`, …), its profile files, or the machine's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// `s3://bucket/path`, without a slash at its end.
    pub location: String,
    /// As `http://127.0.0.1:9000`; None is AWS.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<Secret>,
    pub session_token: Option<Secret>,
    /// Whether the bucket is in the path rather than in the host's name; None: it is, if there is an endpoint.
    pub path_style: Option<bool>,
}

impl StoreOptions {
    /// Of `s3://bucket/path`; `s3a://` is the same.
    pub fn at(location: &str) -> Result<StoreOptions> {
        let invalid = |reason: &str| LakeError::Warehouse { path: PathBuf::from(location), reason: reason.to_owned() };
        let path = location.strip_prefix("s3://").or_else(|| location.strip_prefix("s3a://"));
        let path = path.ok_or_else(|| invalid("is neither a folder nor s3://bucket/path"))?.trim_end_matches('/');
        let (bucket, folder) = path.split_once('/').unwrap_or((path, ""));
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if bucket.len() < 3 || !bucket.chars().all(is_name) {
            return Err(invalid("needs a bucket's name: 3 or more of a-z, 0-9, '-' and '.', as in s3://bucket/path"));
        }
        if !folder.is_empty() && folder.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid("has a path with an empty part, '.' or '..' in it"));
        }
        Ok(StoreOptions {
            location: format!("s3://{path}"),
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            path_style: None,
        })
    }

    /// For Paimon's catalog, which has only its own way to the store.
    pub(crate) fn catalog_options(&self) -> Vec<(&'static str, String)> {
        let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
        let mut options = vec![
            ("warehouse", self.location.clone()),
            ("s3.region", self.region()),
            ("s3.path-style-access", self.path_style().to_string()),
        ];
        let given = [
            ("s3.endpoint", self.endpoint.clone()),
            ("s3.access-key", self.access_key.clone()),
            ("s3.secret-key", secret(&self.secret_key)),
            ("s3.session.token", secret(&self.session_token)),
        ];
        options.extend(given.into_iter().filter_map(|(key, value)| Some((key, value?))));
        options
    }

    pub(super) fn bucket(&self) -> &str {
        let path = self.location.trim_start_matches("s3://");
        path.split_once('/').map_or(path, |(bucket, _)| bucket)
    }

    pub(super) fn path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    pub(super) fn region(&self) -> String {
        let environment = || std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION")).ok();
        self.region.clone().or_else(environment).unwrap_or_else(|| REGION.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        for (text, location, bucket) in [
            ("s3://lake", "s3://lake", "lake"),
            ("s3://lake/", "s3://lake", "lake"),
            ("s3a://my.lake-1/a/b/", "s3://my.lake-1/a/b", "my.lake-1"),
        ] {
            let options = StoreOptions::at(text).expect("a location");
            assert_eq!((options.location.as_str(), options.bucket()), (location, bucket), "{text}");
        }
        for text in [
            "",
            "/var/lake",
            "s3://",
            "s3:///path",
            "s3://No/path",
            "s3://lake//path",
            "s3://lake/../path",
            "gs://lake",
        ] {
            assert!(StoreOptions::at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut options = StoreOptions::at("s3://lake/path").expect("a location");
        options.secret_key = Some(Secret::new("geheim"));
        options.session_token = Some(Secret::new("geheim"));
        assert!(!format!("{options:?}").contains("geheim"), "{options:?}");
    }

    #[test]
    fn the_bucket_is_in_the_path_where_there_is_an_endpoint() {
        let mut options = StoreOptions::at("s3://lake/path").expect("a location");
        assert!(!options.path_style());
        options.endpoint = Some("http://127.0.0.1:9000".to_owned());
        assert!(options.path_style());
        options.path_style = Some(false);
        assert!(!options.path_style());
    }
}
