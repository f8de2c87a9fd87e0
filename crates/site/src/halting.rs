//! Who says stop, and to whom: a file on this machine, a signal to a worker, or a row that every
//! worker of the database sees. All of them become one value that scans look at.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use scanner::halt::Halts;
use scanner::ledger::Later;
use scanner::net::NetScanner;
use scanner::time::{Clock as _, SystemClock};
use store::{Beacons, Look, Scope, Store};
use tokio::sync::watch;
use url::Url;

/// Between two looks. A stop is to be obeyed within five seconds, and whoever is interrupted has
/// three to close what is open.
const LOOK: Duration = Duration::from_millis(500);

/// Watches for stops until the receiver is gone.
#[must_use]
pub fn watch(store: Store, file: PathBuf) -> watch::Receiver<Arc<Halts>> {
    let (sender, receiver) = watch::channel(Arc::new(Halts::default()));
    tokio::spawn(async move {
        tokio::select! {
            () = look(&store, &file, &sender) => (),
            () = signalled(&store) => (),
            () = sender.closed() => (),
        }
    });
    receiver
}

async fn look(store: &Store, file: &std::path::Path, sender: &watch::Sender<Arc<Halts>>) {
    let mut stored = Halts::default();
    loop {
        match store.halts().await {
            Ok(halts) => stored = halts,
            // What was stopped stays stopped while nobody can be asked.
            Err(error) => tracing::warn!("{error}"),
        }
        let halts = Halts {
            all: stored.all || file.exists(),
            ..stored.clone()
        };
        sender.send_if_modified(|known| {
            let new = **known != halts;
            if new {
                tracing::warn!(
                    all = halts.all,
                    hosts = halts.hosts.len(),
                    issuers = halts.issuers.len(),
                    "what is stopped has changed"
                );
                *known = Arc::new(halts.clone());
            }
            new
        });
        tokio::time::sleep(LOOK).await;
    }
}

/// USR1 stops every worker; never resolves.
async fn signalled(store: &Store) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut usr1) = signal(SignalKind::user_defined1()) {
            while usr1.recv().await.is_some() {
                let now = SystemClock.now();
                if let Err(error) = store.stop(&Scope::All, "signal USR1", now).await {
                    tracing::error!("{error}");
                }
            }
        }
    }
    std::future::pending::<()>().await;
}

/// The beacons of the configuration, asked through the scanner.
pub struct NetBeacons {
    scanner: Arc<NetScanner>,
    urls: Vec<Url>,
}

impl NetBeacons {
    /// Beacons at these URLs; `None` without any.
    #[must_use]
    pub fn at(scanner: &Arc<NetScanner>, urls: &[String]) -> Option<Arc<dyn Beacons>> {
        let urls: Vec<Url> = urls.iter().filter_map(|url| Url::parse(url).ok()).collect();
        (!urls.is_empty()).then(|| {
            Arc::new(Self {
                scanner: Arc::clone(scanner),
                urls,
            }) as Arc<dyn Beacons>
        })
    }
}

impl Beacons for NetBeacons {
    fn look(&self) -> Later<'_, Look> {
        Box::pin(async move {
            let greetings = self.urls.iter().map(|url| self.scanner.greet(url));
            let answers = futures_util::future::join_all(greetings).await;
            let answers: Vec<_> = answers.into_iter().flatten().collect();
            let mut off: Vec<i64> = answers.iter().filter_map(|it| it.clock_off_ms).collect();
            off.sort_unstable();
            Look {
                asked: self.urls.len(),
                answered: answers.len(),
                clock_off_ms: off.get(off.len() / 2).copied(),
            }
        })
    }
}
