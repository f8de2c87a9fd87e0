//! Hosts that asked to be left out.
//!
//! Of such a host only a keyed hash of its name is kept, so that the list cannot be read as a
//! list of names. An entry covers the host and everything below it: a name is looked up with
//! its parents. What is kept of a host's servers is removed by [`Store::remove_host`], after
//! which nothing here tells that it was ever known.

use std::collections::HashSet;

use scanner::time::Millis;
use sha2::{Digest, Sha256};

use crate::Store;
use crate::counters::Counters;
use crate::db::{Tx, literal, on, within};
use crate::error::{Result, during};
use crate::ids::fresh_bytes;

const KEY: &str = "left-out";
const DOING: &str = "reading who is left out";

/// How somebody said that a host is to be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With the form, unproved.
    Form,
    /// With a record of the name system.
    Dns,
    /// With a file on the host.
    File,
}

impl Way {
    /// The word that is kept.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Dns => "dns",
            Self::File => "file",
        }
    }
}

/// An instant's view of who is left out. Cheap to ask, so that every request can be checked.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    key: Vec<u8>,
    hashes: HashSet<Vec<u8>>,
    hidden: HashSet<Vec<u8>>,
    for_good: HashSet<Vec<u8>>,
}

impl LeftOut {
    /// Whether a host, or one above it, asked not to be scanned.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        !self.hashes.is_empty() && self.any(&self.hashes, host)
    }

    /// Whether a host, or one above it, also asked that nothing is shown of it.
    #[must_use]
    pub fn hides(&self, host: &str) -> bool {
        !self.hidden.is_empty() && self.any(&self.hidden, host)
    }

    /// Whether a host, or one above it, proved that it wants to be left out for good.
    #[must_use]
    pub fn seals(&self, host: &str) -> bool {
        !self.for_good.is_empty() && self.any(&self.for_good, host)
    }

    fn any(&self, hashes: &HashSet<Vec<u8>>, host: &str) -> bool {
        lineage(host).any(|name| hashes.contains(&keyed(&self.key, &name)[..]))
    }
}

/// A host as it is hashed: lower case, no port, no dot at the end.
pub(crate) fn bare(host: &str) -> String {
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name.trim_end_matches('.').to_owned()
        }
        _ => host,
    }
}

/// The host and the names above it, as far as a single label. An address has none above it.
pub(crate) fn lineage(host: &str) -> impl Iterator<Item = String> {
    let bare = bare(host);
    let address = bare.starts_with('[') || bare.parse::<std::net::IpAddr>().is_ok();
    let mut next = Some(bare);
    std::iter::from_fn(move || {
        let name = next.take()?;
        if !address {
            next = name.split_once('.').map(|(_, above)| above.to_owned());
        }
        Some(name)
    })
}

