//! The side that answers, in a process of its own.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use crate::Fault;

pub(crate) async fn serve(delay: Duration) -> Result<(), Fault> {
    let (authority, tls) = certificates()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut output = std::io::stdout();
    write!(output, "{port}\n{}\n{authority}", names.local_addr()?)?;
    output.flush()?;
    tokio::spawn(answer_names(names));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let tls = tls.clone();
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let service = hyper::service::service_fn(move |request| async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                Ok::<_, Infallible>(reply(&request, port))
            });
            // A client that goes away is no fault.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// 127.0.0.1 for every name.
async fn answer_names(socket: UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let query = &buffer[..length];
        let Some(end) = query
            .get(12..)
            .and_then(|name| name.iter().position(|byte| *byte == 0))
        else {
            continue;
        };
        let Some(question) = query.get(12..12 + end + 5) else {
            continue;
        };
        let is_a = question[end + 2] == 1;
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        reply.extend(question);
        if is_a {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        }
        // A lost answer is asked for again.
        let _ = socket.send_to(&reply, from).await;
    }
}

/// A root, an intermediate and a leaf, as in real life.
fn certificates() -> Result<(String, TlsAcceptor), Fault> {
    let authority = |name: &str| -> Result<rcgen::CertificateParams, Fault> {
        let mut params = rcgen::CertificateParams::new(Vec::new())?;
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        Ok(params)
    };
    let (root, root_key) = (authority("Bench root")?, rcgen::KeyPair::generate()?);
    let pem = root.self_signed(&root_key)?.pem();
    let root = rcgen::Issuer::new(root, root_key);
    let (middle, middle_key) = (
        authority("Bench intermediate")?,
        rcgen::KeyPair::generate()?,
    );
    let middle_certificate = middle.signed_by(&middle_key, &root)?;
    let middle = rcgen::Issuer::new(middle, middle_key);
    let key = rcgen::KeyPair::generate()?;
    let leaf = rcgen::CertificateParams::new(vec!["*.bench.example".to_owned()])?
        .signed_by(&key, &middle)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone(), middle_certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((pem, TlsAcceptor::from(Arc::new(config))))
}

/// `mcp-N` asks for a token and names `as-N`, which has metadata and keys.
fn reply(request: &Request<Incoming>, port: u16) -> Response<Full<Bytes>> {
    let host = request
        .headers()
        .get("host")
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host.split('.').next().unwrap_or_default();
    let base = format!("https://{name}.bench.example:{port}");
    let issuer = base.replace("mcp-", "as-");
    let document = |body: String| {
        Response::builder()
            .header("content-type", "application/json")
            .header("cache-control", "max-age=3600")
            .body(Full::from(body))
    };
    let response = match (name.starts_with("as-"), request.uri().path()) {
        (false, "/mcp") => Response::builder()
            .status(401)
            .header(
                "www-authenticate",
                format!("Bearer resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:use\""),
            )
            .header("content-type", "application/json")
            .body(Full::from(r#"{"error":"unauthorized","error_description":"A token is needed"}"#)),
        (false, "/.well-known/oauth-protected-resource/mcp") => document(format!(
            r#"{{"resource":"{base}/mcp","resource_name":"Bench","authorization_servers":["{issuer}"],"scopes_supported":["mcp:use"],"bearer_methods_supported":["header"]}}"#
        )),
        (true, "/.well-known/oauth-authorization-server") => document(format!(
            r#"{{"issuer":"{base}","authorization_endpoint":"{base}/authorize","token_endpoint":"{base}/token","jwks_uri":"{base}/jwks","registration_endpoint":"{base}/register","response_types_supported":["code"],"grant_types_supported":["authorization_code","refresh_token"],"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["none"],"client_id_metadata_document_supported":true,"authorization_response_iss_parameter_supported":true,"scopes_supported":["mcp:use","offline_access"]}}"#
        )),
        (true, "/jwks") => document(
            r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#.to_owned(),
        ),
        _ => Response::builder().status(404).body(Full::default()),
    };
    response.unwrap_or_else(|_| Response::new(Full::default()))
}
