//! Filing a scan: what can be worked out beforehand is worked out here, outside of any
//! transaction; `writer` then does the rest in one.
//!
//! A scan that saw and was judged the same as the one before costs a counter in its run and a
//! row with its id. Only what is new is compressed, compared and stored.

use std::borrow::Cow;

use scanner::diff::{self, Graded, Group};
use scanner::evidence::{Evidence, Stopped};
use scanner::publish::Rules;
use scanner::report::{Class, Report};
use scanner::surface;
use sha2::{Digest, Sha256};

use crate::Store;
use crate::codec::{self, Kind, Packed};
use crate::db::on;
use crate::due::NEVER;
use crate::error::{Result, StoreError, during};
use crate::hosts;
use crate::ids;
use crate::leases::Lane;
use crate::publication::Settled;
use crate::rows::{Filed, Filing};
use crate::state::State;
use crate::writer::{Change, News, Outcome, Prepared};

/// Tries until a concurrent filing of the same target is believed to be a fault.
const TRIES: usize = 5;
/// A dictionary is made from a scan of at least this many exchanges.
const SAMPLE_EXCHANGES: usize = 6;

/// What is known of the target before the filing.
#[derive(Debug, sqlx::FromRow)]
struct Before {
    public_id: Vec<u8>,
    /// The stretch that is shown.
    run: Option<i64>,
    /// The stretch that was seen last, if it is not shown.
    seen: Option<i64>,
    pending: i64,
    letter: Option<String>,
    badge: Option<String>,
    score: Option<i64>,
    class: Option<String>,
    last_scan: Option<Vec<u8>>,
    surface: Option<Vec<u8>>,
    bits: Option<Vec<u8>>,
    run_class: Option<String>,
    rubric: Option<String>,
}

impl Store {
    /// Files a finished scan with its report: history, evidence, current state, counters and
    /// change feed, in one transaction that also ends the lease. Filing an id a second time
    /// answers what the first time did, and changes nothing.
    ///
    /// # Errors
    ///
    /// If the target is not known, the id is none, or the database fails; then nothing of the
    /// scan is kept, and it can be filed again.
    pub async fn file(&self, filing: &Filing<'_>) -> Result<Filed> {
        let mut first_try = true;
        for _ in 0..TRIES {
            let prepared = self.prepare(filing, first_try).await?;
            match self.write(prepared).await? {
                Outcome::Filed { changed, first } => {
                    if filing.lease_until.is_some() {
                        self.holds
                            .forget(&hosts::host_of(&filing.evidence.target.url));
                    }
                    return Ok(Filed {
                        scan: filing.scan.clone(),
                        changed,
                        first,
                    });
                }
                // Another filing of this target came first: prepare against what it left.
                Outcome::Stale => first_try = false,
                Outcome::UnknownTarget => {
                    return Err(unstorable(format!(
                        "there is no target {}; add it first",
                        filing.target.0
                    )));
                }
            }
        }
        Err(StoreError::Busy {
            doing: "filing a scan",
        })
    }

    async fn prepare(&self, filing: &Filing<'_>, sparing: bool) -> Result<Prepared> {
        let evidence = filing.evidence;
        let scan = ids::Kind::Scan
            .read(&filing.scan)
            .ok_or_else(|| unstorable(format!("`{}` is no scan id", filing.scan)))?;
        let surface = unhex(&filing.report.evidence.surface_sha256)
            .ok_or_else(|| unstorable("the report has no digest of the surface".into()))?;
        let checks: Vec<&str> = filing
            .report
            .findings
            .iter()
            .map(|finding| finding.check.as_str())
            .collect();
        let ordinals = self.ordinals(&checks).await?;
        let before = self.before(filing.target.0).await?;
        let same_as_before = |report: &Report, bits: &[u8]| {
            before.as_ref().is_some_and(|before| {
                before.pending == 0
                    && before.surface.as_deref() == Some(&surface[..])
                    && before.bits.as_deref() == Some(bits)
                    && before.run_class.as_deref() == Some(report.class.as_str())
                    && before.rubric.as_deref() == Some(report.grade.rubric.as_str())
            })
        };
        let mut bits = codec::bits(&filing.report.findings, &ordinals);
        let same = same_as_before(filing.report, &bits);
        let settled = match &before {
            Some(before) if !same => self.settled(filing, before).await?,
            Some(_) | None => None,
        };
        let (report, settled) = match settled {
            Some((report, settled)) => (Cow::Owned(report), Some(settled)),
            None => (Cow::Borrowed(filing.report), None),
        };
        if settled.is_some() {
            bits = codec::bits(&report.findings, &ordinals);
        }
        let again = settled
            .as_ref()
            .and_then(|settled| settled.publication.again);
        let next_due = again.map_or(filing.next_due, |again| again.min(filing.next_due));
        let lane = if again.is_some() {
            Lane::Confirm
        } else {
            Lane::Scheduled
        };

        let encoded = encode(evidence)?;
        let sample = evidence.exchanges.len() >= SAMPLE_EXCHANGES && report.class.graded();
        self.codec
            .prepare(&self.db, Kind::Evidence, sample.then_some(&encoded[..]))
            .await?;
        let newest = self.codec.pack(Kind::Evidence, &encoded)?;
        let news = if same && sparing {
            None
        } else {
            let news = self.news(filing, before.as_ref(), (&report, settled), sample);
            Some(Box::new(news.await?))
        };
        Ok(Prepared {
            target: filing.target.0,
            scan: scan.to_vec(),
            at: evidence.started.0,
            finished: filing.finished.0,
            next_due: (next_due != NEVER).then_some(next_due.0),
            lane,
            lease_until: filing.lease_until.map(|until| until.0),
            left: filing.lease_until.and_then(|_| {
                let host = hosts::host_of(&filing.evidence.target.url);
                self.holds.leaving(&host, filing.finished)
            }),
            fruitless: matches!(report.class, Class::Unreachable | Class::Blocked),
            refused: report.class == Class::Blocked || evidence.stopped == Stopped::RateLimited,
            surface: surface.to_vec(),
            class: report.class.as_str().into(),
            rubric: report.grade.rubric.clone(),
            bits,
            ordinals,
            newest,
            news,
        })
    }

