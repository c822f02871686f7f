//! From one generation to the next: who is waited for, when the wait is over, and what everybody is told then. Pure.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::members::{Joined, Protocol, Synced};
use super::{Group, Reply, State, Token};
use crate::wire::error_code::ErrorCode;

impl Group {
    /// Takes a member out, tells it why if it waits, and lets the others rebalance.
    pub(super) fn remove(&mut self, now_ms: i64, id: &str, error: ErrorCode) -> Vec<Reply> {
        let Some(member) = self.members.remove(id) else { return Vec::new() };
        if let Some(instance) = &member.instance_id {
            self.statics.remove(instance);
        }
        let mut replies = Vec::new();
        replies.extend(member.joining.map(|token| Reply::Join(token, Joined::refused(error, id))));
        replies.extend(member.syncing.map(|token| Reply::Sync(token, Synced::refused(error))));
        if self.leader == id {
            let joined = self.members.iter().find(|(_, member)| member.joining.is_some());
            self.leader = joined.or(self.members.iter().next()).map(|(id, _)| id.clone()).unwrap_or_default();
        }
        match self.state {
            State::Empty | State::Preparing { .. } => {}
            State::Completing { .. } | State::Stable => replies.extend(self.prepare(now_ms)),
        }
        replies.extend(self.complete_join_if_ready(now_ms));
        replies
    }

    /// Begins a rebalance, unless one is being prepared.
    pub(super) fn prepare(&mut self, now_ms: i64) -> Vec<Reply> {
        let until_ms = match self.state {
            State::Preparing { .. } => return Vec::new(),
            State::Empty => {
                self.state = State::Preparing { until_ms: now_ms, is_first: self.limits.initial_delay_ms > 0 };
                return Vec::new();
            }
            State::Completing { .. } | State::Stable => now_ms + self.rebalance_timeout_ms(),
        };
        self.state = State::Preparing { until_ms, is_first: false };
        let mut replies = Vec::new();
        for member in self.members.values_mut() {
            let waiting = member.syncing.take();
            replies.extend(waiting.map(|token| Reply::Sync(token, Synced::refused(ErrorCode::RebalanceInProgress))));
        }
        replies
    }

    pub(super) fn complete_join_if_ready(&mut self, now_ms: i64) -> Vec<Reply> {
        let all_joined = self.members.values().all(|member| member.joining.is_some()) && self.pending.is_empty();
        match self.state {
            State::Preparing { is_first: false, .. } if all_joined => self.complete_join(now_ms),
            State::Preparing { .. } if self.is_empty() => self.complete_join(now_ms),
            _ => Vec::new(),
        }
    }

    /// Ends the wait for members: those that are not back are out, but static ones keep their place until their session ends.
    pub(super) fn complete_join(&mut self, now_ms: i64) -> Vec<Reply> {
        let statics = &mut self.statics;
        self.members.retain(|_, member| member.joining.is_some() || member.instance_id.is_some());
        statics.retain(|_, id| self.members.contains_key(id));
        if self.members.is_empty() {
            self.state = State::Empty;
            self.generation += 1;
            self.protocol.clear();
            self.leader.clear();
            return Vec::new();
        }
        let joined: BTreeSet<&String> =
            self.members.iter().filter(|(_, m)| m.joining.is_some()).map(|(id, _)| id).collect();
        let Some(first) = joined.first() else {
            // only static members that are away: wait on
            self.state = State::Preparing { until_ms: now_ms + self.rebalance_timeout_ms(), is_first: false };
            return Vec::new();
        };
        if !joined.contains(&self.leader) {
            self.leader = (*first).clone();
        }
        self.generation += 1;
        self.protocol = self.select_protocol();
        self.state = State::Completing { until_ms: now_ms + self.rebalance_timeout_ms() };
        let ids: Vec<String> = self.members.keys().cloned().collect();
        let mut replies = Vec::new();
        for id in ids {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.assignment = Bytes::new();
            member.has_synced = false;
            if let Some(token) = member.joining.take() {
                member.touch(now_ms);
                replies.push(Reply::Join(token, joined));
            } else {
                // a static member that is away keeps its place, and is not waited for
                member.has_synced = true;
            }
        }
        replies
    }

    pub(super) fn reply_syncs(&mut self, now_ms: i64) -> Vec<Reply> {
        let waiting = self.members.iter_mut().filter_map(|(id, m)| Some((id.clone(), m.syncing.take()?)));
        let waiting: Vec<(String, Token)> = waiting.collect();
        waiting
            .into_iter()
            .map(|(id, token)| {
                self.touch(now_ms, &id);
                Reply::Sync(token, self.synced(&id))
            })
            .collect()
    }

    /// The protocol that most members like best, of those that all support.
    fn select_protocol(&self) -> String {
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            let supported = |protocol: &&Protocol| self.members.values().all(|other| other.supports(&protocol.name));
            if let Some(vote) = member.protocols.iter().find(supported) {
                *votes.entry(&vote.name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map_or_else(String::new, |(name, _)| name.to_owned())
    }

    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0)
    }
}
