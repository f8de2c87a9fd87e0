//! Our index as a registry: the entries of the registries that were read, as they were received,
//! with our results in `_meta`, under the paths, forms and errors of the official registry's
//! API. Clients of that API read ours without a change, and may demand a letter.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use scanner::normalise::{self, Admission};
use scanner::report::{Class, GradeLetter};
use scanner::spec::Revision;
use scanner::time::Millis;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::{Entry, EntryAsk, ServerRow};

use crate::AppState;
use crate::api::v1::servers::stale;
use crate::cursor;
use crate::error::AppError;
use crate::visit::Visit;

/// Version of the form of our results.
const SCHEMA: &str = "authdex.meta/1";
/// The official registry's own statements about an entry.
const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";
/// Entries on a page without a wish, and at most.
const USUAL: u32 = 30;
const MOST: u32 = 100;
/// Entries looked at for one page when a filter on results takes some out. A page may be short.
const LOOKED_AT: usize = 2_000;
const BATCH: u32 = 500;

/// What a list is asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RegistryQuery {
    limit: String,
    cursor: String,
    search: String,
    updated_since: String,
    version: String,
    include_deleted: String,
    min_letter: String,
    class: String,
    exclude_open: String,
}

/// Conditions on our results.
#[derive(Debug, Default)]
struct Demand {
    letter: Option<GradeLetter>,
    class: Option<Class>,
    no_open: bool,
}

impl Demand {
    fn of(query: &RegistryQuery) -> Result<Self, AppError> {
        // A bare plus in a query is a blank.
        let letter = query.min_letter.replace(' ', "+").to_uppercase();
        let all = GradeLetter::ALL;
        let wanted = all.into_iter().find(|one| one.as_str() == letter);
        if !letter.is_empty() && wanted.is_none() {
            return Err(AppError::validation(
                "/min_letter",
                "min_letter is one of A+, A, B, C, D, E, F.",
            ));
        }
        let class = Class::ALL
            .into_iter()
            .find(|one| one.as_str() == query.class);
        if !query.class.is_empty() && class.is_none() {
            let known: Vec<&str> = Class::ALL.map(Class::as_str).to_vec();
            let detail = format!("class is one of {}.", known.join(", "));
            return Err(AppError::validation("/class", detail));
        }
        Ok(Self {
            letter: wanted,
            class,
            no_open: truth("exclude_open", &query.exclude_open)?,
        })
    }

    fn is_none(&self) -> bool {
        self.letter.is_none() && self.class.is_none() && !self.no_open
    }

    /// Whether an entry with these servers is wanted.
    fn keeps(&self, servers: &[&ServerRow]) -> bool {
        let letter = self
            .letter
            .is_none_or(|least| worst(servers).is_some_and(|letter| place(letter) <= place(least)));
        let class = self
            .class
            .is_none_or(|class| servers.iter().any(|server| server.class == Some(class)));
        let open = servers
            .iter()
            .any(|server| server.class == Some(Class::Open));
        letter && class && !(self.no_open && open)
    }
}

fn truth(name: &str, text: &str) -> Result<bool, AppError> {
    match text {
        "" | "false" => Ok(false),
        "true" => Ok(true),
        _ => Err(AppError::validation(
            &format!("/{name}"),
            format!("{name} is true or false."),
        )),
    }
}

fn place(letter: GradeLetter) -> usize {
    GradeLetter::ALL
        .iter()
        .position(|one| *one == letter)
        .unwrap_or(usize::MAX)
}

fn worst(servers: &[&ServerRow]) -> Option<GradeLetter> {
    servers
        .iter()
        .filter_map(|server| server.letter)
        .max_by_key(|letter| place(*letter))
}

