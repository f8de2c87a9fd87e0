//! A consented world whose authorization server is one of the sample servers, so that cases of
//! checks and tests over real sockets meet the same behaviour.

use serde_json::json;
use url::Url;

use super::{Answer, ENDPOINT, World, asm, response};
use crate::fleet::authorization::{self, Fault, Login};
use crate::fleet::registration::{self, Documents, Registering};
use crate::fleet::reply::Asked;
use crate::fleet::world::AuthorizationServer;
use crate::plan::{Ask, FormValue, HeaderValue};

/// The compliant world with consent, with endpoints that do these things wrong.
pub(crate) fn authorizing(login: Login, faults: &[Fault]) -> World {
    let mut server = AuthorizationServer::compliant("id.example.com")
        .with_endpoints(&[ENDPOINT])
        .expect("a key can be made")
        .with_registration(Registering::good(), Documents::good())
        .login(login)
        .faulty(faults);
    server.oauth = Some(asm());
    let mut world = World::compliant().consented();
    world.asm(|asm| {
        asm["introspection_endpoint"] = json!("https://id.example.com/introspect");
        asm["client_id_metadata_document_supported"] = json!(false);
    });
    world.answer(move |ask| answer(&server, ask));
    world
}

/// [`authorizing`], changed.
pub(crate) fn authorizing_but(
    login: Login,
    faults: &[Fault],
    change: impl FnOnce(&mut World),
) -> World {
    let mut world = authorizing(login, faults);
    change(&mut world);
    world
}

fn answer(server: &AuthorizationServer, ask: &Ask) -> Option<Answer> {
    let url = Url::parse(&ask.url).ok()?;
    if url.host_str() != Some("id.example.com") {
        return None;
    }
    let form = ask.form.iter().map(|(name, value)| {
        let value = match value {
            FormValue::Plain(value) => value.as_str(),
            FormValue::Secret(_) => "",
        };
        (*name, value)
    });
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let headers = ask.headers.iter().filter_map(|(name, value)| match value {
        HeaderValue::Plain(value) => Some(((*name).to_owned(), value.clone())),
        _ => None,
    });
    let asked = Asked {
        host: "id.example.com".into(),
        method: ask.method.into(),
        path: url.path().to_owned(),
        query: url.query().map(str::to_owned),
        headers: headers.collect(),
        body: ask.body.clone().unwrap_or(form),
        named: None,
    };
    let reply =
        registration::reply(server, &asked).or_else(|| authorization::reply(server, &asked))?;
    let headers: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Some(response(reply.status, &headers, &reply.body))
}
