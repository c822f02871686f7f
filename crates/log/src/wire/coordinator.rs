//! All groups, the members that wait in them, and the committed offsets: the state machine of a group with a clock and a memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hoga_model::time::Clock;
use tokio::sync::{Notify, oneshot};

use super::error_code::ErrorCode;
use super::group::{
    Described, Group, GroupLimits, Join, Joined, Leaver, MemberRef, Reply, Sync as SyncRequest, Synced, Token,
};
use super::limits::Limits;
use super::offsets::{CommitError, Committed, OffsetKey, Offsets, TopicOffsets};
use crate::disk::DiskLog;
use crate::error::LogError;

/// Kafka's `offset.metadata.max.bytes`.
const MAX_METADATA_BYTES: usize = 4_096;
/// Kafka's bounds of a member's session timeout.
const MIN_SESSION_TIMEOUT_MS: i32 = 6_000;
const MAX_SESSION_TIMEOUT_MS: i32 = 1_800_000;
/// While no group waits for anything.
const IDLE: Duration = Duration::from_secs(3_600);

pub(crate) struct Coordinator {
    clock: Arc<dyn Clock>,
    max_groups: usize,
    limits: GroupLimits,
    state: Mutex<State>,
    offsets: Mutex<Offsets>,
    /// A group's deadline may have come nearer.
    woken: Notify,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<String, Group>,
    waiting: HashMap<Token, oneshot::Sender<Reply>>,
    last_token: Token,
}

/// An answer for each partition, by topic.
pub(crate) type TopicErrors = Vec<(String, Vec<(i32, ErrorCode)>)>;

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) group: String,
    pub(crate) protocol_type: String,
    pub(crate) state: &'static str,
}

impl Coordinator {
    pub(crate) fn open(log: Arc<DiskLog>, clock: Arc<dyn Clock>, limits: &Limits) -> Result<Coordinator, LogError> {
        let offsets = Offsets::open(log, limits.committed_offsets)?;
        Ok(Coordinator {
            clock,
            max_groups: limits.groups,
            limits: GroupLimits {
                min_session_timeout_ms: MIN_SESSION_TIMEOUT_MS,
                max_session_timeout_ms: MAX_SESSION_TIMEOUT_MS,
                members: limits.members_per_group,
                initial_delay_ms: limits.initial_rebalance_delay_ms,
            },
            state: Mutex::default(),
            offsets: Mutex::new(offsets),
            woken: Notify::new(),
        })
    }

    /// Waits until the generation begins.
    pub(crate) async fn join(&self, group: &str, join: Join) -> Joined {
        let member_id = join.member_id.clone();
        let refused = |error| Joined::refused(error, &member_id);
        if group.is_empty() {
            return refused(ErrorCode::InvalidGroupId);
        }
        let reply = {
            let now_ms = self.clock.now_ms();
            let mut state = self.state();
            if state.groups.len() >= self.max_groups && !state.groups.contains_key(group) {
                return refused(ErrorCode::PolicyViolation);
            }
            let (token, reply) = state.wait();
            let suffix = format!("{now_ms:x}");
            let entered = state.groups.entry(group.to_owned()).or_insert_with(|| Group::new(self.limits));
            let replies = entered.join(now_ms, join, token, &suffix);
            state.deliver(replies);
            reply
        };
        self.woken.notify_one();
        match reply.await {
            Ok(Reply::Join(_, joined)) => joined,
            _ => refused(ErrorCode::CoordinatorNotAvailable),
        }
    }

    /// Waits until the leader has assigned.
    pub(crate) async fn sync(&self, group: &str, sync: SyncRequest) -> Synced {
        let reply = {
            let now_ms = self.clock.now_ms();
            let mut state = self.state();
            let (token, reply) = state.wait();
            let Some(found) = state.groups.get_mut(group) else {
                state.waiting.remove(&token);
                return Synced::refused(ErrorCode::UnknownMemberId);
            };
            let replies = found.sync(now_ms, sync, token);
            state.deliver(replies);
            reply
        };
        self.woken.notify_one();
        match reply.await {
            Ok(Reply::Sync(_, synced)) => synced,
            _ => Synced::refused(ErrorCode::CoordinatorNotAvailable),
        }
    }

