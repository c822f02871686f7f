//! GROUP BY over SESSION windows: rows of a key at most a gap apart are one window, which grows and joins others.
//!
//! State: a group for each open session; a key's sessions do not overlap.

use super::rows::Rows;
use super::slices::{Groups, Layout, spans_and_keys};
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use super::window::{Span, TIME_MAX_MS, WallClock};
use super::window_aggregate::{milliseconds, window_rows};
use crate::graph::{WindowAggregate, WindowShape, WindowSource, WindowTime};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use std::collections::HashMap;

#[derive(Debug)]
pub(crate) struct SessionStage {
    layout: Layout,
    clock: WallClock,
    time: WindowTime,
    gap_ms: i64,
    schema: SchemaRef,
    /// Key numbers, as long as there are sessions.
    groups: Groups,
    /// By the key's group in `groups.table`.
    sessions: HashMap<u32, Vec<Session>>,
    /// Places in the accumulators that nobody has.
    free: Vec<u32>,
    places: usize,
    closed: i64,
    /// No session ends before.
    first_end: i64,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    span: Span,
    /// Its place in the accumulators.
    place: u32,
}

impl SessionStage {
    /// None for other windows.
    pub(crate) fn new(
        node: &WindowAggregate,
        input: &Schema,
        schema: &SchemaRef,
    ) -> Result<Option<SessionStage>, ArrowError> {
        let WindowSource::Assigned(windows) = &node.windows else { return Ok(None) };
        let WindowShape::Session { gap_ms } = windows.shape else { return Ok(None) };
        let layout = Layout::new(input, &node.keys, &node.calls, false)?;
        Ok(Some(SessionStage {
            groups: layout.groups()?,
            layout,
            clock: WallClock(windows.zone),
            time: windows.time.clone(),
            gap_ms,
            schema: SchemaRef::clone(schema),
            sessions: HashMap::new(),
            free: Vec::new(),
            places: 0,
            closed: WATERMARK_MIN,
            first_end: TIME_MAX_MS,
        }))
    }

    pub(crate) fn is_processing_time(&self) -> bool {
        self.time == WindowTime::ProcessingTime
    }

    fn is_over(&self, end: i64, watermark: i64) -> bool {
        watermark > WATERMARK_MIN && self.clock.instant_ms(end - 1) <= watermark
    }

    /// The place of a row of this key and time, and the places whose sessions it joins to that one; None if it is late.
    fn place(&mut self, key: u32, time: i64, joined: &mut Vec<(u32, u32)>) -> Result<u32, Span> {
        let mut span = Span { start: time, end: time + self.gap_ms };
        // as nearly always: the key's only session goes on
        if let Some([one]) = self.sessions.get(&key).map(Vec::as_slice)
            && one.span.start <= span.end
            && span.start <= one.span.end
        {
            span = Span { start: span.start.min(one.span.start), end: span.end.max(one.span.end) };
            if self.is_over(span.end, self.closed) {
                return Err(span);
            }
            let only = Session { span, ..*one };
            self.first_end = self.first_end.min(span.end);
            if let Some(held) = self.sessions.get_mut(&key) {
                held[0] = only;
            }
            return Ok(only.place);
        }
        let held = self.sessions.entry(key).or_default();
        // touching is joining: a row exactly a gap later is of the same session, as in Flink
        let joins = |session: &&Session| session.span.start <= span.end && span.start <= session.span.end;
        for session in held.iter().filter(joins).copied().collect::<Vec<_>>() {
            span = Span { start: span.start.min(session.span.start), end: span.end.max(session.span.end) };
        }
        if self.is_over(span.end, self.closed) {
            if self.sessions.get(&key).is_some_and(Vec::is_empty) {
                self.sessions.remove(&key);
            }
            return Err(span);
        }
        let held = self.sessions.entry(key).or_default();
        let (inside, mut outside): (Vec<Session>, Vec<Session>) =
            held.iter().partition(|session| session.span.start >= span.start && session.span.end <= span.end);
        let place = match inside.first() {
            Some(first) => first.place,
            None => self.free.pop().unwrap_or_else(|| {
                self.places += 1;
                self.places as u32 - 1
            }),
        };
        joined.extend(inside.iter().skip(1).map(|session| (session.place, place)));
        outside.push(Session { span, place });
        self.first_end = self.first_end.min(span.end);
        *held = outside;
        Ok(place)
    }

    /// Moves the results of joined sessions to where they belong; their old places are free.
    fn join(&mut self, joined: &[(u32, u32)]) -> Result<(), ArrowError> {
        for (from, to) in joined {
            for accumulator in &mut self.groups.accumulators {
                accumulator.resize(self.places);
                let state = accumulator.state(&[*from])?;
                accumulator.merge(&state, &[*to])?;
                accumulator.clear(*from as usize);
            }
            self.free.push(*from);
        }
        Ok(())
    }

    fn all(&self) -> Vec<(u32, Session)> {
        let mut all: Vec<_> =
            self.sessions.iter().flat_map(|(key, held)| held.iter().map(|session| (*key, *session))).collect();
        all.sort_by_key(|(key, session)| (session.span, *key));
        all
    }

    /// Keys without sessions leave when they are most of the table.
    fn forget_keys(&mut self) {
        if self.groups.table.len() < 1_024 || self.groups.table.len() < 2 * self.sessions.len() {
            return;
        }
        let mut table = super::groups::GroupTable::default();
        let old = std::mem::take(&mut self.groups.table);
        let sessions = std::mem::take(&mut self.sessions);
        self.sessions = sessions.into_iter().map(|(key, held)| (table.intern(old.key(key)), held)).collect();
        self.groups.table = table;
    }

