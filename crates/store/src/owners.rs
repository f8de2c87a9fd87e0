//! Proof that somebody runs a host, and what it unlocks.
//!
//! A person is known by a secret link alone, of which only a hash is kept. Each claim of a person
//! to a host has a token to be shown by that host; the worker looks and notes what it found. Every
//! right hangs on a claim that is proved at the moment.

use scanner::time::Millis;
use sha2::{Digest, Sha256};

use crate::Store;
use crate::counters::Counters;
use crate::db::{Tx, on, within};
use crate::error::{Result, during};
use crate::ids::{Kind, fresh_bytes};
use crate::rows::TargetId;

const DOING: &str = "reading a claim";
/// Longest statement, in characters.
pub const STATEMENT_CHARS: usize = 1_000;

/// Somebody who proves hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its row.
    pub id: Vec<u8>,
    /// What they gave to be written to.
    pub contact: String,
}

/// A claim to a host.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Claim {
    /// Whose.
    pub person: Vec<u8>,
    /// Host, without a port.
    pub host: String,
    /// What the host has to show.
    pub token: String,
    /// When it was made.
    #[sqlx(rename = "asked_at")]
    pub asked: i64,
    /// Since when a look at the host is waited for; 0 for not.
    #[sqlx(rename = "wanted_at")]
    pub wanted: i64,
    /// When the host was last looked at; 0 for never.
    #[sqlx(rename = "checked_at")]
    pub checked: i64,
    /// When it was last proved; 0 for never.
    #[sqlx(rename = "proved_at")]
    pub proved: i64,
    /// Until when the proof holds.
    pub until: i64,
    /// `dns` or `file`.
    pub method: String,
    /// What the last look found.
    pub said: String,
    /// What the person wants once it is proved: 0 nothing more, 1 not to be scanned, 2 also that
    /// nothing is kept.
    pub leave: i64,
}

impl Claim {
    /// Whether it is proved at an instant.
    #[must_use]
    pub fn holds(&self, now: Millis) -> bool {
        self.proved > 0 && self.until > now.0
    }
}

/// What an owner says of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// When it was written.
    pub at: Millis,
    /// Plain text.
    pub text: String,
}

macro_rules! claims {
    ($rest:literal) => {
        concat!(
            "SELECT person, host, token, asked_at, wanted_at, checked_at, proved_at, until, \
             method, said, leave FROM claim ",
            $rest
        )
    };
}

