//! What a listing declares about a server, beside what a scan saw: transport, authorization,
//! headers and address.
//!
//! A difference is a correction for the listing, not a fault of the server, and changes no
//! grade. What a scan without credentials cannot see stays undecided. Pure: a listing and a
//! report go in.

use serde::Serialize;
use serde_json::{Value, json};

use crate::report::{Class, Era, Report};
use crate::target::Listing;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The wire transport.
    Transport,
    /// The way of authorization.
    Auth,
    /// Request headers that callers are told to send.
    Headers,
    /// The address as written.
    Url,
}

impl Subject {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Auth => "auth",
            Self::Headers => "headers",
            Self::Url => "url",
        }
    }
}

/// How declaration and observation stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// They are the same.
    Agrees,
    /// They contradict each other.
    Differs,
    /// The listing does not say.
    Undeclared,
    /// The scan could not see it.
    Unseen,
}

impl Standing {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::Undeclared => "undeclared",
            Self::Unseen => "unseen",
        }
    }
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// What is compared.
    pub subject: Subject,
    /// The result.
    pub standing: Standing,
    /// What the listing says; text of strangers.
    pub declared: Option<String>,
    /// What the scan saw.
    pub observed: Option<String>,
}

/// A listing beside a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Truth {
    /// One comparison for each subject of which either side says something.
    pub compared: Vec<Compared>,
    /// JSON Patch (RFC 6902) for the entry of `remotes` in `server.json` whose `url` is the
    /// listing's; empty if nothing needs correcting, or nothing can be said for certain.
    pub patch: Vec<Value>,
}

/// Compares a listing with a report of its server.
#[must_use]
pub fn compare(listing: &Listing, report: &Report) -> Truth {
    let mut truth = Truth {
        compared: Vec::new(),
        patch: Vec::new(),
    };
    url(listing, report, &mut truth);
    transport(listing, report, &mut truth);
    auth(listing, report, &mut truth);
    headers(listing, report, &mut truth);
    truth
}

/// The transport that a scan saw. A server that hides its era shows none.
fn seen_transport(report: &Report) -> Option<&'static str> {
    match (report.class, report.era) {
        (Class::Unreachable | Class::Blocked | Class::NotMcp, _) => None,
        (Class::HttpSse, _) | (_, Era::HttpSse) => Some("sse"),
        (_, Era::Modern | Era::Dual | Era::Legacy) => Some("streamable-http"),
        (_, Era::Hidden) => None,
    }
}

/// The way of authorization that a scan saw.
fn seen_auth(report: &Report) -> Option<&'static str> {
    match report.class {
        Class::Oauth | Class::Lazy | Class::LegacyOauth => Some("oauth"),
        Class::StaticKey => Some("key"),
        Class::Open | Class::HttpSse => Some("none"),
        Class::BrowserSso => Some("login"),
        Class::NotMcp | Class::Unreachable | Class::Blocked => None,
    }
}

impl Truth {
    /// Files a comparison, and says what came of it.
    fn file(
        &mut self,
        subject: Subject,
        declared: Option<&str>,
        observed: Option<&str>,
    ) -> Option<Standing> {
        let standing = match (declared, observed) {
            (None, None) => return None,
            (Some(declared), Some(observed)) if declared == observed => Standing::Agrees,
            (Some(_), Some(_)) => Standing::Differs,
            (None, Some(_)) => Standing::Undeclared,
            (Some(_), None) => Standing::Unseen,
        };
        self.compared.push(Compared {
            subject,
            standing,
            declared: declared.map(str::to_owned),
            observed: observed.map(str::to_owned),
        });
        Some(standing)
    }
}

/// A scheme that only redirects, a host in capitals: the address is to be written as asked.
fn url(listing: &Listing, report: &Report, truth: &mut Truth) {
    let Some(raw) = listing.raw_url.as_deref() else {
        return;
    };
    // A template is filled in by its reader; the address asked is one of many.
    if raw.contains('{') || seen_auth(report).is_none() {
        return;
    }
    let asked = report.target.url.as_str();
    if truth.file(Subject::Url, Some(raw), Some(asked)) == Some(Standing::Differs) {
        truth
            .patch
            .push(json!({"op": "replace", "path": "/url", "value": asked}));
    }
}

fn transport(listing: &Listing, report: &Report, truth: &mut Truth) {
    let declared = listing.transport.as_deref();
    let observed = seen_transport(report);
    match truth.file(Subject::Transport, declared, observed) {
        Some(Standing::Differs) => {
            truth
                .patch
                .push(json!({"op": "replace", "path": "/type", "value": observed}));
        }
        Some(Standing::Undeclared) => {
            truth
                .patch
                .push(json!({"op": "add", "path": "/type", "value": observed}));
        }
        _ => {}
    }
}

fn auth(listing: &Listing, report: &Report, truth: &mut Truth) {
    let observed = seen_auth(report);
    // Headers that are secret say that callers bring a key, unless the listing says more.
    let by_headers = (!listing.secret_headers.is_empty()).then_some("key");
    let declared = listing.auth.as_deref().or(by_headers);
    truth.file(Subject::Auth, declared, observed);
}

