//! Authorization servers: products with their support matrix, and single issuers.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use scanner::facts::Facts;
use scanner::report::{FindingVerdict, Report};
use scanner::spec::Revision;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{Feature, IssuerRow};

use super::figures::{FigureOut, table};
use super::query::{ListQuery, known_product};
use super::radar::FormatQuery;
use super::{List, SCHEMA_VERSION};
use crate::AppState;
use crate::adoption::Adoption;
use crate::cursor;
use crate::error::AppError;
use crate::view::products::{self, acts};
use crate::visit::Visit;

/// A product.
#[derive(Debug, Serialize)]
pub struct ProductOut {
    id: String,
    name: &'static str,
    kind: Option<&'static str>,
    servers: i64,
    issuers: i64,
    announces: BTreeMap<&'static str, FigureOut>,
    documented: BTreeMap<&'static str, SaidOut>,
    links: Links,
}

/// What is documented.
#[derive(Debug, Serialize)]
pub struct SaidOut {
    said: &'static str,
    source: &'static str,
    date: &'static str,
}

/// Addresses.
#[derive(Debug, Serialize)]
pub struct Links {
    #[serde(rename = "self")]
    this: String,
    page: String,
    servers: String,
}

impl ProductOut {
    fn new(app: &AppState, adoption: &Adoption, id: &str) -> Self {
        let entry = products::entry(id);
        let product = products::Product::new(adoption, id);
        let at = |path: &str| app.settings.absolute(&format!("{path}{id}"));
        Self {
            id: id.to_owned(),
            name: product.name,
            kind: entry.map(products::kind_word),
            servers: adoption.figure("all", "product", id).n,
            issuers: adoption.issuers(id, Feature::Dcr).of,
            announces: Feature::ALL
                .into_iter()
                .map(|feature| (feature.as_str(), adoption.issuers(id, feature).into()))
                .collect(),
            documented: product
                .cells
                .into_iter()
                .filter_map(|cell| {
                    let said = cell.said?;
                    Some((
                        cell.head,
                        SaidOut {
                            said: said.text,
                            source: said.source,
                            date: said.date,
                        },
                    ))
                })
                .collect(),
            links: Links {
                this: at("/api/v1/authorization-servers/"),
                page: at("/as/"),
                servers: at("/servers?product="),
            },
        }
    }
}

/// Products that were seen, those with most servers first, then those that are only known.
pub(crate) fn ids(adoption: &Adoption) -> Vec<String> {
    let mut ids = adoption.products();
    for entry in &scanner::fingerprints::table::table().products {
        if !ids.contains(&entry.id) {
            ids.push(entry.id.clone());
        }
    }
    ids
}

/// `GET /authorization-servers`
pub(crate) async fn all(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<FormatQuery>,
) -> Result<Response, AppError> {
    let csv = query.csv()?;
    let adoption = Adoption::new(app.store.measured(visit.now).await?);
    let data: Vec<ProductOut> = ids(&adoption)
        .iter()
        .map(|id| ProductOut::new(&app, &adoption, id))
        .collect();
    if csv {
        let rows = data.iter().flat_map(|product| {
            product.announces.iter().map(|(feature, figure)| {
                let keys = vec![product.id.as_str(), product.name, *feature];
                (keys, figure.clone())
            })
        });
        return Ok(table(
            "authorization-servers",
            &["product", "name", "announces"],
            rows,
        ));
    }
    super::json(&List::new(visit.now, None, data))
}

/// A product with its findings and issuers.
#[derive(Debug, Serialize)]
pub struct ProductDetail {
    schema_version: &'static str,
    generated_at: String,
    suppressed: bool,
    #[serde(flatten)]
    product: ProductOut,
    findings: Vec<FindingOut>,
    next: Option<String>,
    data: Vec<IssuerOut>,
}

/// How servers of a product do on a check.
#[derive(Debug, Serialize)]
pub struct FindingOut {
    check: String,
    acts: &'static str,
    because: Option<&'static str>,
    warn: i64,
    fail: i64,
    judged: i64,
}

/// Who acts, as the API says it.
pub(crate) fn acts_word(acts: scanner::fingerprints::table::Acts) -> &'static str {
    use scanner::fingerprints::table::Acts;
    match acts {
        Acts::Vendor => "vendor",
        Acts::Tenant => "tenant",
        Acts::Operator => "operator",
    }
}

/// The refusal for a product that nobody knows.
pub(crate) fn unknown_product() -> AppError {
    AppError::not_found("There is no product with this id; /as lists them.")
}

/// `GET /authorization-servers/{product}`
pub(crate) async fn product(
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
    let page = query.page(&app, &name, 100).await?;
    let mut issuers = app.store.issuers(Some(&id), &page).await?;
    issuers.next = cursor::give(&app, &name, issuers.next).await?;
    let entry = products::entry(&id);
    let mut response = super::json(&ProductDetail {
        schema_version: SCHEMA_VERSION,
        generated_at: visit.now.rfc3339(),
        suppressed: adoption.suppressed,
        product: ProductOut::new(&app, &adoption, &id),
        findings: adoption
            .findings(&id)
            .into_iter()
            .map(|(check, warn, fail, judged)| {
                let (whose, said) = acts(entry, &check);
                FindingOut {
                    acts: acts_word(whose),
                    because: said.map(|said| said.text),
                    check,
                    warn,
                    fail,
                    judged,
                }
            })
            .collect(),
        next: issuers.next.clone(),
        data: issuers
            .rows
            .iter()
            .map(|row| IssuerOut::new(&app, row))
            .collect(),
    })?;
    if let Some(next) = &issuers.next {
        let base = app
            .settings
            .absolute(&format!("/api/v1/authorization-servers/{id}"));
        let asked = visit.query.as_deref().unwrap_or_default();
        super::link_next(&mut response, &base, asked, next);
    }
    Ok(response)
}

