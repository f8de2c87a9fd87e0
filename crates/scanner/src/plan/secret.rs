//! Values that a question needs and evidence does not keep. The plan names them; the network
//! side knows them while the scan lasts, and sends them nowhere but where they belong.

pub use crate::evidence::Issued;
use crate::evidence::{Credential, ExchangeId, Forgery};

/// A secret, by where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// The owner supplied it.
    Supplied(Credential),
    /// The response of that exchange brought it.
    Issued(ExchangeId, Issued),
    /// It is made up: a token that must be refused.
    Forged(Box<Forged>),
    /// Another secret, changed.
    Altered(Box<Secret>, Alteration),
}

/// What a forged token claims (exchanges Y6 and Y7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forged {
    /// How it is made.
    pub how: Forgery,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// `scope`, if one is known.
    pub scope: Option<String>,
    /// `kid` of a key of the authorization server, or made up.
    pub kid: String,
    /// That key as a JSON Web Key, for [`Forgery::PublicKeyAsSecret`].
    pub key: Option<String>,
    /// URL of the canary, for [`Forgery::Jku`] and [`Forgery::X5u`].
    pub canary: Option<String>,
}

/// How a secret is changed before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alteration {
    /// One claim of the payload is another.
    Claim,
    /// The signature is shorter.
    ShortSignature,
    /// One bit of the signature's bytes is flipped.
    FlippedSignature,
    /// One character is another: for opaque values.
    Character,
}

/// The value of a form field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormValue {
    /// As written.
    Plain(String),
    /// Filled in when the form is sent, blanked in the record.
    Secret(Secret),
}
