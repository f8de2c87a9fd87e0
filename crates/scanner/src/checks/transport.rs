//! Transport and TLS (catalogue section 1.1): whether tokens and results travel over a
//! connection that nobody else can read, replace or redirect.

#[cfg(test)]
mod cases;
mod handshakes;
mod redirects;
mod tls;

#[cfg(test)]
pub(super) use cases::CASES;

use crate::check::{Area, Check, Level, Party, ProbeClass, Severity};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "tls-https-endpoint",
        title: "The MCP endpoint is reached over https",
        area: Area::Transport,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Mcp(Revision::V2026_07_28)
                .at("authorization/security-considerations#communication-security"),
            Spec::OAuth21.at("1.5"),
            Spec::OAuth21.at("7.13"),
            Spec::Rfc(9728).at("1.2"),
            Spec::Rfc(6750).at("5.3"),
        ],
        why: "Anybody on the path can read or replace bearer tokens and tool results.",
        fix: "Terminate TLS at the edge, publish only the https URL, and build absolute URLs \
              from a configured public base URL.",
        traps: "A proxy that terminates TLS makes frameworks write http:// into metadata although \
                the endpoint is served over https; that is judged where the metadata is.",
        run: tls::https_endpoint,
    },
    Check {
        id: "tls-plaintext-refused",
        title: "Port 80 does not serve MCP",
        area: Area::Transport,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("1.5"),
            Spec::OAuth21.at("7.1.3.3"),
            Spec::Rfc(6750).at("5.3"),
            Spec::Rfc(9325).at("3.2"),
            Spec::Rfc(6797).at("7.2"),
        ],
        why: "A client configured with http, or downgraded by somebody on the path, sends its \
              token in the clear.",
        fix: "Close port 80 for this host or answer every method there with 308 to https; run no \
              authorization code on the plaintext listener.",
        traps: "Edge networks answer 301, 403 or 405 on port 80, all of which pass. Some networks \
                intercept port 80, so a failure needs a second vantage point.",
        run: tls::plaintext_refused,
    },
    Check {
        id: "tls-certificate-valid",
        title: "Certificates validate on every host of the authorization chain",
        area: Area::Transport,
        level: Level::Must,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("1.5"),
            Spec::OAuth21.at("7.1.3.2"),
            Spec::Rfc(9728).at("7.1"),
            Spec::Rfc(8414).at("6.1"),
            Spec::Rfc(9525).at(""),
        ],
        why: "Conforming clients cannot connect, and users who learn to click the error away can \
              be intercepted.",
        fix: "Install the full chain and automate renewal on all hosts, those of metadata and keys \
              included.",
        traps: "Judged are the hosts that the scan contacted; those of further endpoints are only \
                greeted. A missing intermediate goes unnoticed \
                in browsers that keep a copy of it, and split-horizon DNS may show an internal \
                certificate.",
        run: handshakes::certificate_valid,
    },
    Check {
        id: "tls-configuration",
        title: "Only modern TLS versions and cipher suites are negotiated",
        area: Area::Transport,
        level: Level::Must,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(8996).at("4-5"),
            Spec::Rfc(9325).at("3.1.1"),
            Spec::Rfc(9325).at("4.1-4.2"),
            Spec::OAuth21.at("1.5"),
        ],
        why: "A downgrade to a protocol version with known breaks gives tokens away.",
        fix: "Require TLS 1.2 or later, enable 1.3, and restrict TLS 1.2 to ECDHE suites with \
              authenticated encryption.",
        traps: "Old versions and weak suites show only in handshakes that offer nothing else, which \
                are not made through a proxy. A connection that is closed without an alert counts as \
                a refusal. Shared platforms set this for all tenants.",
        run: handshakes::configuration,
    },
    Check {
        id: "tls-hsts",
        title: "The endpoint and the authorization servers send HSTS",
        area: Area::Transport,
        level: Level::Should,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(6797).at("6.1"),
            Spec::Rfc(6797).at("7.1"),
            Spec::Rfc(9325).at("3.2"),
            Spec::Hygiene.at("not a requirement of MCP"),
        ],
        why: "Consent and sign-in pages opened in a browser can be stripped down to http.",
        fix: "Send `Strict-Transport-Security: max-age=31536000; includeSubDomains` at the edge, at \
              least on the authorization server's host.",
        traps: "MCP clients that are no browsers ignore HSTS, so it never fails. A host below a \
                platform's shared suffix is left out when it sends none, and so is an address literal.",
        run: tls::hsts,
    },
    Check {
        id: "transport-redirects",
        title: "MCP requests are not redirected to another origin or to http",
        area: Area::Transport,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("1.5-1.6"),
            Spec::McpBestPractices.at("Validate Redirect Targets"),
            Spec::Rfc(9110).at("15.4"),
        ],
        why: "Clients that repeat the Authorization header after a redirect hand the token to the \
              other origin; others drop it and loop on 401.",
        fix: "Serve the published path itself, without a redirect, and publish the final URL.",
        traps: "Frameworks with separate routes for /mcp and /mcp/ redirect to an absolute http:// \
                address behind a proxy; that is a downgrade. A redirect to a sign-in page belongs to \
                challenge-not-login-redirect.",
        run: redirects::redirects,
    },
];
