//! Values as bytes: JSON compressed with zstd, and verdicts as two bits each.
//!
//! Records of one kind resemble each other, so each kind has a dictionary: the first record
//! that was fit to be one. Its number is stored beside every value written with it, and it is
//! never deleted; a better one may follow at any time without touching what is stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use scanner::report::{Finding, FindingVerdict};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::db::{Db, on};
use crate::error::{Result, StoreError, during};
use crate::schema::Ordinals;

/// Nothing that is stored is larger when unpacked.
const MAX_UNPACKED: usize = 64 << 20;
/// With a dictionary, higher levels save a fifth of the bytes for ten times the work.
const LEVEL: i32 = 3;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Evidence,
    Report,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Report => "report",
        }
    }
}

/// Compressed bytes with the dictionary they need.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) dictionary: Option<i64>,
    pub(crate) bytes: Vec<u8>,
}

/// A text that records of a kind resemble, ready for use.
pub(crate) struct Dictionary {
    id: i64,
    writing: EncoderDictionary<'static>,
    reading: DecoderDictionary<'static>,
}

/// The dictionaries of a database, read once each.
#[derive(Default)]
pub(crate) struct Codec {
    by_id: Mutex<HashMap<i64, Arc<Dictionary>>>,
    current: Mutex<HashMap<Kind, Arc<Dictionary>>>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codec")
    }
}

impl Codec {
    /// Finds the dictionary of a kind. If there is none yet, `sample` becomes it.
    pub(crate) async fn prepare(&self, db: &Db, kind: Kind, sample: Option<&[u8]>) -> Result<()> {
        const NEWEST: &str =
            "SELECT id, bytes FROM dictionary WHERE kind = $1 ORDER BY id DESC LIMIT 1";
        const ADD: &str = "INSERT INTO dictionary (kind, bytes) VALUES ($1, $2) RETURNING id";
        if lock(&self.current).contains_key(&kind) {
            return Ok(());
        }
        let found: Option<(i64, Vec<u8>)> = on!(db, pool => {
            sqlx::query_as(NEWEST).bind(kind.as_str()).fetch_optional(pool).await
        })
        .map_err(during("reading the dictionaries"))?;
        let (id, bytes) = match (found, sample) {
            (Some(found), _) => found,
            (None, None) => return Ok(()),
            (None, Some(sample)) => {
                let add = async {
                    let mut tx = db.begin().await?;
                    let (id,): (i64,) = crate::db::within!(tx, c => {
                        sqlx::query_as(ADD).bind(kind.as_str()).bind(sample).fetch_one(c).await
                    })?;
                    tx.commit().await?;
                    Ok(id)
                };
                let id = add.await.map_err(during("adding a dictionary"))?;
                (id, sample.to_vec())
            }
        };
        let dictionary = Arc::new(Dictionary::new(id, &bytes));
        lock(&self.by_id).insert(id, Arc::clone(&dictionary));
        lock(&self.current).insert(kind, dictionary);
        Ok(())
    }

    /// Compresses a record.
    pub(crate) fn pack(&self, kind: Kind, bytes: &[u8]) -> Result<Packed> {
        let what = kind.as_str();
        if bytes.len() > MAX_UNPACKED {
            return Err(StoreError::Unstorable {
                what,
                why: format!("{} bytes are more than 64 MiB", bytes.len()),
            });
        }
        let dictionary = lock(&self.current).get(&kind).map(Arc::clone);
        let packed = match &dictionary {
            Some(dictionary) => Compressor::with_prepared_dictionary(&dictionary.writing)
                .and_then(|mut compressor| compressor.compress(bytes)),
            None => zstd::bulk::compress(bytes, LEVEL),
        };
        Ok(Packed {
            dictionary: dictionary.map(|dictionary| dictionary.id),
            bytes: packed.map_err(|error| StoreError::Unstorable {
                what,
                why: error.to_string(),
            })?,
        })
    }

    /// Reads a record back.
    pub(crate) async fn unpack(&self, db: &Db, kind: Kind, packed: &Packed) -> Result<Vec<u8>> {
        let dictionary = self.needed(db, packed).await?;
        unpack_with(kind, packed, dictionary.as_deref())
    }

    /// The dictionary that a record needs, for [`unpack_with`], which waits for nothing.
    pub(crate) async fn needed(&self, db: &Db, packed: &Packed) -> Result<Option<Arc<Dictionary>>> {
        match packed.dictionary {
            Some(id) => self.dictionary(db, id).await.map(Some),
            None => Ok(None),
        }
    }

