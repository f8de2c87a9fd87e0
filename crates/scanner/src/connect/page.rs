//! The profiles as a document for readers: `docs/profiles.md` is its output.

use super::profile::{
    AsDocument, Defaults, IssuerRule, OriginDocuments, Pkce, Place, Profile, Registration,
    Resource, Servers, Speech, Then, Token, profiles,
};

/// All profiles as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = format!(
        "# Profiles of clients\n\nMade by `authdex profiles --format markdown`; do not edit. Last verified {}.\n\n\
         A profile says how a client goes from an endpoint to the page where its user agrees. It is walked over the \
         evidence of a passive scan, step by step: {}. It *connects* when it can send its user to the authorization \
         endpoint, or needs no token; it *stops* at the first step that fails it; and where only a further question \
         could tell, the result is *cannot tell*. Profiles explain; they do not grade.\n\n\
         Profiles named after a library were read from its code, in its default settings. Applications that use it \
         may set it up differently.\n",
        profiles().as_of,
        crate::report::Step::ALL
            .map(crate::report::Step::words)
            .join(", ")
    );
    for profile in &profiles().list {
        out.push_str(&format!(
            "\n## {}\n\n`{}` · {} · read {}\n\n{}\n\n",
            profile.name,
            profile.id,
            match &profile.url {
                Some(url) => format!("[{}]({url})", profile.source),
                None => profile.source.clone(),
            },
            profile.as_of,
            profile.said
        ));
        for (what, how) in habits(profile) {
            out.push_str(&format!("- {what}: {how}\n"));
        }
    }
    out
}

/// The switches of a profile in words: what is decided, and how.
#[must_use]
pub fn habits(profile: &Profile) -> Vec<(&'static str, String)> {
    let joined = |words: Vec<&str>| words.join(", then ");
    let mut list = vec![(
        "Transports",
        profile
            .speaks
            .iter()
            .map(|speech| match speech {
                Speech::Modern => "2026-07-28",
                Speech::Legacy => "initialize handshake",
                Speech::Sse => "HTTP+SSE",
            })
            .collect::<Vec<_>>()
            .join(", "),
    )];
    if profile.https {
        list.push(("Plain http", "refused".to_owned()));
    }
    list.push(("Resource metadata", discovery(profile)));
    if !profile.discovery.is_empty() {
        list.push(("If something is wrong", troubles(profile)));
        list.push(("`resource`", resource(profile.resource).to_owned()));
    }
    list.push((
        "Authorization server metadata",
        joined(
            profile
                .as_documents
                .iter()
                .map(|document| match document {
                    AsDocument::OauthInserted => "RFC 8414",
                    AsDocument::OidcInserted => "OpenID before the path",
                    AsDocument::OidcAppended => "OpenID after the path",
                    AsDocument::OauthRoot => "RFC 8414 of the root",
                })
                .collect(),
        ) + match profile.servers {
            Servers::First => "; of several servers the first",
            Servers::Any => "",
        } + match profile.no_as_metadata {
            Defaults::Stop => "; without any it stops",
            Defaults::Defaults => "; without any it tries default endpoints",
            Defaults::DefaultsAtOrigin => {
                "; without any it tries default endpoints, unless a server was listed"
            }
        },
    ));
    if goes_without(profile) {
        list.push((
        "At the endpoint's origin",
        match profile.origin_documents {
            OriginDocuments::Oauth => "RFC 8414 of the root",
            OriginDocuments::OauthOpenid => "RFC 8414, then OpenID of the root",
            OriginDocuments::Path => {
                "documents of the endpoint's path, which no scan asks for, then RFC 8414 of the root"
            }
        }
        .to_owned(),
    ));
    }
    list.push((
        "Members it needs",
        profile
            .as_members
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    ));
    list.push(("`issuer`", issuer(profile.issuer).to_owned()));
    list.push((
        "PKCE",
        match profile.pkce {
            Pkce::Listed => "S256 has to be listed",
            Pkce::NotExcluded => "S256 has to be listed where methods are",
            Pkce::Unread => "not looked at",
        }
        .to_owned(),
    ));
    list.push((
        "Registration",
        joined(
            profile
                .registration
                .iter()
                .map(|way| match way {
                    Registration::Preregistered => "a client id of before",
                    Registration::Cimd => "metadata document",
                    Registration::Dcr => "dynamic registration",
                    Registration::DcrOrDefault => "dynamic registration, at `/register` if need be",
                })
                .collect(),
        ),
    ));
    list.push((
        "Client",
        match profile.token {
            Token::Public => "without a secret; the grant has to be offered",
            Token::Any => {
                "as the server wants it; response types, where listed, have to hold `code`"
            }
            Token::Unread => "as the server wants it",
        }
        .to_owned(),
    ));
    if profile.typed {
        list.push((
            "Types",
            "a document in which a known member has the wrong type is none".to_owned(),
        ));
    }
    if profile.browser {
        list.push((
            "Web page",
            "endpoint and metadata have to be readable across origins".to_owned(),
        ));
    }
    list
}

