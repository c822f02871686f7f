//! A client as the hub sees it: what it asked for, and the queue of its frames.

use super::SimStats;
use crate::sim::render::Format;
use crate::sim::request::{DEPTHS, Subscription};
use bytes::Bytes;
use hoga_model::StreamKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

/// What a client's task gets to send.
#[derive(Debug)]
pub(in crate::sim) enum Out {
    Frame(Bytes),
    /// Close with code 1000 after all that was queued before.
    Close,
    /// The same, after an error frame and the pause that Upbit makes behind one.
    Fail(Bytes),
}

/// A client's end of its queue.
#[derive(Debug)]
pub(in crate::sim) struct Inbox {
    pub client: u64,
    pub receiver: UnboundedReceiver<Out>,
    /// Bytes queued and not yet handed to the socket: the receiver subtracts what it has flushed.
    pub queued_bytes: Arc<AtomicUsize>,
    /// Cancelled when the socket must be dropped at once, without a close frame.
    pub dropped: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) format: Format,
    pub(super) subscription: Option<Subscription>,
    /// By market.
    pub(super) wants: Vec<Want>,
    pub(super) sender: UnboundedSender<Out>,
    pub(super) queued_bytes: Arc<AtomicUsize>,
    pub(super) dropped: CancellationToken,
    /// A frame that is sent after the next one, and the tick it was held back in.
    pub(super) held: Option<(Bytes, i64)>,
}

/// Which live streams of one market a client has asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Want {
    ticker: bool,
    trade: bool,
    /// One bit per entry of [`DEPTHS`].
    orderbook_depths: u8,
}

impl Want {
    /// As bits of [`DEPTHS`]; trades and tickers have but one shape, which is the last.
    pub(super) fn depths(self, kind: StreamKind) -> u8 {
        match kind {
            StreamKind::Trade => u8::from(self.trade) << (DEPTHS.len() - 1),
            StreamKind::Ticker => u8::from(self.ticker) << (DEPTHS.len() - 1),
            StreamKind::Orderbook => self.orderbook_depths,
        }
    }

    pub(super) fn add(&mut self, kind: StreamKind, depth_index: usize) {
        match kind {
            StreamKind::Trade => self.trade = true,
            StreamKind::Ticker => self.ticker = true,
            StreamKind::Orderbook => self.orderbook_depths |= 1 << depth_index,
        }
    }
}

/// Queues a frame. A queue that is full drops the client, never the frame: nothing is lost without the client noticing.
pub(super) fn send(client: &Client, frame: Bytes, stats: &mut SimStats, queue_bytes_max: usize) {
    if client.dropped.is_cancelled() {
        return;
    }
    let queued_bytes = client.queued_bytes.fetch_add(frame.len(), Ordering::AcqRel) + frame.len();
    if queued_bytes > queue_bytes_max {
        tracing::warn!(queued_bytes, "a client reads too slowly; its socket is dropped");
        stats.clients_overflowed += 1;
        client.dropped.cancel();
        return;
    }
    stats.frames += 1;
    stats.frame_bytes += frame.len() as u64;
    // a task that has ended has no use for it
    let _ = client.sender.send(Out::Frame(frame));
}