fn ask(query: &RegistryQuery) -> Result<EntryAsk, AppError> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let since = match query.updated_since.as_str() {
        "" => None,
        text => Some(
            Millis::parse_rfc3339(&text.replace(' ', "+")).ok_or_else(|| {
                AppError::validation(
                    "/updated_since",
                    "updated_since is a time such as 2026-11-25T00:00:00Z.",
                )
            })?,
        ),
    };
    let limit = match query.limit.as_str() {
        "" => USUAL,
        text => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| AppError::validation("/limit", "limit is a number from 1 to 100."))?,
    };
    let latest = query.version == "latest";
    Ok(EntryAsk {
        search: some(&query.search),
        since,
        version: some(&query.version).filter(|_| !latest),
        latest,
        // Who follows changes has to hear of deletions, too.
        deleted: truth("include_deleted", &query.include_deleted)? || since.is_some(),
        limit,
        ..EntryAsk::default()
    })
}

/// `GET /v0.1/servers`
pub(crate) async fn list(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<RegistryQuery>,
) -> Result<Response, AppError> {
    let demand = Demand::of(&query)?;
    let mut ask = ask(&query)?;
    let limit = ask.limit as usize;
    if let Some(place) = cursor::take(&app, "registry", &query.cursor).await? {
        ask.after = serde_json::from_str(&place).ok();
    }
    ask.limit = if demand.is_none() {
        ask.limit + 1
    } else {
        BATCH
    };
    let mut out = Vec::new();
    let mut looked_at = 0;
    let mut more = true;
    while more && out.len() < limit && looked_at < LOOKED_AT {
        let entries = app.store.entries(&ask).await?;
        more = entries.len() == ask.limit as usize;
        looked_at += entries.len();
        let servers = servers(&app, &entries).await?;
        for entry in entries {
            if out.len() == limit {
                more = true;
                break;
            }
            ask.after = Some((entry.name.clone(), entry.version.clone()));
            let own = own(&entry, &servers);
            if demand.keeps(&own) {
                out.push(shown(&app, &entry, &own, visit.now));
            }
        }
    }
    let next = match (more, &ask.after) {
        (true, Some(after)) => {
            let place = serde_json::to_string(after)?;
            cursor::give(&app, "registry", Some(place)).await?
        }
        _ => None,
    };
    let mut metadata = json!({ "count": out.len() });
    if let Some(next) = next {
        metadata["nextCursor"] = next.into();
    }
    crate::api::v1::json(&json!({ "servers": out, "metadata": metadata }))
}

/// Servers at the remotes of entries, by address.
async fn servers(
    app: &AppState,
    entries: &[Entry],
) -> Result<HashMap<String, ServerRow>, AppError> {
    let mut urls: Vec<String> = entries
        .iter()
        .flat_map(|entry| entry.urls.clone())
        .collect();
    urls.sort();
    urls.dedup();
    let rows = app.store.servers_at(&urls).await?;
    Ok(rows.into_iter().map(|row| (row.url.clone(), row)).collect())
}

fn own<'r>(entry: &Entry, servers: &'r HashMap<String, ServerRow>) -> Vec<&'r ServerRow> {
    entry
        .urls
        .iter()
        .filter_map(|url| servers.get(url))
        .filter(|server| server.last_scan.is_some())
        .collect()
}

/// The entry as it was received, with our results beside the statements of others.
fn shown(app: &AppState, entry: &Entry, servers: &[&ServerRow], now: Millis) -> Value {
    let mut value: Value = serde_json::from_str(&entry.text).unwrap_or_default();
    if let Value::Object(members) = &mut value {
        let meta = members
            .entry("_meta")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(meta) = meta {
            if let Some(Value::Object(official)) = meta.get_mut(OFFICIAL)
                && official.contains_key("isLatest")
            {
                official.insert("isLatest".into(), entry.latest.into());
            }
            if !servers.is_empty() {
                meta.insert(key(app), result(app, servers, now));
            }
        }
    }
    value
}

/// The name of our statements: the host of the installation, reversed.
fn key(app: &AppState) -> String {
    let url = app.settings.public_url.as_deref().unwrap_or_default();
    let host = url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "localhost".into());
    let mut parts: Vec<&str> = host.split('.').collect();
    if host.parse::<std::net::Ipv4Addr>().is_err() {
        parts.reverse();
    }
    format!("{}/authorization", parts.join("."))
}

