//! Thousands of simulated hosts in the proportions of the real world: what benchmarks, soak
//! tests and the rehearsal of a full crawl are driven by.
//!
//! There is no table of hosts. Whatever name and path are asked for, the answer is a pure
//! function of seed, generation, name and path, so two crawls of one list must come to the
//! same result. From one generation to the next a fixed share of the hosts changes. The
//! counts that a fleet keeps of its visitors are the judge of every limit ([`counts`]).

mod certificates;
pub mod counts;
pub mod profile;
mod serve;

use serde_json::{Value, json};

use super::reply::{self, Asked, Reply};
use super::world::{
    AuthorizationServer, Challenge, Guard, McpServer, Prm, Speaks, World, destructive_tools,
    read_only_tools,
};
use crate::facts::relation;

pub use profile::{Profile, REAL};
pub use serve::{Crowd, Options};

const PRM: &str = "/.well-known/oauth-protected-resource";
const ASM: &str = "/.well-known/oauth-authorization-server";
const OIDC: &str = "/.well-known/openid-configuration";
const ELSEWHERE: &str = "/oauth/resource.json";
/// What foreign issuers are called, around their number.
const ISSUER: (&str, &str) = ("login.idp-", ".example");
/// What issuers next to a server are called, before its registrable domain.
const NEIGHBOUR: &str = "idp0.";

/// How the simulated hosts behave.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    /// Decides everything that the profile leaves open.
    pub seed: u64,
    /// Proportions.
    pub profile: Profile,
}

/// What a host is, seen from far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An MCP server for everybody.
    Open,
    /// An MCP server that asks for authorization.
    Gated,
    /// An authorization server and nothing else.
    Issuer,
    /// 404 for everything.
    Missing,
    /// A web page for everything.
    Page,
    /// 402.
    Payment,
    /// This status for everything.
    Broken(u16),
    /// An intermediary's challenge page.
    Interstitial,
    /// Takes connections and says nothing.
    Silent,
    /// A certificate that does not hold.
    BadCertificate(CertificateFault),
    /// Closes connections in the handshake.
    Reset,
    /// Nobody listens: connections are to be led to a closed port.
    Refused,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// It has ended.
    Expired,
    /// It is for another name.
    OtherName,
    /// Nobody vouches for it.
    SelfSigned,
}

/// Where a gated server has its protected-resource metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Root,
    Appended,
    Elsewhere,
    Nowhere,
}

impl Population {
    /// The real proportions.
    #[must_use]
    pub fn real(seed: u64) -> Self {
        Self {
            seed,
            profile: REAL,
        }
    }

    /// A number from 0 to 1 that this name and this question always get.
    fn draw(&self, who: &str, what: &str) -> f64 {
        // FNV-1a over both, and the finaliser of SplitMix64.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.seed;
        for byte in who.bytes().chain([0xff]).chain(what.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (hash >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }

    fn is(&self, who: &str, what: &str, share: f64) -> bool {
        self.draw(who, what) < share
    }

    /// The name that details are drawn by: another one for hosts that changed.
    fn detail(&self, host: &str, generation: u32) -> String {
        if generation > 1 && self.is(host, "changes", self.profile.changed) {
            format!("{host}#{generation}")
        } else {
            host.to_owned()
        }
    }

    /// What the host is in a generation.
    #[must_use]
    pub fn kind(&self, host: &str, generation: u32) -> Kind {
        if is_issuer(host) {
            return Kind::Issuer;
        }
        let who = if self.is(host, "changes its kind", 0.2) {
            self.detail(host, generation)
        } else {
            host.to_owned()
        };
        let failing = self.profile.failing;
        let broken = [500, 502, 503, 521, 530][self.index(&who, "status", 5)];
        let fault = [
            CertificateFault::Expired,
            CertificateFault::OtherName,
            CertificateFault::SelfSigned,
        ][self.index(&who, "certificate", 3)];
        let mut left = self.draw(&who, "kind");
        for (share, kind) in [
            (self.profile.open, Kind::Open),
            (self.profile.gated, Kind::Gated),
            (failing.page, Kind::Page),
            (failing.payment, Kind::Payment),
            (failing.broken, Kind::Broken(broken)),
            (failing.interstitial, Kind::Interstitial),
            (failing.silent, Kind::Silent),
            (failing.certificate, Kind::BadCertificate(fault)),
            (failing.reset, Kind::Reset),
            (failing.refused, Kind::Refused),
        ] {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Kind::Missing
    }

    fn index(&self, who: &str, what: &str, n: u32) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the draw is below one"
        )]
        let index = (self.draw(who, what) * f64::from(n)) as usize;
        index
    }

