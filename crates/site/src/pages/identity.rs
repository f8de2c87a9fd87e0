//! `/as` and `/as/{product}`: what identity servers support, measured, beside what is documented
//! of them; and each product with what only its vendor, and what its tenants can change.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use scanner::fingerprints::table::{Acts, Entry, table};
use scanner::time::Millis;
use store::{Feature, IssuerRow, Page, TargetFilter, Told};

use super::servers::Row;
use super::{Chrome, Section, html};
use crate::AppState;
use crate::adoption::{Adoption, Figure};
use crate::api::v1::identity::{acts_word, unknown_product};
use crate::api::v1::query::{ListQuery, known_product};
use crate::cursor;
use crate::error::AppError;
use crate::view::plot::{Item, Plot};
use crate::view::products::{self, Product, Said, acts, measured};
use crate::view::{self, Shown, Stamp};
use crate::visit::Visit;

/// Issuers on a page of a product.
const ISSUERS: u32 = 25;

#[derive(Template)]
#[template(path = "as.html")]
struct Products {
    chrome: Chrome,
    answer: String,
    counted: Option<Stamp>,
    suppressed: bool,
    totals: Vec<(&'static str, String, String)>,
    heads: Vec<&'static str>,
    seen: Vec<Product>,
    documented: Vec<Product>,
    as_of: &'static str,
    announces: Option<Plot>,
}

pub(crate) async fn all(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let adoption = Adoption::new(app.store.measured(visit.now).await?);
    let ids = adoption.products();
    let seen: Vec<Product> = ids.iter().map(|id| Product::new(&adoption, id)).collect();
    let documented = table()
        .products
        .iter()
        .filter(|entry| !ids.contains(&entry.id))
        .map(|entry| Product::new(&adoption, &entry.id))
        .collect();
    let all = |feature| adoption.issuers("all", feature);
    let recognised = ids
        .iter()
        .filter(|id| products::entry(id).is_some())
        .count();
    let of = all(Feature::Dcr).of;
    let total = |word, figure: Figure| {
        let share = figure.share.map_or_else(String::new, |share| share.share());
        (word, view::count(figure.n), share)
    };
    html(&Products {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Identity,
            "Identity servers",
            "Which authorization servers support dynamic registration, client ID documents, PKCE and more: measured, beside what is documented.",
        ),
        answer: answer(&adoption, &ids),
        counted: adoption.at().map(|at| Stamp::new(at, visit.now)),
        suppressed: adoption.suppressed,
        totals: vec![
            ("Identity servers read", view::count(of), String::new()),
            (
                "Products recognised",
                view::count(i64::try_from(recognised).unwrap_or(0)),
                String::new(),
            ),
            total("Announce dynamic registration", all(Feature::Dcr)),
            total("Announce client ID documents", all(Feature::Cimd)),
        ],
        heads: products::heads(),
        announces: (of > 0).then(|| announces(&adoption, "all")),
        seen,
        documented,
        as_of: &table().as_of,
    })
}

/// The answer to "do the identity servers support dynamic registration?".
fn answer(adoption: &Adoption, ids: &[String]) -> String {
    let dcr = adoption.issuers("all", Feature::Dcr);
    if dcr.of == 0 {
        return "Nobody can tell from here yet: no identity server's metadata has been read."
            .into();
    }
    let short = match dcr.n {
        0 => "No, none of them",
        n if n == dcr.of => "Yes, all of them",
        n if n * 2 >= dcr.of => "Most do",
        _ => "Some do",
    };
    let share = dcr.share.map_or_else(String::new, |share| {
        format!(" ({}, 95 % interval {})", share.share(), share.range())
    });
    let products = ids
        .iter()
        .filter(|id| products::entry(id).is_some())
        .map(|id| adoption.issuers(id, Feature::Dcr))
        .filter(|figure| figure.of > 0);
    let (with, known) = products.fold((0, 0), |(with, known), figure| {
        (with + i64::from(figure.n > 0), known + 1)
    });
    let by_product = match known {
        0 => String::new(),
        _ => format!(" By product: {with} of {known} recognised."),
    };
    let cimd = adoption.issuers("all", Feature::Cimd);
    format!(
        "{short}: {} of {} whose metadata we read announce it{share}.{by_product} Client ID metadata documents, its successor: {} of {}.",
        view::count(dcr.n),
        view::counted(dcr.of, "identity server"),
        view::count(cimd.n),
        view::count(cimd.of),
    )
}

