//! The last steps: the authorization server's metadata, its issuer, PKCE, how the client
//! becomes known, and whether its grant is offered.

use serde_json::Value;

use super::profile::{
    AsDocument, Defaults, IssuerRule, OriginDocuments, Pkce, Profile, Registration, Servers, Then,
    Token,
};
use super::resource::{Metadata, well_typed};
use super::{End, Walk, certificate};
use crate::evidence::{AsRole, Purpose};
use crate::facts::documents::{AsCandidate, Document};
use crate::facts::issuer::{Reading, reading};
use crate::facts::outcome::Answer;
use crate::facts::{Facts, discovery, quote};
use crate::report::{Class, Step};

/// Members of server metadata that typed clients read as text, and as lists of texts.
const TEXTS: &[&str] = &["issuer", "jwks_uri", "registration_endpoint"];
const LISTS: &[&str] = &[
    "scopes_supported",
    "response_types_supported",
    "code_challenge_methods_supported",
];

/// The document this client works with, and the issuer it looked for.
struct Found {
    document: Document,
    expected: String,
}

pub(super) fn connect(
    facts: &Facts<'_>,
    profile: &Profile,
    metadata: Option<&Metadata<'_>>,
) -> Walk<End> {
    let found = match metadata {
        Some(metadata) => listed(facts, profile, metadata)?,
        None => at_origin(facts, profile)?,
    };
    issuer(profile, &found, metadata.is_none())?;
    let document = &found.document;
    pkce(profile, document)?;
    let how = register(profile, document)?;
    token(profile, document, how)?;
    let (reason, words) = match how {
        Registration::Preregistered => ("preregistered", "With a client id of before"),
        Registration::Cimd => ("cimd", "By its metadata document"),
        Registration::Dcr => ("dcr", "By registering at the advertised endpoint"),
        Registration::DcrOrDefault => ("dcr_default", "By registering at the default endpoint"),
    };
    Ok(End::connects(
        reason,
        format!(
            "{words} it can send its user to {}.",
            quote(document.text("authorization_endpoint").unwrap_or_default())
        ),
        document.exchange,
    ))
}

/// The metadata of a server that the resource metadata lists.
fn listed(facts: &Facts<'_>, profile: &Profile, metadata: &Metadata<'_>) -> Walk<Found> {
    let most = match profile.servers {
        Servers::First => 1,
        Servers::Any => discovery::MAX_ISSUERS,
    };
    let mut first_end: Option<End> = None;
    for listed in metadata.servers.iter().take(most) {
        match one(facts, profile, listed, metadata) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {
                return Err(defaults(metadata.document.exchange));
            }
            // Only a server without metadata is passed over; what fails or cannot be told ends it.
            Err(end) if matches!(end.reason, "absent" | "unusable_server") => {
                first_end.get_or_insert(end);
            }
            Err(end) => return Err(end),
        }
    }
    let end = first_end.unwrap_or_else(|| {
        End::stops(
            Step::AsMetadata,
            "absent",
            "No authorization server is listed.",
            "prm-authorization-servers-present",
        )
    });
    match profile.no_as_metadata {
        Defaults::Defaults => Err(defaults(metadata.document.exchange)),
        Defaults::Stop | Defaults::DefaultsAtOrigin => Err(end),
    }
}

/// One listed server; nothing where the client goes on without its metadata.
fn one(
    facts: &Facts<'_>,
    profile: &Profile,
    listed: &str,
    metadata: &Metadata<'_>,
) -> Walk<Option<Found>> {
    let step = Step::AsMetadata;
    let Some(urls) = discovery::as_candidates(listed) else {
        return Err(End::stops(
            step,
            "unusable_server",
            format!(
                "The listed authorization server {} is no URL.",
                quote(listed)
            ),
            "prm-authorization-servers-form",
        )
        .at(metadata.document.exchange));
    };
    let issuer = facts
        .issuers()
        .iter()
        .find(|issuer| issuer.listed == listed);
    let mut asked = None;
    for role in roles(profile) {
        let Some((_, url)) = urls.iter().find(|(known, _)| *known == role) else {
            continue;
        };
        let candidate =
            issuer.and_then(|issuer| issuer.candidates.iter().find(|known| known.role == role));
        let Some(candidate) = candidate else {
            // The guard refuses some values by their text, and clients have no such rule.
            return Err(End::cannot_tell(
                step,
                facts.never_asked().code(),
                format!("{} was not asked.", quote(url)),
            ));
        };
        asked.get_or_insert(candidate.answer.exchange.id);
        match look(profile, candidate)? {
            Turn::Take(document) => {
                return Ok(Some(Found {
                    document: *document,
                    expected: listed.to_owned(),
                }));
            }
            Turn::Next => {}
            Turn::Without => return Ok(None),
        }
    }
    let end = End::stops(
        step,
        "absent",
        format!("{} has no metadata where this client looks.", quote(listed)),
        "asm-discoverable",
    );
    Err(match asked {
        Some(id) => end.at(id),
        None => end,
    })
}

