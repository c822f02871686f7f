//! A group through joins, syncs, heartbeats, leaving, expiry and restarts, with time that is handed in.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const LIMITS: GroupLimits =
    GroupLimits { min_session_timeout_ms: 6_000, max_session_timeout_ms: 60_000, members: 4, initial_delay_ms: 0 };

/// A group whose clock a test moves, and what was replied to whom.
struct Stage {
    group: Group,
    now_ms: i64,
    last_token: Token,
    joined: BTreeMap<Token, Joined>,
    synced: BTreeMap<Token, Synced>,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(LIMITS)
    }

    fn with(limits: GroupLimits) -> Stage {
        let group = Group::new(limits);
        Stage { group, now_ms: 1_000, last_token: 0, joined: BTreeMap::new(), synced: BTreeMap::new() }
    }

    fn keep(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            let twice = match reply {
                Reply::Join(token, joined) => self.joined.insert(token, joined).is_some(),
                Reply::Sync(token, synced) => self.synced.insert(token, synced).is_some(),
            };
            assert!(!twice, "somebody was replied to twice");
        }
    }

    fn join(&mut self, join: Join) -> Token {
        self.last_token += 1;
        let replies = self.group.join(self.now_ms, join, self.last_token, "x");
        self.keep(replies);
        self.last_token
    }

    fn sync(&mut self, joined: &Joined, assignments: &[(&str, &'static str)]) -> Token {
        self.last_token += 1;
        let assignments = assignments.iter().map(|(id, a)| ((*id).to_owned(), Bytes::from_static(a.as_bytes())));
        let sync =
            Sync { member: member(joined), protocol_type: None, protocol: None, assignments: assignments.collect() };
        let replies = self.group.sync(self.now_ms, sync, self.last_token);
        self.keep(replies);
        self.last_token
    }

    fn beat(&mut self, joined: &Joined) -> ErrorCode {
        self.group.heartbeat(self.now_ms, &member(joined))
    }

    fn leave(&mut self, member_id: &str, instance_id: Option<&str>) -> ErrorCode {
        let leaver = Leaver { member_id: member_id.to_owned(), instance_id: instance_id.map(str::to_owned) };
        let (error, replies) = self.group.leave(self.now_ms, &leaver);
        self.keep(replies);
        error
    }

    fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
        let replies = self.group.tick(self.now_ms);
        self.keep(replies);
    }

    /// A member alone in the group, with its assignment.
    fn one(&mut self, join: Join) -> Joined {
        let token = self.join(join);
        let joined = self.joined[&token].clone();
        assert_eq!((joined.error, &joined.leader), (ErrorCode::None, &joined.member_id));
        let sync = self.sync(&joined, &[(&joined.member_id, "all")]);
        assert_eq!(self.synced[&sync].assignment, "all");
        joined
    }

    /// The two members of a group that is stable in its next generation.
    fn two(&mut self) -> (Joined, Joined) {
        let first = self.one(new("a"));
        let second = self.join(new("b"));
        assert_eq!(self.beat(&first), ErrorCode::RebalanceInProgress);
        let again = self.join(Join { member_id: first.member_id.clone(), ..new("a") });
        let (first, second) = (self.joined[&again].clone(), self.joined[&second].clone());
        assert_eq!((first.generation, second.generation), (2, 2));
        assert_eq!((first.members.len(), second.members.len()), (2, 0), "the leader alone learns who is in");
        let waiting = self.sync(&second, &[]);
        assert!(!self.synced.contains_key(&waiting), "the leader has not assigned");
        let leading = self.sync(&first, &[(&first.member_id, "0"), (&second.member_id, "1")]);
        assert_eq!(
            (&self.synced[&leading].assignment[..], &self.synced[&waiting].assignment[..]),
            (&b"0"[..], &b"1"[..])
        );
        (first, second)
    }
}

