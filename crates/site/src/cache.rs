//! Answers that were already written and compressed, kept until the data or the minute change.
//! A page that many ask for costs a look into a map instead of queries, a template and gzip.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::http::HeaderMap;
use scanner::time::Millis;

/// Most bytes of bodies kept.
const MOST: usize = 48 << 20;
/// Longest body kept.
const LONGEST: usize = 512 << 10;

/// What an answer is asked for with: path and query, and whether it may be compressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) address: String,
    pub(crate) gzip: bool,
}

/// An answer of status 200.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The state of the data in which answers hold.
type State = (i64, Millis);

#[derive(Debug, Default)]
struct Inner {
    state: State,
    read: Option<Millis>,
    bytes: usize,
    answers: HashMap<Key, Arc<Kept>>,
}

/// The answers of one process.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Inner>);

impl Cache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing here is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of the data, if it was read less than `patience` milliseconds ago and in
    /// this minute.
    pub(crate) fn generation(&self, now: Millis, minute: Millis, patience: i64) -> Option<i64> {
        let inner = self.inner();
        let age = now.since(inner.read?);
        let holds = (0..patience).contains(&age) && inner.state.1 == minute;
        holds.then_some(inner.state.0)
    }

    /// Notes the version of the data, as just read in this minute. Answers of another state go.
    pub(crate) fn note(&self, read: Millis, generation: i64, minute: Millis) {
        let mut inner = self.inner();
        if inner.state != (generation, minute) {
            inner.state = (generation, minute);
            inner.answers.clear();
            inner.bytes = 0;
        }
        inner.read = Some(read);
    }

    /// Something was changed by this process: the version has to be read again.
    pub(crate) fn forget(&self) {
        self.inner().read = None;
    }

    /// The answer of that state.
    pub(crate) fn find(&self, state: State, key: &Key) -> Option<Arc<Kept>> {
        let inner = self.inner();
        (inner.state == state)
            .then(|| inner.answers.get(key).cloned())
            .flatten()
    }

    /// Keeps an answer of that state, if it is still the state and there is room.
    pub(crate) fn keep(&self, state: State, key: Key, kept: Kept) {
        let mut inner = self.inner();
        let size = kept.body.len() + key.address.len() + 1024;
        if inner.state != state || size > LONGEST || inner.bytes + size > MOST {
            return;
        }
        if inner.answers.insert(key, Arc::new(kept)).is_none() {
            inner.bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, Kept, Key};
    use axum::body::Bytes;
    use axum::http::HeaderMap;
    use scanner::time::Millis;

    fn key(address: &str) -> Key {
        Key {
            address: address.into(),
            gzip: false,
        }
    }

    fn kept() -> Kept {
        Kept {
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"x"),
        }
    }

    #[test]
    fn answers_hold_for_one_state() {
        let cache = Cache::default();
        let state = (7, Millis(60_000));
        cache.note(Millis(60_001), 7, Millis(60_000));
        cache.keep(state, key("/"), kept());
        assert!(cache.find(state, &key("/")).is_some());
        assert!(cache.find(state, &key("/a")).is_none());
        assert!(cache.find((8, Millis(60_000)), &key("/")).is_none());
        cache.note(Millis(60_002), 8, Millis(60_000));
        cache.keep(state, key("/"), kept());
        assert!(cache.find(state, &key("/")).is_none(), "it came too late");
    }

    #[test]
    fn the_version_is_read_again_after_a_while() {
        let cache = Cache::default();
        assert_eq!(cache.generation(Millis(0), Millis(0), 100), None);
        cache.note(Millis(1000), 3, Millis(0));
        assert_eq!(cache.generation(Millis(1099), Millis(0), 100), Some(3));
        assert_eq!(cache.generation(Millis(1100), Millis(0), 100), None);
        assert_eq!(
            cache.generation(Millis(999), Millis(0), 100),
            None,
            "a clock set back"
        );
        cache.forget();
        assert_eq!(cache.generation(Millis(1001), Millis(0), 100), None);
    }
}
