//! What a handshake of our own making offers, and what a server said to it (catalogue
//! section 0.3, X21). Neither holds anything random: a ClientHello and a ServerHello are
//! reduced to the numbers that tell how a server is configured.

use serde::{Deserialize, Serialize};

/// What a handshake offers. Variants may be appended; none is renamed, because evidence keeps
/// their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// What every client offers: an ordinary handshake, for the certificate of a host that is
    /// named by metadata and asked nothing.
    Ordinary,
    /// TLS 1.1 and older, with the suites of that time.
    Old,
    /// TLS 1.2 with nothing but suites that should be refused: broken ones and those with
    /// static RSA key exchange.
    Weak,
    /// TLS 1.2 with broken suites alone: NULL, anonymous, export, single DES, RC4, 3DES.
    Broken,
    /// TLS 1.3 alone.
    Tls13,
}

/// What a server said to a ClientHello that was made by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hello {
    /// A ServerHello: the server would have gone on with this.
    Chosen {
        /// Protocol version on the wire: `0x0300` is SSL 3.0, `0x0303` TLS 1.2, `0x0304`
        /// TLS 1.3.
        version: u16,
        /// Cipher suite by its registered number.
        suite: u16,
        /// Group of the key exchange, which only TLS 1.3 names here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<u16>,
    },
    /// An alert that ends the handshake, by its registered number.
    Alert(u8),
    /// The connection was closed or reset without a word.
    Closed,
    /// Something that is no TLS, or breaks its rules.
    Unreadable,
}

impl Hello {
    /// In a few words, for people.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Chosen {
                version,
                suite,
                group,
            } => {
                let group =
                    group.map_or_else(String::new, |group| format!(", group 0x{group:04x}"));
                format!("{} with suite 0x{suite:04x}{group}", version_name(version))
            }
            Self::Alert(code) => match alert_name(code) {
                Some(name) => format!("refused: alert {code} ({name})"),
                None => format!("refused: alert {code}"),
            },
            Self::Closed => "refused: connection closed".to_owned(),
            Self::Unreadable => "no TLS answer".to_owned(),
        }
    }
}

/// `TLS 1.1` for `0x0302`.
#[must_use]
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301..=0x0304 => format!("TLS 1.{}", version - 0x0301),
        other => format!("version 0x{other:04x}"),
    }
}

/// Names of the alerts that end handshakes (RFC 8446 section 6.2).
fn alert_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "close_notify",
        10 => "unexpected_message",
        40 => "handshake_failure",
        47 => "illegal_parameter",
        50 => "decode_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        109 => "missing_extension",
        112 => "unrecognized_name",
        120 => "no_application_protocol",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Hello;

    #[test]
    fn numbers_become_words() {
        let chosen = |version| Hello::Chosen {
            version,
            suite: 0x002f,
            group: None,
        };
        assert_eq!(chosen(0x0300).words(), "SSL 3.0 with suite 0x002f");
        assert_eq!(chosen(0x0302).words(), "TLS 1.1 with suite 0x002f");
        assert_eq!(chosen(0x0999).words(), "version 0x0999 with suite 0x002f");
        assert_eq!(
            Hello::Alert(70).words(),
            "refused: alert 70 (protocol_version)"
        );
        assert_eq!(Hello::Alert(200).words(), "refused: alert 200");
    }
}
