//! What lists of servers are asked with, read strictly: a wrong value is an answer that names
//! the right ones.

use scanner::fingerprints::table::table;
use scanner::report::{Class, Era};
use scanner::spec::Revision;
use scanner::time::Millis;
use serde::Deserialize;
use store::{Page, Sort, TargetFilter};

use super::limit;
use crate::AppState;
use crate::cursor;
use crate::error::AppError;

/// What a list of servers is asked with; pages and API read the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    /// Part of a name, host or address.
    pub q: String,
    /// Letter or badge.
    pub letter: String,
    /// Badge; the same as `letter`.
    pub badge: String,
    /// Class.
    pub class: String,
    /// Wire era.
    pub era: String,
    /// Claimed revision.
    pub claimed: String,
    /// Way of registration.
    pub registration: String,
    /// PKCE announcement.
    pub pkce: String,
    /// Product of the authorization server.
    pub product: String,
    /// An issuer: its id or its identifier.
    pub issuer: String,
    /// A check that fails.
    pub failing: String,
    /// Source that lists it.
    pub source: String,
    /// `true` or `false`: the newest evidence is old.
    pub stale: String,
    /// A scan saw something new since this time.
    pub changed_since: String,
    /// `estimate` asks for the number of servers.
    pub count: String,
    /// Order.
    pub sort: String,
    /// Where the page begins.
    pub cursor: String,
    /// Entries on a page.
    pub limit: String,
    /// `json`, `csv` or `ndjson`.
    pub format: String,
}

impl ListQuery {
    /// Reads the filter.
    ///
    /// # Errors
    ///
    /// A problem that names the parameter and the values it takes.
    pub fn filter(&self, app: &AppState, now: Millis) -> Result<TargetFilter, AppError> {
        let changed_since = match self.changed_since.as_str() {
            "" => None,
            text => Some(time("changed_since", text)?),
        };
        let limit = now.plus(-app.settings.stale_after_ms);
        let (checked_since, checked_before) = match self.stale.as_str() {
            "" => (None, None),
            "false" => (Some(limit), None),
            "true" => (None, Some(limit)),
            _ => {
                return Err(AppError::validation("/stale", "stale is true or false."));
            }
        };
        self.ordered()?;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let letter = some(&self.letter).or_else(|| some(&self.badge));
        Ok(TargetFilter {
            q: some(self.q.trim()),
            letter: letter.map(|text| letter_word(&text)).transpose()?,
            class: word("class", &self.class, &Class::ALL, Class::as_str)?,
            era: word("era", &self.era, &ERAS, Era::as_str)?,
            failing: match some(&self.failing) {
                Some(id) if scanner::checks::by_id(&id).is_none() => {
                    return Err(AppError::validation(
                        "/failing",
                        "failing is the id of a check; /checks lists them.",
                    ));
                }
                id => id,
            },
            claimed: word("claimed", &self.claimed, &Revision::ALL, Revision::as_str)?,
            registration: closed(
                "registration",
                &self.registration,
                &["cimd", "dcr_only", "none"],
            )?,
            pkce: closed("pkce", &self.pkce, &["s256", "other", "absent"])?,
            product: match some(&self.product) {
                Some(id) if !known_product(&id) => {
                    return Err(AppError::validation(
                        "/product",
                        "product is the id of an authorization server's product, or \
                         unrecognised; /as lists them.",
                    ));
                }
                id => id,
            },
            issuer: some(self.issuer.trim()),
            source: some(&self.source),
            changed_since,
            checked_since,
            checked_before,
            sort: match self.sort.as_str() {
                "" if changed_since.is_some() => Sort::Changed,
                "" if checked_since.is_some() || checked_before.is_some() => Sort::Checked,
                "" | "letter" => Sort::Letter,
                "checked" => Sort::Checked,
                "changed" => Sort::Changed,
                "name" => Sort::Name,
                _ => {
                    return Err(AppError::validation(
                        "/sort",
                        "sort is one of letter, checked, changed, name.",
                    ));
                }
            },
        })
    }

    /// Refuses orders in which a condition on times could only be found by reading everything.
    fn ordered(&self) -> Result<(), AppError> {
        for (name, value, sort) in [
            ("stale", &self.stale, "checked"),
            ("changed_since", &self.changed_since, "changed"),
        ] {
            if !value.is_empty() && !self.sort.is_empty() && self.sort != sort {
                return Err(AppError::validation(
                    "/sort",
                    format!("{name} goes with sort={sort} only."),
                ));
            }
        }
        if !self.stale.is_empty() && !self.changed_since.is_empty() {
            return Err(AppError::validation(
                "/stale",
                "stale and changed_since do not go together.",
            ));
        }
        Ok(())
    }

    /// Whether an estimate of the number is asked for.
    pub(crate) fn counted(&self) -> Result<bool, AppError> {
        match self.count.as_str() {
            "" => Ok(false),
            "estimate" => Ok(true),
            _ => Err(AppError::validation("/count", "count is estimate.")),
        }
    }

    /// The page asked for, of the list of that name.
    ///
    /// # Errors
    ///
    /// If the limit is none, or the cursor is not one of this list.
    pub(crate) async fn page(
        &self,
        app: &AppState,
        list: &str,
        default: u32,
    ) -> Result<Page, AppError> {
        Ok(Page {
            after: cursor::take(app, list, &self.cursor).await?,
            limit: match self.limit.as_str() {
                "" => default,
                text => limit(Some(text))?,
            },
        })
    }
}

/// Whether the table of products has this one, or it stands for those that are not in it.
pub(crate) fn known_product(id: &str) -> bool {
    id == store::UNRECOGNISED || table().products.iter().any(|entry| entry.id == id)
}

const ERAS: [Era; 5] = [
    Era::Modern,
    Era::Dual,
    Era::Legacy,
    Era::HttpSse,
    Era::Hidden,
];

/// A time in a query. A bare plus there is a blank; who writes `+02:00` means it.
fn time(name: &str, text: &str) -> Result<Millis, AppError> {
    Millis::parse_rfc3339(&text.replace(' ', "+")).ok_or_else(|| {
        AppError::validation(
            &format!("/{name}"),
            format!("{name} is a time such as 2026-11-25T00:00:00Z."),
        )
    })
}

fn letter_word(text: &str) -> Result<String, AppError> {
    // A bare plus in a query string is a blank; who writes `letter=A+` means A+.
    let text = text.replace(' ', "+").to_ascii_uppercase();
    let known = ["A+", "A", "B", "C", "D", "E", "F", "O", "K", "U", "X", "N"];
    known
        .into_iter()
        .find(|word| *word == text)
        .map(str::to_owned)
        .ok_or_else(|| {
            AppError::validation(
                "/letter",
                "letter is one of A+ (written A%2B), A, B, C, D, E, F, or a badge: O, K, U, X, N.",
            )
        })
}

fn word<T: Copy>(
    name: &str,
    text: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<Option<T>, AppError> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(found) = all.iter().copied().find(|one| as_str(*one) == text) {
        return Ok(Some(found));
    }
    let known: Vec<&str> = all.iter().map(|one| as_str(*one)).collect();
    Err(AppError::validation(
        &format!("/{name}"),
        format!("{name} is one of {}.", known.join(", ")),
    ))
}

fn closed(name: &str, text: &str, all: &[&str]) -> Result<Option<String>, AppError> {
    if text.is_empty() {
        return Ok(None);
    }
    if all.contains(&text) {
        return Ok(Some(text.to_owned()));
    }
    Err(AppError::validation(
        &format!("/{name}"),
        format!("{name} is one of {}.", all.join(", ")),
    ))
}
