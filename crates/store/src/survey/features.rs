//! What an authorization server's metadata announces, as bits. Positions are given once and
//! never reused: rows hold them.

use scanner::facts::documents::Document;

/// Something that authorization-server metadata can announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `registration_endpoint` (RFC 7591).
    Dcr,
    /// `client_id_metadata_document_supported`.
    Cimd,
    /// S256 among `code_challenge_methods_supported` (RFC 8414 section 2).
    S256,
    /// `plain` among them.
    PlainPkce,
    /// `authorization_response_iss_parameter_supported` (RFC 9207 section 3).
    Iss,
    /// `jwks_uri`.
    Jwks,
    /// Grant type `refresh_token`, named.
    Refresh,
    /// Grant type `client_credentials`, named.
    ClientCredentials,
    /// Grant type of RFC 8628, named.
    DeviceCode,
    /// `signed_metadata` (RFC 8414 section 2.1).
    Signed,
    /// `protected_resources` (RFC 9728 section 4).
    ProtectedResources,
    /// Clients without a secret: `none` among the token endpoint's methods.
    PublicClients,
    /// `private_key_jwt` among them.
    PrivateKeyJwt,
    /// `pushed_authorization_request_endpoint` (RFC 9126).
    Par,
    /// `dpop_signing_alg_values_supported` (RFC 9449).
    Dpop,
    /// The document names the issuer exactly as servers do (RFC 8414 section 3.3).
    SameIssuer,
}

impl Feature {
    /// All, in the order of their bits.
    pub const ALL: [Self; 16] = [
        Self::Dcr,
        Self::Cimd,
        Self::S256,
        Self::PlainPkce,
        Self::Iss,
        Self::Jwks,
        Self::Refresh,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::Signed,
        Self::ProtectedResources,
        Self::PublicClients,
        Self::PrivateKeyJwt,
        Self::Par,
        Self::Dpop,
        Self::SameIssuer,
    ];

    /// The word of series and of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dcr => "dcr",
            Self::Cimd => "cimd",
            Self::S256 => "s256",
            Self::PlainPkce => "plain_pkce",
            Self::Iss => "iss",
            Self::Jwks => "jwks",
            Self::Refresh => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "device_code",
            Self::Signed => "signed_metadata",
            Self::ProtectedResources => "protected_resources",
            Self::PublicClients => "public_clients",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Par => "par",
            Self::Dpop => "dpop",
            Self::SameIssuer => "issuer_identical",
        }
    }

    fn bit(self) -> i64 {
        1 << (self as i64)
    }

    fn announced(self, document: &Document, listed: &str) -> bool {
        let text = |name| document.text(name).is_some();
        let among = |name, value: &str| {
            document
                .texts(name)
                .is_some_and(|values| values.contains(&value))
        };
        let grant = |value| among("grant_types_supported", value);
        let method = |value| among("token_endpoint_auth_methods_supported", value);
        match self {
            Self::Dcr => text("registration_endpoint"),
            Self::Cimd => document.flag("client_id_metadata_document_supported") == Some(true),
            Self::S256 => among("code_challenge_methods_supported", "S256"),
            Self::PlainPkce => among("code_challenge_methods_supported", "plain"),
            Self::Iss => {
                document.flag("authorization_response_iss_parameter_supported") == Some(true)
            }
            Self::Jwks => text("jwks_uri"),
            Self::Refresh => grant("refresh_token"),
            Self::ClientCredentials => grant("client_credentials"),
            Self::DeviceCode => grant("urn:ietf:params:oauth:grant-type:device_code"),
            Self::Signed => text("signed_metadata"),
            Self::ProtectedResources => document
                .texts("protected_resources")
                .is_some_and(|values| !values.is_empty()),
            Self::PublicClients => method("none"),
            Self::PrivateKeyJwt => method("private_key_jwt"),
            Self::Par => text("pushed_authorization_request_endpoint"),
            Self::Dpop => document
                .texts("dpop_signing_alg_values_supported")
                .is_some_and(|values| !values.is_empty()),
            Self::SameIssuer => document.text("issuer") == Some(listed),
        }
    }
}

/// A set of features.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features(pub(crate) i64);

impl Features {
    /// What a document announces, for the issuer as servers name it.
    #[must_use]
    pub fn of(document: &Document, listed: &str) -> Self {
        let announced = Feature::ALL
            .into_iter()
            .filter(|feature| feature.announced(document, listed));
        Self(announced.fold(0, |bits, feature| bits | feature.bit()))
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use scanner::facts::documents::Document;
    use serde_json::json;

    use super::{Feature, Features};

    fn features(value: &serde_json::Value) -> Vec<&'static str> {
        let document = Document {
            members: value.as_object().expect("an object").clone(),
            duplicates: Vec::new(),
            bom: false,
            exchange: 0,
        };
        let set = Features::of(&document, "https://id.example");
        Feature::ALL
            .into_iter()
            .filter(|feature| set.has(*feature))
            .map(Feature::as_str)
            .collect()
    }

    #[test]
    fn bits_are_where_they_were() {
        for (position, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!(feature as usize, position, "{}", feature.as_str());
        }
        assert_eq!(Feature::Dcr.bit(), 1);
        assert_eq!(Feature::SameIssuer.bit(), 1 << 15);
    }

    #[test]
    fn only_what_is_announced_counts() {
        assert_eq!(features(&json!({})), [""; 0]);
        assert_eq!(
            features(&json!({
                "issuer": "https://id.example/",
                "registration_endpoint": 7,
                "client_id_metadata_document_supported": "true",
                "code_challenge_methods_supported": "S256",
                "protected_resources": [],
            })),
            [""; 0]
        );
        assert_eq!(
            features(&json!({
                "issuer": "https://id.example",
                "registration_endpoint": "https://id.example/r",
                "client_id_metadata_document_supported": true,
                "code_challenge_methods_supported": ["plain", "S256"],
                "grant_types_supported": ["refresh_token"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": true,
            })),
            [
                "dcr",
                "cimd",
                "s256",
                "plain_pkce",
                "iss",
                "refresh_token",
                "public_clients",
                "issuer_identical"
            ]
        );
    }
}