    async fn dictionary(&self, db: &Db, id: i64) -> Result<Arc<Dictionary>> {
        const READ: &str = "SELECT bytes FROM dictionary WHERE id = $1";
        let known = lock(&self.by_id).get(&id).map(Arc::clone);
        if let Some(known) = known {
            return Ok(known);
        }
        let bytes: Option<(Vec<u8>,)> =
            on!(db, pool => sqlx::query_as(READ).bind(id).fetch_optional(pool).await)
                .map_err(during("reading the dictionaries"))?;
        let (bytes,) = bytes.ok_or_else(|| StoreError::Stored {
            what: "the dictionaries",
            why: format!("number {id} is missing"),
        })?;
        let dictionary = Arc::new(Dictionary::new(id, &bytes));
        lock(&self.by_id).insert(id, Arc::clone(&dictionary));
        Ok(dictionary)
    }
}

/// Reads a record back, with the dictionary it needs.
pub(crate) fn unpack_with(
    kind: Kind,
    packed: &Packed,
    dictionary: Option<&Dictionary>,
) -> Result<Vec<u8>> {
    let damaged = |why: String| StoreError::Stored {
        what: kind.as_str(),
        why,
    };
    let size = zstd::zstd_safe::get_frame_content_size(&packed.bytes)
        .map_err(|_| damaged("the bytes are not compressed with zstd".into()))?
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size <= MAX_UNPACKED)
        .ok_or_else(|| damaged("the size is missing or too large".into()))?;
    let bytes = match dictionary {
        Some(dictionary) => Decompressor::with_prepared_dictionary(&dictionary.reading)
            .and_then(|mut decompressor| decompressor.decompress(&packed.bytes, size)),
        None => zstd::bulk::decompress(&packed.bytes, size),
    };
    bytes.map_err(|error| damaged(error.to_string()))
}

impl Dictionary {
    fn new(id: i64, bytes: &[u8]) -> Self {
        Self {
            id,
            writing: EncoderDictionary::copy(bytes, LEVEL),
            reading: DecoderDictionary::copy(bytes),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A verdict as two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Not applicable, inconclusive, or not in the catalogue then.
    Unjudged = 0,
    Pass = 1,
    Warn = 2,
    Fail = 3,
}

impl Mark {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unjudged => "unjudged",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    pub(crate) fn of(verdict: FindingVerdict) -> Self {
        match verdict {
            FindingVerdict::Pass => Self::Pass,
            FindingVerdict::Warn => Self::Warn,
            FindingVerdict::Fail => Self::Fail,
            FindingVerdict::Na | FindingVerdict::Inconclusive => Self::Unjudged,
        }
    }

    /// The mark at a position; positions beyond the end are unjudged.
    pub(crate) fn at(bits: &[u8], ordinal: usize) -> Self {
        let byte = bits.get(ordinal / 4).copied().unwrap_or(0);
        match (byte >> (ordinal % 4 * 2)) & 3 {
            1 => Self::Pass,
            2 => Self::Warn,
            3 => Self::Fail,
            _ => Self::Unjudged,
        }
    }
}

/// Writes verdicts as bits, without zero bytes at the end, so that a longer catalogue alone
/// makes no difference.
pub(crate) fn bits(findings: &[Finding], ordinals: &Ordinals) -> Vec<u8> {
    let mut out = vec![0_u8; ordinals.len().div_ceil(4)];
    for finding in findings {
        if let Some(ordinal) = ordinals.of(&finding.check) {
            out[ordinal / 4] |= (Mark::of(finding.verdict) as u8) << (ordinal % 4 * 2);
        }
    }
    while out.last() == Some(&0) {
        out.pop();
    }
    out
}

/// Positions at which two sets of bits differ, in order, with both marks.
pub(crate) fn changed(before: &[u8], after: &[u8]) -> Vec<(usize, Mark, Mark)> {
    let places = before.len().max(after.len()) * 4;
    (0..places)
        .map(|ordinal| (ordinal, Mark::at(before, ordinal), Mark::at(after, ordinal)))
        .filter(|(_, before, after)| before != after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Mark, changed};

    #[test]
    fn bits_are_read_as_written() {
        // pass, warn, fail, unjudged, then a pass in the next byte
        let bits = [0b00_11_10_01, 0b01];
        let marks: Vec<Mark> = (0..6).map(|n| Mark::at(&bits, n)).collect();
        assert_eq!(
            marks,
            [
                Mark::Pass,
                Mark::Warn,
                Mark::Fail,
                Mark::Unjudged,
                Mark::Pass,
                Mark::Unjudged
            ]
        );
        assert_eq!(Mark::at(&bits, 4_000), Mark::Unjudged);
    }

    #[test]
    fn differences_name_both_sides() {
        assert_eq!(changed(&[1], &[1]), []);
        assert_eq!(
            changed(&[0b01], &[0b11, 0b10]),
            [(0, Mark::Pass, Mark::Fail), (4, Mark::Unjudged, Mark::Warn)]
        );
    }
}
