//! DescribeCluster: a cluster of one.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::{Broker, UNKNOWN_OPERATIONS};
use crate::wire::connection::Client;

const ENDPOINT_BROKERS: i8 = 1;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    endpoint_type: i8,
}

pub(crate) struct Cluster {
    endpoint_type: i8,
    cluster_id: String,
    node_id: i32,
    host: String,
    port: u16,
}

impl Call for Request {
    type Response = Cluster;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        reader.bool()?;
        let endpoint_type = if version >= 1 { reader.i8()? } else { ENDPOINT_BROKERS };
        reader.tags()?;
        Ok(Request { endpoint_type })
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, _: i16) -> Option<Cluster> {
        let (host, port) = broker.address_for(client);
        Some(Cluster {
            endpoint_type: self.endpoint_type,
            cluster_id: broker.cluster_id().to_owned(),
            node_id: broker.node_id(),
            host,
            port,
        })
    }

    fn write(cluster: Cluster, writer: &mut Response, version: i16) {
        let known = cluster.endpoint_type == ENDPOINT_BROKERS;
        writer.i32(0);
        writer.error(if known { ErrorCode::None } else { ErrorCode::InvalidRequest });
        writer.nullable_string((!known).then_some("this endpoint has brokers only"));
        if version >= 1 {
            writer.i8(cluster.endpoint_type);
        }
        writer.string(&cluster.cluster_id);
        writer.i32(cluster.node_id);
        writer.structs([()], |w, ()| {
            w.i32(cluster.node_id);
            w.string(&cluster.host);
            w.i32(i32::from(cluster.port));
            w.nullable_string(None);
        });
        writer.i32(UNKNOWN_OPERATIONS);
    }
}
