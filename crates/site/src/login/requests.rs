//! What a login sends to the authorization server itself: a registration, and the code.

use base64::Engine as _;
use scanner::facts::quote;
use scanner::net::{NetScanner, Post};
use serde_json::{Value, json};

use super::{Client, Ending, Found, Options, Steps, Stop};

/// The client of this login.
pub(super) struct ThisClient {
    pub(super) id: String,
    secret: Option<String>,
}

/// The parts of a token response that are used.
pub(super) struct TokenAnswer {
    pub(super) access_token: String,
    pub(super) scope: Option<String>,
    pub(super) expires_in: Option<i64>,
    pub(super) refresh_token: bool,
}

/// The client, registered if need be.
pub(super) async fn client(
    scanner: &NetScanner,
    found: &Found,
    options: &Options,
    redirect: &str,
    steps: &mut Steps<'_>,
) -> Result<ThisClient, Stop> {
    match &options.client {
        Client::Known(id, secret) => {
            steps.ok("client", format!("{} is known beforehand.", quote(id)));
            Ok(ThisClient {
                id: id.clone(),
                secret: secret.clone(),
            })
        }
        Client::Document(url) if found.takes_documents => {
            steps.ok("client", format!("The document at {}.", quote(url.as_str())));
            Ok(ThisClient {
                id: url.to_string(),
                secret: None,
            })
        }
        Client::Document(_) => steps.stop(
            "client",
            "The metadata does not say that client documents are taken (`client_id_metadata_document_supported`).",
        ),
        Client::Register => register(scanner, found, redirect, steps).await,
    }
}

async fn register(
    scanner: &NetScanner,
    found: &Found,
    redirect: &str,
    steps: &mut Steps<'_>,
) -> Result<ThisClient, Stop> {
    let Some(endpoint) = &found.registration_endpoint else {
        return steps.stop(
            "client",
            "The server registers nobody; name a client with --client-id or --client-document.",
        );
    };
    let body = json!({
        "client_name": "Authdex login",
        "application_type": "native",
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let post = Post {
        url: endpoint.clone(),
        media: "application/json",
        body: body.to_string(),
        authorization: None,
    };
    let answer = match scanner.post(&post).await {
        Ok(answer) => answer,
        Err(failure) => {
            return steps.stop("client", format!("Registering: {}.", failure.word()));
        }
    };
    let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    match text("client_id").filter(|_| (200..300).contains(&answer.status)) {
        Some(id) => {
            steps.ok("client", format!("Registered as {}.", quote(&id)));
            Ok(ThisClient {
                id,
                secret: text("client_secret"),
            })
        }
        None => steps.stop(
            "client",
            format!(
                "The registration is answered with {}{}.",
                answer.status,
                text("error").map_or(String::new(), |error| format!(" and {}", quote(&error)))
            ),
        ),
    }
}

/// Redeems the code.
pub(super) async fn redeem(
    scanner: &NetScanner,
    found: &Found,
    client: &ThisClient,
    redirect: &str,
    code: &str,
    verifier: &str,
    steps: &mut Steps<'_>,
) -> Result<TokenAnswer, Stop> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", redirect)
        .append_pair("client_id", &client.id)
        .append_pair("code_verifier", verifier)
        .append_pair("resource", &found.resource);
    let mut authorization = None;
    if let Some(secret) = &client.secret {
        let has = |method: &str| found.auth_methods.iter().any(|known| known == method);
        if has("client_secret_post") && !has("client_secret_basic") {
            form.append_pair("client_secret", secret);
        } else {
            authorization = Some(basic(&client.id, secret));
        }
    }
    let post = Post {
        url: found.token_endpoint.clone(),
        media: "application/x-www-form-urlencoded",
        body: form.finish(),
        authorization,
    };
    let answer = match scanner.post(&post).await {
        Ok(answer) => answer,
        Err(failure) => {
            return steps.stop("token", format!("The token request: {}.", failure.word()));
        }
    };
    let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let token = text("access_token").filter(|_| answer.status == 200);
    let Some(access_token) = token else {
        return steps.stop(
            "token",
            format!(
                "The token request is answered with {}{}.",
                answer.status,
                text("error").map_or(String::new(), |error| format!(" and {}", quote(&error)))
            ),
        );
    };
    let kind = text("token_type").unwrap_or_default();
    if !kind.eq_ignore_ascii_case("bearer") {
        return steps.stop(
            "token",
            format!(
                "`token_type` is {}, where Bearer was asked for.",
                quote(&kind)
            ),
        );
    }
    if json.get("expires_in").is_none() {
        steps.add(
            "token",
            Ending::Note,
            "The response does not say how long the token lives.",
        );
    }
    Ok(TokenAnswer {
        scope: text("scope"),
        expires_in: json.get("expires_in").and_then(Value::as_i64),
        refresh_token: text("refresh_token").is_some(),
        access_token,
    })
}

/// RFC 6749 section 2.3.1.
fn basic(client: &str, secret: &str) -> String {
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = format!("{}:{}", encode(client), encode(secret));
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}