/// All features of a product's issuers as a chart.
fn announces(adoption: &Adoption, product: &str) -> Plot {
    let items = Feature::ALL
        .into_iter()
        .map(|feature| Item {
            label: products::feature(feature).to_owned(),
            href: None,
            tone: "",
            figure: adoption.issuers(product, feature),
        })
        .collect();
    Plot::dots(
        "announces",
        "What the metadata of identity servers announces",
        "identity servers",
        items,
    )
}

#[derive(Template)]
#[template(path = "as_product.html")]
struct OneProduct {
    chrome: Chrome,
    id: String,
    name: &'static str,
    kind: Option<&'static str>,
    known_by: Vec<String>,
    table_says: &'static str,
    suppressed: bool,
    product: Product,
    features: Vec<(&'static str, String)>,
    groups: Vec<Group>,
    known: Vec<KnownRule>,
    issuers: Vec<IssuerView>,
    next: Option<String>,
    first: Option<String>,
    servers: Vec<Row>,
}

/// Findings that one party can change.
struct Group {
    id: &'static str,
    heading: &'static str,
    says: &'static str,
    rows: Vec<FindingRow>,
}

struct FindingRow {
    check: String,
    title: String,
    fix: &'static str,
    warn: i64,
    fail: i64,
    judged: String,
    said: Option<Said>,
}

/// What is known of findings at a product, seen or not.
struct KnownRule {
    checks: &'static [String],
    acts: &'static str,
    said: Said,
}

fn known_rules(entry: &'static Entry) -> Vec<KnownRule> {
    entry
        .rules
        .iter()
        .map(|rule| KnownRule {
            checks: &rule.checks,
            acts: acts_word(rule.acts),
            said: Said::rule(rule),
        })
        .collect()
}

/// An issuer as lists show it.
pub(crate) struct IssuerView {
    pub(crate) id: String,
    pub(crate) issuer: Shown,
    pub(crate) servers: String,
    pub(crate) told: &'static str,
    pub(crate) announces: Vec<&'static str>,
    pub(crate) changed: Stamp,
}

impl IssuerView {
    pub(crate) fn new(row: &IssuerRow, now: Millis) -> Self {
        Self {
            id: row.id.clone(),
            issuer: Shown::bounded(&row.issuer, 120),
            servers: view::counted(row.servers, "server"),
            told: told(row.told),
            announces: registration(row),
            changed: Stamp::new(row.changed_at, now),
        }
    }
}

/// What a search for metadata came to, in words.
pub(crate) fn told(told: Told) -> &'static str {
    match told {
        Told::Document => "metadata found",
        Told::Absent => "no metadata",
        Told::Unknown => "could not be told",
    }
}

/// The tags of an issuer in lists: what most readers come for.
fn registration(row: &IssuerRow) -> Vec<&'static str> {
    [
        (Feature::Cimd, "CIMD"),
        (Feature::Dcr, "DCR"),
        (Feature::S256, "S256"),
        (Feature::Iss, "iss"),
    ]
    .into_iter()
    .filter(|(feature, _)| row.features.has(*feature))
    .map(|(_, word)| word)
    .collect()
}

