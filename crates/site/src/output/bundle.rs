//! The evidence bundle: a zip of `manifest.json`, `evidence.json` and `report.json`. Fixed
//! member names, sizes bounded when read; grading it again gives the same letter.

use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use scanner::evidence::Evidence;
use scanner::report::Report;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Schema of the manifest.
pub const SCHEMA: &str = "authdex.bundle/1";

/// Largest member that is read, in bytes. A scan's evidence is bounded far below it.
const MEMBER_BYTES: u64 = 64 << 20;

/// Why a bundle cannot be written or read. One line.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file.
    #[error("evidence {path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not a bundle and not evidence.
    #[error(
        "evidence {path}: {said}; expected a bundle written by --evidence, its evidence.json, or a report in JSON"
    )]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        said: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    schema: String,
    scanner: String,
    files: Vec<Member>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Member {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Writes one bundle.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(path: &Path, evidence: &Evidence, report: &Report) -> Result<(), BundleError> {
    let form = |said: String| BundleError::Form {
        path: path.to_owned(),
        said,
    };
    let evidence_json = evidence.encode().map_err(|error| form(error.to_string()))?;
    let report_json = serde_json::to_vec_pretty(report).map_err(|error| form(error.to_string()))?;
    let member = |name: &str, bytes: &[u8]| Member {
        name: name.into(),
        bytes: bytes.len() as u64,
        sha256: Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    };
    let manifest = Manifest {
        schema: SCHEMA.into(),
        scanner: format!("authdex {}", evidence.scanner),
        files: vec![
            member("evidence.json", &evidence_json),
            member("report.json", &report_json),
        ],
    };
    let manifest_json =
        serde_json::to_vec_pretty(&manifest).map_err(|error| form(error.to_string()))?;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in [
        ("manifest.json", &manifest_json),
        ("evidence.json", &evidence_json),
        ("report.json", &report_json),
    ] {
        zip.start_file(name, options)
            .map_err(|error| form(error.to_string()))?;
        zip.write_all(bytes).map_err(|cause| BundleError::File {
            path: path.to_owned(),
            cause,
        })?;
    }
    let bytes = zip
        .finish()
        .map_err(|error| form(error.to_string()))?
        .into_inner();
    std::fs::write(path, bytes).map_err(|cause| BundleError::File {
        path: path.to_owned(),
        cause,
    })
}

/// What a file holds: evidence, or a report on some.
#[derive(Debug)]
pub enum Document {
    /// Of a bundle, or a bare `evidence.json`.
    Evidence {
        /// The evidence.
        evidence: Box<Evidence>,
        /// The report that the bundle carries, where it can be read.
        report: Option<Box<Report>>,
    },
    /// Printed by `--format json`.
    Report(Box<Report>),
}

/// Reads the evidence of a bundle, or a bare `evidence.json`.
///
/// # Errors
///
/// If the file is neither, or a member does not match its digest.
pub fn read(path: &Path) -> Result<Evidence, BundleError> {
    match documents(path)?.into_iter().next() {
        Some(Document::Evidence { evidence, .. }) => Ok(*evidence),
        Some(Document::Report(_)) | None => Err(BundleError::Form {
            path: path.to_owned(),
            said: "it is a report, which cannot be graded again".into(),
        }),
    }
}

/// Reads the evidence out of the bytes of a bundle, or of a bare `evidence.json`. Inflates at
/// most 64 MiB for each of the members that are read.
///
/// # Errors
///
/// One line that says what is wrong with them.
pub fn decode(bytes: Vec<u8>) -> Result<Evidence, String> {
    if !bytes.starts_with(b"PK") {
        return Evidence::decode(&bytes).map_err(|error| error.to_string());
    }
    match packed(bytes)? {
        Document::Evidence { evidence, .. } => Ok(*evidence),
        Document::Report(_) => Err("it holds no evidence".into()),
    }
}

/// Reads a bundle, an `evidence.json`, a report, or several reports: as one document or one a
/// line.
///
/// # Errors
///
/// If the file is none of them, or a member does not match its digest.
pub fn documents(path: &Path) -> Result<Vec<Document>, BundleError> {
    let bytes = bounded(path).map_err(|cause| BundleError::File {
        path: path.to_owned(),
        cause,
    })?;
    let form = |said: String| BundleError::Form {
        path: path.to_owned(),
        said,
    };
    if bytes.starts_with(b"PK") {
        return packed(bytes).map(|document| vec![document]).map_err(form);
    }
    match schema_of(&bytes).as_deref() {
        Some(scanner::report::SCHEMA) => serde_json::Deserializer::from_slice(&bytes)
            .into_iter::<Report>()
            .map(|report| match report {
                Ok(report) => Ok(Document::Report(Box::new(report))),
                Err(error) => Err(form(error.to_string())),
            })
            .collect(),
        Some(super::REPORTS_SCHEMA) => {
            let several: Several =
                serde_json::from_slice(&bytes).map_err(|error| form(error.to_string()))?;
            Ok(several
                .reports
                .into_iter()
                .map(|report| Document::Report(Box::new(report)))
                .collect())
        }
        Some(other) => Err(form(format!(
            "its schema is `{}`, this version reads {} and {}",
            crate::view::Shown::bounded(other, 60),
            scanner::report::SCHEMA,
            super::REPORTS_SCHEMA
        ))),
        None => {
            let evidence = Evidence::decode(&bytes).map_err(|error| form(error.to_string()))?;
            Ok(vec![Document::Evidence {
                evidence: Box::new(evidence),
                report: None,
            }])
        }
    }
}

#[derive(Debug, Deserialize)]
struct Several {
    reports: Vec<Report>,
}

/// The member `schema` of the first object, where it is a text: evidence has a number there.
fn schema_of(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        schema: serde_json::Value,
    }
    let head = serde_json::Deserializer::from_slice(bytes)
        .into_iter::<Head>()
        .next()?
        .ok()?;
    head.schema.as_str().map(str::to_owned)
}