fn result(app: &AppState, servers: &[&ServerRow], now: Millis) -> Value {
    let badge = match servers {
        [one] => one.badge.map(scanner::report::Badge::as_str),
        _ => None,
    };
    json!({
        "schema": SCHEMA,
        "letter": worst(servers).map(GradeLetter::as_str),
        "badge": badge,
        "revision": Revision::HEADLINE.as_str(),
        "rubric": scanner::rubric::current().version,
        "stale": servers.iter().any(|server| stale(app, server.checked_at, now)),
        "checked": servers.iter().filter_map(|server| server.checked_at).min().map(Millis::rfc3339),
        "remotes": servers.iter().map(|server| json!({
            "url": server.url,
            "letter": server.letter.map(GradeLetter::as_str),
            "badge": server.badge.map(scanner::report::Badge::as_str),
            "class": server.class.map(Class::as_str),
            "page": app.settings.absolute(&format!("/servers/{}", server.id)),
        })).collect::<Vec<_>>(),
    })
}

/// `GET /v0.1/servers/{name}/versions`
pub(crate) async fn versions(
    State(app): State<AppState>,
    visit: Visit,
    Path(name): Path<String>,
) -> Result<Response, AppError> {
    let ask = EntryAsk {
        name: Some(name),
        deleted: true,
        limit: 1_000,
        ..EntryAsk::default()
    };
    let entries = app.store.entries(&ask).await?;
    if entries.is_empty() {
        return Err(AppError::not_found("Server not found"));
    }
    let servers = servers(&app, &entries).await?;
    let out: Vec<Value> = entries
        .iter()
        .map(|entry| shown(&app, entry, &own(entry, &servers), visit.now))
        .collect();
    let metadata = json!({ "count": out.len() });
    crate::api::v1::json(&json!({ "servers": out, "metadata": metadata }))
}

/// `GET /v0.1/servers/{name}/versions/{version}`, also `latest`.
pub(crate) async fn version(
    State(app): State<AppState>,
    visit: Visit,
    Path((name, version)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let latest = version == "latest";
    let ask = EntryAsk {
        name: Some(name),
        version: Some(version).filter(|_| !latest),
        latest,
        deleted: true,
        limit: 1,
        ..EntryAsk::default()
    };
    let entries = app.store.entries(&ask).await?;
    let entry = entries
        .first()
        .ok_or_else(|| AppError::not_found("Server not found"))?;
    let servers = servers(&app, &entries).await?;
    crate::api::v1::json(&shown(&app, entry, &own(entry, &servers), visit.now))
}

/// The entries of a page of a registry that can be passed on: those with a name and a version.
pub(crate) fn entries(text: &str, admission: Admission) -> Vec<Entry> {
    let Ok(page) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let list = page.get("servers").unwrap_or(&page).as_array();
    list.into_iter()
        .flatten()
        .filter_map(|entry| self::entry(entry, admission))
        .collect()
}

fn entry(value: &Value, admission: Admission) -> Option<Entry> {
    let server = value.get("server")?;
    let text = |name: &str| {
        server
            .get(name)?
            .as_str()
            .map(|text| text.replace('\0', ""))
    };
    let official = value.get("_meta").and_then(|meta| meta.get(OFFICIAL));
    let stated = |name: &str| official.and_then(|official| official.get(name));
    let time = |name: &str| Millis::parse_rfc3339(stated(name)?.as_str()?);
    let remotes = server.get("remotes").and_then(Value::as_array);
    let mut urls: Vec<String> = remotes
        .into_iter()
        .flatten()
        .filter_map(|remote| {
            let url = remote.get("url")?.as_str()?;
            Some(normalise::endpoint(url, admission).ok()?.url)
        })
        .collect();
    urls.dedup();
    Some(Entry {
        name: text("name").filter(|name| !name.is_empty())?,
        version: text("version").filter(|version| !version.is_empty())?,
        latest: stated("isLatest").and_then(Value::as_bool).unwrap_or(true),
        deleted: stated("status").and_then(Value::as_str) == Some("deleted"),
        changed: time("updatedAt")
            .or_else(|| time("publishedAt"))
            .unwrap_or(Millis(0)),
        urls,
        text: value.to_string(),
    })
}
