//! Profiles of clients as they stand in `data/profiles.toml`: data over a closed set of
//! switches, with a date and a source, read once.

use std::sync::LazyLock;

use serde::Deserialize;

/// All profiles.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// When they were last verified, `YYYY-MM-DD`.
    pub as_of: String,
    /// In the order of reports.
    #[serde(rename = "profile")]
    pub list: Vec<Profile>,
}

/// One client.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Kebab-case, stable.
    pub id: String,
    /// A few words.
    pub name: String,
    /// It is a published library, read from its code.
    #[serde(default)]
    pub library: bool,
    /// What it is, in a sentence.
    pub said: String,
    /// The text or the code it follows.
    pub source: String,
    /// Where to read that.
    pub url: Option<String>,
    /// When it was read, `YYYY-MM-DD`.
    pub as_of: String,
    /// Transports it speaks.
    pub speaks: Vec<Speech>,
    /// It refuses plain http except on loopback.
    #[serde(default)]
    pub https: bool,
    /// Where it looks for protected-resource metadata, in order.
    pub discovery: Vec<Place>,
    /// A pointer in the challenge rules out the other places.
    #[serde(default)]
    pub header_binds: bool,
    /// The place that the challenge names has no metadata, and the pointer binds.
    #[serde(default)]
    pub pointer_fails: Then,
    /// A place answers with 5xx.
    #[serde(default)]
    pub server_error: Then,
    /// A place answers 200 with something that is no metadata.
    #[serde(default)]
    pub not_metadata: Then,
    /// A document in which a known member has the wrong type is none.
    #[serde(default)]
    pub typed: bool,
    /// The metadata names no resource, or is JSON of another kind.
    #[serde(default)]
    pub no_resource: Then,
    /// The metadata names another resource.
    #[serde(default)]
    pub bad_resource: Then,
    /// The metadata lists no authorization server.
    #[serde(default)]
    pub no_servers: Then,
    /// No place has metadata.
    #[serde(default)]
    pub no_metadata: Then,
    /// How it compares `resource`.
    pub resource: Resource,
    /// Which of several authorization servers it takes.
    #[serde(default)]
    pub servers: Servers,
    /// Where it looks for authorization-server metadata, in order.
    #[serde(default = "every_document")]
    pub as_documents: Vec<AsDocument>,
    /// What it asks for at the endpoint's origin, where no server is listed.
    #[serde(default)]
    pub origin_documents: OriginDocuments,
    /// Members without which a document is none.
    #[serde(default = "endpoints")]
    pub as_members: Vec<String>,
    /// Such a place answers with 5xx.
    #[serde(default)]
    pub as_server_error: Then,
    /// Such a place answers 200 with something that is no metadata.
    #[serde(default)]
    pub as_not_metadata: Then,
    /// No such place has metadata.
    #[serde(default)]
    pub no_as_metadata: Defaults,
    /// How it compares `issuer`.
    pub issuer: IssuerRule,
    /// What it demands of `code_challenge_methods_supported`.
    pub pkce: Pkce,
    /// How it becomes known, in order of preference.
    pub registration: Vec<Registration>,
    /// What it demands of the token endpoint.
    pub token: Token,
    /// It runs in a web page.
    #[serde(default)]
    pub browser: bool,
}

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speech {
    /// Versions per request, 2026-07-28 on.
    Modern,
    /// The initialize handshake.
    Legacy,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// A place of protected-resource metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The challenge's `resource_metadata`.
    Header,
    /// The suffix before the endpoint's path.
    Path,
    /// The suffix after the endpoint's path.
    Appended,
    /// The origin's root document.
    Root,
}

/// What it does when something is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Gives up.
    #[default]
    Stop,
    /// Tries the next place.
    Next,
    /// Gives up if the server named the place, otherwise tries the next.
    NextGuess,
    /// Goes on as if there were no such document.
    Without,
}

/// How `resource` is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Equal code points with what the URL was built from (RFC 9728 section 3.3).
    Exact,
    /// The same origin, and a path that is the endpoint's or a parent of it.
    Parent,
    /// The same, and a slash at the end makes no difference.
    ParentOrSlash,
    /// Not at all.
    Any,
}

/// Which authorization server is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Servers {
    /// The first listed.
    First,
    /// The first that has metadata.
    #[default]
    Any,
}

/// A place of authorization-server metadata (catalogue section a.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsDocument {
    /// RFC 8414.
    OauthInserted,
    /// OpenID configuration before the path.
    OidcInserted,
    /// OpenID configuration after the path.
    OidcAppended,
    /// RFC 8414 document of the host's root.
    OauthRoot,
}

/// What is asked for at the endpoint's origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginDocuments {
    /// The RFC 8414 document of the root (2025-03-26).
    #[default]
    Oauth,
    /// That and the OpenID configuration of the root.
    OauthOpenid,
    /// First the documents of the endpoint's path, which no scan asks for and which are taken
    /// to be absent; then the RFC 8414 document of the root. Without a path both of the root.
    Path,
}

fn every_document() -> Vec<AsDocument> {
    vec![
        AsDocument::OauthInserted,
        AsDocument::OidcInserted,
        AsDocument::OidcAppended,
    ]
}

fn endpoints() -> Vec<String> {
    vec![
        "authorization_endpoint".to_owned(),
        "token_endpoint".to_owned(),
    ]
}

/// What it does without authorization-server metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defaults {
    /// Gives up.
    #[default]
    Stop,
    /// Uses `/authorize`, `/token` and `/register`.
    Defaults,
    /// The same, but only where no resource metadata named a server.
    DefaultsAtOrigin,
}

/// How `issuer` is compared with the listed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerRule {
    /// Equal code points.
    Exact,
    /// Equal code points; not compared where no server is listed.
    ExactListed,
    /// Or the listed value has one slash more at its end.
    ListedSlash,
    /// Or they differ by the slash of an empty path.
    RootSlash,
    /// Or they differ by one slash at the end.
    Slash,
    /// Not at all.
    Any,
}

/// What is demanded of `code_challenge_methods_supported`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pkce {
    /// It lists S256.
    Listed,
    /// It lists S256 or is missing.
    NotExcluded,
    /// It is not looked at.
    Unread,
}

/// How a client becomes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// It has a client id already.
    Preregistered,
    /// By its metadata document.
    Cimd,
    /// At the advertised registration endpoint.
    Dcr,
    /// There, or at `/register` of the server where none is advertised.
    DcrOrDefault,
}

/// What is demanded of grant and token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    /// Authorization codes for a client without a secret.
    Public,
    /// Only that response types, where listed, hold `code`.
    Any,
    /// Nothing.
    Unread,
}

static PROFILES: LazyLock<Profiles> = LazyLock::new(|| {
    toml::from_str(include_str!("../../data/profiles.toml"))
        .expect("the profiles are part of the program, and a test reads them")
});

/// All profiles.
#[must_use]
pub fn profiles() -> &'static Profiles {
    &PROFILES
}

/// The profile with this id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Profile> {
    profiles().list.iter().find(|profile| profile.id == id)
}