fn new(client: &str) -> Join {
    let protocol = |name: &str| Protocol { name: name.to_owned(), metadata: Bytes::from(format!("{client}-{name}")) };
    Join {
        member_id: String::new(),
        instance_id: None,
        client_id: client.to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol("range"), protocol("roundrobin")],
        member_id_required: false,
    }
}

fn fixed(client: &str, instance: &str) -> Join {
    Join { instance_id: Some(instance.to_owned()), ..new(client) }
}

fn member(joined: &Joined) -> MemberRef {
    MemberRef { member_id: joined.member_id.clone(), instance_id: None, generation: joined.generation }
}

#[test]
fn one_then_two_then_one() {
    let mut stage = Stage::new();
    let (first, second) = stage.two();
    assert_eq!((stage.beat(&first), stage.group.state_name()), (ErrorCode::None, "Stable"));
    assert_eq!(stage.leave(&second.member_id, None), ErrorCode::None);
    assert_eq!(stage.leave(&second.member_id, None), ErrorCode::UnknownMemberId);
    assert_eq!(stage.beat(&second), ErrorCode::UnknownMemberId);
    assert_eq!(stage.beat(&first), ErrorCode::RebalanceInProgress);
    let again = stage.join(Join { member_id: first.member_id.clone(), ..new("a") });
    assert_eq!(stage.joined[&again].generation, 3);
    assert_eq!(stage.leave(&first.member_id, None), ErrorCode::None);
    assert!(stage.group.is_empty());
    assert_eq!((stage.group.state_name(), stage.group.next_deadline_ms()), ("Empty", None));
}

#[test]
fn a_new_member_gets_its_id_first() {
    let mut stage = Stage::new();
    let token = stage.join(Join { member_id_required: true, ..new("a") });
    let refused = stage.joined[&token].clone();
    assert_eq!(refused.error, ErrorCode::MemberIdRequired);
    assert!(refused.member_id.starts_with("a-x-"), "{}", refused.member_id);
    let token = stage.join(Join { member_id: refused.member_id.clone(), member_id_required: true, ..new("a") });
    assert_eq!(stage.joined[&token].error, ErrorCode::None);
    assert_eq!(stage.joined[&token].member_id, refused.member_id);
    // an id that is not used in time is forgotten
    let token = stage.join(Join { member_id_required: true, ..new("b") });
    let late = stage.joined[&token].member_id.clone();
    stage.pass(10_001);
    let token = stage.join(Join { member_id: late, ..new("b") });
    assert_eq!(stage.joined[&token].error, ErrorCode::UnknownMemberId);
}

#[test]
fn whoever_is_silent_is_out() {
    let mut stage = Stage::new();
    let (first, second) = stage.two();
    stage.pass(9_000);
    assert_eq!(stage.beat(&first), ErrorCode::None);
    stage.pass(1_000);
    assert_eq!(stage.beat(&second), ErrorCode::UnknownMemberId);
    assert_eq!(stage.beat(&first), ErrorCode::RebalanceInProgress);
    assert_eq!(stage.group.next_deadline_ms(), Some(21_000), "the session of the one that is left");
}

#[test]
fn a_rebalance_does_not_wait_for_ever() {
    let mut stage = Stage::new();
    let (first, second) = stage.two();
    let again = stage.join(Join { member_id: first.member_id.clone(), ..new("a") });
    for _ in 0..4 {
        stage.pass(7_000);
        assert_eq!(stage.beat(&second), ErrorCode::RebalanceInProgress, "it is alive, but does not join");
        assert!(!stage.joined.contains_key(&again));
    }
    stage.pass(2_000);
    assert_eq!((stage.joined[&again].generation, stage.joined[&again].members.len()), (3, 1));
    assert_eq!(stage.beat(&second), ErrorCode::UnknownMemberId);
}