    pub(crate) fn heartbeat(&self, group: &str, member: &MemberRef) -> ErrorCode {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        state.groups.get_mut(group).map_or(ErrorCode::UnknownMemberId, |found| found.heartbeat(now_ms, member))
    }

    /// One result for each that leaves.
    pub(crate) fn leave(&self, group: &str, leavers: &[Leaver]) -> Vec<ErrorCode> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        let Some(found) = state.groups.get_mut(group) else {
            return leavers.iter().map(|_| ErrorCode::UnknownMemberId).collect();
        };
        let (errors, replies): (Vec<ErrorCode>, Vec<Vec<Reply>>) =
            leavers.iter().map(|leaver| found.leave(now_ms, leaver)).unzip();
        state.deliver(replies.concat());
        drop(state);
        self.woken.notify_one();
        errors
    }

    /// Keeps how far a group has come; one result for each partition, in order. Survives a killed process on return.
    pub(crate) fn commit(
        &self,
        group: &str,
        member: &MemberRef,
        topics: &[(String, Vec<(i32, Committed)>)],
        exists: &dyn Fn(&str, i32) -> bool,
    ) -> Vec<ErrorCode> {
        let now_ms = self.clock.now_ms();
        let allowed = match self.state().groups.get_mut(group) {
            Some(found) => found.check_commit(now_ms, member),
            None if group.is_empty() => ErrorCode::InvalidGroupId,
            None if member.generation < 0 => ErrorCode::None,
            None => ErrorCode::IllegalGeneration,
        };
        let mut commits = Vec::new();
        let mut judge = |topic: &str, partition: i32, committed: &Committed| {
            if allowed != ErrorCode::None {
                return allowed;
            }
            if !exists(topic, partition) {
                return ErrorCode::UnknownTopicOrPartition;
            }
            if committed.metadata.len() > MAX_METADATA_BYTES {
                return ErrorCode::OffsetMetadataTooLarge;
            }
            let key = OffsetKey { group: group.to_owned(), topic: topic.to_owned(), partition };
            commits.push((key, Committed { committed_ms: now_ms, ..committed.clone() }));
            ErrorCode::None
        };
        let mut results: Vec<ErrorCode> = topics
            .iter()
            .flat_map(|(topic, parts)| parts.iter().map(move |(partition, committed)| (topic, *partition, committed)))
            .map(|(topic, partition, committed)| judge(topic, partition, committed))
            .collect();
        if commits.is_empty() {
            return results;
        }
        let active = |group: &str| self.state().groups.get(group).is_some_and(|found| !found.is_empty());
        if let Err(error) = self.offsets().commit(commits, now_ms, active) {
            tracing::warn!(group, %error, "offsets are not committed");
            let error = match error {
                CommitError::TooMany { .. } => ErrorCode::InvalidCommitOffsetSize,
                CommitError::Log(_) => ErrorCode::CoordinatorNotAvailable,
            };
            results.iter_mut().filter(|result| **result == ErrorCode::None).for_each(|result| *result = error);
        }
        results
    }

    pub(crate) fn offset(&self, group: &str, topic: &str, partition: i32) -> Option<Committed> {
        let key = OffsetKey { group: group.to_owned(), topic: topic.to_owned(), partition };
        self.offsets().get(&key).cloned()
    }

    /// Everything that a group has committed, by topic.
    pub(crate) fn all_offsets(&self, group: &str) -> TopicOffsets {
        let mut topics = TopicOffsets::new();
        for (key, committed) in self.offsets().of_group(group) {
            if topics.last().is_none_or(|(topic, _)| *topic != key.topic) {
                topics.push((key.topic.clone(), Vec::new()));
            }
            if let Some((_, partitions)) = topics.last_mut() {
                partitions.push((key.partition, Some(committed.clone())));
            }
        }
        topics
    }

    pub(crate) fn describe(&self, group: &str) -> Described {
        if let Some(found) = self.state().groups.get(group) {
            return found.describe();
        }
        let has_offsets = self.offsets().of_group(group).next().is_some();
        Described {
            state: if has_offsets { "Empty" } else { "Dead" },
            protocol_type: String::new(),
            protocol: String::new(),
            members: Vec::new(),
        }
    }

    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut all: BTreeMap<String, Listed> = BTreeMap::new();
        for group in self.offsets().groups() {
            all.insert(group.clone(), Listed { group, protocol_type: "consumer".to_owned(), state: "Empty" });
        }
        for (name, group) in &self.state().groups {
            let protocol_type = group.protocol_type().to_owned();
            all.insert(name.clone(), Listed { group: name.clone(), protocol_type, state: group.state_name() });
        }
        all.into_values().collect()
    }

    pub(crate) fn delete(&self, group: &str) -> ErrorCode {
        // the offsets are never locked inside the state: a commit looks at the state inside the offsets
        let has_offsets = self.offsets().of_group(group).next().is_some();
        let mut state = self.state();
        match state.groups.get(group) {
            Some(found) if !found.is_empty() => return ErrorCode::NonEmptyGroup,
            Some(_) => drop(state.groups.remove(group)),
            None if !has_offsets => return ErrorCode::GroupIdNotFound,
            None => {}
        }
        drop(state);
        match self.offsets().forget(self.clock.now_ms(), |key| key.group == group) {
            Ok(()) => ErrorCode::None,
            Err(error) => {
                tracing::warn!(group, %error, "the offsets of a group are not deleted");
                ErrorCode::CoordinatorNotAvailable
            }
        }
    }

    /// Forgets single partitions, but for topics that a member of the group reads; one result for each.
    pub(crate) fn delete_offsets(
        &self,
        group: &str,
        topics: Vec<(String, Vec<i32>)>,
        exists: &dyn Fn(&str, i32) -> bool,
    ) -> Result<TopicErrors, ErrorCode> {
        let has_offsets = self.offsets().of_group(group).next().is_some();
        let read = match self.state().groups.get(group) {
            Some(found) if !found.is_empty() => Some(found.subscribed_topics().ok_or(ErrorCode::NonEmptyGroup)?),
            None if !has_offsets => return Err(ErrorCode::GroupIdNotFound),
            Some(_) | None => None,
        };
        let mut gone = BTreeSet::new();
        let mut judge = |topic: &str, partition: i32| {
            if read.as_ref().is_some_and(|read| read.contains(topic)) {
                return ErrorCode::GroupSubscribedToTopic;
            }
            if !exists(topic, partition) {
                return ErrorCode::UnknownTopicOrPartition;
            }
            gone.insert(OffsetKey { group: group.to_owned(), topic: topic.to_owned(), partition });
            ErrorCode::None
        };
        let judged = topics.into_iter().map(|(topic, parts)| {
            let parts = parts.into_iter().map(|partition| (partition, judge(&topic, partition))).collect();
            (topic, parts)
        });
        let judged = judged.collect();
        match self.offsets().forget(self.clock.now_ms(), |key| gone.contains(key)) {
            Ok(()) => Ok(judged),
            Err(error) => {
                tracing::warn!(group, %error, "offsets of a group are not deleted");
                Err(ErrorCode::CoordinatorNotAvailable)
            }
        }
    }

    /// A topic is gone: nobody has come any way in it.
    pub(crate) fn forget_topic(&self, topic: &str) -> Result<(), LogError> {
        self.offsets().forget(self.clock.now_ms(), |key| key.topic == topic)
    }

    /// Groups and members in them, for the metrics.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.groups.len(), state.groups.values().map(Group::member_count).sum())
    }

    /// Does what is due in the groups, as long as it runs.
    pub(crate) async fn run(&self) {
        loop {
            let next_ms = {
                let now_ms = self.clock.now_ms();
                let mut state = self.state();
                let replies: Vec<Reply> = state.groups.values_mut().flat_map(|group| group.tick(now_ms)).collect();
                state.groups.retain(|_, group| !group.is_empty());
                state.deliver(replies);
                state.groups.values().filter_map(Group::next_deadline_ms).min()
            };
            let wait = next_ms.map_or(IDLE, |at| Duration::from_millis((at - self.clock.now_ms()).max(1) as u64));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.woken.notified() => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offsets(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self) -> (Token, oneshot::Receiver<Reply>) {
        self.last_token += 1;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(self.last_token, sender);
        (self.last_token, receiver)
    }

    fn deliver(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            let (Reply::Join(token, _) | Reply::Sync(token, _)) = &reply;
            if let Some(waiting) = self.waiting.remove(token) {
                // whoever has gone meanwhile does not need it
                let _gone = waiting.send(reply);
            }
        }
    }
}
