//! What the host under our control serves during a scan: client documents (good ones and
//! others that must be refused), targets of redirects, and canaries.
//!
//! Pure: from a path below `{base}/{nonce}/` to what is answered. The plan sends the URLs, and
//! whoever serves them notes the visits under the names that are given here.

use serde_json::{Value, json};
use url::Url;

use crate::evidence::{CimdVariant, Forgery, Purpose};
use crate::facts::consent::LOOPBACK_REDIRECT;

/// Length of the document that nobody should read whole, in bytes.
const LARGE: usize = 200_000;

/// How long a stalling answer sends nothing, in seconds.
const STALL_SECONDS: u32 = 30;

/// Appended to a path for the end of its redirect.
const REDIRECTED: &str = "-redirected";

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The name under which the visit is noted, as [`crate::evidence::Visit::what`] has it.
    pub what: String,
    /// Status.
    pub status: u16,
    /// Media type of the body.
    pub media: &'static str,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// Body.
    pub body: String,
    /// The body is sent only after this many seconds.
    pub stall_seconds: u32,
}

/// The name of a test client: says that it is one, and of which scan.
#[must_use]
pub fn client_name(nonce: &str) -> String {
    format!("Authdex test client {}", nonce.get(..8).unwrap_or_default())
}

/// The `client_id` of a variant: the URL of its document. `base` is the URL below which the
/// scan's documents live. `None` if `base` is no URL.
#[must_use]
pub fn client_id(base: &str, nonce: &str, variant: CimdVariant) -> Option<String> {
    let base = base.trim_end_matches('/');
    let url = Url::parse(base).ok()?;
    let origin = url.origin().ascii_serialization();
    let name = Purpose::Cimd(variant).name();
    let below = format!("{}/{nonce}", url.path().trim_end_matches('/'));
    let authority = origin.split_once("://")?.1;
    Some(match variant {
        CimdVariant::PlainHttp => format!("http://{authority}{below}/{name}"),
        CimdVariant::NoPath => origin,
        CimdVariant::Fragment => format!("{origin}{below}/{name}#client"),
        CimdVariant::Userinfo => format!("https://user:password@{authority}{below}/{name}"),
        CimdVariant::DotSegments => format!("{origin}{below}/elsewhere/../{name}"),
        CimdVariant::Loopback => format!("https://localhost{below}/{name}"),
        CimdVariant::Good
        | CimdVariant::OtherId
        | CimdVariant::NoId
        | CimdVariant::SlashId
        | CimdVariant::UnlistedRedirect
        | CimdVariant::Redirecting
        | CimdVariant::Large
        | CimdVariant::Stalling => format!("{origin}{below}/{name}"),
    })
}

/// All variants of client documents.
pub const VARIANTS: [CimdVariant; 14] = [
    CimdVariant::Good,
    CimdVariant::OtherId,
    CimdVariant::NoId,
    CimdVariant::SlashId,
    CimdVariant::UnlistedRedirect,
    CimdVariant::PlainHttp,
    CimdVariant::NoPath,
    CimdVariant::Fragment,
    CimdVariant::Userinfo,
    CimdVariant::DotSegments,
    CimdVariant::Redirecting,
    CimdVariant::Loopback,
    CimdVariant::Large,
    CimdVariant::Stalling,
];

/// What is answered for `rest`, the path behind `{base}/{nonce}/`, dot segments included.
/// `None` if there is nothing.
#[must_use]
pub fn answer(base: &str, nonce: &str, rest: &str) -> Option<Served> {
    // Some fetchers resolve dot segments, some send them.
    let name = match rest.rsplit_once("/../") {
        Some((_, last)) => last,
        None => rest,
    };
    if name
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("cb"))
    {
        return Some(callback(name));
    }
    if [Forgery::Jku, Forgery::X5u]
        .iter()
        .any(|how| Purpose::ForgedToken(*how).name() == name)
    {
        return Some(Served {
            what: name.to_owned(),
            status: 200,
            media: "application/json",
            location: None,
            // No key: whoever trusts it still lets nobody in.
            body: json!({ "keys": [] }).to_string(),
            stall_seconds: 0,
        });
    }
    let (name, redirected) = match name.strip_suffix(REDIRECTED) {
        Some(name) => (name, true),
        None => (name, false),
    };
    let variant = VARIANTS
        .into_iter()
        .find(|variant| Purpose::Cimd(*variant).name() == name)?;
    if redirected && variant != CimdVariant::Redirecting {
        return None;
    }
    document(base, nonce, variant, redirected)
}

/// What is answered at the origin itself, without a path.
#[must_use]
pub fn answer_root(base: &str, nonce: &str) -> Option<Served> {
    document(base, nonce, CimdVariant::NoPath, false)
}

