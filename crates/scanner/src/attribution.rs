//! Whose doing a finding is: the MCP server's operator, the tenant of an authorization server
//! or its vendor. Decided by the parties of the check and the dated table of products; it
//! explains a verdict and never makes one.

use url::Url;

use crate::check::{Check, Party, Place};
use crate::evidence::Purpose;
use crate::facts::Facts;
use crate::facts::documents::Issuer;
use crate::fingerprints::table::{Acts, Kind, table};
use crate::fingerprints::{Product, recognise_with};
use crate::report::{Attribution, Fixer};
use crate::spec::Revision;

/// Who has to act on a warning or failure of this check.
#[must_use]
pub fn attribute(facts: &Facts<'_>, check: &Check, reason: &str, at: &[Place]) -> Attribution {
    let concerned = check.party.contains(&Party::AuthorizationServer);
    let issuer = concerned.then(|| issuer_of(facts, at)).flatten();
    let product = match issuer {
        Some(issuer) => product_of(facts, issuer),
        // What a library writes into the server's own answers is in the table as well.
        None => facts
            .issuers()
            .first()
            .and_then(|issuer| product_of(facts, issuer))
            .filter(Product::is_library),
    };
    if let Some(product) = product
        && (concerned || product.is_library())
        && let Some(rule) = product.rule(check.id, reason)
    {
        return Attribution {
            to: fixer(rule.acts, product.entry.kind),
            product: Some(product.id.to_owned()),
            because: format!("{}: {}", product.name, rule.because),
            source: Some(rule.source),
            as_of: Some(rule.date.clone().unwrap_or_else(|| table().as_of.clone())),
        };
    }
    let own = |because: &str| Attribution {
        to: Fixer::Operator,
        product: None,
        because: because.to_owned(),
        source: None,
        as_of: None,
    };
    if check.party.first() != Some(&Party::AuthorizationServer) && !at_issuer_only(facts, at) {
        return own("it is about the MCP server");
    }
    if let Some(product) = product.filter(Product::is_library) {
        return Attribution {
            product: Some(product.id.to_owned()),
            ..own(&format!(
                "{} is part of the MCP server, and how it is set up is the operator's",
                product.name
            ))
        };
    }
    if product.is_none() && issuer.is_some_and(|issuer| same_host(facts, issuer)) {
        return own("the authorization server stands on the MCP server's own host");
    }
    tenant(product)
}

/// Without a rule, whoever configures the product is the one who can act.
fn tenant(product: Option<Product>) -> Attribution {
    let because = match product {
        Some(product) => format!(
            "{}: nothing is known of a limit of the product, so the setting is taken to be the tenant's",
            product.name
        ),
        None => "it is about the authorization server, whose product was not recognised".to_owned(),
    };
    Attribution {
        to: Fixer::AsTenant,
        product: product.map(|product| product.id.to_owned()),
        because,
        source: None,
        as_of: None,
    }
}

/// The tenant of a library is the operator.
fn fixer(acts: Acts, kind: Kind) -> Fixer {
    match (acts, kind) {
        (Acts::Vendor, _) => Fixer::AsVendor,
        (Acts::Tenant, Kind::Service | Kind::Software) => Fixer::AsTenant,
        (Acts::Operator, _) | (Acts::Tenant, Kind::Library) => Fixer::Operator,
    }
}

/// The issuer that the first of these places is about; of several servers otherwise the first
/// whose metadata was found.
fn issuer_of<'f, 'e>(facts: &'f Facts<'e>, at: &[Place]) -> Option<&'f Issuer<'e>> {
    let by_place = at.iter().find_map(|place| {
        let answer = facts.exchange(place.exchange)?;
        facts
            .issuers()
            .iter()
            .find(|issuer| about(facts, issuer, answer.exchange.id, answer.exchange.purpose))
    });
    by_place.or_else(|| {
        facts
            .issuers()
            .iter()
            .find(|issuer| !facts.found(issuer, Revision::HEADLINE).is_empty())
            .or_else(|| facts.issuers().first())
    })
}

/// Whether an exchange asked about this issuer.
fn about(facts: &Facts<'_>, issuer: &Issuer<'_>, exchange: u32, purpose: Purpose) -> bool {
    issuer
        .candidates
        .iter()
        .any(|candidate| candidate.answer.exchange.id == exchange)
        || matches!(purpose, Purpose::AsMetadata(index, _) | Purpose::Jwks(index)
            if index == issuer.index && !facts.issuers().is_empty())
}

/// Every place is in an answer of an authorization server: what both parties could have
/// caused, this one did.
fn at_issuer_only(facts: &Facts<'_>, at: &[Place]) -> bool {
    !at.is_empty()
        && at.iter().all(|place| {
            facts.exchange(place.exchange).is_some_and(|answer| {
                matches!(
                    answer.exchange.purpose,
                    Purpose::AsMetadata(..) | Purpose::Jwks(_) | Purpose::CorsAsMetadata
                ) && !on_host(facts, &answer.exchange.asked.url)
            })
        })
}

fn on_host(facts: &Facts<'_>, url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.host_str() == facts.endpoint().host_str())
}

fn same_host(facts: &Facts<'_>, issuer: &Issuer<'_>) -> bool {
    on_host(facts, &issuer.listed)
}

