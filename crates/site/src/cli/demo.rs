//! `demo`: the sample fleet on loopback, scanned, changed, scanned again, and the site that
//! shows grades, history and differences. Everything lives in a temporary folder; no outside
//! name is resolved.

use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;
use scanner::evidence::Evidence;
use scanner::fleet::{Fleet, demo};
use scanner::net::{Guard, NetScanner, Pace, Rates, Retries, Settings as NetSettings};
use scanner::target::{Listing, Target};
use scanner::time::{Clock as _, SystemClock};
use store::{NewListing, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Ended, Exit, Outcome, put, serve, tell};
use crate::AppState;
use crate::scanning;
use crate::settings::SiteSettings;
use crate::worker::{self, Watched};

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Address and port of the site
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Scan twice, print what was found, and exit without serving
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: DemoArgs) -> Outcome {
    // A port that is taken is said before the passes, not after them.
    let listener = if args.once {
        None
    } else {
        Some(listen(&args.listen).await?)
    };
    let folder = tempfile::tempdir().map_err(Ended::internal)?;
    let url = format!("sqlite://{}", folder.path().join("demo.db").display());
    let store = Store::open(&url).await?;
    store.migrate().await?;
    let fleet = Fleet::start(demo::world()).await.map_err(Ended::internal)?;
    tokio::select! {
        done = passes(&store, &fleet) => done?,
        // Returning removes the folder.
        () = serve::wait() => return Ok(Exit::Incomplete),
    }
    let Some(listener) = listener else {
        return Ok(Exit::Done);
    };
    let address = listener.local_addr().map_err(Ended::internal)?;
    let state = AppState {
        store,
        clock: Arc::new(SystemClock),
        settings: Arc::new(SiteSettings {
            name: "Authdex demo".into(),
            public_url: Some(format!("http://{address}")),
            demo: true,
            accept_submissions: false,
            // Whoever reads is the one who started it.
            reads_per_minute: 6000,
            ..SiteSettings::default()
        }),
    };
    tell(format_args!(
        "The site is at http://{address}/ (Ctrl-C ends it)"
    ));
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve::signals(stop));
    serve::serve(listener, crate::router(state), stopped).await?;
    drop(fleet);
    Ok(Exit::Done)
}

async fn listen(address: &str) -> Result<TcpListener, Ended> {
    TcpListener::bind(address).await.map_err(|error| {
        Ended::said(
            Exit::Usage,
            format!("listening on {address}: {error}; choose another with --listen, for example 127.0.0.1:0"),
        )
    })
}

/// Both passes with the change between them, and what came of it.
async fn passes(store: &Store, fleet: &Fleet) -> Result<(), Ended> {
    tell(format_args!(
        "{} sample servers are up on {}, under names of {} that only this process knows.",
        fleet.targets().len(),
        fleet.address(),
        demo::DOMAIN
    ));
    list(store, fleet).await?;
    pass(store, fleet, "First pass").await?;
    fleet.change(demo::change);
    tell(
        "Between the passes one server was repaired, one broke, and one authorization server changed.",
    );
    store.make_all_due(SystemClock.now()).await?;
    pass(store, fleet, "Second pass").await?;
    store.roll_up(SystemClock.now()).await?;
    summary(store).await
}

async fn list(store: &Store, fleet: &Fleet) -> Result<(), Ended> {
    let now = SystemClock.now();
    let listings: Vec<NewListing> = fleet
        .targets()
        .into_iter()
        .map(|(url, name)| NewListing {
            target: Target {
                url,
                listing: Some(Listing {
                    source: "demo".into(),
                    name: Some(name),
                    status: Some("active".into()),
                    ..Listing::default()
                }),
            },
            seen: now,
        })
        .collect();
    store.add_listings("demo", &listings, now).await?;
    Ok(())
}

/// Scans everything that is due, without pacing: the servers are our own.
async fn pass(store: &Store, fleet: &Fleet, title: &str) -> Result<(), Ended> {
    let (_running, stopped) = watch::channel(false);
    let mut net = NetSettings::new(Arc::new(SystemClock), Arc::new(scanning::entropy));
    net.guard = Guard::public();
    net.extra_roots = fleet.authority().as_bytes().to_vec();
    net.connect_to = scanning::connect_to(&fleet.connect_to()).map_err(Ended::internal)?;
    net.retries = Retries::none();
    net.limits.repeat_gap_ms = 0;
    net.pace = Arc::new(Pace::new(Rates {
        public: std::time::Duration::ZERO,
        private: std::time::Duration::ZERO,
        global_per_second: None,
        per_site: usize::MAX >> 4,
        ..Rates::default()
    }));
    net.stop = Some(stopped);
    net.timeouts.idle_stream = std::time::Duration::from_secs(1);
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(fleet.targets().len() as u64)
    } else {
        ProgressBar::hidden()
    };
    bar.set_message(title.to_owned());
    let scanner = {
        let bar = bar.clone();
        Arc::new(Watched::new(
            NetScanner::new(net).await.map_err(Ended::internal)?,
            move |_: &Evidence| bar.inc(1),
        ))
    };
    let mut scanned = 0;
    let pace = store::Pace {
        concurrency: 16,
        ..store::Pace::private(worker::judge)
    };
    loop {
        let filed = store::scheduler::tick(store, &scanner, &SystemClock, &pace).await?;
        if filed == 0 {
            break;
        }
        scanned += filed;
    }
    bar.finish_and_clear();
    tell(format_args!("{title}: {scanned} servers scanned."));
    Ok(())
}

async fn summary(store: &Store) -> Result<(), Ended> {
    let mut page = store::Page::first(100);
    page.limit = 100;
    let servers = store
        .servers(&store::TargetFilter::default(), &page)
        .await?;
    let mut out = String::new();
    for row in &servers.rows {
        let mark = crate::view::grade::Mark::new(row.letter, row.badge, row.doubtful);
        out.push_str(&format!(
            "{:<3} {:<42} {}\n",
            mark.text,
            row.url,
            row.name.as_deref().unwrap_or_default()
        ));
    }
    for change in store.latest_changes(50).await? {
        if change.kind != "added" {
            out.push_str(&format!(
                "changed: {} {} -> {} ({} by {})\n",
                change.url,
                change.from.as_deref().unwrap_or("-"),
                change.to.as_deref().unwrap_or("-"),
                change.kind,
                change.cause.replace('_', " ")
            ));
        }
    }
    put(&out)
}