    async fn before(&self, target: i64) -> Result<Option<Before>> {
        const READ: &str = "SELECT t.public_id, t.run, t.seen, t.pending, t.letter, t.badge, \
            t.score, t.class, v.last_scan, r.surface, r.bits, r.class AS run_class, r.rubric \
            FROM target t JOIN visit v ON v.target = t.id \
            LEFT JOIN run r ON r.id = COALESCE(t.seen, t.run) WHERE t.id = $1";
        on!(self.db, pool => sqlx::query_as(READ).bind(target).fetch_optional(pool).await)
            .map_err(during("reading a target"))
    }

    /// What becomes of a result by the rules of publishing, and the report with what they
    /// change; `None` where nothing is held.
    async fn settled(
        &self,
        filing: &Filing<'_>,
        before: &Before,
    ) -> Result<Option<(Report, Settled)>> {
        let rules = match self.rules_now().await? {
            Some(rules) => rules,
            // The instance was a public one before, and left something to be settled.
            None if before.pending != 0 || before.seen.is_some() => Rules::open(),
            None => return Ok(None),
        };
        let server = crate::servers::public(ids::Kind::Server, &before.public_id);
        let found = (filing.evidence, filing.report);
        let server = server.unwrap_or_default();
        self.settle(&server, filing.target.0, before.run, found, &rules)
            .await
            .map(Some)
    }

    async fn news(
        &self,
        filing: &Filing<'_>,
        before: Option<&Before>,
        (judged, settled): (&Report, Option<Settled>),
        sample: bool,
    ) -> Result<News> {
        let report = serde_json::to_vec(judged)
            .map_err(|error| unstorable(format!("its report: {error}")))?;
        self.codec
            .prepare(&self.db, Kind::Report, sample.then_some(&report[..]))
            .await?;
        let (hash, evidence) = self.base(filing)?;
        let state = State::of(filing.evidence, judged);
        let shown = settled.as_ref().is_none_or(Settled::published);
        let change = if shown {
            self.change(filing, before, (judged, &state)).await?
        } else {
            None
        };
        Ok(News {
            after_run: before.and_then(|before| before.seen.or(before.run)),
            hash,
            evidence,
            report: self.codec.pack(Kind::Report, &report)?,
            change,
            state,
            settled,
        })
    }

    /// The evidence as it is kept for good, and the name of its content. Retries are left out
    /// of a surface, which moves the numbers of exchanges that the report points at; such
    /// evidence is kept as it is.
    fn base(&self, filing: &Filing<'_>) -> Result<(Vec<u8>, Packed)> {
        let surface = surface::of(filing.evidence);
        let (hash, bytes) = if surface.exchanges.len() == filing.evidence.exchanges.len() {
            let hash = unhex(&filing.report.evidence.surface_sha256).unwrap_or_default();
            (hash, encode(&surface)?)
        } else {
            // What lasts holds no addresses.
            let bytes = encode(&filing.evidence.clone().without_peers())?;
            (Sha256::digest(&bytes).into(), bytes)
        };
        let packed = self.codec.pack(Kind::Evidence, &bytes)?;
        Ok((hash.to_vec(), packed))
    }

