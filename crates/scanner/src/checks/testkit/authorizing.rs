//! A consented world whose authorization server is one of the sample servers, so that cases of
//! checks and tests over real sockets meet the same behaviour.

use serde_json::{Value, json};
use url::Url;

use super::{Answer, ENDPOINT, World, asm, response};
use crate::evidence::Purpose;
use crate::fleet::authorization::{self, Fault, Login};
use crate::fleet::reply::Asked;
use crate::fleet::tokens::{Client, Ledger};
use crate::fleet::world::AuthorizationServer;
use crate::plan::{Ask, FormValue, HeaderValue};

/// The compliant world with consent, with endpoints that do these things wrong.
pub(crate) fn authorizing(login: Login, faults: &[Fault]) -> World {
    let mut server = AuthorizationServer::compliant("id.example.com")
        .with_endpoints(&[ENDPOINT])
        .expect("a key can be made")
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
    if matches!(ask.purpose, Purpose::Register(_)) {
        return register(&server.endpoints.as_ref()?.ledger, ask);
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
    };
    let reply = authorization::reply(server, &asked)?;
    let headers: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Some(response(reply.status, &headers, &reply.body))
}

/// RFC 7591, without any policy.
fn register(ledger: &Ledger, ask: &Ask) -> Option<Answer> {
    let mut client: Value = serde_json::from_str(ask.body.as_deref()?).ok()?;
    let texts = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|uri| uri.as_str().map(str::to_owned))
            .collect()
    };
    let redirects = texts(&client["redirect_uris"]);
    let good = |uri: &String| {
        (uri.starts_with("https://") && !uri.contains(['*', '#']))
            || uri.starts_with("http://127.0.0.1")
    };
    let json = [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    ];
    if redirects.is_empty() || !redirects.iter().all(good) {
        return Some(response(400, &json, r#"{"error":"invalid_redirect_uri"}"#));
    }
    let id = ledger.fresh("client-");
    ledger.add_client(Client {
        id: id.clone(),
        name: client["client_name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        redirects,
        ..Client::default()
    });
    client["client_id"] = id.into();
    Some(response(201, &json, &client.to_string()))
}