/// HMAC-SHA256 (RFC 2104).
fn keyed(key: &[u8], text: &str) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new();
    inner.update(block.map(|byte| byte ^ 0x36));
    inner.update(text.as_bytes());
    let mut outer = Sha256::new();
    outer.update(block.map(|byte| byte ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

impl Store {
    /// A key of this database, made when it is first needed.
    pub(crate) async fn key(&self) -> Result<Vec<u8>> {
        const READ: &str = "SELECT bytes FROM keyring WHERE name = $1";
        const ADD: &str = "INSERT INTO keyring (name, bytes) VALUES ($1, $2) \
            ON CONFLICT (name) DO NOTHING";
        let read = async {
            on!(self.db, pool => {
                sqlx::query_as::<_, (Vec<u8>,)>(READ).bind(KEY).fetch_optional(pool).await
            })
        };
        if let Some((key,)) = read.await.map_err(during(DOING))? {
            return Ok(key);
        }
        // Two ids hold 148 bits from the operating system.
        let mut key = fresh_bytes(Millis(0)).to_vec();
        key.extend(fresh_bytes(Millis(0)));
        let add = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(ADD).bind(KEY).bind(&key).execute(c).await.map(drop))?;
            let row: (Vec<u8>,) =
                within!(tx, c => sqlx::query_as(READ).bind(KEY).fetch_one(c).await)?;
            tx.commit().await?;
            Ok(row.0)
        };
        add.await.map_err(during("making a key"))
    }

    /// The keyed hash under which a host is counted without being named.
    pub(crate) async fn hash_of(&self, host: &str) -> Result<[u8; 32]> {
        Ok(keyed(&self.key().await?, &bare(host)))
    }

    /// Who is left out at an instant.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn left_out(&self, now: Millis) -> Result<LeftOut> {
        const READ: &str = "SELECT hash, hidden, until FROM opt_out WHERE until = 0 OR until > $1";
        let rows: Vec<(Vec<u8>, i64, i64)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(now.0).fetch_all(pool).await)
                .map_err(during(DOING))?;
        if rows.is_empty() {
            return Ok(LeftOut::default());
        }
        let of = |wanted: fn(i64, i64) -> bool| {
            rows.iter()
                .filter(|(_, hidden, until)| wanted(*hidden, *until))
                .map(|(hash, ..)| hash.clone())
                .collect()
        };
        Ok(LeftOut {
            key: self.key().await?,
            hidden: of(|hidden, _| hidden != 0),
            for_good: of(|_, until| until == 0),
            hashes: of(|_, _| true),
        })
    }

    /// Leaves a host out, with everything below it, until an instant or for good. What is said
    /// already for longer stays; `hidden` also means that nothing of it is taken in again, and
    /// files what there is for removal.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn leave_out(
        &self,
        host: &str,
        way: Way,
        until: Option<Millis>,
        hidden: bool,
        now: Millis,
    ) -> Result<()> {
        const ADD: &str = "INSERT INTO opt_out (hash, since, until, hidden, way) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (hash) DO UPDATE SET \
            until = CASE WHEN opt_out.until = 0 OR excluded.until = 0 THEN 0 \
                WHEN opt_out.until > excluded.until THEN opt_out.until ELSE excluded.until END, \
            hidden = CASE WHEN opt_out.hidden > excluded.hidden THEN opt_out.hidden \
                ELSE excluded.hidden END, \
            way = excluded.way";
        const REMOVE: &str = "INSERT INTO removal (host, asked_at) VALUES ($1, $2) \
            ON CONFLICT (host) DO NOTHING";
        let hash = self.hash_of(host).await?;
        let leave = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(ADD)
                .bind(&hash[..])
                .bind(now.0)
                .bind(until.map_or(0, |until| until.0))
                .bind(i64::from(hidden))
                .bind(way.as_str())
                .execute(c)
                .await
                .map(drop))?;
            if hidden {
                within!(tx, c => {
                    sqlx::query(REMOVE).bind(bare(host)).bind(now.0).execute(c).await.map(drop)
                })?;
            }
            tx.commit().await
        };
        leave.await.map_err(during("leaving a host out"))
    }

    /// Takes a host in again. Hosts above it may still leave it out.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn take_in(&self, host: &str) -> Result<bool> {
        const TAKE: &str = "DELETE FROM opt_out WHERE hash = $1";
        let hash = self.hash_of(host).await?;
        let take = async {
            let mut tx = self.db.begin().await?;
            let rows = within!(tx, c => {
                sqlx::query(TAKE).bind(&hash[..]).execute(c).await.map(|done| done.rows_affected())
            })?;
            tx.commit().await?;
            Ok(rows > 0)
        };
        take.await.map_err(during("taking a host in again"))
    }

    /// Hosts whose servers are to be removed.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn removals(&self) -> Result<Vec<String>> {
        const READ: &str = "SELECT host FROM removal ORDER BY asked_at LIMIT 100";
        let rows: Vec<(String,)> = on!(self.db, pool => sqlx::query_as(READ).fetch_all(pool).await)
            .map_err(during("reading what is to be removed"))?;
        Ok(rows.into_iter().map(|(host,)| host).collect())
    }

    /// Removes every server of a host and below it: names, listings, evidence, reports, history.
    /// In place of their entries in the change feed stays one that says so. Returns how many
    /// there were. Servers go one by one, so an interrupted removal goes on where it stopped.
    ///
    /// # Errors
    ///
    /// If the database fails; servers removed until then stay so.
    pub async fn remove_host(&self, host: &str, now: Millis) -> Result<u64> {
        const NEXT: &str = "SELECT id, host FROM target WHERE id > $1 \
            AND (host LIKE $2 ESCAPE '!' OR host LIKE $3 ESCAPE '!') ORDER BY id LIMIT 100";
        const DONE: [&str; 7] = [
            "DELETE FROM host_pace WHERE host = $1 OR host LIKE $4 ESCAPE '!' \
             OR host LIKE $5 ESCAPE '!' OR host LIKE $2 ESCAPE '!' OR host LIKE $3 ESCAPE '!'",
            "DELETE FROM shared_answer WHERE name LIKE $2 || '/%' ESCAPE '!' \
             OR name LIKE $3 ESCAPE '!' OR name LIKE $4 || '/%' ESCAPE '!' \
             OR name LIKE $5 ESCAPE '!' OR name = $1",
            "DELETE FROM manners WHERE host LIKE $2 ESCAPE '!' OR host LIKE $3 ESCAPE '!' \
             OR host LIKE $4 ESCAPE '!' OR host LIKE $5 ESCAPE '!' OR host = $1",
            "DELETE FROM errand WHERE host = $1 OR host LIKE $4 ESCAPE '!' OR host LIKE $5 ESCAPE '!' \
             OR host LIKE $2 ESCAPE '!' OR host LIKE $3 ESCAPE '!'",
            "DELETE FROM claim WHERE host = $1 OR host LIKE $4 ESCAPE '!' OR host LIKE $5 ESCAPE '!' \
             OR host LIKE $2 ESCAPE '!' OR host LIKE $3 ESCAPE '!'",
            "DELETE FROM proof_log WHERE host = $1 OR host LIKE $4 ESCAPE '!' \
             OR host LIKE $5 ESCAPE '!' OR host LIKE $2 ESCAPE '!' OR host LIKE $3 ESCAPE '!'",
            "DELETE FROM removal WHERE host = $1 OR host LIKE $4 ESCAPE '!' OR host LIKE $5 ESCAPE '!' \
             OR host LIKE $2 ESCAPE '!' OR host LIKE $3 ESCAPE '!'",
        ];
        let doing = during("removing a host");
        let wanted = bare(host);
        let plain = literal(&wanted);
        let (itself, below) = (format!("{plain}%"), format!("%.{plain}%"));
        let (mut after, mut removed) = (0, 0);
        loop {
            let rows: Vec<(i64, String)> = on!(self.db, pool => sqlx::query_as(NEXT)
                .bind(after)
                .bind(&itself)
                .bind(&below)
                .fetch_all(pool)
                .await)
            .map_err(&doing)?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            for (target, name) in rows {
                if lineage(&name).any(|name| name == wanted) {
                    self.remove_target(target, now).await?;
                    removed += 1;
                }
            }
        }
        self.remove_entries(&wanted).await?;
        let done = async {
            let mut tx = self.db.begin().await?;
            for sql in DONE {
                within!(tx, c => sqlx::query(sql)
                    .bind(&wanted)
                    .bind(format!("%://{plain}"))
                    .bind(format!("%://{plain}:%"))
                    .bind(format!("%.{plain}"))
                    .bind(format!("%.{plain}:%"))
                    .execute(c)
                    .await
                    .map(drop))?;
            }
            tx.commit().await
        };
        done.await.map_err(&doing)?;
        Ok(removed)
    }

    async fn remove_target(&self, target: i64, now: Millis) -> Result<()> {
        let ordinals = self.ordinals(&[]).await?;
        let remove = async {
            let mut tx = self.db.begin().await?;
            let mut counters = Counters::default();
            let server = crate::removal::public_id(&mut tx, target).await?;
            crate::removal::uncount(&mut tx, target, &ordinals, &mut counters).await?;
            crate::removal::delete(&mut tx, target).await?;
            tombstone(&mut tx, server, now, counters).await?;
            tx.commit().await
        };
        remove.await.map_err(during("removing a server"))
    }
}

