//! One connection's state: who is connected, its settings, cursors and prepared statements, and how it is cancelled.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pgwire::api::results::QueryResponse;
use pgwire::messages::startup::SecretKey;
use tokio::sync::Notify;

use super::failure::Failure;
use super::settings::Settings;

/// Prepared statements of one connection.
const PREPARED_MAX: usize = 1_000;
/// Open cursors of one connection: each pins the tables it reads.
const CURSORS_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) user: String,
    pub(super) process_id: i32,
    settings: Mutex<Settings>,
    prepared: Mutex<BTreeSet<String>>,
    cursors: Mutex<HashMap<String, Arc<tokio::sync::Mutex<QueryResponse>>>>,
    cancel: Registration,
}

impl Session {
    pub(super) fn new(user: String, process_id: i32, settings: Settings, cancel: Registration) -> Session {
        let settings = Mutex::new(settings);
        let (prepared, cursors) = (Mutex::default(), Mutex::default());
        Session { user, process_id, settings, prepared, cursors, cancel }
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        locked(&self.settings)
    }

    /// Wakes when somebody asks to cancel what this connection is running.
    pub(super) fn canceled(&self) -> Arc<Notify> {
        Arc::clone(&self.cancel.notify)
    }

    pub(super) fn remember_prepared(&self, name: &str) -> Result<(), Failure> {
        let mut prepared = locked(&self.prepared);
        if prepared.len() >= PREPARED_MAX && !prepared.contains(name) {
            let message = format!("more than {PREPARED_MAX} prepared statements in one connection");
            return Err(Failure::new("53400", message).with_hint("DEALLOCATE those that are not needed"));
        }
        prepared.insert(name.to_owned());
        Ok(())
    }

    pub(super) fn forget_prepared(&self, name: &str) {
        locked(&self.prepared).remove(name);
    }

    pub(super) fn take_prepared(&self) -> BTreeSet<String> {
        std::mem::take(&mut locked(&self.prepared))
    }

    pub(super) fn open_cursor(&self, name: String, rows: QueryResponse) -> Result<(), Failure> {
        let mut cursors = locked(&self.cursors);
        if cursors.contains_key(&name) {
            return Err(Failure::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        if cursors.len() >= CURSORS_MAX {
            return Err(Failure::new("53400", format!("more than {CURSORS_MAX} open cursors in one connection")));
        }
        cursors.insert(name, Arc::new(tokio::sync::Mutex::new(rows)));
        Ok(())
    }

    pub(super) fn cursor(&self, name: &str) -> Option<Arc<tokio::sync::Mutex<QueryResponse>>> {
        locked(&self.cursors).get(name).cloned()
    }

    pub(super) fn close_cursor(&self, name: &str) -> bool {
        locked(&self.cursors).remove(name).is_some()
    }

    pub(super) fn close_all_cursors(&self) {
        locked(&self.cursors).clear();
    }
}

/// Who can be cancelled: a `CancelRequest` comes on a connection of its own and names its target by a secret.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    running: Mutex<HashMap<(i32, Bytes), Arc<Notify>>>,
}

impl Cancels {
    pub(super) fn register(self: &Arc<Cancels>, process_id: i32, secret: &SecretKey) -> Registration {
        let key = (process_id, secret.to_bytes());
        let notify = Arc::new(Notify::new());
        locked(&self.running).insert(key.clone(), Arc::clone(&notify));
        Registration { cancels: Arc::clone(self), key, notify }
    }

    /// Does nothing when there is no such connection or it runs nothing: the protocol gives no answer anyway.
    pub(super) fn cancel(&self, process_id: i32, secret: &SecretKey) {
        if let Some(notify) = locked(&self.running).get(&(process_id, secret.to_bytes())) {
            notify.notify_waiters();
        }
    }
}

/// Leaves the list when the connection ends.
#[derive(Debug)]
pub(super) struct Registration {
    cancels: Arc<Cancels>,
    key: (i32, Bytes),
    notify: Arc<Notify>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        locked(&self.cancels.running).remove(&self.key);
    }
}

/// These locks guard plain data that is whole between statements, so a panic elsewhere does not spoil it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