#[test]
fn a_leader_that_does_not_assign_is_out() {
    let mut stage = Stage::new();
    let (first, second) = stage.two();
    let leading = stage.join(Join { member_id: first.member_id, ..new("a") });
    let following = stage.join(Join { member_id: second.member_id, ..new("b") });
    let (leader, follower) = (stage.joined[&leading].clone(), stage.joined[&following].clone());
    let waiting = stage.sync(&follower, &[]);
    for _ in 0..5 {
        stage.pass(6_000);
        stage.beat(&leader);
    }
    assert_eq!(stage.synced[&waiting].error, ErrorCode::RebalanceInProgress);
    assert_eq!(stage.beat(&leader), ErrorCode::UnknownMemberId);
    let token = stage.join(Join { member_id: follower.member_id.clone(), ..new("b") });
    assert_eq!(stage.joined[&token].leader, follower.member_id);
}

#[test]
fn old_generations_and_wrong_protocols_are_refused() {
    let mut stage = Stage::new();
    let (first, second) = stage.two();
    let old = Joined { generation: 1, ..first.clone() };
    assert_eq!(stage.beat(&old), ErrorCode::IllegalGeneration);
    let token = stage.sync(&old, &[]);
    assert_eq!(stage.synced[&token].error, ErrorCode::IllegalGeneration);
    assert_eq!(stage.group.check_commit(1_000, &member(&old)), ErrorCode::IllegalGeneration);
    assert_eq!(stage.group.check_commit(1_000, &member(&second)), ErrorCode::None);
    let nobody = MemberRef { member_id: String::new(), instance_id: None, generation: -1 };
    assert_eq!(stage.group.check_commit(1_000, &nobody), ErrorCode::UnknownMemberId);
    for wrong in [
        Join { protocol_type: "connect".to_owned(), ..new("c") },
        Join { protocols: vec![], ..new("c") },
        Join { protocols: vec![Protocol { name: "sticky".to_owned(), metadata: Bytes::new() }], ..new("c") },
    ] {
        let token = stage.join(wrong);
        assert_eq!(stage.joined[&token].error, ErrorCode::InconsistentGroupProtocol);
    }
    for timeout in [5_999, 60_001, -1] {
        let token = stage.join(Join { session_timeout_ms: timeout, ..new("c") });
        assert_eq!(stage.joined[&token].error, ErrorCode::InvalidSessionTimeout);
    }
    assert_eq!(stage.group.state_name(), "Stable", "nobody was disturbed");
}

#[test]
fn a_group_has_a_largest_size() {
    let mut stage = Stage::new();
    for _ in 0..4 {
        stage.join(new("a"));
    }
    let token = stage.join(new("a"));
    assert_eq!(stage.joined[&token].error, ErrorCode::GroupMaxSizeReached);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut stage = Stage::new();
    let first = stage.one(fixed("a", "one"));
    stage.pass(9_000);
    let token = stage.join(fixed("a", "one"));
    let again = stage.joined[&token].clone();
    assert_eq!((again.error, again.generation), (ErrorCode::None, 1));
    assert_ne!(again.member_id, first.member_id);
    assert_eq!((&again.leader, again.members.len()), (&first.member_id, 0), "it does not assign");
    let sync = stage.sync(&again, &[]);
    assert_eq!(stage.synced[&sync].assignment, "all", "what it had before");
    let old = MemberRef { instance_id: Some("one".to_owned()), ..member(&first) };
    assert_eq!(stage.group.heartbeat(stage.now_ms, &old), ErrorCode::FencedInstanceId);
    let token = stage.join(Join { member_id: first.member_id, ..fixed("a", "one") });
    assert_eq!(stage.joined[&token].error, ErrorCode::FencedInstanceId);
    assert_eq!(stage.leave("", Some("two")), ErrorCode::UnknownMemberId);
    assert_eq!(stage.leave("other", Some("one")), ErrorCode::FencedInstanceId);
    assert_eq!(stage.leave("", Some("one")), ErrorCode::None, "an administrator names the instance alone");
    assert!(stage.group.is_empty());
}

