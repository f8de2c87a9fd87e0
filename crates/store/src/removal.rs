//! Taking a server out of every table, and out of the numbers that are kept while writing.

use crate::codec::{self, Mark};
use crate::counters::{Counters, HOUR};
use crate::db::{Tx, within};
use crate::schema::Ordinals;
use crate::state::Counted;

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    counted: Counted,
    product: Option<String>,
    checked_at: i64,
    scans: i64,
    bits: Option<Vec<u8>>,
}

/// The public id of a server, if it is still there.
pub(crate) async fn public_id(tx: &mut Tx, target: i64) -> Result<Option<Vec<u8>>, sqlx::Error> {
    const READ: &str = "SELECT public_id FROM target WHERE id = $1";
    let row: Option<(Vec<u8>,)> =
        within!(tx, c => sqlx::query_as(READ).bind(target).fetch_optional(c).await)?;
    Ok(row.map(|(id,)| id))
}

/// Subtracts a server from the counters.
pub(crate) async fn uncount(
    tx: &mut Tx,
    target: i64,
    ordinals: &Ordinals,
    counters: &mut Counters,
) -> Result<(), sqlx::Error> {
    // A filing of the same server waits until this is over, and then finds nothing.
    const READ: &str = "SELECT t.class, t.era, t.letter, t.badge, t.claimed, t.registration, \
        t.pkce, t.product, v.checked_at, v.scans, r.bits FROM target t JOIN visit v ON v.target = t.id \
        LEFT JOIN run r ON r.id = t.run WHERE t.id = $1";
    const LOCK: &str = " FOR UPDATE OF v";
    const SOURCES: &str = "SELECT DISTINCT source FROM listing WHERE target = $1";
    let sql = if tx.is_postgres() {
        format!("{READ}{LOCK}")
    } else {
        READ.to_owned()
    };
    let row: Option<Row> = within!(tx, c => {
        let sql = sqlx::AssertSqlSafe(sql.as_str());
        sqlx::query_as(sql).bind(target).fetch_optional(c).await
    })?;
    let Some(row) = row else { return Ok(()) };
    let sources: Vec<(String,)> =
        within!(tx, c => sqlx::query_as(SOURCES).bind(target).fetch_all(c).await)?;
    row.counted.count(counters, -1);
    counters.add("total", "servers", -1);
    counters.add("total", "scans", -row.scans);
    if let Some(product) = &row.product {
        counters.add("product", product, -1);
    }
    for (source,) in sources {
        counters.add("source", &source, -1);
    }
    if row.checked_at > 0 {
        counters.add("hour", &(row.checked_at / HOUR).to_string(), -1);
    }
    for (ordinal, mark, _) in codec::changed(&row.bits.unwrap_or_default(), &[]) {
        if mark != Mark::Unjudged
            && let Some(id) = ordinals.id(ordinal)
        {
            counters.add(mark.as_str(), id, -1);
        }
    }
    Ok(())
}

/// Deletes a server's rows, those that refer to others first.
pub(crate) async fn delete(tx: &mut Tx, target: i64) -> Result<(), sqlx::Error> {
    const EVIDENCE: &str = "SELECT DISTINCT evidence FROM run WHERE target = $1";
    const ORPHAN: &str = "DELETE FROM evidence WHERE id = $1 \
        AND NOT EXISTS (SELECT 1 FROM run WHERE run.evidence = $1)";
    const ROWS: [&str; 16] = [
        "UPDATE issuer SET servers = servers - 1 \
         WHERE id IN (SELECT issuer FROM target_issuer WHERE target = $1)",
        "DELETE FROM refusal WHERE target = $1",
        "DELETE FROM deeper WHERE target = $1",
        "DELETE FROM private_result WHERE target = $1",
        "DELETE FROM statement WHERE target = $1",
        "DELETE FROM failing WHERE target = $1",
        "DELETE FROM sighting WHERE target = $1",
        "DELETE FROM listing WHERE target = $1",
        "DELETE FROM newest WHERE target = $1",
        "DELETE FROM change WHERE target = $1",
        "DELETE FROM report WHERE run IN (SELECT id FROM run WHERE target = $1)",
        "DELETE FROM scan WHERE run IN (SELECT id FROM run WHERE target = $1)",
        "DELETE FROM publication WHERE run IN (SELECT id FROM run WHERE target = $1)",
        "DELETE FROM run WHERE target = $1",
        "DELETE FROM visit WHERE target = $1",
        "DELETE FROM target WHERE id = $1",
    ];
    let evidence: Vec<(i64,)> =
        within!(tx, c => sqlx::query_as(EVIDENCE).bind(target).fetch_all(c).await)?;
    for sql in ROWS {
        within!(tx, c => sqlx::query(sql).bind(target).execute(c).await.map(drop))?;
    }
    for (id,) in evidence {
        within!(tx, c => sqlx::query(ORPHAN).bind(id).execute(c).await.map(drop))?;
    }
    Ok(())
}
