//! In what proportions the simulated servers behave: data, each number with its source.
//!
//! *Sweep*: 7,874 endpoints that ask for OAuth, July 2026. *Registry*: 26,460 remotes of the
//! official registry, October 2026. *Sample*: the states that a public probe of 1,200 of the
//! 10,542 remotes of July 2026 recorded. *Assumed*: nobody has published a figure; the value
//! is ours and stands here so that it can be replaced.

/// Shares, each between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Of all hosts: tools are listed without credentials. Registry.
    pub open: f64,
    /// Of all hosts: authorization is asked for. Registry.
    pub gated: f64,
    /// Of all hosts, how the rest fails, in this order until the shares are used up; what is
    /// left answers 404. Sample, scaled to the 17 % of the registry that are neither.
    pub failing: Failing,
    /// Of those that ask: status 403 instead of 401. Sweep: 401 83 %, 403 10 %, 200 6 %.
    pub forbidden: f64,
    /// Of those that ask: lists are open, calls are not. Sweep.
    pub lazy: f64,
    /// Of those that ask: `WWW-Authenticate` is sent. Sweep.
    pub challenge: f64,
    /// The same with `resource_metadata`. Sweep.
    pub pointer: f64,
    /// The same with `scope`. Sweep.
    pub scope: f64,
    /// Of those that ask: protected-resource metadata lie below the endpoint's path. Sweep.
    pub prm_path: f64,
    /// … at the root. Sweep.
    pub prm_root: f64,
    /// … behind the endpoint's path, by mistake. Sweep.
    pub prm_appended: f64,
    /// … somewhere that only the challenge names. Sweep.
    pub prm_elsewhere: f64,
    /// Of those with an issuer: it is the server's own host. Sweep.
    pub issuer_own: f64,
    /// … a neighbour below the same registrable domain. Assumed.
    pub issuer_neighbour: f64,
    /// Foreign issuers there are, if all 10,542 remotes are simulated: 6,773 endpoints of the
    /// sweep use 3,574 issuers, and more than half of those are the endpoints' own hosts.
    pub issuers: u32,
    /// Of issuers: written with a slash at the end. Sweep.
    pub issuer_slash: f64,
    /// Of those whose protected-resource metadata is found: the authorization server's is
    /// found, too. Sweep: 85.6 % of all, of 91.7 %.
    pub metadata: f64,
    /// Of authorization servers: a registration endpoint. Sweep: 66.2 % of all, of 85.6 %.
    pub registration: f64,
    /// Of authorization servers: PKCE with S256 is announced. Assumed.
    pub s256: f64,
    /// Of authorization servers: client documents are taken. Assumed.
    pub client_documents: f64,
    /// Of authorization servers: only OpenID configuration is served. Assumed.
    pub only_oidc: f64,
    /// Of MCP servers: requests of the revision of 2026-07-28 are understood. Assumed.
    pub modern: f64,
    /// Of MCP servers: the handshake issues a session. Assumed.
    pub sessions: f64,
    /// Of MCP servers: requests with a foreign `Origin` are refused. Assumed.
    pub origin_checked: f64,
    /// Of open servers: tools change or execute something. Assumed.
    pub destructive: f64,
    /// Of hosts: something about them differs from one generation to the next. Assumed: 2 %.
    pub changed: f64,
}

/// Of all hosts, how those fail that neither list nor ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failing {
    /// A web page answers everything.
    pub page: f64,
    /// 405 or another status that is no MCP.
    pub payment: f64,
    /// 500, 502, 503, 521, 530.
    pub broken: f64,
    /// An intermediary's challenge page.
    pub interstitial: f64,
    /// Connections are accepted and nothing is said.
    pub silent: f64,
    /// The certificate is expired, somebody else's, or nobody's.
    pub certificate: f64,
    /// Connections are closed in the handshake.
    pub reset: f64,
    /// Nobody listens.
    pub refused: f64,
}

/// The population of the real world, as far as it was measured.
pub const REAL: Profile = Profile {
    open: 0.568,
    gated: 0.262,
    failing: Failing {
        page: 0.019,
        payment: 0.012,
        broken: 0.019,
        interstitial: 0.008,
        silent: 0.008,
        certificate: 0.016,
        reset: 0.008,
        refused: 0.010,
    },
    forbidden: 0.10,
    lazy: 0.06,
    challenge: 0.554,
    pointer: 0.473,
    scope: 0.057,
    prm_path: 0.49,
    prm_root: 0.41,
    prm_appended: 0.01,
    prm_elsewhere: 0.01,
    issuer_own: 0.55,
    issuer_neighbour: 0.05,
    issuers: 1_000,
    issuer_slash: 0.13,
    metadata: 0.933,
    registration: 0.773,
    s256: 0.90,
    client_documents: 0.08,
    only_oidc: 0.12,
    modern: 0.20,
    sessions: 0.35,
    origin_checked: 0.30,
    destructive: 0.30,
    changed: 0.02,
};

#[cfg(test)]
mod tests {
    use super::REAL;

    #[test]
    fn shares_leave_room_for_those_that_answer_404() {
        let f = REAL.failing;
        let failing = f.page
            + f.payment
            + f.broken
            + f.interstitial
            + f.silent
            + f.certificate
            + f.reset
            + f.refused;
        let rest = 1.0 - REAL.open - REAL.gated - failing;
        assert!((0.05..0.10).contains(&rest), "{rest}");
        let prm = REAL.prm_path + REAL.prm_root + REAL.prm_appended + REAL.prm_elsewhere;
        assert!((prm - 0.92).abs() < 0.01, "{prm}");
    }
}
