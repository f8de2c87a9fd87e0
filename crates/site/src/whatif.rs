//! What a scan's grade would be with some findings fixed: loading and judging, for page and API
//! alike (product section 6.3).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use scanner::report::{Grade, Report};
use scanner::rubric;
use scanner::spec::Revision;
use scanner::whatif::{NotFixable, Path, Range, Supposition};

use crate::AppState;
use crate::api::v1::scans::{find, published};
use crate::error::{AppError, Problem};

/// One question and its answer.
pub(crate) struct Supposed {
    pub(crate) report: Report,
    pub(crate) server: store::ServerRow,
    /// What is supposed to be fixed.
    pub(crate) fixes: Vec<&'static str>,
    /// What could be.
    pub(crate) fixable: Vec<&'static str>,
    /// The real grade.
    pub(crate) now: Grade,
    pub(crate) then: Range,
    /// A cheap way to a better letter from where the server stands.
    pub(crate) path: Option<Path>,
}

/// Reads the ids in every `fix` of a query: repeated, with commas, or both.
pub(crate) fn asked(query: Option<&str>) -> Vec<String> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == "fix")
        .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|id| !id.is_empty())
        .collect()
}

/// Answers for a scan.
///
/// # Errors
///
/// If there is no such scan, its evidence is held back or gone, or something named cannot be
/// fixed.
pub(crate) async fn suppose(
    app: &AppState,
    scan: &str,
    wanted: Vec<String>,
) -> Result<Supposed, AppError> {
    let row = find(app, scan).await?;
    let report = published(app, &row).await?;
    if report.findings.iter().any(|finding| finding.withheld) {
        return Err(Problem::new(
            "forbidden",
            StatusCode::FORBIDDEN,
            "Evidence is held back",
            "Something in this scan could be abused and is held back until it is fixed.",
        )
        .into());
    }
    let evidence = app
        .store
        .evidence(scan)
        .await?
        .ok_or_else(|| AppError::not_found("The evidence of this scan is no longer kept."))?;
    let rubric = rubric::by_version(&report.grade.rubric).unwrap_or_else(rubric::current);
    // Judging takes about a millisecond: too long for the thread that answers others.
    let answer = tokio::task::spawn_blocking(move || {
        let supposition = Supposition::new(&evidence, rubric, Revision::HEADLINE);
        let fixes = supposition.read(wanted.iter().map(String::as_str))?;
        Ok::<_, NotFixable>((
            supposition.fixable().collect(),
            supposition.with(&BTreeSet::new()).low,
            supposition.with(&fixes),
            supposition.path(),
            fixes.into_iter().collect(),
        ))
    })
    .await
    .map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let (fixable, now, then, path, fixes) = answer.map_err(|error| {
        Problem::new(
            "not-fixable",
            StatusCode::UNPROCESSABLE_ENTITY,
            "Nothing to fix there",
            format!("{error}."),
        )
    })?;
    Ok(Supposed {
        report,
        server: row.server,
        fixes,
        fixable,
        now,
        then,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn fixes_are_read_from_forms_and_from_links() {
        assert_eq!(asked(None), Vec::<String>::new());
        assert_eq!(
            asked(Some("fix=a,b&theme=dark&fix=c&fix=")),
            ["a", "b", "c"]
        );
        assert_eq!(asked(Some("fix=a%2Cb")), ["a", "b"]);
    }
}
