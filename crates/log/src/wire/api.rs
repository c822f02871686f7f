//! The requests that are understood: their numbers, versions and encodings, and the way from a request's bytes to its response's.
//!
//! One file per API. Each reads its request (pure), answers it from the broker's state, and writes its response (pure).
//! All are advertised from version 0: librdkafka takes a higher minimum for a broker that is too old and silently switches compression off
//! (librdkafka 4948). The highest versions are the last before topic ids, fetch sessions and the new group protocol.

mod alter_configs;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
mod sync_group;
mod topic_config;

use std::future::Future;
use std::sync::Arc;

use super::broker::Broker;
use super::codec::{Malformed, Reader, Writer};
use super::connection::Client;
use super::error_code::ErrorCode;
use super::piece::Piece;

/// What is fixed about an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApiSpec {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    pub(crate) max_version: i16,
    /// The first version in the flexible encoding.
    flexible_from: i16,
}

const NEVER: i16 = i16::MAX;

pub(crate) const PRODUCE: i16 = 0;
pub(crate) const SASL_HANDSHAKE: i16 = 17;
pub(crate) const API_VERSIONS: i16 = 18;
pub(crate) const SASL_AUTHENTICATE: i16 = 36;

/// In the order of their keys.
pub(crate) const APIS: [ApiSpec; 29] = [
    api(PRODUCE, "Produce", 9, 9),
    api(1, "Fetch", 11, NEVER),
    api(2, "ListOffsets", 7, 6),
    api(3, "Metadata", 9, 9),
    api(8, "OffsetCommit", 8, 8),
    api(9, "OffsetFetch", 7, 6),
    api(10, "FindCoordinator", 3, 3),
    api(11, "JoinGroup", 7, 6),
    api(12, "Heartbeat", 4, 4),
    api(13, "LeaveGroup", 4, 4),
    api(14, "SyncGroup", 5, 4),
    api(15, "DescribeGroups", 5, 5),
    api(16, "ListGroups", 4, 3),
    api(SASL_HANDSHAKE, "SaslHandshake", 1, NEVER),
    api(API_VERSIONS, "ApiVersions", 3, 3),
    api(19, "CreateTopics", 6, 5),
    api(20, "DeleteTopics", 5, 4),
    api(21, "DeleteRecords", 2, 2),
    api(22, "InitProducerId", 4, 2),
    api(23, "OffsetForLeaderEpoch", 4, 4),
    api(32, "DescribeConfigs", 4, 4),
    api(33, "AlterConfigs", 2, 2),
    api(35, "DescribeLogDirs", 2, 2),
    api(SASL_AUTHENTICATE, "SaslAuthenticate", 2, 2),
    api(37, "CreatePartitions", 3, 2),
    api(42, "DeleteGroups", 2, 2),
    api(44, "IncrementalAlterConfigs", 1, 1),
    api(47, "OffsetDelete", 0, NEVER),
    api(60, "DescribeCluster", 1, 0),
];

const fn api(key: i16, name: &'static str, max_version: i16, flexible_from: i16) -> ApiSpec {
    ApiSpec { key, name, max_version, flexible_from }
}

impl ApiSpec {
    /// Its place in `APIS`, and itself.
    pub(crate) fn find(key: i16) -> Option<(usize, &'static ApiSpec)> {
        APIS.iter().enumerate().find(|(_, api)| api.key == key)
    }

    pub(crate) fn supports(&self, version: i16) -> bool {
        (0..=self.max_version).contains(&version)
    }

    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }
}

/// What stands in front of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHeader {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: String,
}

impl RequestHeader {
    /// Leaves the reader at the body, in the encoding of the body. Of an API or version that is not known only what all headers share is read.
    pub(crate) fn read(reader: &mut Reader) -> Result<RequestHeader, Malformed> {
        let (key, version) = (reader.i16()?, reader.i16()?);
        let correlation_id = reader.i32()?;
        let known = ApiSpec::find(key).filter(|(_, api)| api.supports(version));
        let mut client_id = String::new();
        if let Some((_, api)) = known {
            client_id = reader.nullable_string()?.unwrap_or_default();
            reader.set_flexible(api.is_flexible(version));
            reader.tags()?;
        }
        Ok(RequestHeader { key, version, correlation_id, client_id })
    }
}

/// A request and everything about it.
pub(crate) trait Call: Sized + Send {
    type Response: Send;

    fn read(reader: &mut Reader, version: i16) -> Result<Self, Malformed>;

    /// `None`: the client wants no response.
    fn answer(
        self,
        broker: &Arc<Broker>,
        client: &mut Client,
        version: i16,
    ) -> impl Future<Output = Option<Self::Response>> + Send;

    fn write(response: Self::Response, writer: &mut Response, version: i16);
}

/// A response being written: the writer, and the error codes in it, which are counted.
pub(crate) struct Response {
    writer: Writer,
    pub(crate) errors: Vec<ErrorCode>,
}

