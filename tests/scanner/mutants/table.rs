//! How mutants are written down: what they start from, what is changed, and what that must
//! make of the checks. Labels are read off the catalogue and the change.

use scanner::fleet::reply::{Asked, Reply};
use scanner::fleet::world::{Edit, World};
use serde_json::{Value, json};

use super::{Base, HOST, Mutant};

pub(super) const fn protected(
    name: &'static str,
    change: fn(&mut World),
    says: &'static [(&'static str, &'static str)],
) -> Mutant {
    of(Base::Protected, name, change, says)
}

pub(super) const fn of(
    base: Base,
    name: &'static str,
    change: fn(&mut World),
    says: &'static [(&'static str, &'static str)],
) -> Mutant {
    Mutant {
        name,
        base,
        change,
        says,
        blocked: &[],
    }
}

impl Mutant {
    /// These checks stand behind what the change breaks.
    pub(super) const fn behind(self, blocked: &'static [&'static [&'static str]]) -> Self {
        Self { blocked, ..self }
    }
}

/// What reads the document of the authorization server.
pub(super) const BEHIND_SERVER_METADATA: &[&str] = &[
    "asm-rfc8414-location",
    "asm-issuer-identical",
    "asm-issuer-syntax",
    "asm-required-fields",
    "asm-endpoints-https",
    "asm-legacy-grants",
    "asm-public-client-auth",
    "asm-iss-parameter",
    "asm-no-mandatory-extensions",
    "pkce-advertised",
    "pkce-s256",
    "pkce-no-plain",
    "reg-mechanism-available",
    "reg-cimd-advertised",
    "reg-dcr-advertised",
    "jwks-usable",
    "jwks-no-private-keys",
    "jwks-key-strength",
];

/// What reads the document of the resource.
pub(super) const BEHIND_RESOURCE_METADATA: &[&str] = &[
    "prm-path-location",
    "prm-http-response",
    "prm-resource-syntax",
    "prm-resource-same-origin",
    "prm-resource-identical",
    "prm-resource-canonical",
    "prm-authorization-servers-present",
    "prm-authorization-servers-form",
    "prm-authorization-servers-resolve",
    "prm-recommended-fields",
    "prm-bearer-methods",
    "prm-no-empty-values",
];

pub(super) fn edit(world: &mut World, change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static) {
    world.edits.push(Edit::new(change));
}

/// Changes the replies of the endpoint itself.
pub(super) fn endpoint(
    world: &mut World,
    change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static,
) {
    edit(world, move |asked, reply| {
        if asked.host == HOST && asked.path == "/mcp" {
            change(asked, reply);
        }
    });
}

/// Changes the endpoint's 401 replies.
pub(super) fn refusals(
    world: &mut World,
    change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static,
) {
    endpoint(world, move |asked, reply| {
        if reply.status == 401 {
            change(asked, reply);
        }
    });
}

/// Replaces the challenge.
pub(super) fn challenge(reply: &mut Reply, value: &str) {
    set(reply, "www-authenticate", value);
}

pub(super) fn set(reply: &mut Reply, name: &'static str, value: &str) {
    reply.headers.retain(|(key, _)| *key != name);
    reply.headers.push((name, value.to_owned()));
}

pub(super) fn prm(world: &mut World, change: impl FnOnce(&mut Value)) {
    change(&mut world.servers[0].prm.as_mut().unwrap().document);
}

pub(super) fn asm(world: &mut World, change: impl FnOnce(&mut Value)) {
    change(world.authorization_servers[0].oauth.as_mut().unwrap());
}

pub(super) fn remove(document: &mut Value, member: &str) {
    document.as_object_mut().unwrap().remove(member);
}

/// Replies that carry a document of a path.
pub(super) fn document(
    world: &mut World,
    path: &'static str,
    change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static,
) {
    edit(world, move |asked, reply| {
        if asked.path == path {
            change(asked, reply);
        }
    });
}

pub(super) fn bogus(asked: &Asked) -> bool {
    asked
        .header("authorization")
        .is_some_and(|value| value.starts_with("Bearer authdex"))
}

pub(super) fn rpc(asked: &Asked) -> Value {
    serde_json::from_str(&asked.body).unwrap_or_default()
}

pub(super) fn result(reply: &mut Reply, asked: &Asked, result: &Value) {
    reply.status = 200;
    reply.headers = vec![("content-type", "application/json".to_owned())];
    reply.body = json!({ "jsonrpc": "2.0", "id": rpc(asked)["id"], "result": result }).to_string();
}

pub(super) const PRM_PATH: &str = "/.well-known/oauth-protected-resource/mcp";