fn packed(bytes: Vec<u8>) -> Result<Document, String> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let manifest: Manifest = serde_json::from_slice(&member(&mut zip, "manifest.json")?)
        .map_err(|error| error.to_string())?;
    if manifest.schema != SCHEMA {
        return Err(format!(
            "its schema is `{}`, this version reads {SCHEMA}",
            crate::view::Shown::bounded(&manifest.schema, 60)
        ));
    }
    let evidence = member(&mut zip, "evidence.json")?;
    let digest: String = Sha256::digest(&evidence)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let listed = manifest
        .files
        .iter()
        .find(|file| file.name == "evidence.json");
    if listed.is_none_or(|file| file.sha256 != digest) {
        return Err("evidence.json does not match the digest in its manifest".into());
    }
    let evidence = Evidence::decode(&evidence).map_err(|error| error.to_string())?;
    // The report is there for readers; what counts is the evidence.
    let report = member(&mut zip, "report.json")
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Document::Evidence {
        evidence: Box::new(evidence),
        report: report.map(Box::new),
    })
}

/// A file that somebody names may be anything, also a device without an end.
fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MEMBER_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MEMBER_BYTES {
        return Err(std::io::Error::other(format!(
            "larger than {} MiB, which no bundle is",
            MEMBER_BYTES >> 20
        )));
    }
    Ok(bytes)
}

fn member(zip: &mut zip::ZipArchive<Cursor<Vec<u8>>>, name: &str) -> Result<Vec<u8>, String> {
    let file = zip
        .by_name(name)
        .map_err(|error| format!("{name}: {error}"))?;
    let mut out = Vec::new();
    file.take(MEMBER_BYTES + 1)
        .read_to_end(&mut out)
        .map_err(|error| format!("{name}: {error}"))?;
    if out.len() as u64 > MEMBER_BYTES {
        return Err(format!("{name} is larger than {MEMBER_BYTES} bytes"));
    }
    Ok(out)
}
