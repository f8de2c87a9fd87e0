//! Leased targets as they are read.

use scanner::report::{Class, GradeLetter};
use scanner::target::Target;
use scanner::time::Millis;

use crate::db::{Tx, within};
use crate::error::{Result, StoreError};
use crate::ids::Kind;
use crate::rows::{Leased, TargetId};
use crate::servers;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: i64,
    public_id: Vec<u8>,
    url: String,
    host: String,
    listing: Option<String>,
    class: Option<String>,
    letter: Option<String>,
    failures: i64,
    failing_since: i64,
    refusals: i64,
    checked_at: i64,
    changed_at: i64,
    surface: Option<Vec<u8>>,
}

pub(super) async fn leased(tx: &mut Tx, ids: &[i64]) -> Result<Vec<Row>, sqlx::Error> {
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT t.id, t.public_id, t.url, v.host, t.listing, t.class, t.letter, v.failures, v.failing_since, \
             v.refusals, v.checked_at, t.changed_at, r.surface \
             FROM target t JOIN visit v ON v.target = t.id \
             LEFT JOIN run r ON r.id = COALESCE(t.seen, t.run) WHERE t.id IN (",
        );
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })
}

impl Row {
    pub(super) fn read(self, until: Millis) -> Result<Leased> {
        let ever = |at: i64| (at > 0).then_some(Millis(at));
        Ok(Leased {
            id: TargetId(self.id),
            server: servers::public(Kind::Server, &self.public_id).ok_or_else(|| {
                StoreError::Stored {
                    what: "a server",
                    why: "its id is not of 16 bytes".into(),
                }
            })?,
            target: Target {
                listing: self
                    .listing
                    .as_deref()
                    .and_then(|listing| serde_json::from_str(listing).ok()),
                url: self.url,
            },
            host: self.host,
            class: self
                .class
                .as_deref()
                .and_then(|text| Class::ALL.into_iter().find(|class| class.as_str() == text)),
            letter: self.letter.as_deref().and_then(GradeLetter::parse),
            until,
            failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
            failing_since: ever(self.failing_since),
            refusals: u32::try_from(self.refusals).unwrap_or(0),
            checked_at: ever(self.checked_at),
            changed_at: ever(self.changed_at),
            surface: self.surface.map(|bytes| hex(&bytes)),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