    /// The entry in the change feed; `None` if what was seen differs but nothing that is
    /// judged or shown does.
    async fn change(
        &self,
        filing: &Filing<'_>,
        before: Option<&Before>,
        (judged, state): (&Report, &State),
    ) -> Result<Option<Change>> {
        let after = state.shown().map(str::to_owned);
        let previous = before.and_then(|before| before.last_scan.clone());
        let Some((before, previous)) = before.zip(previous).filter(|(b, _)| b.run.is_some()) else {
            return Ok(Some(Change {
                kind: "added",
                cause: "first",
                before: None,
                after,
                checks: "[]".into(),
                previous_scan: None,
            }));
        };
        let moved = self.moved(filing.evidence, judged, &previous).await?;
        let shown_before = before.letter.as_ref().or(before.badge.as_ref());
        let same = moved.checks.is_empty()
            && shown_before == after.as_ref()
            && before.class.as_deref() == Some(state.class.as_str());
        if same {
            return Ok(None);
        }
        // What a first look masked was always there.
        let unmasked = moved.unmasked;
        Ok(Some(Change {
            kind: if unmasked {
                "changed"
            } else {
                kind(before, state, &moved)
            },
            cause: if unmasked { "first" } else { moved.cause },
            before: shown_before.cloned(),
            after,
            checks: serde_json::Value::from(moved.checks).to_string(),
            previous_scan: Some(previous),
        }))
    }

    /// Which verdicts moved since the previous scan, and who moved them.
    async fn moved(
        &self,
        evidence_now: &Evidence,
        judged: &Report,
        previous: &[u8],
    ) -> Result<Moved> {
        let mut moved = Moved {
            cause: "server",
            checks: Vec::new(),
            better: 0,
            worse: 0,
            unmasked: false,
        };
        let Some(previous) = crate::servers::public(ids::Kind::Scan, previous) else {
            return Ok(moved);
        };
        let rubric = &judged.grade.rubric;
        let evidence = self.evidence(&previous).await?;
        let report = self.report(&previous, Some(rubric)).await?;
        let (Some(evidence), Some(report)) = (evidence, report) else {
            moved.cause = "rubric";
            return Ok(moved);
        };
        moved.unmasked = report.publication.overrides.letter.is_some();
        let before = Graded {
            evidence: &evidence,
            report: &report,
        };
        let after = Graded {
            evidence: evidence_now,
            report: judged,
        };
        let Ok(diff) = diff::between(before, after) else {
            moved.cause = "rubric";
            return Ok(moved);
        };
        for change in &diff.verdicts {
            match change.group {
                Group::Reworded => continue,
                Group::Regressed => moved.worse += 1,
                Group::Fixed => moved.better += 1,
                Group::NewlyJudged | Group::NoLongerJudged => (),
            }
            moved.checks.push(change.check.clone());
        }
        if let Some(cause) = diff.main_cause() {
            moved.cause = cause.as_str();
        }
        Ok(moved)
    }
}

struct Moved {
    cause: &'static str,
    checks: Vec<String>,
    better: usize,
    worse: usize,
    /// What was shown before was a first look without its letter.
    unmasked: bool,
}

/// What kind of change it is: reachability first, then the class, the letter, the verdicts,
/// and the score.
fn kind(before: &Before, after: &State, moved: &Moved) -> &'static str {
    let unreachable = Class::Unreachable.as_str();
    let old_class = before.class.as_deref().unwrap_or_default();
    if old_class != after.class {
        return match (old_class == unreachable, after.class == unreachable) {
            (false, true) => "unreachable",
            (true, false) => "recovered",
            _ => "class",
        };
    }
    let position = |letter: Option<&str>| {
        letter
            .and_then(scanner::report::GradeLetter::parse)
            .map(|letter| letter as i64)
    };
    let letters = (
        position(before.letter.as_deref()),
        position(after.letter.as_deref()),
    );
    let step = match letters {
        (Some(old), Some(new)) if old != new => old - new,
        (Some(_), None) => -1,
        (None, Some(_)) => 1,
        _ => match (moved.better > 0, moved.worse > 0) {
            (true, false) => 1,
            (false, true) => -1,
            _ => after.score.unwrap_or(0) - before.score.unwrap_or(0),
        },
    };
    match step {
        1.. => "improved",
        0 => "changed",
        _ => "regressed",
    }
}

pub(crate) fn encode(evidence: &Evidence) -> Result<Vec<u8>> {
    evidence
        .encode()
        .map_err(|error| unstorable(error.to_string()))
}

fn unstorable(why: String) -> StoreError {
    StoreError::Unstorable {
        what: "a scan",
        why,
    }
}

/// 32 bytes from 64 hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(out)
}
