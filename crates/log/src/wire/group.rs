//! One consumer group by the classic protocol: who is in, which generation it is, who gets what. Pure: time is handed in, waiting members are
//! tokens, and what they are told comes back as replies.
//!
//! Source: Kafka's `GroupCoordinator` and `GroupMetadata`; KIP-62 (rebalance timeout), KIP-345 (static members), KIP-394 (member id required),
//! KIP-429 (cooperative rebalancing, which is the clients' business but for rejoining often).
//!
//! ```text
//! Empty ─ join ► PreparingRebalance ─ all are back, or time is over ► CompletingRebalance ─ leader's sync ► Stable
//!   ▲                 ▲                                                     │                              │
//!   └── all are gone ─┴───────────── join with news, leave, expiry ─────────┴──────────────────────────────┘
//! ```

mod members;
mod rebalance;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::error_code::ErrorCode;
pub(crate) use members::{Described, DescribedMember, Join, Joined, Leaver, MemberRef, Protocol, Sync, Synced};
use members::{JoinedMember, Member};

/// The protocol type of groups that read topics.
const CONSUMER: &str = "consumer";

/// Whoever waits for a reply; given by the caller, never used twice.
pub(crate) type Token = u64;

/// What a waiting member is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Join(Token, Joined),
    Sync(Token, Synced),
}

/// Bounds of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupLimits {
    pub(crate) min_session_timeout_ms: i32,
    pub(crate) max_session_timeout_ms: i32,
    pub(crate) members: usize,
    /// How long the first generation waits for more members.
    pub(crate) initial_delay_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    /// Waiting until then for members to join.
    Preparing {
        until_ms: i64,
        /// The first generation does not begin as soon as everybody is there: others may be on their way.
        is_first: bool,
    },
    /// Waiting until then for members to sync.
    Completing {
        until_ms: i64,
    },
    Stable,
}

#[derive(Debug)]
pub(crate) struct Group {
    limits: GroupLimits,
    state: State,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
    /// Instance id to member id.
    statics: BTreeMap<String, String>,
    /// Ids that were given and not used yet, and until when they may be.
    pending: BTreeMap<String, i64>,
    ids_given: u64,
}

impl Group {
    pub(crate) fn new(limits: GroupLimits) -> Group {
        Group {
            limits,
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            ids_given: 0,
        }
    }

    /// A member enters or comes back. `token` is replied to now or later; `suffix` makes a new member's id unlike any other group's.
    pub(crate) fn join(&mut self, now_ms: i64, join: Join, token: Token, suffix: &str) -> Vec<Reply> {
        let refuse = |error| vec![Reply::Join(token, Joined::refused(error, &join.member_id))];
        let allowed = self.limits.min_session_timeout_ms..=self.limits.max_session_timeout_ms;
        if !allowed.contains(&join.session_timeout_ms) {
            return refuse(ErrorCode::InvalidSessionTimeout);
        }
        if !self.is_consistent(&join) {
            return refuse(ErrorCode::InconsistentGroupProtocol);
        }
        let known_static = join.instance_id.as_ref().and_then(|instance| self.statics.get(instance).cloned());
        if join.member_id.is_empty() {
            if self.members.len() + self.pending.len() >= self.limits.members && known_static.is_none() {
                return refuse(ErrorCode::GroupMaxSizeReached);
            }
            return self.join_new(now_ms, join, token, suffix, known_static);
        }
        if let Some(known) = known_static
            && known != join.member_id
        {
            return refuse(ErrorCode::FencedInstanceId);
        }
        if self.pending.remove(&join.member_id).is_some() {
            let id = join.member_id.clone();
            return self.enter(now_ms, id, join, token);
        }
        if !self.members.contains_key(&join.member_id) {
            return refuse(ErrorCode::UnknownMemberId);
        }
        self.rejoin(now_ms, join, token)
    }

