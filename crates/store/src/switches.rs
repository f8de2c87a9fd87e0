//! What was switched by a person or by a guard, for every process of one database: stops of all
//! scans, of hosts and of issuers, and the freeze of publishing.
//!
//! The freeze: while [`Store::frozen`] answers something, no newer result of a server takes the
//! place of the published one, and nothing new is announced. Scans go on and are filed. A
//! person ends it by [`Store::unfreeze`] (`authdex resume --publishing`).

use scanner::halt::{Halts, bare};
use scanner::time::Millis;

use crate::Store;
use crate::db::{on, within};
use crate::error::{Result, during};
use crate::state::clean;

/// What a stop is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every scan.
    All,
    /// A host, with all names below it.
    Host(String),
    /// An issuer.
    Issuer(String),
}

impl Scope {
    fn key(&self) -> (&'static str, String) {
        match self {
            Self::All => ("stop_all", String::new()),
            Self::Host(host) => ("stop_host", clean(&bare(host))),
            Self::Issuer(issuer) => ("stop_issuer", clean(issuer)),
        }
    }
}

/// One thing that is switched.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Switch {
    /// `stop_all`, `stop_host`, `stop_issuer` or `freeze`.
    pub kind: String,
    /// The host or issuer; else empty.
    pub value: String,
    /// Since when, milliseconds since 1970.
    pub since: i64,
    /// Who or why.
    pub note: String,
}

/// Why publishing is frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Since when.
    pub since: Millis,
    /// Why.
    pub note: String,
}

const FREEZE: &str = "freeze";

impl Store {
    /// Stops scans in every process that uses this database; each notices within its
    /// `stop` poll (a second). True if that was not stopped before.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn stop(&self, scope: &Scope, note: &str, now: Millis) -> Result<bool> {
        let (kind, value) = scope.key();
        self.switch_on(kind, &value, note, now).await
    }

    /// Ends a stop; true if there was one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn resume(&self, scope: &Scope) -> Result<bool> {
        let (kind, value) = scope.key();
        self.switch_off(kind, &value).await
    }

    /// Freezes publishing; true if it was not frozen.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn freeze(&self, note: &str, now: Millis) -> Result<bool> {
        self.switch_on(FREEZE, "", note, now).await
    }

    /// Lets publishing go on; true if it was frozen.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn unfreeze(&self) -> Result<bool> {
        const LOOK: &str = "UPDATE visit SET due = 0, lane = -1 WHERE lease_until IS NULL \
            AND target IN (SELECT r.target FROM run r JOIN publication p ON p.run = r.id \
            WHERE r.standing = 1 AND p.reason = 'frozen')";
        let was = self.switch_off(FREEZE, "").await?;
        if was {
            // What was held meanwhile is looked at again, and then settled.
            let write = async {
                let mut tx = self.db.begin().await?;
                within!(tx, c => sqlx::query(LOOK).execute(c).await.map(drop))?;
                tx.commit().await
            };
            write.await.map_err(during("going on with publishing"))?;
        }
        Ok(was)
    }

    /// Whether publishing is frozen, since when and why.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn frozen(&self) -> Result<Option<Frozen>> {
        const READ: &str = "SELECT since, note FROM switch WHERE kind = $1 AND value = ''";
        let row: Option<(i64, String)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(FREEZE).fetch_optional(pool).await
        })
        .map_err(during("reading whether publishing is frozen"))?;
        Ok(row.map(|(since, note)| Frozen {
            since: Millis(since),
            note,
        }))
    }

    /// Everything that is switched, oldest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn switches(&self) -> Result<Vec<Switch>> {
        const READ: &str =
            "SELECT kind, value, since, note FROM switch ORDER BY since, kind, value";
        on!(self.db, pool => sqlx::query_as(READ).fetch_all(pool).await)
            .map_err(during("reading what is stopped"))
    }

    /// The stops in force.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn halts(&self) -> Result<Halts> {
        let mut out = Halts::default();
        for switch in self.switches().await? {
            match switch.kind.as_str() {
                "stop_all" => out.all = true,
                "stop_host" => drop(out.hosts.insert(switch.value)),
                "stop_issuer" => drop(out.issuers.insert(switch.value)),
                _ => (),
            }
        }
        Ok(out)
    }

    async fn switch_on(&self, kind: &str, value: &str, note: &str, now: Millis) -> Result<bool> {
        const ON: &str = "INSERT INTO switch (kind, value, since, note) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (kind, value) DO NOTHING";
        let write = async {
            let mut tx = self.db.begin().await?;
            let rows = within!(tx, c => sqlx::query(ON)
                .bind(kind)
                .bind(value)
                .bind(now.0)
                .bind(clean(note))
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?;
            tx.commit().await?;
            Ok(rows == 1)
        };
        write.await.map_err(during("writing a switch"))
    }

    async fn switch_off(&self, kind: &str, value: &str) -> Result<bool> {
        const OFF: &str = "DELETE FROM switch WHERE kind = $1 AND value = $2";
        let write = async {
            let mut tx = self.db.begin().await?;
            let rows = within!(tx, c => sqlx::query(OFF)
                .bind(kind)
                .bind(value)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?;
            tx.commit().await?;
            Ok(rows > 0)
        };
        write.await.map_err(during("ending a switch"))
    }
}
