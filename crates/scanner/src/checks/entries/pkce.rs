//! How the checks on PKCE are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "pkce-advertised",
        probe: "The member `code_challenge_methods_supported` of the document that a client finds first.",
        pass: "A list that is not empty.",
        warn: Some(
            "Absent under 2025-03-26 or 2025-06-18, where clients must use PKCE and servers need not announce it.",
        ),
        fail: Some(
            "Absent or empty from 2025-11-25 on, where clients must stop then; in every revision, of a wrong type.",
        ),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "pkce-s256",
        probe: "The same list is searched for `S256`.",
        pass: "It is listed.",
        warn: None,
        fail: Some("The list is there without it; lower case does not count."),
        na: Some("The list is absent."),
        inconclusive: None,
    },
    Entry {
        id: "pkce-no-plain",
        probe: "The same list is searched for `plain`.",
        pass: "It is not listed.",
        warn: Some("It is listed."),
        fail: None,
        na: Some("The list is absent."),
        inconclusive: None,
    },
    Entry {
        id: "pkce-required",
        probe: "With consent, a test client asks for authorization without a challenge; if a login page appears, once more with a challenge, to compare.",
        pass: "An error before any login page.",
        warn: Some(
            "A login page appears, the same as with a challenge: a later refusal cannot be ruled out.",
        ),
        fail: Some("A code is issued."),
        na: Some("The test client is one with a secret."),
        inconclusive: Some("A login page appears, and the comparison is missing or differs."),
    },
    Entry {
        id: "pkce-plain-refused",
        probe: "With consent, authorization requests with the method `plain`, and with a challenge whose method is left out, which means the same.",
        pass: "Both are refused.",
        warn: Some("One reaches the login page."),
        fail: Some("A code is issued for one although `plain` is not announced."),
        na: Some("`plain` is announced, which `pkce-no-plain` judges."),
        inconclusive: None,
    },
    Entry {
        id: "pkce-verifier-enforced",
        probe: "With the owner's logins, codes are redeemed with a wrong verifier, without one, and with one that no challenge was sent for.",
        pass: "Each is refused.",
        warn: None,
        fail: Some("One yields a token."),
        na: Some("The owner supplied no login."),
        inconclusive: None,
    },
];