#[test]
fn a_static_member_that_is_away_keeps_its_place_for_its_session() {
    let mut stage = Stage::new();
    stage.one(Join { session_timeout_ms: 60_000, ..fixed("a", "one") });
    let token = stage.join(new("b"));
    stage.pass(30_000);
    let joined = stage.joined[&token].clone();
    assert_eq!((joined.members.len(), &joined.leader), (2, &joined.member_id), "a leader that is there");
    let sync = stage.sync(&joined, &[(&joined.member_id, "half")]);
    assert_eq!(stage.synced[&sync].assignment, "half");
    for _ in 0..3 {
        stage.pass(9_000);
        assert_eq!(stage.beat(&joined), ErrorCode::None, "an absent static member disturbs nobody");
    }
    stage.pass(4_000);
    assert_eq!(stage.beat(&joined), ErrorCode::RebalanceInProgress, "its session is over");
}

#[test]
fn the_first_generation_waits_for_more() {
    let mut stage = Stage::with(GroupLimits { initial_delay_ms: 500, ..LIMITS });
    let first = stage.join(new("a"));
    stage.pass(400);
    let second = stage.join(new("b"));
    stage.pass(400);
    assert!(stage.joined.is_empty(), "the second one began the wait again");
    stage.pass(100);
    assert_eq!((stage.joined[&first].generation, stage.joined[&second].generation), (1, 1));
    // but the next do not wait
    let third = stage.join(new("c"));
    for (token, client) in [(first, "a"), (second, "b")] {
        stage.join(Join { member_id: stage.joined[&token].member_id.clone(), ..new(client) });
    }
    assert_eq!(stage.joined[&third].generation, 2);
}

#[test]
fn cooperative_members_rejoin_with_news() {
    let mut stage = Stage::new();
    let (first, second) = stage.two();
    let same = stage.join(Join { member_id: second.member_id.clone(), ..new("b") });
    assert_eq!(stage.joined[&same].generation, 2, "nothing new: the answer again");
    let mut news = Join { member_id: second.member_id.clone(), ..new("b") };
    news.protocols[0].metadata = Bytes::from_static(b"owns 1");
    let second_again = stage.join(news);
    assert_eq!(stage.beat(&first), ErrorCode::RebalanceInProgress);
    let first_again = stage.join(Join { member_id: first.member_id, ..new("a") });
    let leader = &stage.joined[&first_again];
    assert_eq!((leader.generation, stage.joined[&second_again].generation), (3, 3));
    let seen = leader.members.iter().find(|m| m.member_id == second.member_id).unwrap();
    assert_eq!(seen.metadata, "owns 1");
}

/// Whatever comes in whatever order: nobody waits for ever, and everybody is replied to once.
#[test]
fn everybody_is_replied_to() {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..200 {
        let mut stage = Stage::with(GroupLimits { initial_delay_ms: random(2) as i64 * 500, ..LIMITS });
        let (mut joins, mut syncs) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            let known: Vec<Joined> = stage.joined.values().filter(|j| j.error == ErrorCode::None).cloned().collect();
            let someone = known.get(random(known.len().max(1) as u64) as usize).cloned();
            match (random(8), someone) {
                (0, _) => joins.push(stage.join(new("n"))),
                (1, _) => joins.push(stage.join(fixed("s", ["one", "two"][random(2) as usize]))),
                (2 | 3, Some(known)) => {
                    joins.push(stage.join(Join { member_id: known.member_id, ..new("n") }));
                }
                (4 | 5, Some(known)) => syncs.push(stage.sync(&known, &[(&known.member_id, "x")])),
                (6, Some(known)) => drop(stage.leave(&known.member_id, None)),
                _ => stage.pass(random(12_000) as i64),
            }
        }
        for _ in 0..20 {
            stage.pass(70_000);
        }
        assert!(joins.iter().all(|token| stage.joined.contains_key(token)), "a join was never answered");
        assert!(syncs.iter().all(|token| stage.synced.contains_key(token)), "a sync was never answered");
        assert!(stage.group.is_empty(), "everybody is silent, and out");
    }
}
