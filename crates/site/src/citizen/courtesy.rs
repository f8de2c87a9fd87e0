//! The courtesy of an installation: what hosts said is kept in its database, who is left out and
//! who proved what is known by heart and looked up again every few seconds.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use scanner::evidence::{Consent, Depth};
use scanner::identity::Line;
use scanner::net::{Courtesy, Later, Manners, Terms};
use scanner::target::Target;
use scanner::time::{Clock, Millis};
use store::{LeftOut, Store, TargetId, Way};

/// An opt-out found at the host itself holds for so long, and is then looked for again.
const FOUND_MS: i64 = 90 * 86_400_000;
/// A proof must have been looked at within this time before a deeper scan.
const RECENT_MS: i64 = 3_600_000;

/// See the module.
pub struct Remembering {
    store: Store,
    clock: Arc<dyn Clock>,
    operator: Vec<String>,
    public: bool,
    known: RwLock<Known>,
    lines: Mutex<BTreeMap<String, Vec<Line>>>,
    deeper: Mutex<BTreeMap<String, (TargetId, Vec<u8>)>>,
}

#[derive(Default)]
struct Known {
    left_out: LeftOut,
    proved: HashSet<String>,
}

impl Remembering {
    /// A courtesy that knows nothing yet; see [`Remembering::refresh`]. `operator`: hosts that the
    /// operator runs. `public`: hosts at private addresses are treated like others, should the
    /// guard admit one, and what an owner allowed stays between us.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, operator: Vec<String>, public: bool) -> Self {
        Self {
            store,
            clock,
            operator,
            public,
            known: RwLock::default(),
            lines: Mutex::default(),
            deeper: Mutex::default(),
        }
    }

    /// Looks up who is left out and who proved what.
    ///
    /// # Errors
    ///
    /// If the database fails; what was known stays.
    pub async fn refresh(&self) -> store::Result<()> {
        let now = self.clock.now();
        let known = Known {
            left_out: self.store.left_out(now).await?,
            proved: self.store.proved_hosts(now).await?.into_iter().collect(),
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// Whether nothing is kept of a host.
    #[must_use]
    pub fn hides(&self, host: &str) -> bool {
        self.read(|known| known.left_out.hides(host))
    }

    /// Whether what only an owner may see is kept from everybody else.
    #[must_use]
    pub fn public(&self) -> bool {
        self.public
    }

    /// Takes what was sent under an id and is in no evidence.
    #[must_use]
    pub fn take_lines(&self, scan: &str) -> Vec<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.remove(scan).unwrap_or_default()
    }

    /// Takes the owner who allowed the scan of this server that just ended.
    #[must_use]
    pub fn take_owner(&self, url: &str) -> Option<(TargetId, Vec<u8>)> {
        let mut deeper = self.deeper.lock().unwrap_or_else(PoisonError::into_inner);
        deeper.remove(url)
    }

    fn read<T>(&self, read: impl FnOnce(&Known) -> T) -> T {
        read(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn find_terms(&self, target: &Target) -> store::Result<Terms> {
        let Some((id, asked)) = self.store.awaited(&target.url).await? else {
            return Ok(Terms::default());
        };
        Ok(Terms {
            scheduled: !asked,
            deeper: self.find_deeper(id, target).await?,
        })
    }

    /// What a person allowed who started a deeper scan: every host of which the proof was seen
    /// again since, the endpoint's among them.
    async fn find_deeper(
        &self,
        id: TargetId,
        target: &Target,
    ) -> store::Result<Option<(Depth, Consent)>> {
        let now = self.clock.now();
        let Some(owner) = self.store.take_deeper(id, now).await? else {
            return Ok(None);
        };
        let claims = self.store.claims_of(&owner).await?;
        let seen: Vec<_> = claims
            .into_iter()
            .filter(|claim| claim.holds(now) && now.0 - claim.checked <= RECENT_MS)
            .collect();
        let host = url::Url::parse(&target.url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        let Some(own) = seen.iter().find(|claim| claim.host == host) else {
            tracing::info!(
                host,
                "a deeper scan is not made: the proof was not seen again"
            );
            return Ok(None);
        };
        let consent = Consent {
            basis: format!("ownership proof ({})", own.method),
            recorded: Millis(own.proved),
            hosts: seen.into_iter().map(|claim| claim.host).collect(),
        };
        self.deeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(target.url.clone(), (id, owner));
        Ok(Some((Depth::Consented, consent)))
    }
}

fn told<T: Default>(result: store::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        tracing::error!("{error}");
        T::default()
    })
}

impl Courtesy for Remembering {
    fn barred(&self, host: &str) -> bool {
        self.read(|known| known.left_out.covers(host))
    }

    fn sealed(&self, host: &str) -> bool {
        self.read(|known| known.left_out.seals(host))
    }

    fn owned(&self, host: &str) -> bool {
        self.operator
            .iter()
            .any(|own| own.trim_end_matches('.').eq_ignore_ascii_case(host))
            || self.read(|known| known.proved.contains(host))
    }

    fn minds_private(&self) -> bool {
        self.public
    }

    fn terms<'a>(&'a self, target: &'a Target) -> Later<'a, Terms> {
        Box::pin(async move { told(self.find_terms(target).await) })
    }

    fn recall<'a>(&'a self, host: &'a str) -> Later<'a, Option<Manners>> {
        Box::pin(async move {
            let (_, said) = told(self.store.manners(host).await)?;
            serde_json::from_str(&said).ok()
        })
    }

    fn keep<'a>(&'a self, host: &'a str, manners: &'a Manners) -> Later<'a, ()> {
        Box::pin(async move {
            let said = serde_json::to_string(manners).unwrap_or_default();
            told(self.store.keep_manners(host, &said, manners.at).await);
        })
    }

    fn opted_out<'a>(&'a self, host: &'a str, by_file: bool) -> Later<'a, ()> {
        Box::pin(async move {
            let now = self.clock.now();
            let way = if by_file { Way::File } else { Way::Dns };
            let until = Some(now.plus(FOUND_MS));
            told(self.store.leave_out(host, way, until, false, now).await);
            told(self.refresh().await);
        })
    }

    fn sent(&self, scan: &str, line: Line) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(scan.to_owned()).or_default().push(line);
    }
}