fn roles(profile: &Profile) -> impl Iterator<Item = AsRole> {
    profile.as_documents.iter().map(|document| match document {
        AsDocument::OauthInserted => AsRole::OauthInserted,
        AsDocument::OidcInserted => AsRole::OidcInserted,
        AsDocument::OidcAppended => AsRole::OidcAppended,
        AsDocument::OauthRoot => AsRole::OauthRoot,
    })
}

enum Turn {
    Take(Box<Document>),
    Next,
    Without,
}

fn look(profile: &Profile, candidate: &AsCandidate<'_>) -> Walk<Turn> {
    let step = Step::AsMetadata;
    let answer = &candidate.answer;
    let id = answer.exchange.id;
    let url = quote(&candidate.url);
    certificate(step, answer)?;
    let act = |then: Then, end: End| match then {
        Then::Stop => Err(end.at(id)),
        Then::Next | Then::NextGuess => Ok(Turn::Next),
        Then::Without => Ok(Turn::Without),
    };
    match reading(candidate) {
        Reading::Unknown(cause) => {
            Err(End::cannot_tell(step, cause.code(), format!("{url} could not be read.")).at(id))
        }
        Reading::Absent => Ok(Turn::Next),
        Reading::Failing => act(
            profile.as_server_error,
            End::stops(
                step,
                "server_error",
                format!("{url} fails with {}.", answer.status().unwrap_or_default()),
                "asm-discoverable",
            ),
        ),
        Reading::Foreign => act(
            profile.as_not_metadata,
            End::stops(
                step,
                "not_metadata",
                format!("{url} answers with something that is no metadata."),
                "asm-discoverable",
            ),
        ),
        Reading::Found => {
            let Some(document) = candidate.asm() else {
                return Ok(Turn::Next);
            };
            let lacking = lacking(profile, document).or_else(|| {
                let typed = !profile.typed || well_typed(document, TEXTS, LISTS);
                (!typed).then_some("type")
            });
            match lacking {
                Some("type") => act(
                    profile.as_not_metadata,
                    End::stops(
                        step,
                        "mistyped",
                        format!("{url} has a member of the wrong type."),
                        "asm-required-fields",
                    ),
                ),
                None => Ok(Turn::Take(Box::new(document.clone()))),
                Some(name) => act(
                    profile.as_not_metadata,
                    End::stops(
                        step,
                        "member_missing",
                        format!("{url} has no usable `{name}`."),
                        if name == "issuer" {
                            "asm-issuer-syntax"
                        } else {
                            "asm-required-fields"
                        },
                    ),
                ),
            }
        }
    }
}

/// The first member that this client cannot do without.
fn lacking<'p>(profile: &'p Profile, document: &Document) -> Option<&'p str> {
    profile
        .as_members
        .iter()
        .map(String::as_str)
        .find(|name| match document.get(name) {
            Some(Value::String(text)) => {
                name.ends_with("_endpoint") && url::Url::parse(text).is_err()
            }
            Some(Value::Array(_)) => !name.ends_with("_supported"),
            _ => true,
        })
}

/// Without resource metadata the endpoint's origin is the authorization server.
fn at_origin(facts: &Facts<'_>, profile: &Profile) -> Walk<Found> {
    let origin = discovery::origin_of(facts.endpoint());
    let openid = match profile.origin_documents {
        OriginDocuments::Oauth => false,
        OriginDocuments::OauthOpenid => true,
        OriginDocuments::Path => facts.endpoint().path() == "/",
    };
    let mut asked = None;
    for role in [AsRole::Origin, AsRole::OriginOidc] {
        if role == AsRole::OriginOidc && !openid {
            continue;
        }
        let Some(answer) = facts.answer(Purpose::AsMetadata(0, role)) else {
            return Err(End::cannot_tell(
                Step::AsMetadata,
                facts.never_asked().code(),
                "The metadata at the endpoint's origin was not asked for.",
            ));
        };
        asked.get_or_insert(answer.exchange.id);
        let candidate = AsCandidate {
            role,
            url: answer.exchange.asked.url.clone(),
            document: Document::of(answer),
            answer: Answer::clone(answer),
        };
        match look(profile, &candidate)? {
            Turn::Take(document) => {
                return Ok(Found {
                    document: *document,
                    expected: origin,
                });
            }
            Turn::Next => {}
            Turn::Without => break,
        }
    }
    let at = asked.unwrap_or_default();
    if profile.no_as_metadata != Defaults::Stop {
        return Err(defaults(at));
    }
    let check = match facts.class() {
        Class::LegacyOauth => "asm-discoverable",
        _ => "prm-discoverable",
    };
    Err(End::stops(
        Step::AsMetadata,
        "absent",
        "Neither resource metadata nor metadata at the endpoint's origin is there.",
        check,
    )
    .at(at))
}

/// It would try the endpoints that 2025-03-26 assumes; nobody asked them.
fn defaults(exchange: u32) -> End {
    End::cannot_tell(
        Step::AsMetadata,
        "default_endpoints",
        "It goes on with the endpoints that 2025-03-26 assumes, which a passive scan does not try.",
    )
    .check("legacy-default-endpoints")
    .at(exchange)
}

