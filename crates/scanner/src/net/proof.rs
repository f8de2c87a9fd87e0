//! Looking at a host for the proof that somebody runs it: a text record, and a file.

use url::Url;

use super::NetScanner;
use super::client::Client;
use super::courtesy::Shown;
use crate::target::Target;

/// Where a token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// In the text record `_authdex.HOST`.
    Record,
    /// In `https://HOST/.well-known/authdex.txt`.
    File,
}

impl Found {
    /// The word that is kept.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "dns",
            Self::File => "file",
        }
    }
}

impl NetScanner {
    /// Looks for a token at a host: in its text record, then in its file. `id` goes along with
    /// the request, so that the operator can look it up.
    ///
    /// # Errors
    ///
    /// A sentence that says what was looked at and not found.
    pub async fn prove(&self, host: &str, token: &str, id: &str) -> Result<Found, String> {
        let shared = &self.shared;
        let address = format!("https://{host}/");
        let url = Url::parse(&address).map_err(|_| format!("{host} is no host"))?;
        let target = Target::of(address);
        let client = Client::new(shared, &target, id, super::instant());
        let has = |shown: &Shown| shown.tokens.iter().any(|found| found == token);
        let mut looked = Vec::new();
        if client.doors.has_records(host) {
            let name = format!("_authdex.{host}");
            let records = shared.names.text_records(&name).await;
            if has(&Shown::of(records.iter().map(String::as_str))) {
                return Ok(Found::Record);
            }
            looked.push(match records.len() {
                0 => format!("there is no text record {name}"),
                n => format!("none of the {n} text records {name} is the token's"),
            });
        }
        if client.is_sealed(&url) {
            looked.push("the host is left out for good, so its file is not asked for".into());
            return Err(looked.join("; "));
        }
        match client.doors.to(&url, false).await {
            Err(failure) => looked.push(format!("the host cannot be reached ({})", failure.word())),
            Ok(door) => {
                let (shown, _) = client.shown_in_file(&url, &door, "proof").await;
                // Whoever stands between could show anything over such a connection.
                if client.doors.verdicts.tolerates(&door.host) {
                    looked.push("the certificate of the host is not valid".into());
                } else if has(&shown) {
                    return Ok(Found::File);
                } else {
                    looked.push("/.well-known/authdex.txt does not show the token".into());
                }
            }
        }
        Err(looked.join("; "))
    }
}
