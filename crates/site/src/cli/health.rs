//! `health`: asks an Authdex on this machine whether it is ready, for container health checks
//! where no other client is installed. Plain http to loopback or a private address only.

use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Ended, Exit, Outcome};

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Address to ask
    #[arg(default_value = "http://127.0.0.1:8080/readyz", value_name = "URL")]
    url: String,
}

pub(super) async fn run(args: HealthArgs) -> Outcome {
    let url = url::Url::parse(&args.url)
        .map_err(|error| Ended::said(Exit::Usage, format!("{}: {error}", args.url)))?;
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Ended::said(Exit::Usage, format!("{}: no host", args.url)));
    };
    if url.scheme() != "http" {
        return Err(Ended::said(
            Exit::Usage,
            "health asks over plain http, on this machine",
        ));
    }
    match tokio::time::timeout(PATIENCE, ask(host, port, url.path())).await {
        Ok(Ok(200)) => Ok(Exit::Done),
        Ok(Ok(status)) => Err(Ended::said(
            Exit::Incomplete,
            format!("{} answered {status}, so it is not ready", args.url),
        )),
        Ok(Err(error)) => Err(Ended::said(
            Exit::Incomplete,
            format!("{}: {error}", args.url),
        )),
        Err(_) => Err(Ended::said(
            Exit::Incomplete,
            format!("{}: no answer in 4 s", args.url),
        )),
    }
}

async fn ask(host: &str, port: u16, path: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: authdex-health\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0u8; 12];
    stream.read_exact(&mut head).await?;
    std::str::from_utf8(&head[9..])
        .ok()
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}