fn document(base: &str, nonce: &str, variant: CimdVariant, redirected: bool) -> Option<Served> {
    let id = client_id(base, nonce, variant)?;
    let name = Purpose::Cimd(variant).name();
    if variant == CimdVariant::Redirecting && !redirected {
        return Some(Served {
            what: name,
            status: 302,
            media: "text/plain",
            location: Some(format!("{id}{REDIRECTED}")),
            body: String::new(),
            stall_seconds: 0,
        });
    }
    let mut client = json!({
        "client_id": id,
        "client_name": client_name(nonce),
        "redirect_uris": [LOOPBACK_REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    match variant {
        CimdVariant::OtherId => client["client_id"] = format!("{id}-of-somebody-else").into(),
        CimdVariant::SlashId => client["client_id"] = format!("{id}/").into(),
        CimdVariant::NoId => {
            if let Value::Object(members) = &mut client {
                members.remove("client_id");
            }
        }
        CimdVariant::Large => {
            let padding = LARGE.saturating_sub(client.to_string().len() + 20);
            client["authdex_padding"] = "x".repeat(padding).into();
        }
        _ => {}
    }
    Some(Served {
        what: if redirected {
            format!("{name} redirected")
        } else {
            name
        },
        status: 200,
        media: "application/json",
        location: None,
        body: client.to_string(),
        stall_seconds: if variant == CimdVariant::Stalling {
            STALL_SECONDS
        } else {
            0
        },
    })
}

/// Where browsers land that follow a redirect to a test client.
fn callback(name: &str) -> Served {
    let what: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect();
    Served {
        what,
        status: 200,
        media: "text/html; charset=utf-8",
        location: None,
        body: "<!doctype html><title>Test client of Authdex</title>\
            <p>This address belongs to a test client of an authorization scan. \
            Nothing that was sent here is kept.</p>"
            .to_owned(),
        stall_seconds: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://own.example.net:8443/canary";
    const NONCE: &str = "abcdefghijklmnopqrstuvwxyz";

    fn served(variant: CimdVariant) -> Served {
        answer(BASE, NONCE, &Purpose::Cimd(variant).name()).expect("it is served")
    }

    fn stated(variant: CimdVariant) -> Option<String> {
        let json: Value = serde_json::from_str(&served(variant).body).expect("JSON");
        json.get("client_id")?.as_str().map(str::to_owned)
    }

    #[test]
    fn documents_name_their_own_url_except_where_that_is_the_test() {
        for variant in VARIANTS {
            let own = client_id(BASE, NONCE, variant);
            match variant {
                CimdVariant::OtherId | CimdVariant::SlashId => {
                    assert!(
                        stated(variant).is_some() && stated(variant) != own,
                        "{variant:?}"
                    );
                }
                CimdVariant::NoId => assert_eq!(stated(variant), None),
                CimdVariant::Redirecting => {}
                _ => assert_eq!(stated(variant), own, "{variant:?}"),
            }
        }
    }

    #[test]
    fn urls_differ_in_the_one_point_that_is_tested() {
        let id = |variant| client_id(BASE, NONCE, variant).expect("a URL");
        let below = format!("own.example.net:8443/canary/{NONCE}");
        assert_eq!(id(CimdVariant::Good), format!("https://{below}/cimd_good"));
        assert_eq!(
            id(CimdVariant::PlainHttp),
            format!("http://{below}/cimd_plain_http")
        );
        assert_eq!(id(CimdVariant::NoPath), "https://own.example.net:8443");
        assert!(id(CimdVariant::Fragment).ends_with("/cimd_fragment#client"));
        assert!(id(CimdVariant::Userinfo).starts_with("https://user:password@own."));
        assert!(id(CimdVariant::DotSegments).ends_with("/elsewhere/../cimd_dot_segments"));
        assert!(id(CimdVariant::Loopback).starts_with("https://localhost/canary/"));
    }

    #[test]
    fn a_redirect_leads_to_a_place_of_its_own() {
        let first = served(CimdVariant::Redirecting);
        assert_eq!(first.status, 302);
        let to = first.location.expect("a location");
        let rest = to.rsplit_once('/').expect("a path").1;
        let end = answer(BASE, NONCE, rest).expect("it is served");
        assert_eq!(
            (end.what.as_str(), end.status),
            ("cimd_redirecting redirected", 200)
        );
    }

    #[test]
    fn large_is_large_and_stalling_stalls() {
        let large = served(CimdVariant::Large);
        assert!(large.body.len() > 195_000 && large.body.len() < 205_000);
        assert_eq!(served(CimdVariant::Stalling).stall_seconds, 30);
        assert_eq!(served(CimdVariant::Good).stall_seconds, 0);
        assert!(served(CimdVariant::Good).body.len() < 5_000);
    }

    #[test]
    fn dot_segments_are_found_resolved_or_not() {
        for rest in ["elsewhere/../cimd_dot_segments", "cimd_dot_segments"] {
            let served = answer(BASE, NONCE, rest).expect("it is served");
            assert_eq!(served.what, "cimd_dot_segments");
        }
        for nothing in [
            "",
            "cimd",
            "cimd_good-redirected",
            "../../etc",
            "cimd_good/x",
        ] {
            assert_eq!(answer(BASE, NONCE, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn canaries_hold_no_key_and_callbacks_keep_nothing() {
        let jku = answer(BASE, NONCE, "forged_token_jku").expect("it is served");
        assert_eq!(jku.body, r#"{"keys":[]}"#);
        for name in ["cb", "cb/", "CB", "cbx"] {
            assert_eq!(answer(BASE, NONCE, name).expect("it is served").status, 200);
        }
    }
}