/// Whether there is a way on which it takes the endpoint's origin for the server.
fn goes_without(profile: &Profile) -> bool {
    [
        profile.pointer_fails,
        profile.server_error,
        profile.not_metadata,
        profile.no_resource,
        profile.bad_resource,
        profile.no_servers,
        profile.no_metadata,
    ]
    .contains(&Then::Without)
}

fn discovery(profile: &Profile) -> String {
    if profile.discovery.is_empty() {
        return "not known".to_owned();
    }
    let places: Vec<&str> = profile
        .discovery
        .iter()
        .map(|place| match place {
            Place::Header => "the challenge's pointer",
            Place::Path => "suffix before the path",
            Place::Appended => "suffix after the path",
            Place::Root => "the root",
        })
        .collect();
    let binds = match (profile.header_binds, profile.pointer_fails) {
        (false, _) => "",
        (true, Then::Without) => "; a pointer rules out the rest, and if it fails there is none",
        (true, _) => "; a pointer rules out the rest",
    };
    places.join(", then ") + binds
}

/// What it does when something about the resource metadata is wrong, each kind of reaction
/// once.
fn troubles(profile: &Profile) -> String {
    let troubles = [
        ("a place fails with 5xx", profile.server_error),
        ("a place holds something else", profile.not_metadata),
        ("`resource` is missing", profile.no_resource),
        ("`resource` does not fit", profile.bad_resource),
        ("no server is listed", profile.no_servers),
        ("nothing is found", profile.no_metadata),
    ];
    let mut reactions: Vec<(Then, Vec<&str>)> = Vec::new();
    for (when, then) in troubles {
        match reactions.iter_mut().find(|(known, _)| *known == then) {
            Some((_, list)) => list.push(when),
            None => reactions.push((then, vec![when])),
        }
    }
    if let [(then, _)] = reactions.as_slice() {
        return act(*then).to_owned();
    }
    let reactions: Vec<String> = reactions
        .into_iter()
        .map(|(then, list)| format!("{}: {}", list.join(", "), act(then)))
        .collect();
    reactions.join("; ")
}

fn act(then: Then) -> &'static str {
    match then {
        Then::Stop => "it stops",
        Then::Next => "the next place",
        Then::NextGuess => "the next place unless the challenge named it",
        Then::Without => "the endpoint's origin is the authorization server",
    }
}

fn resource(rule: Resource) -> &'static str {
    match rule {
        Resource::Exact => "identical to the endpoint, or to what the URL was built from",
        Resource::Parent => "the endpoint or a parent path at the same origin",
        Resource::ParentOrSlash => {
            "the endpoint or a parent path at the same origin, with or without a slash at the end"
        }
        Resource::Any => "not compared",
    }
}

fn issuer(rule: IssuerRule) -> &'static str {
    match rule {
        IssuerRule::Exact => "identical to the listed value",
        IssuerRule::ExactListed => {
            "identical to the listed value; not compared where no server is listed"
        }
        IssuerRule::ListedSlash => "identical to the listed value, or to it without its last slash",
        IssuerRule::RootSlash => "identical to the listed value, the slash of an empty path aside",
        IssuerRule::Slash => "the listed value, with or without a slash at the end",
        IssuerRule::Any => "not compared",
    }
}