    /// The issuer that a gated host names.
    #[must_use]
    pub fn issuer(&self, host: &str, generation: u32) -> String {
        let who = self.detail(host, generation);
        let place = self.draw(&who, "issuer");
        let own = self.profile.issuer_own;
        let site = relation::registrable_domain(host);
        let at = match site {
            _ if place < own => host.to_owned(),
            Some(site) if place < own + self.profile.issuer_neighbour => {
                format!("{NEIGHBOUR}{site}")
            }
            _ => {
                // A few issuers have many servers, most have few.
                let u = self.draw(&who, "which issuer");
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "below the number of issuers"
                )]
                let n = (u * u * f64::from(self.profile.issuers)) as u32;
                format!("{}{n}{}", ISSUER.0, ISSUER.1)
            }
        };
        // Whether there is a slash is the issuer's own matter.
        let slash = if self.is(&at, "slash", self.profile.issuer_slash) {
            "/"
        } else {
            ""
        };
        format!("https://{at}{slash}")
    }

    /// The answer of whoever is asked.
    #[must_use]
    pub fn reply(&self, asked: &Asked, generation: u32) -> Reply {
        let host = asked.host.as_str();
        match self.kind(host, generation) {
            Kind::Issuer => self.of_issuer(asked, generation),
            Kind::Open => self.of_open(asked, generation),
            Kind::Gated => self.of_gated(asked, generation),
            Kind::Page => Reply::html(
                200,
                "<!doctype html><title>Welcome</title><h1>Welcome</h1><p>Nothing here speaks MCP.",
            ),
            Kind::Payment if !asked.path.starts_with("/.well-known/") => {
                Reply::json(402, &json!({ "error": "payment required" }))
            }
            Kind::Broken(status) => Reply::html(status, "<title>Error</title><h1>Error</h1>"),
            Kind::Interstitial => {
                let mut server = McpServer::open(host, host);
                server.guard = Guard::Interstitial;
                alone(server, asked)
            }
            Kind::Payment
            | Kind::Missing
            | Kind::Silent
            | Kind::BadCertificate(_)
            | Kind::Reset
            | Kind::Refused => Reply::status(404),
        }
    }

    fn server(&self, asked: &Asked, who: &str) -> McpServer {
        let host = asked.host.as_str();
        let modern = self.is(who, "modern", self.profile.modern);
        let mut tools = if self.is(who, "destructive", self.profile.destructive) {
            destructive_tools()
        } else {
            read_only_tools()
        };
        if let Some(list) = tools.as_array_mut() {
            for n in 0..self.index(who, "tools", 12) {
                list.push(json!({
                    "name": format!("tool_{n}"),
                    "description": format!("Does the {n}th thing for {host}."),
                    "inputSchema": { "type": "object", "properties": { "value": { "type": "string" } } },
                    "annotations": { "readOnlyHint": true },
                }));
            }
        }
        McpServer {
            path: asked.path.clone(),
            speaks: Speaks {
                modern,
                legacy: true,
                sessions: self.is(who, "sessions", self.profile.sessions),
            },
            tools,
            hsts: self.is(who, "hsts", 0.4),
            ..McpServer::open(host, &format!("Server of {host}"))
        }
    }

    /// The same request as the server sees it: one that looks at no `Origin` sees none.
    fn seen(&self, asked: &Asked, who: &str) -> Asked {
        let mut seen = asked.clone();
        if !self.is(who, "origin", self.profile.origin_checked) {
            seen.headers.retain(|(name, _)| name != "origin");
        }
        seen
    }

    fn of_open(&self, asked: &Asked, generation: u32) -> Reply {
        if asked.path.contains("/.well-known/") {
            return Reply::status(404);
        }
        let who = self.detail(&asked.host, generation);
        let mut server = self.server(asked, &who);
        if asked.path.ends_with("/sse") {
            server.guard = Guard::Sse;
        }
        alone(server, &self.seen(asked, &who))
    }

    fn place(&self, who: &str) -> Place {
        let p = &self.profile;
        let mut left = self.draw(who, "metadata place");
        for (share, place) in [
            (p.prm_path, Place::Path),
            (p.prm_root, Place::Root),
            (p.prm_appended, Place::Appended),
            (p.prm_elsewhere, Place::Elsewhere),
        ] {
            if left < share {
                return place;
            }
            left -= share;
        }
        Place::Nowhere
    }

    fn of_gated(&self, asked: &Asked, generation: u32) -> Reply {
        let host = asked.host.as_str();
        let who = self.detail(host, generation);
        let place = self.place(&who);
        if let Some(endpoint) = described(place, &asked.path) {
            return self.resource_metadata(host, &who, endpoint, generation);
        }
        let own = format!("https://{host}");
        if self.issuer(host, generation).trim_end_matches('/') == own
            && (asked.path == "/jwks" || asked.path.starts_with("/.well-known/o"))
        {
            return self.of_issuer(asked, generation);
        }
        if asked.path.contains("/.well-known/") {
            return Reply::status(404);
        }
        let mut server = self.server(asked, &who);
        let sends = self.draw(&who, "challenge");
        let challenge = Challenge {
            // Each share is one of all, and the smaller lies within the larger.
            pointer: sends < self.profile.pointer,
            scope: sends < self.profile.scope,
            always_error: self.is(&who, "always error", 0.3),
        };
        server.guard = if self.is(&who, "lazy", self.profile.lazy) {
            Guard::Lazy(challenge)
        } else {
            Guard::Bearer(challenge)
        };
        let mut reply = alone(server, &self.seen(asked, &who));
        if reply.status == 401 {
            if self.is(&who, "forbidden", self.profile.forbidden) {
                reply.status = 403;
            }
            if sends >= self.profile.challenge {
                reply
                    .headers
                    .retain(|(name, _)| *name != "www-authenticate");
            }
            point(&mut reply, host, &asked.path, place);
        }
        reply
    }

    fn resource_metadata(&self, host: &str, who: &str, endpoint: &str, generation: u32) -> Reply {
        let endpoint = match endpoint {
            // One document for a whole host names the usual endpoint, or the host.
            "" if self.is(who, "names the endpoint", 0.6) => "/mcp",
            endpoint => endpoint,
        };
        let prm = Prm {
            at_path: true,
            at_root: true,
            document: json!({
                "resource": format!("https://{host}{endpoint}"),
                "authorization_servers": [self.issuer(host, generation)],
                "scopes_supported": ["mcp:use"],
                "bearer_methods_supported": ["header"],
            }),
        };
        Reply::document(&prm.document)
    }

    fn of_issuer(&self, asked: &Asked, generation: u32) -> Reply {
        let host = asked.host.as_str();
        let who = self.detail(host, generation);
        let p = &self.profile;
        if !self.is(&who, "metadata", p.metadata) {
            return Reply::status(404);
        }
        let base = format!("https://{host}");
        let slash = self.is(host, "slash", p.issuer_slash) && !self.is(&who, "slash lost", 0.25);
        let mut server = AuthorizationServer::compliant(host).with(|document| {
            if slash {
                document["issuer"] = format!("{base}/").into();
            }
            if self.is(&who, "registration", p.registration) {
                document["registration_endpoint"] = format!("{base}/register").into();
            }
            document["client_id_metadata_document_supported"] =
                self.is(&who, "client documents", p.client_documents).into();
            document["authorization_response_iss_parameter_supported"] =
                self.is(&who, "iss", 0.2).into();
            if !self.is(&who, "s256", p.s256)
                && let Some(members) = document.as_object_mut()
            {
                members.remove("code_challenge_methods_supported");
            }
        });
        if self.is(&who, "only oidc", p.only_oidc) {
            server.oidc = server.oauth.take().map(|mut document: Value| {
                document["subject_types_supported"] = json!(["public"]);
                document["id_token_signing_alg_values_supported"] = json!(["RS256"]);
                document
            });
        }
        match asked.path.as_str() {
            ASM | OIDC | "/jwks" => reply::reply(
                &World {
                    authorization_servers: vec![server],
                    ..World::default()
                },
                asked,
            ),
            _ => Reply::status(404),
        }
    }
}