/// An issuer.
#[derive(Debug, Serialize)]
pub struct IssuerOut {
    id: String,
    issuer: String,
    host: String,
    product: String,
    product_basis: Option<String>,
    metadata_url: Option<String>,
    metadata: &'static str,
    announces: Vec<&'static str>,
    servers: i64,
    first_seen: String,
    changed: String,
    scan: Option<String>,
    links: Links,
}

impl IssuerOut {
    fn new(app: &AppState, row: &IssuerRow) -> Self {
        let at = |path: &str| app.settings.absolute(&format!("{path}{}", row.id));
        Self {
            id: row.id.clone(),
            issuer: row.issuer.clone(),
            host: row.host.clone(),
            product: row.product.clone(),
            product_basis: row.basis.clone(),
            metadata_url: row.metadata_url.clone(),
            metadata: row.told.as_str(),
            announces: row.features.words(),
            servers: row.servers,
            first_seen: row.first_seen.rfc3339(),
            changed: row.changed_at.rfc3339(),
            scan: row.scan.clone(),
            links: Links {
                this: at("/api/v1/issuers/"),
                page: at("/issuers/"),
                servers: at("/servers?issuer="),
            },
        }
    }
}

/// An issuer with its document.
#[derive(Debug, Serialize)]
pub struct IssuerDetail {
    schema_version: &'static str,
    generated_at: String,
    #[serde(flatten)]
    issuer: IssuerOut,
    document: Option<Map<String, Value>>,
    withheld: bool,
    findings: Vec<IssuerFinding>,
    changes: Vec<ChangeOut>,
}

/// A warning or failure at an issuer.
#[derive(Debug, Serialize)]
pub struct IssuerFinding {
    check: String,
    verdict: &'static str,
    acts: &'static str,
}

/// A change of the document.
#[derive(Debug, Serialize)]
pub struct ChangeOut {
    at: String,
    metadata: &'static str,
    announces: Vec<&'static str>,
    scan: Option<String>,
}

/// The issuer of that id, or the refusal.
pub(crate) async fn find(app: &AppState, id: &str) -> Result<IssuerRow, AppError> {
    app.store
        .issuer(id)
        .await?
        .ok_or_else(|| AppError::not_found("No server in the index names an issuer with this id."))
}

/// What the scan that an issuer points at holds of it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Its document, unless it is withheld.
    pub(crate) document: Option<Map<String, Value>>,
    /// Something in that scan is held back until it can do no harm, and the document with it.
    pub(crate) withheld: bool,
    /// The report of the scan.
    pub(crate) report: Option<Report>,
    /// The issuer is the one that a client would take at that server.
    pub(crate) taken: bool,
}

/// Reads the document of an issuer from a scan that holds it.
pub(crate) async fn held(app: &AppState, id: &str, scan: Option<&str>) -> Result<Held, AppError> {
    let Some(scan) = scan else {
        return Ok(Held::default());
    };
    let report = app
        .store
        .report(scan, None)
        .await?
        .map(super::scans::blanked);
    let withheld = report
        .as_ref()
        .is_some_and(|report| report.findings.iter().any(|finding| finding.withheld));
    let document = match app.store.evidence(scan).await? {
        Some(evidence) if !withheld => {
            let facts = Facts::new(&evidence);
            facts
                .issuers()
                .iter()
                .filter(|issuer| store::issuer_id_of(&issuer.listed) == id)
                .find_map(|issuer| {
                    let found = facts.found(issuer, Revision::HEADLINE);
                    Some(found.first()?.asm()?.members.clone())
                })
        }
        _ => None,
    };
    let taken = report.as_ref().is_some_and(|report| {
        report
            .authorization_servers
            .iter()
            .any(|server| server.selected && store::issuer_id_of(&server.issuer) == id)
    });
    Ok(Held {
        document,
        withheld,
        report,
        taken,
    })
}

/// `GET /issuers/{id}`
pub(crate) async fn issuer(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let held = held(&app, &id, row.scan.as_deref()).await?;
    let changes = app.store.issuer_changes(&id).await?;
    let findings = held
        .report
        .iter()
        .filter(|_| held.taken)
        .flat_map(|report| &report.findings)
        .filter(|finding| matches!(finding.verdict, FindingVerdict::Warn | FindingVerdict::Fail))
        .filter_map(|finding| {
            use scanner::report::Fixer;
            let acts = match finding.attribution.as_ref()?.to {
                Fixer::AsTenant => "tenant",
                Fixer::AsVendor => "vendor",
                Fixer::Operator => return None,
            };
            Some(IssuerFinding {
                check: finding.check.clone(),
                verdict: finding.verdict.as_str(),
                acts,
            })
        })
        .collect();
    super::json(&IssuerDetail {
        schema_version: SCHEMA_VERSION,
        generated_at: visit.now.rfc3339(),
        issuer: IssuerOut::new(&app, &row),
        document: held.document,
        withheld: held.withheld,
        findings,
        changes: changes
            .into_iter()
            .map(|change| ChangeOut {
                at: change.at.rfc3339(),
                metadata: change.told.as_str(),
                announces: change.features.words(),
                scan: change.scan,
            })
            .collect(),
    })
}
