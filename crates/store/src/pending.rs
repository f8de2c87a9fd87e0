//! Signatures whose bodies follow.
#![expect(clippy::unused_async, unused_variables, reason = "bodies follow")]
use crate::rows::*;
use crate::{Result, Store};
use scanner::evidence::Evidence;
use scanner::report::Report;
use scanner::target::Target;
use scanner::time::Millis;

impl Store {
    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<()> {
        Ok(())
    }
    /// Names of migrations that have not been applied.
    pub async fn migrations_pending(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// Adds or refreshes listings of one source.
    pub async fn add_listings(
        &self,
        source: &str,
        rows: &[NewListing],
        now: Millis,
    ) -> Result<ImportTally> {
        Ok(ImportTally::default())
    }
    /// Leases targets that are due.
    pub async fn lease_due(&self, now: Millis, until: Millis, limit: u32) -> Result<Vec<Leased>> {
        Ok(Vec::new())
    }
    /// Moves the end of a lease; false if it is no longer held.
    pub async fn renew(&self, lease: &mut Leased, until: Millis) -> Result<bool> {
        Ok(false)
    }
    /// Gives a lease back without a result.
    pub async fn release(&self, lease: &Leased, due: Millis) -> Result<()> {
        Ok(())
    }
    /// Gives a lease back after a scan that came to nothing, which counts as a failure.
    pub async fn give_up(&self, lease: &Leased, due: Millis) -> Result<()> {
        Ok(())
    }
    /// When the next target is due.
    pub async fn next_due_at(&self) -> Result<Option<Millis>> {
        Ok(None)
    }
    /// Files a scan in one transaction; idempotent by scan id.
    pub async fn file(&self, filing: &Filing<'_>) -> Result<Filed> {
        Ok(Filed {
            scan: filing.scan.clone(),
            changed: false,
            first: false,
        })
    }
    /// Makes a server due now unless it was scanned within the cool-down. `None`: unknown server.
    pub async fn make_due(
        &self,
        server: &str,
        now: Millis,
        cooldown_ms: i64,
    ) -> Result<Option<DueAnswer>> {
        Ok(None)
    }
    /// One server.
    pub async fn server(&self, id: &str) -> Result<Option<ServerRow>> {
        Ok(None)
    }
    /// One server by its normalised URL.
    pub async fn server_by_url(&self, url: &str) -> Result<Option<ServerRow>> {
        Ok(None)
    }
    /// What to scan for a server.
    pub async fn target_of(&self, server: &str) -> Result<Option<(TargetId, Target)>> {
        Ok(None)
    }
    /// A page of servers.
    pub async fn servers(&self, filter: &TargetFilter, page: &Page) -> Result<Paged<ServerRow>> {
        Ok(Paged {
            rows: Vec::new(),
            next: None,
        })
    }
    /// Numbers of servers by kind.
    pub async fn facets(&self) -> Result<Facets> {
        Ok(Facets::default())
    }
    /// Stretches of equal scans of a server, newest first.
    pub async fn history(&self, server: &str, page: &Page) -> Result<Paged<RunRow>> {
        Ok(Paged {
            rows: Vec::new(),
            next: None,
        })
    }
    /// One scan.
    pub async fn scan(&self, id: &str) -> Result<Option<ScanRow>> {
        Ok(None)
    }
    /// Evidence of a scan.
    pub async fn evidence(&self, scan: &str) -> Result<Option<Evidence>> {
        Ok(None)
    }
    /// Report of a scan; without a rubric, the newest one.
    pub async fn report(&self, scan: &str, rubric: Option<&str>) -> Result<Option<Report>> {
        Ok(None)
    }
    /// Newest scans of a server with their times.
    pub async fn latest_scans(&self, server: &str, n: u32) -> Result<Vec<(String, Millis)>> {
        Ok(Vec::new())
    }
    /// Entries of the change feed after `since`, oldest first.
    pub async fn changes(&self, since: i64, limit: u32) -> Result<Vec<ChangeRow>> {
        Ok(Vec::new())
    }
    /// The newest entries of the change feed, newest first.
    pub async fn latest_changes(&self, limit: u32) -> Result<Vec<ChangeRow>> {
        Ok(Vec::new())
    }
    /// The index in numbers.
    pub async fn totals(&self, now: Millis) -> Result<Totals> {
        Ok(Totals::default())
    }
    /// How servers do on each check, in catalogue order.
    pub async fn tally(&self) -> Result<Vec<CheckTally>> {
        Ok(Vec::new())
    }
    /// Claims a planned run of a job; false if it was or is being done, or an older run of it still holds its lease.
    pub async fn job_claim(
        &self,
        name: &str,
        scheduled: Millis,
        now: Millis,
        until: Millis,
    ) -> Result<bool> {
        Ok(false)
    }
    /// Ends a run of a job.
    pub async fn job_done(
        &self,
        name: &str,
        scheduled: Millis,
        ok: bool,
        note: &str,
        now: Millis,
    ) -> Result<()> {
        Ok(())
    }
    /// All jobs by name.
    pub async fn jobs(&self) -> Result<Vec<JobRow>> {
        Ok(Vec::new())
    }
    /// A kept position, for example of a registry walk.
    pub async fn cursor(&self, name: &str) -> Result<Option<String>> {
        Ok(None)
    }
    /// Keeps a position.
    pub async fn set_cursor(&self, name: &str, value: &str) -> Result<()> {
        Ok(())
    }
    /// Stretches without a report under this rubric, newest first.
    pub async fn ungraded(&self, rubric: &str, limit: u32) -> Result<Vec<Ungraded>> {
        Ok(Vec::new())
    }
    /// Adds the report of a stored scan under a further rubric. With `current` it becomes the
    /// server's state if the scan is what the server shows today.
    pub async fn add_report(
        &self,
        scan: &str,
        report: &Report,
        current: bool,
        now: Millis,
    ) -> Result<bool> {
        Ok(false)
    }
}