/// Whether the name is that of an issuer that is nothing else.
#[must_use]
pub fn is_issuer(host: &str) -> bool {
    host.starts_with(NEIGHBOUR)
        || host
            .strip_prefix(ISSUER.0)
            .is_some_and(|rest| rest.ends_with(ISSUER.1))
}

/// Which endpoint a document at this path describes; empty for the whole host.
fn described(place: Place, path: &str) -> Option<&str> {
    match place {
        Place::Path => path.strip_prefix(PRM).filter(|rest| !rest.is_empty()),
        Place::Root => (path == PRM).then_some(""),
        Place::Appended => path.strip_suffix(PRM).filter(|rest| !rest.is_empty()),
        Place::Elsewhere => (path == ELSEWHERE).then_some(""),
        Place::Nowhere => None,
    }
}

/// Makes the challenge name the place where the metadata really are.
fn point(reply: &mut Reply, host: &str, path: &str, place: Place) {
    let real = match place {
        Place::Path | Place::Nowhere => return,
        Place::Root => format!("https://{host}{PRM}"),
        Place::Appended => format!("https://{host}{path}{PRM}"),
        Place::Elsewhere => format!("https://{host}{ELSEWHERE}"),
    };
    let usual = format!("https://{host}{PRM}{path}");
    for (name, value) in &mut reply.headers {
        if *name == "www-authenticate" {
            *value = value.replace(&usual, &real);
        }
    }
}

