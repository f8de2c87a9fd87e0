//! The owner's browser: opens an authorization request, and waits on loopback for the redirect
//! that answers it (RFC 8252 section 7.3).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use scanner::net::Browser;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// How long somebody may take to sign in.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How long one connection to the listener may take.
const CONNECTION: Duration = Duration::from_secs(5);
/// Bytes of a request that are read.
const LONGEST: usize = 16 * 1024;
/// Connections that are looked at before giving up: other programs on this machine.
const CONNECTIONS: usize = 200;

const DONE: &str = "<!doctype html><meta charset=utf-8><title>Done</title><p>Authdex has what it \
                    needs. You can close this window.";

/// Shows a request to whoever signs in.
pub type Open = Arc<dyn Fn(&Url) + Send + Sync>;

/// Opens requests and listens where their redirects lead.
#[derive(Clone)]
pub struct LoopbackBrowser {
    open: Open,
    tell: fn(&str),
    patience: Duration,
}

impl LoopbackBrowser {
    /// Shows requests with `open`, waits for `patience`, and tells what is in the way.
    #[must_use]
    pub fn new(open: Open, patience: Duration, tell: fn(&str)) -> Self {
        Self {
            open,
            tell,
            patience,
        }
    }
}

impl Browser for LoopbackBrowser {
    fn open(&self, request: Url) -> Pin<Box<dyn Future<Output = Option<Url>> + Send + '_>> {
        Box::pin(async move {
            let param = |name: &str| {
                let mut pairs = request.query_pairs();
                pairs.find(|(key, _)| key == name).map(|(_, value)| value)
            };
            let redirect = Url::parse(&param("redirect_uri")?).ok()?;
            let state = param("state")?.into_owned();
            if redirect.scheme() != "http" || redirect.host_str() != Some("127.0.0.1") {
                (self.tell)(
                    "No sign-in: the client's redirect is not http://127.0.0.1 with a port, so nothing here can receive it.",
                );
                return None;
            }
            let address = format!("127.0.0.1:{}", redirect.port()?);
            let listener = match TcpListener::bind(&address).await {
                Ok(listener) => listener,
                Err(error) => {
                    (self.tell)(&format!(
                        "No sign-in: listening on {address}, where the client's redirect leads: {error}"
                    ));
                    return None;
                }
            };
            (self.open)(&request);
            await_redirect(&listener, &redirect, &state, self.patience).await
        })
    }
}

/// The first request for the path of `redirect` that carries our `state`; every other one is
/// turned away. `None` if none came in time.
pub async fn await_redirect(
    listener: &TcpListener,
    redirect: &Url,
    state: &str,
    patience: Duration,
) -> Option<Url> {
    let waiting = async {
        for _ in 0..CONNECTIONS {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let asked = tokio::time::timeout(CONNECTION, serve(stream, redirect, state));
            if let Ok(Some(url)) = asked.await {
                return Some(url);
            }
        }
        None
    };
    tokio::time::timeout(patience, waiting).await.ok().flatten()
}

async fn serve(mut stream: TcpStream, redirect: &Url, state: &str) -> Option<Url> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > LONGEST || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let url = target(&String::from_utf8_lossy(&head), redirect, state);
    let (status, body) = match url {
        Some(_) => ("200 OK", DONE),
        None => ("404 Not Found", ""),
    };
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Whoever does not wait for the page has signed in all the same.
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
    url
}

fn target(head: &str, redirect: &Url, state: &str) -> Option<Url> {
    let mut line = head.lines().next()?.split(' ');
    let (method, path) = (line.next()?, line.next()?);
    if method != "GET" || !path.starts_with('/') {
        return None;
    }
    let url = redirect.join(path).ok()?;
    let ours = url.origin() == redirect.origin()
        && url.path() == redirect.path()
        && url
            .query_pairs()
            .any(|(name, value)| name == "state" && value == state);
    ours.then_some(url)
}

/// Opens a URL in the browser of this machine; the URL is printed where there is none.
#[must_use]
pub fn of_this_machine(tell: fn(&str)) -> Open {
    Arc::new(move |url| {
        let program: (&str, &[&str]) = if cfg!(target_os = "macos") {
            ("open", &[])
        } else if cfg!(target_os = "windows") {
            ("rundll32", &["url.dll,FileProtocolHandler"])
        } else {
            ("xdg-open", &[])
        };
        let opened = std::process::Command::new(program.0)
            .args(program.1)
            .arg(url.as_str())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        match opened {
            Ok(_) => tell("A browser was opened to sign in; the address, if it was not:"),
            Err(_) => tell("Open this address to sign in:"),
        }
        tell(url.as_str());
    })
}

/// Prints the URL.
#[must_use]
pub fn printed(tell: fn(&str)) -> Open {
    Arc::new(move |url| {
        tell("Open this address to sign in:");
        tell(url.as_str());
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use url::Url;

    use super::await_redirect;

    async fn get(address: std::net::SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn only_the_right_request_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let redirect = Url::parse(&format!("http://{address}/callback")).unwrap();
        let patience = Duration::from_secs(20);
        let (found, ()) = tokio::join!(
            await_redirect(&listener, &redirect, "s-1", patience),
            async {
                for wrong in [
                    "GET /callback?code=a&state=s-2",
                    "GET /callback?code=a",
                    "GET /favicon.ico",
                    "POST /callback?code=a&state=s-1",
                    "GET //evil.example/callback?state=s-1",
                    "GET http://evil.example/callback?state=s-1",
                ] {
                    assert!(
                        get(address, wrong).await.starts_with("HTTP/1.1 404"),
                        "{wrong}"
                    );
                }
                let page = get(address, "GET /callback?code=a&state=s-1").await;
                assert!(page.starts_with("HTTP/1.1 200"));
            }
        );
        let found = found.unwrap();
        assert_eq!(found.query(), Some("code=a&state=s-1"));
        let none = await_redirect(&listener, &redirect, "s-1", Duration::from_millis(10)).await;
        assert_eq!(none, None);
    }
}
