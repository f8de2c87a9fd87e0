//! Sending what the plan wants now: hosts side by side, each host in order, then the
//! repetitions of what failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Shared;
use super::client::{Client, Slot, millis};
use super::courtesy::Terms;
use super::guard::Rule;
use super::pace::Place;
use super::shared::Sharing;
use crate::evidence::{
    CimdVariant, CodeUse, DnsFault, Evidence, Exchange, ExchangeId, Failure, Hello, Obtained,
    Phase, Purpose, Stopped,
};
use crate::facts::outcome::{Answer, Outcome};
use crate::halt::Halts;
use crate::plan::{Ask, Limits, Read, host_of};
use crate::target::Target;

/// Time for closing sessions after a scan was ended.
const FAREWELL: Duration = Duration::from_secs(3);

/// Time for each thing that was created and is taken back then.
const TAKING_BACK: Duration = Duration::from_secs(4);

/// How long the answer to a registration under way is waited for after a scan was ended: a
/// client whose registration nobody heard of could not be removed.
const HEARING: Duration = Duration::from_secs(10);

/// Requests for the robots.txt of a host other than the endpoint's.
const FILES: u32 = 1;

/// Between two looks for visits.
const LOOK: Duration = Duration::from_millis(500);

/// One scan under way.
pub(super) struct Run<'s> {
    shared: &'s Shared,
    client: Client<'s>,
    endpoint: String,
    home: String,
    limits: Limits,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ended: Option<Stopped>,
    /// Requests by host and by whether they are deeper than standard, for the budgets.
    asked: BTreeMap<(String, bool), u32>,
    /// Questions put so far; none is put twice, whatever the plan says.
    questions: BTreeSet<(Purpose, String, Option<ExchangeId>)>,
    /// Hosts that have answered at least once.
    alive: BTreeSet<String>,
    /// In how many rounds the repetitions to a host were used up in vain.
    in_vain: BTreeMap<String, usize>,
}

/// A question and where its answer goes.
struct Job<'a> {
    ask: &'a Ask,
    slot: Slot,
}

impl<'s> Run<'s> {
    pub(super) fn new(shared: &'s Shared, target: &Target, scan: &str) -> Self {
        let began = super::instant();
        Self {
            shared,
            client: Client::new(shared, target, scan, began),
            endpoint: target.url.clone(),
            home: host_of(&target.url),
            limits: shared.settings.limits,
            began,
            state: Mutex::default(),
        }
    }

