//! Figures in their public form, and the tables of them that programs fetch.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::adoption::Figure;
use crate::api::csv;

/// A count with what it is a count of, its share with a 95 % interval (Wilson), and the same
/// with each operator counting once.
#[derive(Debug, Clone, Serialize)]
pub struct FigureOut {
    /// How many.
    pub n: i64,
    /// Of how many on which it could be told.
    pub of: i64,
    /// 0 to 1; `null` while fewer than 50 servers are graded.
    pub share: Option<f64>,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// Operators: registrable domains of the endpoints. 0 where issuers are counted.
    pub operators: i64,
    /// Share with each operator counting once.
    pub operator_share: Option<f64>,
    /// Lower end of its interval.
    pub operator_low: Option<f64>,
    /// Upper end of its interval.
    pub operator_high: Option<f64>,
}

fn rounded(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

impl From<Figure> for FigureOut {
    fn from(figure: Figure) -> Self {
        let Figure {
            share, by_operator, ..
        } = figure;
        Self {
            n: figure.n,
            of: figure.of,
            share: share.map(|share| rounded(share.at)),
            low: share.map(|share| rounded(share.low)),
            high: share.map(|share| rounded(share.high)),
            operators: figure.operators,
            operator_share: by_operator.map(|share| rounded(share.at)),
            operator_low: by_operator.map(|share| rounded(share.low)),
            operator_high: by_operator.map(|share| rounded(share.high)),
        }
    }
}

/// Names of the columns that a figure fills.
pub(crate) const COLUMNS: [&str; 9] = [
    "n",
    "of",
    "share",
    "low",
    "high",
    "operators",
    "operator_share",
    "operator_low",
    "operator_high",
];

impl FigureOut {
    /// Its fields in the order of the columns.
    pub(crate) fn fields(&self) -> [String; 9] {
        let share = |share: Option<f64>| share.map(|s| format!("{s:.4}")).unwrap_or_default();
        [
            self.n.to_string(),
            self.of.to_string(),
            share(self.share),
            share(self.low),
            share(self.high),
            self.operators.to_string(),
            share(self.operator_share),
            share(self.operator_low),
            share(self.operator_high),
        ]
    }
}

/// A table of figures: names of the first columns, and a line for each figure.
pub(crate) fn table<'r>(
    file: &str,
    heads: &[&str],
    rows: impl IntoIterator<Item = (Vec<&'r str>, FigureOut)>,
) -> Response {
    let mut out = csv::line(heads.iter().copied().chain(COLUMNS));
    for (keys, figure) in rows {
        let fields = figure.fields();
        out.push_str(&csv::line(
            keys.into_iter().chain(fields.iter().map(String::as_str)),
        ));
    }
    file_of(file, out)
}

/// A CSV file to be saved under that name.
pub(crate) fn file_of(name: &str, text: String) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ),
    ];
    (headers, text).into_response()
}