/// The reply of a world with one server in it.
fn alone(server: McpServer, asked: &Asked) -> Reply {
    let world = World {
        servers: vec![server],
        ..World::default()
    };
    reply::reply(&world, asked)
}

#[cfg(test)]
mod tests {
    use super::{Kind, Population};
    use crate::fleet::reply::Asked;

    fn hosts() -> impl Iterator<Item = String> {
        (0..20_000).map(|n| format!("mcp{n}.operator{}.example", n / 3))
    }

    fn share(of: impl Fn(&str) -> bool) -> f64 {
        let n = hosts().filter(|host| of(host)).count();
        f64::from(u32::try_from(n).expect("few")) / 20_000.0
    }

    fn asked(host: &str, method: &str, path: &str) -> Asked {
        Asked {
            host: host.into(),
            method: method.into(),
            path: path.into(),
            query: None,
            headers: Vec::new(),
            body: r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#.into(),
            named: None,
        }
    }

    #[test]
    fn the_population_has_the_proportions_of_its_profile() {
        let people = Population::real(7);
        let near = |got: f64, wanted: f64| {
            assert!((got - wanted).abs() < 0.012, "{got} for {wanted}");
        };
        near(share(|host| people.kind(host, 1) == Kind::Open), 0.568);
        let gated = share(|host| people.kind(host, 1) == Kind::Gated);
        near(gated, 0.262);
        let with = |what: &dyn Fn(&str) -> bool| {
            share(|host| people.kind(host, 1) == Kind::Gated && what(host)) / gated
        };
        let reply = |host: &str| people.reply(&asked(host, "POST", "/mcp"), 1);
        near(with(&|host| reply(host).status == 403), 0.094);
        near(
            with(&|host| {
                let reply = reply(host);
                reply
                    .headers
                    .iter()
                    .any(|(name, _)| *name == "www-authenticate")
            }),
            // Of the six in a hundred that are lazy, the first request is answered.
            0.554 * 0.94,
        );
        near(
            with(&|host| {
                let at = "/.well-known/oauth-protected-resource/mcp";
                people.reply(&asked(host, "GET", at), 1).status == 200
            }),
            0.49,
        );
        near(
            with(&|host| people.issuer(host, 1).trim_end_matches('/') == format!("https://{host}")),
            0.55,
        );
    }

    #[test]
    fn one_in_fifty_changes_and_the_rest_stays() {
        let people = Population::real(7);
        let differs = |host: &str| {
            ["/mcp", "/.well-known/oauth-protected-resource"]
                .iter()
                .any(|path| {
                    let asked = asked(host, "POST", path);
                    people.reply(&asked, 1) != people.reply(&asked, 2)
                })
        };
        let changed = share(|host| people.is(host, "changes", people.profile.changed));
        assert!((changed - 0.02).abs() < 0.004, "{changed}");
        let seen = share(differs);
        assert!(seen > 0.005 && seen <= changed, "{seen}");
        for host in hosts().take(50) {
            let asked = asked(&host, "POST", "/mcp");
            assert_eq!(people.reply(&asked, 2), people.reply(&asked, 2));
        }
    }
}
