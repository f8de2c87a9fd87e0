//! Whether a database can be relied on: the engine's own check, the schema, numbers that must
//! agree, and a sample of evidence that is decoded and graded. Reads only.

use crate::Store;
use crate::again::{Again, Stretch};
use crate::db::{Engine, on};
use crate::error::{Result, during};
use crate::regrade::Grade;
use crate::schema;

const EXAMINING: &str = "examining a database";
/// Lines of the engine's own check that are repeated.
const LINES: usize = 5;

/// What an examination found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// Name of the last migration.
    pub schema: String,
    /// Names of migrations that would be applied when it is opened.
    pub behind: Vec<String>,
    /// Rows by table, in a fixed order: servers, listings, scans, stretches, evidence, reports,
    /// changes.
    pub counts: Vec<(&'static str, i64)>,
    /// The sample; empty where the schema is not this program's.
    pub sample: Again,
    /// What is wrong, a line each.
    pub faults: Vec<String>,
}

impl Store {
    /// Examines the database, with a sample of at most `sample` stretches of scans spread over
    /// the whole history, graded again and compared with their reports under `rubric`.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn examine(&self, rubric: &str, grade: &Grade, sample: u32) -> Result<Examined> {
        let state = schema::state(&self.db).await?;
        let mut found = Examined {
            schema: state.last,
            behind: state.behind,
            ..Examined::default()
        };
        if !state.unknown.is_empty() {
            found.faults.push(format!(
                "the schema is of a newer program (migrations {:?}); use that one",
                state.unknown
            ));
        }
        self.check_engine(&mut found.faults).await?;
        self.count_rows(&mut found).await?;
        if found.behind.is_empty() && state.unknown.is_empty() {
            self.check_sample(rubric, grade, sample, &mut found).await?;
        }
        Ok(found)
    }

    async fn check_engine(&self, faults: &mut Vec<String>) -> Result<()> {
        let Engine::Sqlite(pool) = &self.db.engine else {
            return Ok(());
        };
        let lines: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(5)")
            .fetch_all(pool)
            .await
            .map_err(during(EXAMINING))?;
        for (line,) in lines.into_iter().filter(|(line,)| line != "ok").take(LINES) {
            faults.push(format!("SQLite: {}", crate::error::one_line(&line)));
        }
        let (orphans,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM pragma_foreign_key_check")
            .fetch_one(pool)
            .await
            .map_err(during(EXAMINING))?;
        if orphans > 0 {
            faults.push(format!("{orphans} rows refer to rows that are not there"));
        }
        Ok(())
    }

    async fn count_rows(&self, found: &mut Examined) -> Result<()> {
        const COUNTS: [(&str, &str); 7] = [
            ("servers", "SELECT COUNT(*) FROM target"),
            ("listings", "SELECT COUNT(*) FROM listing"),
            ("scans", "SELECT COUNT(*) FROM scan"),
            ("stretches", "SELECT COUNT(*) FROM run"),
            ("evidence", "SELECT COUNT(*) FROM evidence"),
            ("reports", "SELECT COUNT(*) FROM report"),
            ("changes", "SELECT COUNT(*) FROM change"),
        ];
        /// Each is zero in a sound database.
        const FAULTS: [(&str, &str); 4] = [
            (
                "servers have no row of visits",
                "SELECT COUNT(*) FROM target t WHERE NOT EXISTS \
                 (SELECT 1 FROM visit v WHERE v.target = t.id)",
            ),
            (
                "stretches have another number of scans than they say",
                "SELECT COUNT(*) FROM run r WHERE r.n <> \
                 (SELECT COUNT(*) FROM scan s WHERE s.run = r.id)",
            ),
            (
                "stretches have no report",
                "SELECT COUNT(*) FROM run r WHERE NOT EXISTS \
                 (SELECT 1 FROM report o WHERE o.run = r.id)",
            ),
            (
                "changes have numbers that were never given out",
                "SELECT COUNT(*) FROM change c WHERE c.seq > \
                 (SELECT n FROM counter WHERE kind = 'data' AND value = 'changes')",
            ),
        ];
        for (name, sql) in COUNTS {
            found.counts.push((name, self.number(sql).await?));
        }
        for (what, sql) in FAULTS {
            let n = self.number(sql).await?;
            if n > 0 {
                found.faults.push(format!("{n} {what}"));
            }
        }
        Ok(())
    }

    async fn number(&self, sql: &'static str) -> Result<i64> {
        let (n,): (i64,) = on!(self.db, pool => sqlx::query_as(sql).fetch_one(pool).await)
            .map_err(during(EXAMINING))?;
        Ok(n)
    }

    async fn check_sample(
        &self,
        rubric: &str,
        grade: &Grade,
        sample: u32,
        found: &mut Examined,
    ) -> Result<()> {
        const ENDS: &str = "SELECT CAST(coalesce(min(id), 0) AS BIGINT), CAST(coalesce(max(id), -1) AS BIGINT) \
             FROM run";
        const NEXT: &str = "SELECT r.id, r.first_scan, r.surface FROM run r \
            WHERE r.id >= $1 ORDER BY r.id LIMIT 1";
        let (first, last): (i64, i64) =
            on!(self.db, pool => sqlx::query_as(ENDS).fetch_one(pool).await)
                .map_err(during(EXAMINING))?;
        let step = ((last - first) / i64::from(sample.max(1))).max(1);
        let (mut from, mut left) = (first, sample);
        while from <= last && left > 0 {
            let row: Option<Stretch> = on!(self.db, pool => {
                sqlx::query_as(NEXT).bind(from).fetch_optional(pool).await
            })
            .map_err(during(EXAMINING))?;
            let Some(row) = row else { break };
            self.again(&row, rubric, grade, &mut found.sample).await?;
            from = row.id.max(from) + step;
            left -= 1;
        }
        if found.sample.unreadable > 0 {
            let n = found.sample.unreadable;
            found
                .faults
                .push(format!("{n} sampled scans cannot be read"));
        }
        for differing in &found.sample.differing {
            found.faults.push(format!(
                "{}: graded again, {}",
                differing.scan, differing.why
            ));
        }
        Ok(())
    }
}
