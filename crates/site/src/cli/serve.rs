//! `serve`: site and API, scheduler and crawler, together or apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use scanner::net::OwnHosting;
use scanner::time::SystemClock;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Ended, Exit, Outcome};
use crate::AppState;
use crate::config::{Settings, Source, SourceKind};
use crate::own_host::OwnHost;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// What this process does
    #[arg(long, value_enum, default_value = "all")]
    role: Role,
    /// Address and port [default: http.bind of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Read this source now and by schedule: a name of the configuration (`registry`), a registry's URL, or a file; repeatable
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Site, API, scheduler and crawler
    All,
    /// Site and API; asks nobody anything
    Web,
    /// Scheduler and crawler; listens for health only
    Worker,
}

/// Enables sources by name, or adds them by URL or file.
pub(super) fn enable(settings: &mut Settings, wanted: &[String]) -> Result<(), Ended> {
    for name in wanted {
        if let Some(source) = settings
            .source
            .iter_mut()
            .find(|source| source.name == *name)
        {
            source.enabled = true;
            continue;
        }
        let is_url = name.starts_with("https://") || name.starts_with("http://");
        let kind = if is_url {
            SourceKind::Registry
        } else if std::path::Path::new(name).is_file() {
            match scanner::sources::detect(
                &super::import::read_text(std::path::Path::new(name)).map_err(Ended::usage)?,
            ) {
                scanner::sources::Format::Registry => SourceKind::Dump,
                scanner::sources::Format::Csv => SourceKind::Csv,
                scanner::sources::Format::List => SourceKind::List,
                scanner::sources::Format::ServerJson => SourceKind::ServerJson,
                scanner::sources::Format::ClientConfig => SourceKind::ClientConfig,
                scanner::sources::Format::DockerCatalogue => SourceKind::DockerCatalogue,
                scanner::sources::Format::Markdown => SourceKind::Markdown,
            }
        } else {
            let known: Vec<&str> = settings
                .source
                .iter()
                .map(|source| source.name.as_str())
                .collect();
            return Err(Ended::said(
                Exit::Usage,
                format!(
                    "--source: `{name}` is no file, no URL and no source of the configuration (there: {})",
                    known.join(", ")
                ),
            ));
        };
        settings.source.push(Source {
            name: name.clone(),
            kind,
            location: name.clone(),
            enabled: true,
            api_key: String::new(),
            page_limit: 100,
            max_pages: 2000,
        });
    }
    Ok(())
}

pub(super) async fn run(args: ServeArgs, mut settings: Settings) -> Outcome {
    enable(&mut settings, &args.source)?;
    let store = super::open_store(&settings).await?;
    if settings.instance.mode == crate::config::Mode::Public {
        tracing::warn!(
            "this version shows what a scan saw as soon as it is filed: nothing is confirmed or held first"
        );
    }
    let bind = args
        .listen
        .clone()
        .unwrap_or_else(|| settings.http.bind.clone());
    let listener = TcpListener::bind(&bind).await.map_err(|error| {
        Ended::said(
            Exit::Usage,
            format!("listening on {bind}: {error}; choose another with --listen"),
        )
    })?;
    let address = listener.local_addr().map_err(Ended::internal)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(signals(stop));
    let own_host = own_host(args.role, &settings)?;
    let hosting = own_host.as_ref().map(OwnHost::hosting);
    let worker = (args.role != Role::Web)
        .then(|| spawn_worker(store.clone(), &settings, stopped.clone(), address, hosting));
    let state = AppState {
        store,
        clock: Arc::new(SystemClock),
        settings: Arc::new(settings.site()),
    };
    let router = match args.role {
        Role::All | Role::Web => crate::router(state),
        Role::Worker => crate::health(state),
    };
    let router = match own_host {
        Some(own) => own.router().fallback_service(router),
        None => router,
    };
    super::tell(format_args!(
        "Authdex is at http://{address}/ (Ctrl-C ends it)"
    ));
    serve(listener, router, stopped).await?;
    if let Some(worker) = worker {
        super::tell("Ending the scans that are running; they stay due.");
        worker
            .await
            .map_err(Ended::internal)?
            .map_err(Ended::usage)?;
    }
    Ok(Exit::Done)
}

/// The host that serves client documents to authorization servers. Who fetches them is known
/// in the process that serves, so that process has to scan, too.
fn own_host(role: Role, settings: &Settings) -> Result<Option<OwnHost>, Ended> {
    let url = &settings.scan.own_host_url;
    if url.is_empty() {
        return Ok(None);
    }
    if role != Role::All {
        return Err(Ended::said(
            Exit::Usage,
            "scan.own_host_url: what authorization servers fetch is seen by the process that serves it; run --role all, or leave it empty",
        ));
    }
    OwnHost::new(url).map(Some).map_err(Ended::usage)
}

fn spawn_worker(
    store: store::Store,
    settings: &Settings,
    stopped: watch::Receiver<bool>,
    address: SocketAddr,
    own_host: Option<OwnHosting>,
) -> tokio::task::JoinHandle<anyhow::Result<()>> {
    let settings = settings.clone();
    tokio::spawn(async move {
        if settings.source.iter().any(|source| source.enabled) {
            let (store, settings) = (store.clone(), settings.clone());
            // Scanning begins while the first walk still runs.
            tokio::spawn(async move {
                if let Err(error) = crate::sourcing::sync(&store, &settings, false).await {
                    tracing::warn!("{error:#}");
                }
            });
        }
        let outcome = crate::worker::run(store, settings, stopped, &[address], own_host).await;
        if let Err(error) = &outcome {
            super::tell(format_args!(
                "authdex: the crawler could not start: {error:#}"
            ));
        }
        outcome
    })
}

/// Time that open requests have to finish after the signal.
const GRACE: Duration = Duration::from_secs(3);

/// Serves until stopped, then lets open requests finish, but not wait for ever: a client that
/// keeps its connection half open would keep the program from ending.
pub(super) async fn serve(
    listener: TcpListener,
    router: axum::Router,
    stopped: watch::Receiver<bool>,
) -> Result<(), Ended> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let told = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let late = stopped.clone();
    tokio::select! {
        served = axum::serve(listener, service).with_graceful_shutdown(told(stopped)) => {
            served.map_err(Ended::internal)
        }
        () = async {
            told(late).await;
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}

/// Turns the signal true at the first Ctrl-C or TERM; a second one ends the process.
pub(super) async fn signals(stop: watch::Sender<bool>) {
    wait().await;
    let _ = stop.send(true);
    wait().await;
    std::process::exit(3);
}

/// Resolves at Ctrl-C or TERM.
pub(super) async fn wait() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => (),
                _ = terminate.recv() => (),
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