impl std::ops::Deref for Response {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl std::ops::DerefMut for Response {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Response {
    pub(crate) fn new(flexible: bool) -> Response {
        Response { writer: Writer::new(flexible), errors: Vec::new() }
    }

    pub(crate) fn error(&mut self, error: ErrorCode) {
        if error != ErrorCode::None {
            self.errors.push(error);
        }
        self.writer.i16(error.code());
    }

    /// An array of structures, each with its own tagged fields.
    pub(crate) fn structs<T>(
        &mut self,
        values: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Response, T),
    ) {
        let values = values.into_iter();
        self.writer.array_length(Some(values.len()));
        for value in values {
            write(self, value);
            self.writer.tags();
        }
    }

    pub(crate) fn finish(self) -> Vec<Piece> {
        self.writer.finish()
    }
}

/// The response to a request, as the pieces of a frame; `None` if the client wants none. The header says an API and a version that are known.
pub(crate) async fn answer(
    broker: &Arc<Broker>,
    client: &mut Client,
    header: &RequestHeader,
    mut body: Reader,
) -> Result<Option<Vec<Piece>>, Malformed> {
    let reader = &mut body;
    match header.key {
        PRODUCE => run::<produce::Request>(broker, client, header, reader).await,
        1 => run::<fetch::Request>(broker, client, header, reader).await,
        2 => run::<list_offsets::Request>(broker, client, header, reader).await,
        3 => run::<metadata::Request>(broker, client, header, reader).await,
        8 => run::<offset_commit::Request>(broker, client, header, reader).await,
        9 => run::<offset_fetch::Request>(broker, client, header, reader).await,
        10 => run::<find_coordinator::Request>(broker, client, header, reader).await,
        11 => run::<join_group::Request>(broker, client, header, reader).await,
        12 => run::<heartbeat::Request>(broker, client, header, reader).await,
        13 => run::<leave_group::Request>(broker, client, header, reader).await,
        14 => run::<sync_group::Request>(broker, client, header, reader).await,
        15 => run::<describe_groups::Request>(broker, client, header, reader).await,
        16 => run::<list_groups::Request>(broker, client, header, reader).await,
        SASL_HANDSHAKE => run::<sasl_handshake::Request>(broker, client, header, reader).await,
        API_VERSIONS => run::<api_versions::Request>(broker, client, header, reader).await,
        19 => run::<create_topics::Request>(broker, client, header, reader).await,
        20 => run::<delete_topics::Request>(broker, client, header, reader).await,
        21 => run::<delete_records::Request>(broker, client, header, reader).await,
        22 => run::<init_producer_id::Request>(broker, client, header, reader).await,
        23 => run::<offset_for_leader_epoch::Request>(broker, client, header, reader).await,
        32 => run::<describe_configs::Request>(broker, client, header, reader).await,
        33 => run::<alter_configs::Request>(broker, client, header, reader).await,
        35 => run::<describe_log_dirs::Request>(broker, client, header, reader).await,
        SASL_AUTHENTICATE => run::<sasl_authenticate::Request>(broker, client, header, reader).await,
        37 => run::<create_partitions::Request>(broker, client, header, reader).await,
        42 => run::<delete_groups::Request>(broker, client, header, reader).await,
        44 => run::<incremental_alter_configs::Request>(broker, client, header, reader).await,
        47 => run::<offset_delete::Request>(broker, client, header, reader).await,
        60 => run::<describe_cluster::Request>(broker, client, header, reader).await,
        _ => Err(Malformed("its API is not known")),
    }
}

async fn run<C: Call>(
    broker: &Arc<Broker>,
    client: &mut Client,
    header: &RequestHeader,
    reader: &mut Reader,
) -> Result<Option<Vec<Piece>>, Malformed> {
    let request = C::read(reader, header.version)?;
    let Some(response) = request.answer(broker, client, header.version).await else { return Ok(None) };
    let (index, api) = ApiSpec::find(header.key).ok_or(Malformed("its API is not known"))?;
    let writer = write::<C>(response, api, header);
    for error in &writer.errors {
        broker.metrics().count_error(index, *error);
    }
    Ok(Some(writer.finish()))
}

fn write<C: Call>(response: C::Response, api: &ApiSpec, header: &RequestHeader) -> Response {
    let mut writer = Response::new(api.is_flexible(header.version));
    writer.i32(header.correlation_id);
    // a client reads the header of ApiVersions before it knows what the broker can do
    if api.key != API_VERSIONS {
        writer.tags();
    }
    C::write(response, &mut writer, header.version);
    writer.tags();
    writer
}

/// The answer to a version of ApiVersions that is not known: the error and the versions that are, in version 0, and the connection stays.
pub(crate) fn unknown_api_versions(correlation_id: i32) -> Vec<Piece> {
    let mut writer = Response::new(false);
    writer.i32(correlation_id);
    api_versions::Request::write(ErrorCode::UnsupportedVersion, &mut writer, 0);
    writer.finish()
}

#[cfg(test)]
mod tests;