    /// Hears what the endpoint's host has to say, and takes the requests for that off its budget.
    /// `None` if the scan is over with that.
    pub(super) async fn enter(&mut self, terms: &Terms, mut limits: Limits) -> Option<Limits> {
        let entered = std::sync::Mutex::new(None);
        let hear = async {
            let entry = self.client.enter(&self.endpoint, terms).await;
            *entered.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        };
        self.unless_ended(hear).await;
        let entry = entered
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)?;
        if let Some(reason) = entry.refused {
            self.state().ended.get_or_insert(reason);
            return None;
        }
        limits.endpoint_requests = limits.endpoint_requests.saturating_sub(entry.asked);
        if entry.minded {
            // Each further host may have been asked for its robots.txt.
            limits.as_requests = limits.as_requests.saturating_sub(FILES);
        }
        self.limits = limits;
        Some(limits)
    }

    /// Why the scan is over, if it is. Nothing new is begun after somebody said stop.
    pub(super) fn ended(&self) -> Option<Stopped> {
        let settings = &self.shared.settings;
        let stopped = settings.stop.as_ref().is_some_and(|stop| *stop.borrow())
            || (settings.halts.as_ref()).is_some_and(|halts| self.is_halted(&halts.borrow()));
        let mut state = self.state();
        if stopped {
            state.ended.get_or_insert(Stopped::Stopped);
        }
        state.ended
    }

    /// Whether somebody stopped what this scan asks: its endpoint, or a host or issuer that it
    /// has come to.
    fn is_halted(&self, halts: &Halts) -> bool {
        !halts.is_empty()
            && (halts.cover(&self.endpoint)
                || (self.state().questions.iter()).any(|(_, url, _)| halts.cover(url)))
    }

    /// Resolves when somebody stops what this scan asks.
    async fn halted(&self) {
        if let Some(mut halts) = self.shared.settings.halts.clone()
            && halts.wait_for(|halts| self.is_halted(halts)).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// When the scan began, on the monotonic clock.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Takes over where secrets may go.
    pub(super) fn learn(&self, evidence: &Evidence) {
        self.client.learn(evidence);
    }

    /// What the record keeps of secrets that responses brought.
    pub(super) fn obtained(&self) -> Vec<Obtained> {
        self.client.obtained()
    }

    /// Waits for visits to our own host that a request may still cause, until `seen`.
    pub(super) async fn watch(&self, until: Instant, seen: impl Fn() -> bool) {
        let watching = async {
            while !seen() && super::instant() < until {
                tokio::time::sleep_until(until.min(super::instant() + LOOK)).await;
            }
        };
        self.unless_ended(watching).await;
    }

    /// Milliseconds since the scan began.
    pub(super) fn elapsed_ms(&self) -> u32 {
        millis(self.began.elapsed())
    }

    /// Leaves out what was asked before. The plan does not repeat itself; this makes sure
    /// that an answer which confuses it cannot keep a scan going.
    pub(super) fn unasked(&self, mut asks: Vec<Ask>) -> Vec<Ask> {
        let mut state = self.state();
        asks.retain(|ask| {
            state
                .questions
                .insert((ask.purpose, ask.url.clone(), ask.follows))
        });
        asks
    }

    /// Puts the questions and returns the exchanges, numbered from `base` in the order of
    /// the questions, repetitions after them.
    pub(super) async fn round(&self, asks: &[Ask], base: usize) -> Vec<Exchange> {
        let mut next = base;
        let mut number = || {
            let id = ExchangeId::try_from(next).unwrap_or(ExchangeId::MAX);
            next += 1;
            id
        };
        let mut jobs: Vec<Job<'_>> = asks
            .iter()
            .map(|ask| Job {
                ask,
                slot: Slot {
                    id: number(),
                    attempt: 0,
                },
            })
            .collect();
        let mut record: Vec<Exchange> = Vec::with_capacity(jobs.len());
        let mut given_up = BTreeSet::new();
        while !jobs.is_empty() && self.ended().is_none() {
            let answers = self.pass(&jobs).await;
            let again = self.to_repeat(&jobs, &answers, &mut given_up);
            record.extend(answers);
            let Some(wait) = again.iter().map(|(_, wait)| *wait).max() else {
                break;
            };
            self.unless_ended(tokio::time::sleep(wait)).await;
            jobs = again
                .into_iter()
                .map(|(job, _)| Job {
                    ask: job.ask,
                    slot: Slot {
                        id: number(),
                        attempt: job.slot.attempt + 1,
                    },
                })
                .collect();
        }
        for host in given_up {
            *self.state().in_vain.entry(host).or_default() += 1;
        }
        record.sort_by_key(|exchange| exchange.id);
        // An interrupted round has holes.
        let mut moved = BTreeMap::new();
        for (exchange, id) in record.iter_mut().zip(base..) {
            let id = ExchangeId::try_from(id).unwrap_or(ExchangeId::MAX);
            if exchange.id != id {
                moved.insert(exchange.id, id);
                exchange.id = id;
            }
        }
        if !moved.is_empty() {
            self.client.renumber(&moved);
        }
        record
    }

    /// Closes what a scan that ended early has left open, in little time and without
    /// repetitions.
    pub(super) async fn farewell(&self, asks: &[Ask], base: usize) -> Vec<Exchange> {
        let mut record = Vec::with_capacity(asks.len());
        let say = async {
            for (ask, id) in asks.iter().zip(base..) {
                let id = ExchangeId::try_from(id).unwrap_or(ExchangeId::MAX);
                let exchange = self.client.exchange(ask, Slot { id, attempt: 0 }).await;
                self.note(&self.home, &exchange);
                record.push(exchange);
            }
        };
        let more = asks.iter().filter(|ask| ask.purpose.takes_back()).count();
        let more = u32::try_from(more).unwrap_or(u32::MAX).min(20);
        // What is not said by then stays unsaid.
        let _ = tokio::time::timeout(FAREWELL + TAKING_BACK * more, say).await;
        record
    }

    /// Sends jobs once. What is under way when the scan ends is given up.
    async fn pass(&self, jobs: &[Job<'_>]) -> Vec<Exchange> {
        let mut hosts: Vec<(String, Vec<&Job<'_>>)> = Vec::new();
        for job in jobs {
            let host = host_of(&job.ask.url);
            match hosts.iter_mut().find(|(known, _)| *known == host) {
                Some((_, queue)) => queue.push(job),
                None => hosts.push((host, vec![job])),
            }
        }
        let answers = Mutex::new(Vec::with_capacity(jobs.len()));
        let chains = hosts
            .iter()
            .map(|(host, queue)| self.chain(host, queue, &answers));
        {
            let mut all = std::pin::pin!(futures_util::future::join_all(chains));
            self.unless_ended(&mut all).await;
            let heard = tokio::time::timeout(HEARING, self.client.nothing_is_created());
            tokio::select! {
                biased;
                _ = heard => {}
                _ = all => {}
            }
        }
        answers.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn chain(&self, host: &str, queue: &[&Job<'_>], answers: &Mutex<Vec<Exchange>>) {
        let mut queue = queue.iter().peekable();
        while let Some(job) = queue.next() {
            if self.ended().is_some() {
                return;
            }
            // Two redemptions of one code at the same time.
            let twin = queue.next_if(|next| next.ask.purpose == Purpose::Redeem(CodeUse::Parallel));
            let exchanges = match twin {
                Some(twin) => {
                    let (one, two) = tokio::join!(self.one(job), self.one(twin));
                    vec![one, two]
                }
                None => vec![self.one(job).await],
            };
            for exchange in exchanges {
                if host == self.home && is_closed(&exchange) {
                    self.state().ended.get_or_insert(Stopped::RateLimited);
                    return;
                }
                if host == self.home && is_barred(&exchange) {
                    self.state().ended.get_or_insert(Stopped::OptedOut);
                    return;
                }
                self.note(host, &exchange);
                answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(exchange);
            }
        }
    }

    async fn one(&self, job: &Job<'_>) -> Exchange {
        let fetching = match self.shared.documents.answer(job.ask, &self.endpoint).await {
            Sharing::Known(known) => {
                return Exchange {
                    id: job.slot.id,
                    attempt: job.slot.attempt,
                    after_ms: self.elapsed_ms(),
                    took_ms: 0,
                    ..*known
                };
            }
            Sharing::Own => None,
            Sharing::Fetch(fetching) => Some(fetching),
        };
        let exchange = self.client.exchange(job.ask, job.slot).await;
        if let Some(fetching) = fetching {
            fetching.got(&exchange).await;
        }
        exchange
    }

    fn note(&self, host: &str, exchange: &Exchange) {
        let word = match &exchange.got {
            Ok(response) => response
                .hello
                .map_or_else(|| response.status.to_string(), Hello::words),
            Err(failure) => failure.word().to_owned(),
        };
        tracing::debug!(
            host,
            purpose = %exchange.purpose.name(),
            attempt = exchange.attempt,
            got = word,
            took_ms = exchange.took_ms,
            "asked"
        );
        if let Some(observer) = &self.shared.settings.observer {
            observer(exchange);
        }
        let mut state = self.state();
        // Port 80 of the endpoint's host is the endpoint's host, as in the plan.
        let counted = match exchange.purpose {
            Purpose::Plaintext => &self.home,
            _ => host,
        };
        let counted = (counted.to_owned(), exchange.purpose.is_deeper());
        *state.asked.entry(counted).or_default() += 1;
        if let Ok(response) = &exchange.got {
            state.alive.insert(host.to_owned());
            if response.status == 429 && host == self.home {
                state.ended.get_or_insert(Stopped::RateLimited);
            }
        }
    }

    /// Waits for `work`, but no longer than the scan may last.
    async fn unless_ended<T>(&self, work: impl Future<Output = T>) {
        let settings = &self.shared.settings;
        let reason = tokio::select! {
            biased;
            _ = work => return,
            () = tokio::time::sleep_until(self.began + settings.timeouts.scan) => {
                Stopped::OutOfTime
            }
            () = stopped(settings.stop.clone()) => Stopped::Stopped,
            () = self.halted() => Stopped::Stopped,
        };
        self.state().ended.get_or_insert(reason);
    }

    // --- repetitions --------------------------------------------------------------------

    /// The jobs that are done once more, and how long to wait before. Hosts whose
    /// repetitions are used up join `given_up`.
    fn to_repeat<'j, 'a>(
        &self,
        jobs: &'j [Job<'a>],
        answers: &[Exchange],
        given_up: &mut BTreeSet<String>,
    ) -> Vec<(&'j Job<'a>, Duration)> {
        let mut again: Vec<(&Job<'_>, Duration)> = Vec::new();
        for exchange in answers
            .iter()
            .filter(|exchange| is_worth_repeating(exchange))
        {
            let Some(job) = jobs.iter().find(|job| job.slot.id == exchange.id) else {
                continue;
            };
            let host = host_of(&job.ask.url);
            let waiting = again
                .iter()
                .filter(|(other, _)| host_of(&other.ask.url) == host)
                .count();
            let wait = self
                .delays(job.ask, &host)
                .get(usize::from(job.slot.attempt))
                .copied();
            match wait {
                Some(wait) if self.has_budget(job.ask.purpose, &host, waiting) => {
                    again.push((job, wait));
                }
                _ => {
                    given_up.insert(host);
                }
            }
        }
        again
    }

    /// Waits before the repetitions of a question. A host that stayed bad through all of
    /// them is believed sooner the next time, or no scan of a broken server would end.
    fn delays(&self, ask: &Ask, host: &str) -> &[Duration] {
        let retries = &self.shared.settings.retries;
        let delays = match self.client.place(&ask.url) {
            Place::Public => &retries.public,
            Place::Private => &retries.private,
        };
        let state = self.state();
        let in_vain = state.in_vain.get(host).copied().unwrap_or_default();
        let most = match (in_vain, ask.read) {
            // Catalogue, challenge-get-stream: two attempts.
            (0, Read::Stream) => 1,
            (0, _) => delays.len(),
            _ if !state.alive.contains(host) => 0,
            (1..=3, _) => 1,
            _ => 0,
        };
        &delays[..most.min(delays.len())]
    }

    fn has_budget(&self, purpose: Purpose, host: &str, waiting: usize) -> bool {
        let budget = self.limits.budget(purpose, host == self.home);
        let counted = (host.to_owned(), purpose.is_deeper());
        let asked = self
            .state()
            .asked
            .get(&counted)
            .copied()
            .unwrap_or_default();
        usize::try_from(asked).unwrap_or(usize::MAX) + waiting
            < usize::try_from(budget).unwrap_or(usize::MAX)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A failure of the network, or a 5xx that is no JSON-RPC answer. What the guard refused, a
/// name that does not exist and the plaintext probe stay as they are.
fn is_worth_repeating(exchange: &Exchange) -> bool {
    match exchange.purpose {
        // What was made by hand is asked once.
        Purpose::Plaintext | Purpose::Handshake(_) | Purpose::Cimd(CimdVariant::Stalling) => {
            return false;
        }
        // A code works once, and nobody is asked twice to sign in.
        Purpose::Login(_) | Purpose::Redeem(_) => return false,
        // It may have been heard, and must not create a second client.
        Purpose::Register(_)
            if matches!(
                exchange.got,
                Err(Failure::Timeout(Phase::FirstByte | Phase::Total)
                    | Failure::Reset
                    | Failure::Protocol(_))
            ) =>
        {
            return false;
        }
        _ => {}
    }
    match &exchange.got {
        Ok(response) => response.status >= 500 && Answer::of(exchange).outcome == Outcome::Fault,
        Err(failure) => !matches!(
            failure,
            Failure::Blocked(_) | Failure::Dns(DnsFault::NoSuchName | DnsFault::DomainUnregistered)
        ),
    }
}

/// The host's `Retry-After` forbids to ask now; nothing was sent.
fn is_closed(exchange: &Exchange) -> bool {
    matches!(&exchange.got, Err(Failure::Blocked(rule)) if rule == Rule::RetryAfter.as_str())
}

/// The host asked to be left out while the scan ran; nothing was sent.
fn is_barred(exchange: &Exchange) -> bool {
    matches!(&exchange.got, Err(Failure::Blocked(rule)) if rule == Rule::OptOut.as_str())
}

/// Resolves when the signal turns true; never if there is none.
async fn stopped(signal: Option<watch::Receiver<bool>>) {
    if let Some(mut signal) = signal
        && signal.wait_for(|stop| *stop).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
