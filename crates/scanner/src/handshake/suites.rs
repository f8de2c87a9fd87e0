//! Cipher suites by their registered numbers, and which of them should be refused.

/// What to think of a cipher suite (RFC 9325 sections 4.1 and 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// No encryption, or no authentication of the server by anything.
    Naked,
    /// Export, single DES, RC4 or 3DES.
    Broken,
    /// The key exchange is static RSA: who gets the key later reads everything.
    StaticRsa,
    /// None of these.
    Sound,
}

/// TLS 1.3 (RFC 8446 section B.4).
pub(super) const TLS13: [u16; 3] = [0x1301, 0x1302, 0x1303];

/// NULL encryption, and anonymous key exchange.
const NAKED: [u16; 34] = [
    // NULL with RSA, ECDHE and ECDH.
    0x0001, 0x0002, 0x003b, 0xc006, 0xc010, 0xc001, 0xc00b, 0xc015, //
    // DH_anon, with export, RC4, DES, 3DES, AES and Camellia.
    0x0017, 0x0018, 0x0019, 0x001a, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x00a6, 0x00a7, 0x0046,
    0x0089, 0x00bf, 0x00c5, //
    // ECDH_anon with RC4, 3DES and AES.
    0xc016, 0xc017, 0xc018, 0xc019, //
    // NULL with pre-shared keys, which no web server has.
    0x002c, 0x002d, 0x002e, 0x00b0, 0x00b1, 0x00b4, 0x00b5,
];

/// Export, single DES, RC4 and 3DES with an authenticated server.
const BROKEN: [u16; 24] = [
    0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, // export
    0x0062, 0x0064, // export with 1024 bits
    0x0009, 0x000c, 0x000f, 0x0012, 0x0015, // DES
    0x0004, 0x0005, 0xc007, 0xc011, // RC4
    0x000a, 0x0013, 0x0016, 0xc008, 0xc012, 0xc003, // 3DES
];

/// Static RSA with AES, Camellia and ARIA.
const STATIC_RSA: [u16; 18] = [
    0x002f, 0x0035, 0x003c, 0x003d, 0x009c, 0x009d, 0xc09c, 0xc09d, 0xc0a0, 0xc0a1, 0x0041, 0x0084,
    0x00ba, 0x00c0, 0xc07a, 0xc07b, 0xc050, 0xc051,
];

/// Suites of TLS 1.1 and older that servers had (EC)DHE first.
const OLD: [u16; 12] = [
    0xc009, 0xc00a, 0xc013, 0xc014, 0x0033, 0x0039, 0x0032, 0x0038, 0x002f, 0x0035, 0x0041, 0x0084,
];

/// What to think of a suite.
#[must_use]
pub fn strength(suite: u16) -> Strength {
    if NAKED.contains(&suite) {
        Strength::Naked
    } else if BROKEN.contains(&suite) {
        Strength::Broken
    } else if STATIC_RSA.contains(&suite) {
        Strength::StaticRsa
    } else {
        Strength::Sound
    }
}

/// Everything that speaks the old versions.
pub(super) fn old() -> Vec<u16> {
    [OLD.as_slice(), &BROKEN, &[0x0002, 0x0001, 0xc018, 0x0034]].concat()
}

/// Nothing but broken suites, 3DES and RC4 first, because they are what is still found.
pub(super) fn broken() -> Vec<u16> {
    let unkeyed = &NAKED[..NAKED.len() - 7];
    let mut suites: Vec<u16> = BROKEN.iter().rev().copied().collect();
    suites.extend(unkeyed);
    suites
}

/// Broken suites, then static RSA: a server that heeds the client's order shows its worst.
pub(super) fn weak() -> Vec<u16> {
    let mut suites = broken();
    suites.extend(STATIC_RSA);
    suites
}

#[cfg(test)]
mod tests {
    use super::{Strength, broken, old, strength, weak};

    #[test]
    fn offers_hold_what_they_are_called() {
        assert!(broken().iter().all(|s| strength(*s) <= Strength::Broken));
        assert!(weak().iter().all(|s| strength(*s) <= Strength::StaticRsa));
        assert!(old().iter().any(|s| strength(*s) == Strength::Sound));
        for list in [broken(), weak(), old()] {
            let mut sorted = list.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), list.len(), "one stands twice");
        }
    }

    #[test]
    fn well_known_suites_are_told_apart() {
        for (suite, expected) in [
            (0x0001, Strength::Naked),     // RSA_WITH_NULL_MD5
            (0xc018, Strength::Naked),     // ECDH_anon_WITH_AES_128_CBC_SHA
            (0x0003, Strength::Broken),    // RSA_EXPORT_WITH_RC4_40_MD5
            (0x0005, Strength::Broken),    // RSA_WITH_RC4_128_SHA
            (0x000a, Strength::Broken),    // RSA_WITH_3DES_EDE_CBC_SHA
            (0xc012, Strength::Broken),    // ECDHE_RSA_WITH_3DES_EDE_CBC_SHA
            (0x009c, Strength::StaticRsa), // RSA_WITH_AES_128_GCM_SHA256
            (0xc02f, Strength::Sound),     // ECDHE_RSA_WITH_AES_128_GCM_SHA256
            (0xc013, Strength::Sound),     // ECDHE_RSA_WITH_AES_128_CBC_SHA
            (0x1301, Strength::Sound),     // AES_128_GCM_SHA256
        ] {
            assert_eq!(strength(suite), expected, "0x{suite:04x}");
        }
    }
}