pub(crate) async fn one(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    if !known_product(&id) {
        return Err(unknown_product());
    }
    let adoption = Adoption::new(app.store.measured(visit.now).await?);
    let name = format!("issuers:{id}");
    let page = query.page(&app, &name, ISSUERS).await?;
    let mut issuers = app.store.issuers(Some(&id), &page).await?;
    issuers.next = cursor::give(&app, &name, issuers.next).await?;
    let filter = TargetFilter {
        product: Some(id.clone()),
        ..TargetFilter::default()
    };
    let servers = app.store.servers(&filter, &Page::first(10)).await?.rows;
    let entry = products::entry(&id);
    let name = products::name(&id);
    html(&OneProduct {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Identity,
            name,
            "What MCP servers' authorization servers of this product support, and what to change.",
        ),
        name,
        kind: entry.map(products::kind),
        known_by: entry.map(known_by).unwrap_or_default(),
        table_says: entry.map_or("", |entry| entry.source.words()),
        suppressed: adoption.suppressed,
        product: Product::new(&adoption, &id),
        features: Feature::ALL
            .into_iter()
            .filter_map(|feature| {
                let seen = measured(adoption.issuers(&id, feature))?;
                Some((products::feature(feature), seen))
            })
            .collect(),
        groups: groups(&adoption, &id),
        known: entry.map(known_rules).unwrap_or_default(),
        next: issuers
            .next
            .as_deref()
            .map(|next| format!("/as/{id}?cursor={next}#issuers")),
        first: (!query.cursor.is_empty()).then(|| format!("/as/{id}#issuers")),
        issuers: issuers
            .rows
            .iter()
            .map(|row| IssuerView::new(row, visit.now))
            .collect(),
        servers: servers
            .iter()
            .map(|row| Row::new(&app, row, visit.now))
            .collect(),
        id,
    })
}

/// What gives a product away, in words.
fn known_by(entry: &Entry) -> Vec<String> {
    let mut out = Vec::new();
    let list = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
        quoted.join(", ")
    };
    if !entry.host.is_empty() {
        out.push(format!("the issuer's host: {}", list(&entry.host)));
    }
    if !entry.issuer_path.is_empty() {
        out.push(format!("the issuer's path: {}", list(&entry.issuer_path)));
    }
    if !entry.endpoints.is_empty() {
        let paths: Vec<String> = entry.endpoints.values().cloned().collect();
        out.push(format!("the paths of its endpoints: {}", list(&paths)));
    }
    if !entry.members.is_empty() {
        out.push("members and values that only it writes into its metadata".into());
    }
    if !entry.challenge.is_empty() {
        out.push("the wording of its challenges".into());
    }
    out
}

fn groups(adoption: &Adoption, id: &str) -> Vec<Group> {
    let entry = products::entry(id);
    let mut vendor = Vec::new();
    let mut tenant = Vec::new();
    let mut operator = Vec::new();
    for (check, warn, fail, judged) in adoption.findings(id) {
        let Some(known) = scanner::checks::by_id(&check) else {
            continue;
        };
        // A finding of both parties is the authorization server's where it comes first, or
        // where the table says so.
        let first = known.party.first() == Some(&scanner::check::Party::AuthorizationServer);
        let (whose, said) = acts(entry, &check);
        if !first && said.is_none() {
            continue;
        }
        let row = FindingRow {
            title: known.title.to_owned(),
            fix: known.fix,
            check,
            warn,
            fail,
            judged: view::counted(judged, "server"),
            said,
        };
        match whose {
            Acts::Vendor => vendor.push(row),
            Acts::Tenant => tenant.push(row),
            Acts::Operator => operator.push(row),
        }
    }
    [
        (
            "vendor",
            "Only its vendor can change",
            "Limits and defaults of the product, by what is known of it.",
            vendor,
        ),
        (
            "tenant",
            "A tenant can change",
            "Settings of whoever uses or installed it.",
            tenant,
        ),
        (
            "operator",
            "The server's operator can change",
            "It is part of the MCP server, or the server has to be set up otherwise.",
            operator,
        ),
    ]
    .into_iter()
    .filter(|(.., rows)| !rows.is_empty())
    .map(|(id, heading, says, rows)| Group {
        id,
        heading,
        says,
        rows,
    })
    .collect()
}
