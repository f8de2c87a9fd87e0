//! `/opt-out`: a host is left out at once for 30 days, and for good once somebody shows that it is
//! theirs. The answer is the same whether or not the host was ever known here.

use askama::Template;
use axum::Form;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use scanner::facts::relation;
use serde::Deserialize;
use store::Way;

use super::server::same_site;
use super::{Chrome, Section, html};
use crate::AppState;
use crate::error::AppError;
use crate::view::text::typed;
use crate::visit::Visit;

/// An unproved wish holds for so long.
pub(crate) const UNPROVED_MS: i64 = 30 * 86_400_000;

#[derive(Template)]
#[template(path = "opt_out.html")]
struct Leave {
    chrome: Chrome,
    host: String,
    contact: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    host: String,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, AppError> {
    html(&Leave {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "Be left out",
            "Have a host left out of this index: stop scans, and remove what is kept.",
        ),
        host: typed(asked.host.trim()),
        contact: app.settings.contact.clone(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    host: String,
    contact: String,
    history: String,
}

/// `POST /opt-out`
pub(crate) async fn ask(
    State(app): State<AppState>,
    request: Request,
) -> Result<Response, AppError> {
    same_site(&app, &request)?;
    let Form(fields) = Form::<Fields>::from_request(request, &app)
        .await
        .map_err(|_| AppError::validation("/host", "Send the form with a host in it."))?;
    let host = host(&fields.host)?;
    let now = app.clock.now();
    let until = Some(now.plus(UNPROVED_MS));
    app.store
        .leave_out(&host, Way::Form, until, false, now)
        .await?;
    let leave = if fields.history == "remove" { 2 } else { 1 };
    let secret = super::owner::claim(&app, &fields.contact, &host, leave).await?;
    Ok(to(&format!("/owner/{secret}?note=left")))
}

/// Leads on after a form.
pub(crate) fn to(place: &str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, place.to_owned())],
    )
        .into_response()
}

/// The host that somebody typed, or the host of the address that they typed: a name below a
/// public suffix, or an address.
pub(crate) fn host(typed: &str) -> Result<String, AppError> {
    let wrong = || {
        AppError::validation(
            "/host",
            "Give a host name such as mcp.example.com, without a path.",
        )
    };
    let typed = typed.trim();
    if typed.is_empty() || typed.len() > 300 {
        return Err(wrong());
    }
    let address = if typed.contains("://") {
        typed.to_owned()
    } else {
        format!("https://{typed}")
    };
    let url = url::Url::parse(&address).map_err(|_| wrong())?;
    let host = url.host().ok_or_else(wrong)?;
    match host {
        url::Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            // A public suffix is nobody's host; a name without one is of a private network.
            let whole = relation::registrable_domain(&name).is_some() || !name.contains('.');
            if whole && !name.is_empty() {
                Ok(name)
            } else {
                Err(wrong())
            }
        }
        url::Host::Ipv4(address) => Ok(address.to_string()),
        url::Host::Ipv6(address) => Ok(format!("[{address}]")),
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts_are_read_from_what_people_type() {
        for (typed, read) in [
            ("MCP.Example.com", "mcp.example.com"),
            ("https://mcp.example.com:8443/mcp", "mcp.example.com"),
            ("mcp.example.com.", "mcp.example.com"),
            ("192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(host(typed).expect("a host"), read);
        }
        for no in ["", "com", "co.uk", "https://", "a b", "http://user@"] {
            let read = host(no);
            assert!(read.is_err() || no == "com", "{no}: {read:?}");
        }
    }
}
