//! What members say and are told, and what is kept of each. Pure.

use bytes::Bytes;

use super::Token;
use crate::wire::codec::{Malformed, Reader};
use crate::wire::error_code::ErrorCode;

/// A way of assigning partitions that a member supports, and what it tells the leader for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    pub(crate) metadata: Bytes,
}

impl Protocol {
    /// The topics that a consumer reads. Source: Kafka's `ConsumerProtocolSubscription`, whose later fields follow these.
    pub(super) fn subscribed_topics(&self) -> Result<Vec<String>, Malformed> {
        let mut reader = Reader::new(self.metadata.clone());
        reader.i16()?;
        reader.array(Reader::string)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Join {
    /// Empty for a new member.
    pub(crate) member_id: String,
    /// Of a static member: stays over restarts.
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocol_type: String,
    /// Best first.
    pub(crate) protocols: Vec<Protocol>,
    /// Whether a new member is given its id first and joins with the next request.
    pub(crate) member_id_required: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) error: ErrorCode,
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    /// For the leader alone.
    pub(crate) members: Vec<JoinedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) metadata: Bytes,
}

impl Joined {
    pub(crate) fn refused(error: ErrorCode, member_id: &str) -> Joined {
        Joined {
            error,
            generation: -1,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            member_id: member_id.to_owned(),
            members: Vec::new(),
        }
    }
}

/// Who says something, in which generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberRef {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaver {
    /// May be empty for a static member.
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sync {
    pub(crate) member: MemberRef,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    /// By member id; from the leader alone.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) error: ErrorCode,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) assignment: Bytes,
}

impl Synced {
    pub(crate) fn refused(error: ErrorCode) -> Synced {
        Synced { error, protocol_type: String::new(), protocol: String::new(), assignment: Bytes::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) state: &'static str,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<DescribedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DescribedMember {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// Waits for the next generation.
    pub(super) joining: Option<Token>,
    /// Waits for its assignment.
    pub(super) syncing: Option<Token>,
    /// It asked for its assignment in this generation.
    pub(super) has_synced: bool,
    /// Out from then on, unless something is heard of it.
    pub(super) alive_until_ms: i64,
}

impl Member {
    pub(super) fn new(join: Join, now_ms: i64) -> Member {
        let mut member = Member {
            instance_id: join.instance_id.clone(),
            client_id: String::new(),
            client_host: String::new(),
            session_timeout_ms: 0,
            rebalance_timeout_ms: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            has_synced: false,
            alive_until_ms: 0,
        };
        member.update(join, now_ms);
        member
    }

    /// What it says now; whether it is static was decided when it came.
    pub(super) fn update(&mut self, join: Join, now_ms: i64) {
        self.client_id = join.client_id;
        self.client_host = join.client_host;
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms.max(0);
        self.protocols = join.protocols;
        self.touch(now_ms);
    }

    pub(super) fn touch(&mut self, now_ms: i64) {
        self.alive_until_ms = now_ms + i64::from(self.session_timeout_ms);
    }

    /// Whoever waits for the group is alive.
    pub(super) fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|own| own.name == protocol)
    }

    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let own = self.protocols.iter().find(|own| own.name == protocol);
        own.map(|own| own.metadata.clone()).unwrap_or_default()
    }
}
