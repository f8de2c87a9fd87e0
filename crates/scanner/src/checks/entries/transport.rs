//! How the checks on TLS and redirects are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "tls-https-endpoint",
        probe: "The listed address is read as it stands. Where it says `http`, the same host and path are also tried over `https`, first with a modern `server/discover`, then with `initialize`.",
        pass: "The listing says `https`, and the host answers over TLS.",
        warn: Some(
            "The listing says `http`, but plain http only sends a permanent redirect to the same address over `https`: the listing is what needs correcting.",
        ),
        fail: Some(
            "A public address works over plain http only, or `https` works while listing and metadata go on naming `http`.",
        ),
        na: Some(
            "The address is loopback or private, so that nobody on a public network can listen in.",
        ),
        inconclusive: None,
    },
    Entry {
        id: "tls-plaintext-refused",
        probe: "One modern `server/discover` is posted to port 80 of the host, without credentials and without following redirects. Only where the endpoint uses port 443.",
        pass: "Nobody listens, or the answer is a permanent redirect to `https`, or a refusal without a protocol body and without a challenge.",
        warn: Some(
            "A temporary redirect leads to `https`: nothing is served in clear, but clients will ask again in clear.",
        ),
        fail: Some("A JSON-RPC body or a Bearer challenge comes back over plain http."),
        na: Some("The endpoint uses a port of its own."),
        inconclusive: Some("A hosting or captive page answers every path alike."),
    },
    Entry {
        id: "tls-certificate-valid",
        probe: "A TLS handshake with each host that the metadata names: endpoint, metadata, issuers, their endpoints and key sets. Chain, name and validity are checked against the public root certificates. Hosts of interactive endpoints are greeted and asked nothing.",
        pass: "Every host presents a chain that validates, and every certificate lasts more than 14 days.",
        warn: Some(
            "Everything validates, but a certificate ends within 14 days, or an intermediate is missing that clients can fetch themselves.",
        ),
        fail: Some(
            "A host presents a certificate that is untrusted, self-signed, expired, not yet valid, or for another name.",
        ),
        na: None,
        inconclusive: Some("No handshake came to an end on any attempt."),
    },
    Entry {
        id: "tls-configuration",
        probe: "One normal handshake with each host, then up to three that offer little: TLS 1.1 and older, old suites of TLS 1.2, TLS 1.3 alone.",
        pass: "TLS 1.2 or newer is agreed on, 1.3 is available, and both weak offers are refused.",
        warn: Some(
            "TLS 1.3 is missing, or TLS 1.2 still accepts a key exchange with the certificate's own RSA key.",
        ),
        fail: Some(
            "TLS 1.1 or older is accepted, or a suite without encryption or authentication, of export strength, or with RC4 or 3DES.",
        ),
        na: None,
        inconclusive: Some(
            "Something on the way cuts the weak offers off, so that the host's own answer cannot be seen.",
        ),
    },
    Entry {
        id: "tls-hsts",
        probe: "The `Strict-Transport-Security` header is read off answers that were asked for anyway.",
        pass: "The header is there once, for at least 180 days.",
        warn: Some("It is missing, too short, or set to zero."),
        fail: None,
        na: Some("The name belongs to a hosting platform on which tenants cannot set this header."),
        inconclusive: None,
    },
    Entry {
        id: "transport-redirects",
        probe: "Every redirect that the endpoint gives to `server/discover` or `initialize` is recorded. At most three hops are followed by hand, through the same address guard, and never with credentials.",
        pass: "The endpoint answers without a redirect.",
        warn: Some("A redirect stays on the origin, as with a missing or extra slash at the end."),
        fail: Some("A redirect leads to another origin or down to plain http."),
        na: Some("The redirect is a sign-in page; `challenge-not-login-redirect` judges that."),
        inconclusive: None,
    },
];
