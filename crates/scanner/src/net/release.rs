//! Where secrets may go, whatever the plan says: tokens to the endpoint's origin, codes,
//! refresh tokens and client secrets to the tested token and revocation endpoints. Never to a
//! host that the consent does not cover, and never over plain http except on loopback that
//! the operator trusts.

use url::{Origin, Url};

use crate::evidence::{Credential, Depth, Evidence, Issued};
use crate::facts::Facts;
use crate::plan::Secret;

/// The places of one scan, as far as its record tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Origins of the MCP endpoint.
    endpoint: Vec<Origin>,
    /// Token and revocation endpoints of the tested authorization server.
    token: Vec<Url>,
    /// Its revocation endpoint.
    revocation: Option<Url>,
    /// Origin of its registration endpoint.
    registration: Option<Origin>,
    /// Credentials of the owner may be used.
    owner: bool,
}

impl Places {
    /// What the record so far says.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let facts = Facts::new(evidence);
        let mut places = Self {
            owner: evidence.depth >= Depth::Credentialed,
            ..Self::default()
        };
        for url in [
            Url::parse(&evidence.target.url).ok(),
            Some(facts.endpoint().clone()),
        ]
        .into_iter()
        .flatten()
        {
            if facts.secure(&url) && facts.consented(&url) {
                places.endpoint.push(url.origin());
            }
        }
        if let Some(server) = facts.deeper_server() {
            let endpoint = |member| facts.tested_endpoint(&server, member);
            places.token = [
                "token_endpoint",
                "revocation_endpoint",
                "introspection_endpoint",
            ]
            .into_iter()
            .filter_map(endpoint)
            .collect();
            places.revocation = endpoint("revocation_endpoint");
            places.registration = endpoint("registration_endpoint").map(|url| url.origin());
        }
        places
    }

    /// Whether a secret may be sent to this URL.
    pub(super) fn admit(&self, secret: &Secret, url: &Url) -> bool {
        let endpoint = self.endpoint.contains(&url.origin());
        let token = self.token.contains(&bare(url));
        match secret {
            // Gives nobody access.
            Secret::Forged(_) => true,
            Secret::Altered(inner, _) => self.admit(inner, url),
            Secret::Supplied(Credential::RefreshToken | Credential::Client) => self.owner && token,
            Secret::Supplied(_) => self.owner && endpoint,
            Secret::Issued(_, issued) => match issued {
                Issued::AccessToken => endpoint || self.revocation.as_ref() == Some(&bare(url)),
                Issued::IdToken | Issued::RequestState | Issued::Resource => endpoint,
                Issued::RefreshToken | Issued::Code | Issued::ClientSecret => token,
                Issued::RegistrationToken => self.registration.as_ref() == Some(&url.origin()),
            },
        }
    }
}

fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::Places;
    use crate::checks::testkit::{World, changed};
    use crate::evidence::{Credential, Issued};
    use crate::plan::{Alteration, Secret};

    const ENDPOINT: &str = "https://mcp.example.com/mcp";
    const TOKEN: &str = "https://id.example.com/token";

    fn admitted(world: &World) -> Vec<String> {
        let places = Places::of(&world.scan());
        let secrets = [
            ("access", Secret::Supplied(Credential::AccessToken)),
            (
                "altered",
                Secret::Altered(
                    Box::new(Secret::Supplied(Credential::AccessToken)),
                    Alteration::Character,
                ),
            ),
            ("refresh", Secret::Supplied(Credential::RefreshToken)),
            ("client", Secret::Supplied(Credential::Client)),
            ("issued", Secret::Issued(0, Issued::AccessToken)),
            ("code", Secret::Issued(0, Issued::Code)),
            ("registration", Secret::Issued(0, Issued::RegistrationToken)),
            ("state", Secret::Issued(0, Issued::RequestState)),
        ];
        let urls = [
            ("endpoint", ENDPOINT),
            ("token", TOKEN),
            ("plain", "http://mcp.example.com/mcp"),
            ("port", "https://mcp.example.com:8443/mcp"),
            ("sibling", "https://id.example.com/elsewhere"),
            ("stranger", "https://evil.example/token"),
        ];
        let mut out = Vec::new();
        for (name, secret) in &secrets {
            for (place, url) in urls {
                if places.admit(secret, &Url::parse(url).unwrap()) {
                    out.push(format!("{name}->{place}"));
                }
            }
        }
        out
    }

    #[test]
    fn secrets_go_only_where_they_belong() {
        let world = World::compliant().credentialed(&[Credential::AccessToken]);
        assert_eq!(
            admitted(&world),
            [
                "access->endpoint",
                "altered->endpoint",
                "refresh->token",
                "client->token",
                "issued->endpoint",
                "code->token",
                "registration->token",
                "registration->sibling",
                "state->endpoint",
            ]
        );
    }

    #[test]
    fn without_consent_or_depth_nothing_goes_anywhere() {
        let mut world = World::compliant().credentialed(&[Credential::AccessToken]);
        world.consent = None;
        assert!(admitted(&world).is_empty());
        let consented = admitted(&World::compliant().consented());
        assert!(
            consented
                .iter()
                .all(|line| !line.starts_with("access") && !line.starts_with("refresh")),
            "{consented:?}"
        );
        // Metadata of somebody else does not make their endpoint the tested one.
        let mut world = changed(|world| {
            world.asm(|asm| asm["token_endpoint"] = "https://evil.example/token".into());
        });
        world = world.credentialed(&[Credential::RefreshToken]);
        assert!(
            admitted(&world)
                .iter()
                .all(|line| !line.ends_with("stranger")),
        );
    }
}