/// Declared headers that carry a key, where the server wants a token that clients get for
/// themselves, or nothing at all.
fn headers(listing: &Listing, report: &Report, truth: &mut Truth) {
    let secret = |name: &&String| listing.secret_headers.contains(name);
    let keys: Vec<&str> = listing
        .declared_headers
        .iter()
        .filter(secret)
        .map(String::as_str)
        .collect();
    let observed = match report.class {
        Class::Oauth | Class::LegacyOauth => "Authorization, with a token that clients obtain",
        Class::StaticKey => "a key",
        _ => return,
    };
    let declared = keys.join(", ");
    let standing = match (report.class, keys.is_empty()) {
        (Class::StaticKey, true) => Standing::Undeclared,
        (Class::StaticKey, false) | (_, true) => Standing::Agrees,
        (_, false) => Standing::Differs,
    };
    if keys.is_empty() && standing == Standing::Agrees {
        return;
    }
    truth.compared.push(Compared {
        subject: Subject::Headers,
        standing,
        declared: (!keys.is_empty()).then_some(declared),
        observed: Some(observed.to_owned()),
    });
    if standing != Standing::Differs {
        return;
    }
    // From behind, so that the positions before stay; each is tested before it goes. Of other
    // secret headers a scan cannot know what they are for.
    for (at, name) in listing.declared_headers.iter().enumerate().rev() {
        if name.eq_ignore_ascii_case("authorization") {
            let path = format!("/headers/{at}");
            truth
                .patch
                .push(json!({"op": "test", "path": format!("{path}/name"), "value": name}));
            truth.patch.push(json!({"op": "remove", "path": path}));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Standing, Subject, compare};
    use crate::checks::testkit::World;
    use crate::report::{Class, Era, Report};
    use crate::target::Listing;

    fn seen(class: Class, era: Era) -> Report {
        let mut report = crate::grade::grade(&World::compliant().scan(), crate::rubric::current());
        report.class = class;
        report.era = era;
        report.target.url = "https://a.example.com/mcp".to_owned();
        report
    }

    fn listing() -> Listing {
        Listing {
            transport: Some("streamable-http".to_owned()),
            ..Listing::default()
        }
    }

    fn standings(listing: &Listing, report: &Report) -> Vec<(Subject, Standing)> {
        compare(listing, report)
            .compared
            .into_iter()
            .map(|one| (one.subject, one.standing))
            .collect()
    }

    #[test]
    fn what_is_the_same_needs_no_correction() {
        let listing = Listing {
            auth: Some("oauth".to_owned()),
            ..listing()
        };
        let report = seen(Class::Oauth, Era::Legacy);
        assert_eq!(
            standings(&listing, &report),
            [
                (Subject::Transport, Standing::Agrees),
                (Subject::Auth, Standing::Agrees)
            ]
        );
        assert!(compare(&listing, &report).patch.is_empty());
    }

    #[test]
    fn what_was_not_seen_is_not_corrected() {
        let listing = Listing {
            raw_url: Some("http://a.example.com/mcp".to_owned()),
            auth: Some("none".to_owned()),
            ..listing()
        };
        for class in [Class::Unreachable, Class::Blocked, Class::NotMcp] {
            let report = seen(class, Era::Hidden);
            assert_eq!(
                standings(&listing, &report),
                [
                    (Subject::Transport, Standing::Unseen),
                    (Subject::Auth, Standing::Unseen)
                ]
            );
            assert!(compare(&listing, &report).patch.is_empty());
        }
        let hidden = compare(&listing, &seen(Class::Oauth, Era::Hidden));
        assert_eq!(
            hidden.compared[1].standing,
            Standing::Unseen,
            "behind the refusal"
        );
    }

    #[test]
    fn differences_become_a_patch_of_the_remote() {
        let listing = Listing {
            transport: Some("sse".to_owned()),
            raw_url: Some("http://A.example.com/mcp".to_owned()),
            declared_headers: ["X-Team", "Authorization", "X-Key", "authorization"]
                .map(str::to_owned)
                .into(),
            secret_headers: ["Authorization", "X-Key", "authorization"]
                .map(str::to_owned)
                .into(),
            ..Listing::default()
        };
        let truth = compare(&listing, &seen(Class::Oauth, Era::Dual));
        assert!(
            truth
                .compared
                .iter()
                .all(|one| one.standing == Standing::Differs)
        );
        assert_eq!(truth.compared.len(), 4);
        assert_eq!(
            json!(truth.patch),
            json!([
                {"op": "replace", "path": "/url", "value": "https://a.example.com/mcp"},
                {"op": "replace", "path": "/type", "value": "streamable-http"},
                {"op": "test", "path": "/headers/3/name", "value": "authorization"},
                {"op": "remove", "path": "/headers/3"},
                {"op": "test", "path": "/headers/1/name", "value": "Authorization"},
                {"op": "remove", "path": "/headers/1"},
            ])
        );
    }

    #[test]
    fn keys_and_templates() {
        let plain = Listing {
            raw_url: Some("https://{tenant}.example.com/mcp".to_owned()),
            ..Listing::default()
        };
        let report = seen(Class::StaticKey, Era::Legacy);
        assert_eq!(
            standings(&plain, &report),
            [
                (Subject::Transport, Standing::Undeclared),
                (Subject::Auth, Standing::Undeclared),
                (Subject::Headers, Standing::Undeclared)
            ]
        );
        assert_eq!(
            json!(compare(&plain, &report).patch),
            json!([{"op": "add", "path": "/type", "value": "streamable-http"}])
        );
        let keyed = Listing {
            declared_headers: vec!["X-API-Key".to_owned()],
            secret_headers: vec!["X-API-Key".to_owned()],
            ..listing()
        };
        assert!(
            standings(&keyed, &report)
                .iter()
                .all(|(_, standing)| *standing == Standing::Agrees)
        );
    }
}