impl Store {
    /// Adds a person who will come back with this secret.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn add_person(&self, contact: &str, secret: &str, now: Millis) -> Result<Person> {
        const ADD: &str = "INSERT INTO person (id, contact, secret, since) VALUES ($1, $2, $3, $4)";
        let person = Person {
            id: fresh_bytes(now).to_vec(),
            contact: crate::state::clean(contact),
        };
        self.alter("adding a person", async |tx| {
            within!(tx, c => sqlx::query(ADD)
                .bind(&person.id)
                .bind(&person.contact)
                .bind(digest(secret))
                .bind(now.0)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))
        })
        .await?;
        Ok(person)
    }

    /// The person with this secret, or `None`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn person(&self, secret: &str) -> Result<Option<Person>> {
        const READ: &str = "SELECT id, contact FROM person WHERE secret = $1";
        let row: Option<(Vec<u8>, String)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(digest(secret)).fetch_optional(pool).await
        })
        .map_err(during(DOING))?;
        Ok(row.map(|(id, contact)| Person { id, contact }))
    }

    /// Makes a claim; one that is there keeps its token and its proof, and `leave` if that asks
    /// for more.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn add_claim(
        &self,
        person: &Person,
        host: &str,
        token: &str,
        leave: i64,
        now: Millis,
    ) -> Result<()> {
        const ADD: &str = "INSERT INTO claim (person, host, token, asked_at, leave) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (person, host) DO UPDATE SET leave = \
            CASE WHEN claim.leave > excluded.leave THEN claim.leave ELSE excluded.leave END";
        self.alter("making a claim", async |tx| {
            within!(tx, c => sqlx::query(ADD)
                .bind(&person.id)
                .bind(host)
                .bind(token)
                .bind(now.0)
                .bind(leave)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))
        })
        .await
        .map(drop)
    }

    /// A person's claims, by host.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn claims(&self, person: &Person) -> Result<Vec<Claim>> {
        self.claims_of(&person.id).await
    }

    /// The claims of the person of this row, by host, at most 200.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn claims_of(&self, person: &[u8]) -> Result<Vec<Claim>> {
        const READ: &str = claims!("WHERE person = $1 ORDER BY host LIMIT 200");
        on!(self.db, pool => sqlx::query_as(READ).bind(person).fetch_all(pool).await)
            .map_err(during(DOING))
    }

    /// Asks for a look at the host of a claim. False if there is no such claim, or the host was
    /// looked at less than `rest_ms` ago.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn want_proof(
        &self,
        person: &Person,
        host: &str,
        rest_ms: i64,
        now: Millis,
    ) -> Result<bool> {
        const WANT: &str = "UPDATE claim SET wanted_at = $3 WHERE person = $1 AND host = $2 \
            AND wanted_at = 0 AND checked_at <= $4";
        let rows = self
            .alter("asking for a proof", async |tx| {
                within!(tx, c => sqlx::query(WANT)
                    .bind(&person.id)
                    .bind(host)
                    .bind(now.0)
                    .bind(now.0.saturating_sub(rest_ms))
                    .execute(c)
                    .await
                    .map(|done| done.rows_affected()))
            })
            .await?;
        Ok(rows > 0)
    }

    /// Claims whose hosts are to be looked at, the longest waiting first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn wanted_proofs(&self, limit: u32) -> Result<Vec<Claim>> {
        const READ: &str = claims!("WHERE wanted_at > 0 ORDER BY wanted_at LIMIT $1");
        on!(self.db, pool => {
            sqlx::query_as(READ).bind(i64::from(limit)).fetch_all(pool).await
        })
        .map_err(during(DOING))
    }

    /// A claim with this token, or `None`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn claim_of(&self, person: &[u8], host: &str) -> Result<Option<Claim>> {
        const READ: &str = claims!("WHERE person = $1 AND host = $2");
        on!(self.db, pool => {
            sqlx::query_as(READ).bind(person).bind(host).fetch_optional(pool).await
        })
        .map_err(during(DOING))
    }

    /// Notes what a look at the host found: the method by which the token was shown and until
    /// when that holds, or why it was not found, which ends an earlier proof.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn proof_seen(
        &self,
        claim: &Claim,
        seen: std::result::Result<(&str, Millis), &str>,
        now: Millis,
    ) -> Result<()> {
        const PROVED: &str = "UPDATE claim SET wanted_at = 0, checked_at = $3, proved_at = $3, \
            until = $4, method = $5, said = '' WHERE person = $1 AND host = $2";
        const MISSED: &str = "UPDATE claim SET wanted_at = 0, checked_at = $3, until = $4, \
            said = $5 WHERE person = $1 AND host = $2";
        const LOG: &str = "INSERT INTO proof_log (at, host, person, method, outcome) \
            VALUES ($1, $2, $3, $4, $5)";
        let (sql, until, text) = match seen {
            Ok((method, until)) => (PROVED, until.0, method),
            Err(why) => (MISSED, 0, why),
        };
        let method = seen.map_or("", |(method, _)| method);
        let outcome = seen.map_or(text, |_| "proved");
        self.alter("noting a proof", async |tx| {
            within!(tx, c => sqlx::query(sql)
                .bind(&claim.person)
                .bind(&claim.host)
                .bind(now.0)
                .bind(until)
                .bind(text)
                .execute(c)
                .await
                .map(drop))?;
            within!(tx, c => sqlx::query(LOG)
                .bind(now.0)
                .bind(&claim.host)
                .bind(&claim.person)
                .bind(method)
                .bind(outcome)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))
        })
        .await
        .map(drop)
    }

    /// Looks at hosts with time, method or outcome, the newest first: who proved what, and when.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn proof_log(&self, host: &str) -> Result<Vec<(Millis, String, String)>> {
        const READ: &str = "SELECT at, method, outcome FROM proof_log WHERE host = $1 \
            ORDER BY id DESC LIMIT 100";
        let rows: Vec<(i64, String, String)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(host).fetch_all(pool).await)
                .map_err(during(DOING))?;
        Ok(rows
            .into_iter()
            .map(|(at, method, outcome)| (Millis(at), method, outcome))
            .collect())
    }

    /// Hosts that somebody has proved at an instant.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn proved_hosts(&self, now: Millis) -> Result<Vec<String>> {
        const READ: &str = "SELECT DISTINCT host FROM claim WHERE proved_at > 0 AND until > $1";
        let rows: Vec<(String,)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(now.0).fetch_all(pool).await)
                .map_err(during(DOING))?;
        Ok(rows.into_iter().map(|(host,)| host).collect())
    }

    /// Servers on a host and its ports, with their addresses, at most 200.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn servers_on(&self, host: &str) -> Result<Vec<(String, String)>> {
        const READ: &str = "SELECT public_id, url FROM target WHERE host = $1 \
            OR (host > $2 AND host < $3) ORDER BY host, id LIMIT 200";
        let rows: Vec<(Vec<u8>, String)> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(host)
            .bind(format!("{host}:"))
            .bind(format!("{host}:~"))
            .fetch_all(pool)
            .await)
        .map_err(during("reading the servers of a host"))?;
        Ok(rows
            .into_iter()
            .filter_map(|(id, url)| Some((crate::servers::public(Kind::Server, &id)?, url)))
            .collect())
    }

    /// Lets the next scan of a server go deeper, once, until an instant.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn go_deeper(
        &self,
        server: &str,
        person: &Person,
        until: Millis,
        now: Millis,
    ) -> Result<bool> {
        const GO: &str = "INSERT INTO deeper (target, person, asked_at, until) \
            SELECT id, $2, $3, $4 FROM target WHERE public_id = $1 \
            ON CONFLICT (target) DO UPDATE SET person = excluded.person, \
            asked_at = excluded.asked_at, until = excluded.until";
        let Some(id) = Kind::Server.read(server) else {
            return Ok(false);
        };
        let rows = self
            .alter("asking for a deeper scan", async |tx| {
                within!(tx, c => sqlx::query(GO)
                    .bind(&id[..])
                    .bind(&person.id)
                    .bind(now.0)
                    .bind(until.0)
                    .execute(c)
                    .await
                    .map(|done| done.rows_affected()))
            })
            .await?;
        Ok(rows > 0)
    }

    /// Servers whose deeper scan waits and whose person has no host left to be looked at.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn deeper_ready(&self, now: Millis) -> Result<Vec<String>> {
        const READ: &str = "SELECT t.public_id FROM deeper d JOIN target t ON t.id = d.target \
            WHERE d.until > $1 AND NOT EXISTS (SELECT 1 FROM claim c \
            WHERE c.person = d.person AND c.wanted_at > 0) ORDER BY d.asked_at LIMIT 100";
        let rows: Vec<(Vec<u8>,)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(now.0).fetch_all(pool).await)
                .map_err(during(DOING))?;
        Ok(rows
            .into_iter()
            .filter_map(|(id,)| crate::servers::public(Kind::Server, &id))
            .collect())
    }

    /// Takes the permission for a deeper scan, which is then used up: the person who gave it.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn take_deeper(&self, target: TargetId, now: Millis) -> Result<Option<Vec<u8>>> {
        const READ: &str = "SELECT person FROM deeper WHERE target = $1 AND until > $2";
        const TAKE: &str = "DELETE FROM deeper WHERE target = $1";
        let read = async {
            on!(self.db, pool => {
                sqlx::query_as::<_, (Vec<u8>,)>(READ)
                    .bind(target.0)
                    .bind(now.0)
                    .fetch_optional(pool)
                    .await
            })
        };
        let Some((person,)) = read.await.map_err(during(DOING))? else {
            return Ok(None);
        };
        let taken = self
            .alter("beginning a deeper scan", async |tx| {
                within!(tx, c => {
                    sqlx::query(TAKE).bind(target.0).execute(c).await.map(|done| done.rows_affected())
                })
            })
            .await?;
        Ok((taken > 0).then_some(person))
    }

    /// Keeps a result that only its person may see, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn keep_private(
        &self,
        target: TargetId,
        person: &[u8],
        report: &str,
        at: Millis,
    ) -> Result<()> {
        const KEEP: &str = "INSERT INTO private_result (target, person, at, report) \
            VALUES ($1, $2, $3, $4) ON CONFLICT (target) DO UPDATE SET \
            person = excluded.person, at = excluded.at, report = excluded.report";
        self.alter("keeping a private result", async |tx| {
            within!(tx, c => sqlx::query(KEEP)
                .bind(target.0)
                .bind(person)
                .bind(at.0)
                .bind(report.replace('\0', ""))
                .execute(c)
                .await
                .map(|done| done.rows_affected()))
        })
        .await
        .map(drop)
    }

    /// The private result of a server for a person, as JSON.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn private_result(
        &self,
        server: &str,
        person: &Person,
    ) -> Result<Option<(Millis, String)>> {
        const READ: &str = "SELECT p.at, p.report FROM private_result p \
            JOIN target t ON t.id = p.target WHERE t.public_id = $1 AND p.person = $2";
        let Some(id) = Kind::Server.read(server) else {
            return Ok(None);
        };
        let row: Option<(i64, String)> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(&id[..])
            .bind(&person.id)
            .fetch_optional(pool)
            .await)
        .map_err(during(DOING))?;
        Ok(row.map(|(at, report)| (Millis(at), report)))
    }

    /// Keeps what an owner says of a server; an empty text takes it back. Longer texts are cut at
    /// [`STATEMENT_CHARS`].
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn state(
        &self,
        server: &str,
        person: &Person,
        text: &str,
        now: Millis,
    ) -> Result<bool> {
        const STATE: &str = "INSERT INTO statement (target, person, at, text) \
            SELECT id, $2, $3, $4 FROM target WHERE public_id = $1 \
            ON CONFLICT (target) DO UPDATE SET person = excluded.person, at = excluded.at, \
            text = excluded.text";
        const UNSAY: &str = "DELETE FROM statement \
            WHERE target IN (SELECT id FROM target WHERE public_id = $1)";
        let Some(id) = Kind::Server.read(server) else {
            return Ok(false);
        };
        let text: String = text
            .trim()
            .chars()
            .filter(|c| !c.is_control() || *c == '\n')
            .take(STATEMENT_CHARS)
            .collect();
        let rows = self
            .alter("keeping a statement", async |tx| {
                let done = if text.is_empty() {
                    within!(tx, c => {
                        sqlx::query(UNSAY).bind(&id[..]).execute(c).await.map(|d| d.rows_affected())
                    })?
                } else {
                    within!(tx, c => sqlx::query(STATE)
                        .bind(&id[..])
                        .bind(&person.id)
                        .bind(now.0)
                        .bind(&text)
                        .execute(c)
                        .await
                        .map(|done| done.rows_affected()))?
                };
                Counters::default().write(tx, 0).await?;
                Ok(done)
            })
            .await?;
        Ok(rows > 0)
    }

    /// What the owner says of a server, while the proof of the person who said it holds.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn statement(&self, server: &str, now: Millis) -> Result<Option<Statement>> {
        const READ: &str = "SELECT s.at, s.text, t.host, s.person FROM statement s \
            JOIN target t ON t.id = s.target WHERE t.public_id = $1";
        let Some(id) = Kind::Server.read(server) else {
            return Ok(None);
        };
        let row: Option<(i64, String, String, Vec<u8>)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&id[..]).fetch_optional(pool).await
        })
        .map_err(during("reading a statement"))?;
        let Some((at, text, host, person)) = row else {
            return Ok(None);
        };
        let claim = self
            .claim_of(&person, &crate::left_out::bare(&host))
            .await?;
        Ok(claim.filter(|claim| claim.holds(now)).map(|_| Statement {
            at: Millis(at),
            text,
        }))
    }

    async fn alter(
        &self,
        doing: &'static str,
        change: impl AsyncFnOnce(&mut Tx) -> std::result::Result<u64, sqlx::Error>,
    ) -> Result<u64> {
        let all = async {
            let mut tx = self.db.begin().await?;
            let rows = change(&mut tx).await?;
            tx.commit().await?;
            Ok(rows)
        };
        all.await.map_err(during(doing))
    }
}

fn digest(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}