    /// The leader's sync ends the rebalance; a member's gets its assignment, now or then.
    pub(crate) fn sync(&mut self, now_ms: i64, sync: Sync, token: Token) -> Vec<Reply> {
        let refuse = |error| vec![Reply::Sync(token, Synced::refused(error))];
        if let Err(error) = self.check(&sync.member) {
            return refuse(error);
        }
        let differs = |named: &Option<String>, own: &str| named.as_deref().is_some_and(|named| named != own);
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return refuse(ErrorCode::InconsistentGroupProtocol);
        }
        let id = sync.member.member_id;
        match self.state {
            State::Empty => refuse(ErrorCode::UnknownMemberId),
            State::Preparing { .. } => refuse(ErrorCode::RebalanceInProgress),
            State::Stable => {
                self.touch(now_ms, &id);
                vec![Reply::Sync(token, self.synced(&id))]
            }
            State::Completing { .. } => {
                let mut replies = Vec::new();
                if let Some(member) = self.members.get_mut(&id) {
                    let older = member.syncing.replace(token);
                    replies.extend(older.map(|t| Reply::Sync(t, Synced::refused(ErrorCode::RebalanceInProgress))));
                    member.has_synced = true;
                }
                self.touch(now_ms, &id);
                if id != self.leader {
                    return replies;
                }
                let mut assignments: BTreeMap<String, Bytes> = sync.assignments.into_iter().collect();
                for (id, member) in &mut self.members {
                    member.assignment = assignments.remove(id).unwrap_or_default();
                }
                self.state = State::Stable;
                replies.extend(self.reply_syncs(now_ms));
                replies
            }
        }
    }

    pub(crate) fn heartbeat(&mut self, now_ms: i64, member: &MemberRef) -> ErrorCode {
        if let Err(error) = self.check(member) {
            return error;
        }
        self.touch(now_ms, &member.member_id);
        match self.state {
            State::Empty => ErrorCode::UnknownMemberId,
            State::Preparing { .. } => ErrorCode::RebalanceInProgress,
            // members may beat before they sync
            State::Completing { .. } | State::Stable => ErrorCode::None,
        }
    }

    /// A member goes for good.
    pub(crate) fn leave(&mut self, now_ms: i64, leaver: &Leaver) -> (ErrorCode, Vec<Reply>) {
        let id = match leaver.instance_id.as_ref().map(|instance| self.statics.get(instance)) {
            Some(None) => return (ErrorCode::UnknownMemberId, Vec::new()),
            Some(Some(id)) if !leaver.member_id.is_empty() && *id != leaver.member_id => {
                return (ErrorCode::FencedInstanceId, Vec::new());
            }
            Some(Some(id)) => id.clone(),
            None => leaver.member_id.clone(),
        };
        if self.pending.remove(&id).is_some() {
            return (ErrorCode::None, self.complete_join_if_ready(now_ms));
        }
        if !self.members.contains_key(&id) {
            return (ErrorCode::UnknownMemberId, Vec::new());
        }
        (ErrorCode::None, self.remove(now_ms, &id, ErrorCode::UnknownMemberId))
    }

    /// Whether a member may commit offsets now.
    pub(crate) fn check_commit(&mut self, now_ms: i64, member: &MemberRef) -> ErrorCode {
        if member.generation < 0 && self.state == State::Empty {
            return ErrorCode::None; // a consumer that assigns by itself, or an administrator
        }
        if let Err(error) = self.check(member) {
            return error;
        }
        self.touch(now_ms, &member.member_id);
        match self.state {
            State::Empty => ErrorCode::UnknownMemberId,
            State::Completing { .. } => ErrorCode::RebalanceInProgress,
            State::Preparing { .. } | State::Stable => ErrorCode::None,
        }
    }

    /// What is due by now.
    pub(crate) fn tick(&mut self, now_ms: i64) -> Vec<Reply> {
        self.pending.retain(|_, until_ms| *until_ms > now_ms);
        let expired = |member: &Member| !member.is_waiting() && member.alive_until_ms <= now_ms;
        let gone: Vec<String> =
            self.members.iter().filter(|(_, member)| expired(member)).map(|(id, _)| id.clone()).collect();
        let mut replies = Vec::new();
        for id in gone {
            replies.extend(self.remove(now_ms, &id, ErrorCode::UnknownMemberId));
        }
        match self.state {
            State::Preparing { until_ms, .. } if until_ms <= now_ms => replies.extend(self.complete_join(now_ms)),
            State::Preparing { .. } => replies.extend(self.complete_join_if_ready(now_ms)),
            State::Completing { until_ms } if until_ms <= now_ms => {
                let late: Vec<String> =
                    self.members.iter().filter(|(_, member)| !member.has_synced).map(|(id, _)| id.clone()).collect();
                for id in late {
                    replies.extend(self.remove(now_ms, &id, ErrorCode::UnknownMemberId));
                }
            }
            _ => {}
        }
        replies
    }

    /// When `tick` has something to do next, if nothing else happens before.
    pub(crate) fn next_deadline_ms(&self) -> Option<i64> {
        let sessions = self.members.values().filter(|m| !m.is_waiting()).map(|m| m.alive_until_ms);
        let state = match self.state {
            State::Preparing { until_ms, .. } | State::Completing { until_ms } => Some(until_ms),
            State::Empty | State::Stable => None,
        };
        sessions.chain(self.pending.values().copied()).chain(state).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn state_name(&self) -> &'static str {
        match self.state {
            State::Empty => "Empty",
            State::Preparing { .. } => "PreparingRebalance",
            State::Completing { .. } => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }

    pub(crate) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    /// The topics that members read; `None` if that cannot be told: they are no consumers, or speak of it in a way that is not known.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type != CONSUMER {
            return None;
        }
        let protocols = self.members.values().flat_map(|member| &member.protocols);
        let topics: Option<Vec<Vec<String>>> = protocols.map(|protocol| protocol.subscribed_topics().ok()).collect();
        Some(topics?.into_iter().flatten().collect())
    }

    pub(crate) fn describe(&self) -> Described {
        let is_stable = self.state == State::Stable;
        let describe = |(id, member): (&String, &Member)| DescribedMember {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if is_stable { member.metadata(&self.protocol) } else { Bytes::new() },
            assignment: if is_stable { member.assignment.clone() } else { Bytes::new() },
        };
        Described {
            state: self.state_name(),
            protocol_type: self.protocol_type.clone(),
            protocol: if is_stable { self.protocol.clone() } else { String::new() },
            members: self.members.iter().map(describe).collect(),
        }
    }

    fn join_new(
        &mut self,
        now_ms: i64,
        join: Join,
        token: Token,
        suffix: &str,
        known_static: Option<String>,
    ) -> Vec<Reply> {
        self.ids_given += 1;
        let name = join.instance_id.as_ref().unwrap_or(&join.client_id);
        let id = format!("{name}-{suffix}-{}", self.ids_given);
        if let Some(old) = known_static {
            return self.replace_static(now_ms, &old, id, join, token);
        }
        if join.member_id_required && join.instance_id.is_none() {
            self.pending.insert(id.clone(), now_ms + i64::from(join.session_timeout_ms));
            return vec![Reply::Join(token, Joined::refused(ErrorCode::MemberIdRequired, &id))];
        }
        self.enter(now_ms, id, join, token)
    }

    /// A member that was not in the group before.
    fn enter(&mut self, now_ms: i64, id: String, join: Join, token: Token) -> Vec<Reply> {
        if self.members.is_empty() {
            self.protocol_type.clone_from(&join.protocol_type);
        }
        if self.leader.is_empty() {
            self.leader.clone_from(&id);
        }
        if let Some(instance) = &join.instance_id {
            self.statics.insert(instance.clone(), id.clone());
        }
        let mut member = Member::new(join, now_ms);
        member.joining = Some(token);
        self.members.insert(id, member);
        let mut replies = self.prepare(now_ms);
        if let State::Preparing { until_ms, is_first: true } = &mut self.state {
            let longest = self.members.values().map(|m| i64::from(m.rebalance_timeout_ms)).max().unwrap_or(0);
            *until_ms = (*until_ms).max(now_ms + self.limits.initial_delay_ms.min(longest));
        }
        replies.extend(self.complete_join_if_ready(now_ms));
        replies
    }

    /// A member of the group joins again: for a new generation, or because its subscription changed.
    fn rejoin(&mut self, now_ms: i64, join: Join, token: Token) -> Vec<Reply> {
        let id = join.member_id.clone();
        let is_leader = id == self.leader;
        let Some(member) = self.members.get_mut(&id) else { return Vec::new() };
        let has_news = member.protocols != join.protocols;
        member.update(join, now_ms);
        let rebalance = match self.state {
            State::Empty | State::Preparing { .. } => true,
            // it did not get the answer to its join
            State::Completing { .. } => has_news,
            // a leader's way to ask for a new assignment
            State::Stable => has_news || is_leader,
        };
        if !rebalance {
            return vec![Reply::Join(token, self.joined(&id))];
        }
        let mut replies = Vec::new();
        if let Some(member) = self.members.get_mut(&id)
            && let Some(older) = member.joining.replace(token)
        {
            replies.push(Reply::Join(older, Joined::refused(ErrorCode::RebalanceInProgress, &id)));
        }
        replies.extend(self.prepare(now_ms));
        replies.extend(self.complete_join_if_ready(now_ms));
        replies
    }

    /// A static member is back after a restart and gets a new id; who still uses the old one is fenced.
    fn replace_static(&mut self, now_ms: i64, old: &str, id: String, join: Join, token: Token) -> Vec<Reply> {
        let mut replies = Vec::new();
        let Some(mut member) = self.members.remove(old) else { return replies };
        if let Some(waiting) = member.joining.take() {
            replies.push(Reply::Join(waiting, Joined::refused(ErrorCode::FencedInstanceId, old)));
        }
        if let Some(waiting) = member.syncing.take() {
            replies.push(Reply::Sync(waiting, Synced::refused(ErrorCode::FencedInstanceId)));
        }
        let was_leader = self.leader == old;
        if was_leader {
            self.leader.clone_from(&id);
        }
        if let Some(instance) = &join.instance_id {
            self.statics.insert(instance.clone(), id.clone());
        }
        let has_news = member.protocols != join.protocols;
        member.update(join, now_ms);
        self.members.insert(id.clone(), member);
        if self.state == State::Stable && !has_news {
            let mut joined = self.joined(&id);
            if was_leader {
                // it must not think that it is to assign: nobody else would learn of that assignment
                joined.leader = old.to_owned();
                joined.members = Vec::new();
            }
            replies.push(Reply::Join(token, joined));
            return replies;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = Some(token);
        }
        replies.extend(self.prepare(now_ms));
        replies.extend(self.complete_join_if_ready(now_ms));
        replies
    }

    /// Whether it is that member, of this generation.
    fn check(&self, member: &MemberRef) -> Result<(), ErrorCode> {
        if let Some(instance) = &member.instance_id {
            match self.statics.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(id) if *id != member.member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if !self.members.contains_key(&member.member_id) {
            return Err(ErrorCode::UnknownMemberId);
        }
        if member.generation != self.generation { Err(ErrorCode::IllegalGeneration) } else { Ok(()) }
    }

    /// Whether it speaks the group's protocol type, and has a protocol that all others have.
    fn is_consistent(&self, join: &Join) -> bool {
        if join.protocols.is_empty() || join.protocol_type.is_empty() {
            return false;
        }
        let is_other = |(id, member): &(&String, &Member)| {
            **id != join.member_id && (member.instance_id.is_none() || member.instance_id != join.instance_id)
        };
        let others: Vec<&Member> = self.members.iter().filter(is_other).map(|(_, member)| member).collect();
        others.is_empty()
            || join.protocol_type == self.protocol_type
                && join.protocols.iter().any(|protocol| others.iter().all(|other| other.supports(&protocol.name)))
    }

    fn touch(&mut self, now_ms: i64, id: &str) {
        if let Some(member) = self.members.get_mut(id) {
            member.touch(now_ms);
        }
    }

    fn joined(&self, id: &str) -> Joined {
        let member = |(id, member): (&String, &Member)| JoinedMember {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(&self.protocol),
        };
        Joined {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member_id: id.to_owned(),
            members: if id == self.leader { self.members.iter().map(member).collect() } else { Vec::new() },
        }
    }

    fn synced(&self, id: &str) -> Synced {
        Synced {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
