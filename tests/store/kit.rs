//! Short ways to say what a test of the store needs.

use scanner::evidence::Evidence;
use scanner::report::Report;
use scanner::target::{Listing, Target};
use scanner::time::Millis;
use store::ids::Kind;
use store::{Filed, Filing, Leased, NewListing, Result, Store, TargetId};

use crate::report::{DAY, DAY_ONE, Sample};

/// A listing under a name.
pub(crate) fn listing(url: &str, name: &str) -> NewListing {
    NewListing {
        target: Target {
            url: url.into(),
            listing: Some(Listing {
                name: Some(name.into()),
                version: Some("1.0.0".into()),
                status: Some("active".into()),
                ..Listing::default()
            }),
        },
        seen: DAY_ONE,
    }
}

/// Adds one server and gives its id and row.
pub(crate) async fn add(store: &Store, url: &str) -> (String, TargetId) {
    let row = NewListing {
        target: Target::of(url),
        seen: DAY_ONE,
    };
    store
        .add_listings("manual", &[row], DAY_ONE)
        .await
        .expect("an import");
    let server = store
        .server_by_url(url)
        .await
        .expect("a read")
        .expect("it was just added");
    let (id, _) = store
        .target_of(&server.id)
        .await
        .expect("a read")
        .expect("it was just added");
    (server.id, id)
}

/// Files a sample under a new id, due again a day later.
pub(crate) async fn file(store: &Store, target: TargetId, sample: &Sample) -> Filed {
    let (evidence, report) = sample.graded();
    let scan = Kind::Scan.fresh(sample.at);
    file_as(store, target, &scan, &evidence, &report)
        .await
        .expect("a filing")
}

/// Files evidence and report under this id, without a lease.
pub(crate) async fn file_as(
    store: &Store,
    target: TargetId,
    scan: &str,
    evidence: &Evidence,
    report: &Report,
) -> Result<Filed> {
    store
        .file(&Filing {
            target,
            scan: scan.to_owned(),
            evidence,
            report,
            finished: evidence.started.plus(900),
            next_due: evidence.started.plus(DAY),
            lease_until: None,
        })
        .await
}

/// Leases one target and files a sample under the lease.
pub(crate) async fn scan_leased(store: &Store, lease: &Leased, at: Millis) -> Filed {
    let (evidence, report) = Sample::oauth(&lease.target.url).at(at).graded();
    store
        .file(&Filing {
            target: lease.id,
            scan: Kind::Scan.fresh(at),
            evidence: &evidence,
            report: &report,
            finished: at.plus(900),
            next_due: at.plus(DAY),
            lease_until: Some(lease.until),
        })
        .await
        .expect("a filing")
}