/// The product behind an issuer that was examined. The server's own challenge counts where the
/// issuer stands on its host.
#[must_use]
pub fn product_of(facts: &Facts<'_>, issuer: &Issuer<'_>) -> Option<Product> {
    let found = facts.found(issuer, Revision::HEADLINE);
    let document = found.first().and_then(|candidate| candidate.asm());
    let challenges: Vec<&str> = if same_host(facts, issuer) {
        facts
            .unauthorized()
            .filter_map(|answer| answer.response())
            .flat_map(|response| response.headers_named("www-authenticate"))
            .collect()
    } else {
        Vec::new()
    };
    recognise_with(
        &issuer.listed,
        document.map(|document| &document.members),
        &challenges,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::testkit::{World, changed, document};
    use crate::grade::grade;
    use crate::report::{Finding, Report};
    use crate::rubric;

    fn report(world: &World) -> Report {
        grade(&world.scan(), rubric::current())
    }

    fn finding<'r>(report: &'r Report, check: &str) -> &'r Finding {
        report
            .findings
            .iter()
            .find(|finding| finding.check == check)
            .expect("every check is there")
    }

    fn to(report: &Report, check: &str) -> Option<(Fixer, Option<String>)> {
        finding(report, check)
            .attribution
            .as_ref()
            .map(|attribution| (attribution.to, attribution.product.clone()))
    }

    /// The compliant world with another issuer and its document at `url`.
    fn elsewhere(issuer: &'static str, url: &'static str, asm: serde_json::Value) -> World {
        changed(|world| {
            world
                .prm(move |prm| prm["authorization_servers"] = json!([issuer]))
                .on(move |ask| ask.url == url, document(asm));
        })
    }

    #[test]
    fn every_warning_and_failure_has_somebody_and_nothing_else_has() {
        let world = changed(|world| {
            world.challenge(None).asm(|asm| {
                asm.as_object_mut()
                    .expect("an object")
                    .remove("code_challenge_methods_supported");
            });
        });
        let report = report(&world);
        for finding in &report.findings {
            let trouble = matches!(
                finding.verdict,
                crate::report::FindingVerdict::Warn | crate::report::FindingVerdict::Fail
            );
            assert_eq!(finding.attribution.is_some(), trouble, "{}", finding.check);
        }
        assert_eq!(
            to(&report, "pkce-advertised"),
            Some((Fixer::AsTenant, None))
        );
        assert_eq!(
            to(&report, "challenge-www-authenticate"),
            Some((Fixer::Operator, None))
        );
    }

    #[test]
    fn a_vendors_default_is_the_vendors() {
        let issuer = "https://login.microsoftonline.com/5f3a/v2.0";
        let url = "https://login.microsoftonline.com/5f3a/v2.0/.well-known/openid-configuration";
        let report = report(&elsewhere(
            issuer,
            url,
            json!({
                "issuer": issuer,
                "authorization_endpoint": "https://login.microsoftonline.com/5f3a/oauth2/v2.0/authorize",
                "token_endpoint": "https://login.microsoftonline.com/5f3a/oauth2/v2.0/token",
                "jwks_uri": "https://login.microsoftonline.com/5f3a/discovery/v2.0/keys",
                "response_types_supported": ["code"],
            }),
        ));
        let pkce = finding(&report, "pkce-advertised")
            .attribution
            .clone()
            .expect("somebody");
        assert_eq!(pkce.to, Fixer::AsVendor);
        assert_eq!(pkce.product.as_deref(), Some("entra"));
        assert_eq!(pkce.as_of.as_deref(), Some("2025"));
        assert!(pkce.because.contains("code challenge"), "{}", pkce.because);
        assert_eq!(
            to(&report, "asm-rfc8414-location").map(|(to, _)| to),
            Some(Fixer::AsVendor)
        );
        assert_eq!(
            report.authorization_servers[0].product.as_deref(),
            Some("entra")
        );
    }

    #[test]
    fn a_switch_is_the_tenants_and_a_library_the_operators() {
        let issuer = "https://acme.eu.auth0.com/";
        let report = report(&elsewhere(
            issuer,
            "https://acme.eu.auth0.com/.well-known/oauth-authorization-server",
            json!({
                "issuer": issuer,
                "authorization_endpoint": "https://acme.eu.auth0.com/authorize",
                "token_endpoint": "https://acme.eu.auth0.com/oauth/token",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256", "plain"],
                "token_endpoint_auth_methods_supported": ["none"],
            }),
        ));
        assert_eq!(
            to(&report, "asm-iss-parameter"),
            Some((Fixer::AsTenant, Some("auth0".into())))
        );
        // No rule: the product is known, and so is who configures it.
        assert_eq!(
            to(&report, "pkce-no-plain"),
            Some((Fixer::AsTenant, Some("auth0".into())))
        );
        let own = "https://mcp.example.com";
        let library = self::report(&elsewhere(
            own,
            "https://mcp.example.com/.well-known/oauth-authorization-server",
            json!({
                "issuer": own,
                "authorization_endpoint": "https://mcp.example.com/authorize",
                "token_endpoint": "https://mcp.example.com/token",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256", "plain"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            }),
        ));
        assert_eq!(
            to(&library, "asm-public-client-auth"),
            Some((Fixer::AsVendor, Some("mcp-python".into())))
        );
        assert_eq!(
            to(&library, "pkce-no-plain"),
            Some((Fixer::Operator, Some("mcp-python".into())))
        );
    }
}
