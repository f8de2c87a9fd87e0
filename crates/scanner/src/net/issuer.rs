//! What is done about a certificate that does not validate: the issuer's certificate is fetched
//! where the host alone failed to send it (catalogue section 0.4 item 7), and if that does not
//! help, the host is talked to unvalidated.
//!
//! The fetch is one small GET over http to the address that the certificate names. It passes
//! the guard and waits for its turn; when it succeeds, [`crate::evidence::TlsSeen`] says so.

use std::time::Duration;

use reqwest::header::USER_AGENT;
use url::Url;

use super::client::Client;
use super::tls;
use crate::facts::relation;

/// Most bytes of a certificate.
const MOST_BYTES: usize = 16 * 1024;

/// Time for everything, the turn included: whoever waits here holds another host's turn.
const TIME: Duration = Duration::from_secs(10);

impl Client<'_> {
    /// After the certificate of a host was refused: what makes the next handshake succeed.
    pub(super) async fn mend(&self, host: &str) {
        let verdicts = &self.doors.verdicts;
        if let Some(url) = verdicts.missing_issuer(host)
            && let Ok(Some(issuer)) = tokio::time::timeout(TIME, self.issuer(host, &url)).await
        {
            verdicts.supply(host, &url, issuer);
            return;
        }
        verdicts.tolerate(host);
    }

    async fn issuer(&self, host: &str, url: &Url) -> Option<Vec<u8>> {
        // A host of the same site would wait for the turn that is held here.
        if url.host_str().is_none_or(|other| site(other) == site(host)) {
            return None;
        }
        let door = self.doors.to(url, true).await.ok()?;
        let pace = &self.settings.pace;
        let _turn = pace
            .turn(door.host.trim_end_matches('.'), door.place, Duration::ZERO)
            .await
            .ok()?;
        let mut request = reqwest::Request::new(reqwest::Method::GET, url.clone());
        if let Some(port) = door.host_header.clone() {
            request.headers_mut().insert(reqwest::header::HOST, port);
            // Cannot fail: the URL has a host.
            let _ = request.url_mut().set_port(None);
        }
        if let Some(agent) = self.agent.clone() {
            request.headers_mut().insert(USER_AGENT, agent);
        }
        let mut response = door.client.execute(request).await.ok()?;
        let peer = response.remote_addr();
        if response.status().as_u16() != 200
            || (!door.addresses.is_empty()
                && peer.is_none_or(|peer| !door.addresses.contains(&peer)))
        {
            return None;
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return None;
            }
            bytes.extend_from_slice(&chunk);
        }
        tls::certificate(&bytes)
    }
}

fn site(host: &str) -> String {
    relation::registrable_domain(host).unwrap_or_else(|| host.to_owned())
}