/// What stays in the change feed of a server that was removed: its id, so that whoever kept a
/// copy learns of it.
async fn tombstone(
    tx: &mut Tx,
    server: Option<Vec<u8>>,
    now: Millis,
    counters: Counters,
) -> Result<(), sqlx::Error> {
    const STAY: &str = "INSERT INTO gone (seq, at, server) VALUES ($1, $2, $3)";
    let Some(server) = server else {
        return counters.write(tx, 0).await.map(drop);
    };
    let before = counters.write(tx, 1).await?;
    within!(tx, c => sqlx::query(STAY)
        .bind(before + 1)
        .bind(now.0)
        .bind(server)
        .execute(c)
        .await
        .map(drop))
}

#[cfg(test)]
mod tests {
    use super::{bare, keyed, lineage};

    /// RFC 4231, test cases 1 and 2.
    #[test]
    fn hashes_are_hmac_sha256() {
        let hex = |bytes: [u8; 32]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(
            hex(keyed(&[0x0b; 20], "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(keyed(b"Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_name_stands_for_what_is_below_it() {
        let names: Vec<String> = lineage("A.b.Example:8443").collect();
        assert_eq!(names, ["a.b.example", "b.example", "example"]);
        assert_eq!(lineage("192.0.2.1:80").collect::<Vec<_>>(), ["192.0.2.1"]);
        assert_eq!(bare("[2001:db8::1]:443"), "[2001:db8::1]");
        assert_eq!(bare("2001:db8::1"), "2001:db8::1");
    }
}
