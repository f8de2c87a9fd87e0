//! `/servers`: search, filters and a table; and `/lookup`, which leads from an address to its
//! page.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use scanner::spec::Revision;
use scanner::time::Millis;
use store::{Facets, ServerRow};

use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::escape;
use crate::api::v1::query::ListQuery;
use crate::api::v1::servers::{LookupQuery, admitted, stale};
use crate::cursor;
use crate::error::AppError;
use crate::view::grade::{Holdback, Mark};
use crate::view::text::typed;
use crate::view::{self, Shown, Stamp, products, words};
use crate::visit::Visit;

/// Rows on a page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "servers.html")]
struct Servers {
    chrome: Chrome,
    total: String,
    filters: Vec<Select>,
    q: String,
    failing: String,
    issuer: String,
    chips: Vec<Chip>,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
    csv: String,
}

/// A choice of the filter form.
struct Select {
    name: &'static str,
    label: &'static str,
    options: Vec<Choice>,
}

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

/// A filter in force, and the list without it.
struct Chip {
    text: Shown,
    href: String,
}

/// A server as lists show it.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: Shown,
    pub(crate) url: Shown,
    pub(crate) mark: Mark,
    pub(crate) holdback: Option<Holdback>,
    pub(crate) coverage: String,
    pub(crate) class: &'static str,
    pub(crate) checked: Option<Stamp>,
    pub(crate) changed: Option<Stamp>,
    pub(crate) stale: bool,
}

impl Row {
    pub(crate) fn new(app: &AppState, row: &ServerRow, now: Millis) -> Self {
        Self {
            id: row.id.clone(),
            name: Shown::bounded(row.name.as_deref().unwrap_or(&row.host), 80),
            url: Shown::bounded(&row.url, 120),
            mark: mark(row),
            holdback: row
                .cap_check
                .as_deref()
                .map(|check| Holdback::new(check, row.cap_letter.as_deref(), row.cap_party)),
            coverage: row
                .coverage_tenths
                .map_or_else(|| "—".into(), |tenths| format!("{} %", (tenths + 5) / 10)),
            class: row.class.map_or("—", words::class),
            checked: row.checked_at.map(|at| Stamp::new(at, now)),
            changed: row.changed_at.map(|at| Stamp::new(at, now)),
            stale: stale(app, row.checked_at, now),
        }
    }
}

/// The mark of a server's current state.
pub(crate) fn mark(row: &ServerRow) -> Mark {
    if row.last_scan.is_none() {
        return Mark::waiting();
    }
    Mark::new(row.letter, row.badge, row.doubtful)
}

pub(crate) async fn list(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    let filter = query.filter(&app, visit.now)?;
    let page = query.page(&app, "servers", ROWS).await?;
    let mut paged = app.store.servers(&filter, &page).await?;
    paged.next = cursor::give(&app, "servers", paged.next).await?;
    let facets = app.store.facets().await?;
    let with = |cursor: Option<&str>| {
        let mut pairs = pairs(&query);
        if !query.limit.is_empty() {
            pairs.push(("limit", query.limit.clone()));
        }
        if let Some(theme) = visit.theme {
            pairs.push(("theme", theme.as_str().to_owned()));
        }
        if let Some(cursor) = cursor {
            pairs.push(("cursor", cursor.to_owned()));
        }
        address("/servers", &pairs)
    };
    html(&Servers {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Servers,
            "Servers",
            "MCP servers with their authorization grades.",
        ),
        total: view::counted(facets.total, "server"),
        filters: selects(&query, &facets),
        q: typed(&query.q),
        failing: typed(&query.failing),
        issuer: typed(&query.issuer),
        chips: chips(&query),
        rows: paged
            .rows
            .iter()
            .map(|row| Row::new(&app, row, visit.now))
            .collect(),
        next: paged.next.as_deref().map(|next| with(Some(next))),
        first: (!query.cursor.is_empty()).then(|| with(None)),
        csv: address("/servers.csv", &pairs(&query)),
    })
}

/// Everything that narrows or orders the list.
fn pairs(query: &ListQuery) -> Vec<(&'static str, String)> {
    let letter = if query.letter.is_empty() {
        &query.badge
    } else {
        &query.letter
    };
    [
        ("q", &query.q),
        ("letter", letter),
        ("class", &query.class),
        ("era", &query.era),
        ("claimed", &query.claimed),
        ("registration", &query.registration),
        ("pkce", &query.pkce),
        ("product", &query.product),
        ("issuer", &query.issuer),
        ("failing", &query.failing),
        ("source", &query.source),
        ("sort", &query.sort),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name, value.clone()))
    .collect()
}