fn issuer(profile: &Profile, found: &Found, origin: bool) -> Walk<()> {
    if profile.issuer == IssuerRule::Any || (origin && profile.issuer == IssuerRule::ExactListed) {
        return Ok(());
    }
    let document = &found.document;
    let Some(said) = document.text("issuer") else {
        return Err(End::stops(
            Step::Issuer,
            "no_issuer",
            "The metadata names no issuer.",
            "asm-issuer-syntax",
        )
        .at(document.exchange));
    };
    let expected = found.expected.as_str();
    let bare = |text: &'_ str| text.strip_suffix('/').unwrap_or(text).to_owned();
    let apart_by_slash = bare(said) == bare(expected);
    let root = url::Url::parse(expected).is_ok_and(|url| url.path() == "/");
    let same = said == expected
        || (apart_by_slash
            && (origin
                || match profile.issuer {
                    IssuerRule::ListedSlash => expected.ends_with('/'),
                    IssuerRule::RootSlash => root,
                    IssuerRule::Slash => true,
                    IssuerRule::Exact | IssuerRule::ExactListed | IssuerRule::Any => false,
                }));
    if same {
        return Ok(());
    }
    Err(End::stops(
        Step::Issuer,
        "other_issuer",
        format!(
            "The metadata names the issuer {} instead of {}.",
            quote(said),
            quote(expected)
        ),
        "asm-issuer-identical",
    )
    .at(document.exchange))
}

fn pkce(profile: &Profile, document: &Document) -> Walk<()> {
    let methods = document.texts("code_challenge_methods_supported");
    match (profile.pkce, methods) {
        (Pkce::Unread, _) | (Pkce::NotExcluded, None) => Ok(()),
        (Pkce::Listed | Pkce::NotExcluded, Some(methods)) if methods.contains(&"S256") => Ok(()),
        (Pkce::Listed | Pkce::NotExcluded, Some(_)) => Err(End::stops(
            Step::Pkce,
            "no_s256",
            "S256 is not among the code challenge methods.",
            "pkce-s256",
        )
        .at(document.exchange)),
        (Pkce::Listed, None) => Err(End::stops(
            Step::Pkce,
            "not_listed",
            "No code challenge methods are listed.",
            "pkce-advertised",
        )
        .at(document.exchange)),
    }
}

fn register(profile: &Profile, document: &Document) -> Walk<Registration> {
    let by_document = document.flag("client_id_metadata_document_supported") == Some(true);
    let endpoint = document
        .text("registration_endpoint")
        .is_some_and(|text| url::Url::parse(text).is_ok());
    for way in &profile.registration {
        match way {
            Registration::Preregistered => return Ok(*way),
            Registration::Cimd if by_document => return Ok(*way),
            Registration::Dcr | Registration::DcrOrDefault if endpoint => {
                return Ok(Registration::Dcr);
            }
            Registration::DcrOrDefault => {
                return Err(End::cannot_tell(
                    Step::Registration,
                    "default_endpoints",
                    "It tries `/register`, which is not advertised and which a passive scan does not try.",
                )
                .check("reg-mechanism-available")
                .at(document.exchange));
            }
            Registration::Cimd | Registration::Dcr => {}
        }
    }
    let (reason, said, check) = match profile.registration.as_slice() {
        [Registration::Cimd] => (
            "no_cimd",
            "Client metadata documents are not announced.",
            "reg-cimd-advertised",
        ),
        [Registration::Dcr] => (
            "no_dcr",
            "No registration endpoint is advertised.",
            "reg-dcr-advertised",
        ),
        _ => (
            "no_registration",
            "Neither client metadata documents nor a registration endpoint are announced.",
            "reg-mechanism-available",
        ),
    };
    Err(End::stops(Step::Registration, reason, said, check).at(document.exchange))
}

fn token(profile: &Profile, document: &Document, how: Registration) -> Walk<()> {
    if profile.token == Token::Unread {
        return Ok(());
    }
    let lacks = |member: &str, wanted: &[&str]| {
        document
            .get(member)
            .and_then(Value::as_array)
            .is_some_and(|list| {
                !list
                    .iter()
                    .any(|item| item.as_str().is_some_and(|item| wanted.contains(&item)))
            })
    };
    let stops = |reason, said: &str, check| {
        Err(End::stops(Step::Token, reason, said, check).at(document.exchange))
    };
    if lacks("response_types_supported", &["code"]) {
        return stops(
            "no_code",
            "The response type `code` is not offered.",
            "asm-required-fields",
        );
    }
    if profile.token == Token::Any {
        return Ok(());
    }
    if lacks("grant_types_supported", &["authorization_code"]) {
        return stops(
            "no_grant",
            "The grant `authorization_code` is not offered.",
            "asm-required-fields",
        );
    }
    let methods: &[&str] = match how {
        Registration::Cimd => &["none", "private_key_jwt"],
        Registration::Preregistered | Registration::Dcr | Registration::DcrOrDefault => &["none"],
    };
    if lacks("token_endpoint_auth_methods_supported", methods) {
        return stops(
            "no_public_method",
            "The token endpoint takes no client without a secret.",
            "asm-public-client-auth",
        );
    }
    Ok(())
}