    /// These sessions as groups of their own, in parts in which each key is once, with their spans.
    fn parts(&self, sessions: &[(u32, Session)]) -> Result<Vec<(Groups, Vec<Span>)>, ArrowError> {
        let part = |list: Vec<usize>| {
            let mut part = self.layout.groups()?;
            let places: Vec<u32> = list.iter().map(|number| sessions[*number].1.place).collect();
            let numbers: Vec<u32> = (0..list.len() as u32).collect();
            for (accumulator, own) in part.accumulators.iter_mut().zip(&self.groups.accumulators) {
                accumulator.resize(list.len());
                accumulator.merge(&own.state(&places)?, &numbers)?;
            }
            for number in &list {
                part.table.intern(self.groups.table.key(sessions[*number].0));
            }
            Ok((part, list.iter().map(|number| sessions[*number].1.span).collect()))
        };
        once_each(sessions).into_iter().map(part).collect()
    }

    fn close(&mut self, over: &[(u32, Session)]) {
        for (key, session) in over {
            if let Some(held) = self.sessions.get_mut(key) {
                held.retain(|held| held.place != session.place);
                if held.is_empty() {
                    self.sessions.remove(key);
                }
            }
            self.groups.accumulators.iter_mut().for_each(|accumulator| accumulator.clear(session.place as usize));
            self.free.push(session.place);
        }
        self.forget_keys();
    }
}

impl Stage for SessionStage {
    fn rows(&mut self, rows: &Rows, now_ms: i64, late: &mut Late) -> Result<Option<Rows>, ArrowError> {
        let batch = &rows.batch;
        let columns = self.layout.read(batch)?;
        let times = match self.time {
            WindowTime::Rowtime(column) => self.clock.local_all(milliseconds(batch.column(column))?.values()),
            WindowTime::ProcessingTime => {
                vec![self.clock.local_ms(now_ms.max(self.closed.saturating_add(1))); batch.num_rows()]
            }
        };
        let mut joined = Vec::new();
        let mut kept = Vec::with_capacity(times.len());
        let mut places = Vec::with_capacity(times.len());
        let keys = self.groups.table.intern_rows(&columns.keys, batch.num_rows(), None);
        for (row, (time, key)) in times.iter().zip(keys).enumerate() {
            let before = joined.len();
            match self.place(key, *time, &mut joined) {
                Ok(place) => {
                    kept.push(row as u32);
                    places.push(place);
                }
                Err(window) => late.add(1, window, self.closed.saturating_sub(self.clock.instant_ms(window.end - 1))),
            }
            for (from, to) in &joined[before..] {
                places.iter_mut().filter(|place| *place == from).for_each(|place| *place = *to);
            }
        }
        self.join(&joined)?;
        self.groups.update_groups(&columns, Some(&kept), &places, self.places)?;
        Ok(None)
    }

    fn advance(&mut self, watermark: i64) -> Result<Vec<Rows>, ArrowError> {
        self.closed = self.closed.max(watermark);
        if !self.is_over(self.first_end, watermark) {
            return Ok(Vec::new());
        }
        let mut over = Vec::new();
        let mut first_end = TIME_MAX_MS;
        for (key, session) in self.sessions.iter().flat_map(|(key, held)| held.iter().map(move |one| (*key, *one))) {
            match self.is_over(session.span.end, watermark) {
                true => over.push((key, session)),
                false => first_end = first_end.min(session.span.end),
            }
        }
        over.sort_unstable_by_key(|(key, session)| (session.span, *key));
        self.first_end = first_end;
        let rows = |(groups, spans): (Groups, Vec<Span>)| {
            let window = |number: u32| spans[number as usize];
            window_rows(&self.layout, &self.schema, self.clock, &groups, &groups.all(), window)
        };
        let rows = self.parts(&over)?.into_iter().map(rows).collect();
        self.close(&over);
        rows
    }

    fn watermark(&self) -> i64 {
        self.closed
    }

    fn usage(&self) -> Usage {
        let sessions = self.sessions.values().map(Vec::len).sum();
        let bytes = self.groups.bytes() + sessions * size_of::<Session>() + self.sessions.capacity() * 40;
        Usage { groups: sessions, bytes }
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let snapshot = |(groups, spans): (Groups, Vec<Span>)| {
            groups.snapshot(&self.layout, &groups.all(), |number| spans[number as usize])
        };
        self.parts(&self.all())?.into_iter().map(snapshot).collect()
    }

    fn restore(&mut self, watermark: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in snapshot {
            let (spans, keys) = spans_and_keys(&self.layout, batch)?;
            let first = self.places as u32;
            let keys = self.groups.table.intern_rows(&keys, spans.len(), None);
            for (row, (span, key)) in spans.iter().zip(keys).enumerate() {
                self.first_end = self.first_end.min(span.end);
                self.sessions.entry(key).or_default().push(Session { span: *span, place: first + row as u32 });
            }
            self.places += spans.len();
            let places: Vec<u32> = (first..self.places as u32).collect();
            self.groups.restore(batch, &places, self.places, self.layout.keys.len())?;
        }
        self.closed = watermark;
        Ok(())
    }
}

/// Indices of sessions in lists in which each key is once.
fn once_each(sessions: &[(u32, Session)]) -> Vec<Vec<usize>> {
    let mut seen: HashMap<u32, usize> = HashMap::new();
    let mut lists: Vec<Vec<usize>> = Vec::new();
    for (index, (key, _)) in sessions.iter().enumerate() {
        let times = seen.entry(*key).or_default();
        if lists.len() <= *times {
            lists.push(Vec::new());
        }
        lists[*times].push(index);
        *times += 1;
    }
    lists
}