fn address(path: &str, pairs: &[(&'static str, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let query: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    format!("{path}?{}", query.join("&"))
}

fn chips(query: &ListQuery) -> Vec<Chip> {
    let all = pairs(query);
    all.iter()
        .filter(|(name, _)| *name != "sort")
        .map(|(name, value)| {
            let rest: Vec<_> = all
                .iter()
                .filter(|(other, _)| other != name)
                .cloned()
                .collect();
            let text = match *name {
                "q" => format!("“{value}”"),
                "letter" => format!("grade {value}"),
                "class" => words::class_named(value),
                "failing" => format!("fails {value}"),
                "claimed" => format!("claims {value}"),
                "registration" => format!("registration: {}", registration(value)),
                "pkce" => format!("PKCE: {}", pkce(value)),
                "era" => format!("era: {}", era(value)),
                "product" => format!("identity server: {}", products::name(value)),
                "issuer" => format!("names issuer {value}"),
                name => format!("{name}: {value}"),
            };
            Chip {
                text: Shown::bounded(&text, 60),
                href: address("/servers", &rest),
            }
        })
        .collect()
}

fn registration(word: &str) -> &str {
    match word {
        "cimd" => "client ID documents",
        "dcr_only" => "dynamic only",
        "none" => "none announced",
        other => other,
    }
}

fn era(word: &str) -> &str {
    match word {
        "modern" => "2026-07-28",
        "dual" => "both",
        "legacy" => "before 2026-07-28",
        "http-sse" => "HTTP+SSE only",
        "hidden" => "cannot be told",
        other => other,
    }
}

fn pkce(word: &str) -> &str {
    match word {
        "s256" => "S256",
        "other" => "without S256",
        "absent" => "not announced",
        other => other,
    }
}

type Named<'a> = (&'a [(String, i64)], &'a dyn Fn(&str) -> String);

fn selects(query: &ListQuery, facets: &Facets) -> Vec<Select> {
    let letter = if query.letter.is_empty() {
        &query.badge
    } else {
        &query.letter
    };
    let select = |name, label, chosen: &str, (counts, word): Named<'_>| {
        let mut options = vec![Choice {
            value: String::new(),
            text: "any".into(),
            chosen: chosen.is_empty(),
        }];
        options.extend(counts.iter().map(|(value, count)| Choice {
            text: format!("{} ({})", word(value), view::count(*count)),
            chosen: value == chosen,
            value: value.clone(),
        }));
        if !chosen.is_empty() && !options.iter().any(|option| option.chosen) {
            options.push(Choice {
                value: chosen.to_owned(),
                text: word(chosen),
                chosen: true,
            });
        }
        Select {
            name,
            label,
            options,
        }
    };
    let grade = |word: &str| {
        let mark = Mark::named(word);
        format!("{word}, {}", mark.word)
    };
    let graded: Vec<(String, i64)> = facets
        .letters
        .iter()
        .filter(|(word, _)| Mark::named(word).key != "none")
        .cloned()
        .collect();
    let revisions: Vec<(String, i64)> = facets
        .claimed
        .iter()
        .filter(|(word, _)| Revision::parse(word).is_some())
        .cloned()
        .collect();
    let sort = ["letter", "checked", "changed", "name"];
    let mut out = vec![
        select("letter", "Grade or badge", letter, (&graded, &grade)),
        select(
            "class",
            "Class",
            &query.class,
            (&facets.classes, &words::class_named),
        ),
        select(
            "claimed",
            "Claimed revision",
            &query.claimed,
            (&revisions, &str::to_owned),
        ),
        select(
            "registration",
            "Registration",
            &query.registration,
            (&facets.registration, &|word: &str| {
                registration(word).to_owned()
            }),
        ),
        select(
            "product",
            "Authorization server",
            &query.product,
            (&facets.products, &|id: &str| products::name(id).to_owned()),
        ),
        select(
            "era",
            "Wire era",
            &query.era,
            (&facets.eras, &|word| era(word).to_owned()),
        ),
        select(
            "pkce",
            "PKCE",
            &query.pkce,
            (&facets.pkce, &|word: &str| pkce(word).to_owned()),
        ),
        select(
            "source",
            "Source",
            &query.source,
            (&facets.sources, &str::to_owned),
        ),
    ];
    out.push(Select {
        name: "sort",
        label: "Order by",
        options: sort
            .into_iter()
            .map(|word| Choice {
                value: word.to_owned(),
                text: word.to_owned(),
                chosen: query.sort == word || (query.sort.is_empty() && word == "letter"),
            })
            .collect(),
    });
    out
}

/// `GET /lookup?url=`
pub(crate) async fn lookup(
    State(app): State<AppState>,
    Query(query): Query<LookupQuery>,
) -> Result<Response, AppError> {
    let to = |place: String| (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response();
    let asked = query.url.trim();
    let address = asked.contains("://") || (asked.contains('.') && !asked.contains(' '));
    if !address {
        return Ok(to(format!("/servers?q={}", escape(asked))));
    }
    let target = admitted(&app, asked)?;
    if let Some(row) = app.store.server_by_url(&target.url).await? {
        return Ok(to(format!("/servers/{}", row.id)));
    }
    // A host without a path is rarely an endpoint, but often what people know.
    if !asked.contains("://") {
        let filter = store::TargetFilter {
            q: Some(asked.to_owned()),
            ..store::TargetFilter::default()
        };
        if !app
            .store
            .servers(&filter, &store::Page::first(1))
            .await?
            .rows
            .is_empty()
        {
            return Ok(to(format!("/servers?q={}", escape(asked))));
        }
    }
    Ok(to(format!("/submit?url={}", escape(&target.url))))
}
