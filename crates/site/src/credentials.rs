//! The file that says where an owner's credentials are: in variables of the environment or in
//! files, never in the file itself, and what is to be tried with them.

use std::path::{Path, PathBuf};

use scanner::evidence::{Credential, Operations};
use scanner::net::{Credentials, SuppliedValue};
use serde::Deserialize;
use toml::{Table, Value};

use crate::config::reference;

/// Bytes of the file, and of each value.
const LONGEST: u64 = 64 * 1024;

/// The names of the kinds, as the file writes them.
const KINDS: [(&str, Credential); 10] = [
    ("access_token", Credential::AccessToken),
    ("second_access_token", Credential::SecondAccessToken),
    ("other_audience_token", Credential::OtherAudienceToken),
    ("id_token", Credential::IdToken),
    ("expired_token", Credential::ExpiredToken),
    ("upstream_token", Credential::UpstreamToken),
    ("low_scope_token", Credential::LowScopeToken),
    ("broad_scope_token", Credential::BroadScopeToken),
    ("refresh_token", Credential::RefreshToken),
    ("client", Credential::Client),
];

/// Why the file cannot be used. Never holds a value that might be a secret.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file itself.
    #[error("--credentials {path}: {what}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// One entry of it.
    #[error("--credentials {path}: `{key}`: {what}")]
    Entry {
        /// Its path.
        path: PathBuf,
        /// The entry.
        key: String,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// Where one credential is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    env: Option<String>,
    file: Option<PathBuf>,
    id: Option<String>,
    redirect_uri: Option<String>,
}

/// What the file leads to.
#[derive(Debug, Default)]
pub struct Lent {
    /// The credentials.
    pub credentials: Credentials,
    /// What is tried with them.
    pub operations: Operations,
}

/// Reads the file and what it leads to.
///
/// # Errors
///
/// If the file, a variable or a file it names cannot be read, or an entry is not known.
pub fn read(path: &Path) -> Result<Lent, CredentialsError> {
    let file = |what: String| CredentialsError::File {
        path: path.to_owned(),
        what,
    };
    let text = bounded(path).map_err(file)?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The message of the parser may quote what stands there.
        let line = error.span().map_or(0, |span| {
            text.get(..span.start)
                .map_or(0, |before| before.matches('\n').count() + 1)
        });
        file(format!(
            "line {line} is not TOML; write `[access_token]` and `env = \"NAME\"`"
        ))
    })?;
    let mut lent = Lent::default();
    for (key, value) in table {
        let entry = |what: String| CredentialsError::Entry {
            path: path.to_owned(),
            key: key.clone(),
            what,
        };
        if key == "operations" {
            lent.operations = value
                .try_into()
                .map_err(|error: toml::de::Error| entry(error.message().replace('\n', " ")))?;
            continue;
        }
        let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == key) else {
            let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
            return Err(entry(format!(
                "no such credential; there are {} and operations",
                names.join(", ")
            )));
        };
        lent.credentials
            .insert(*kind, supplied(*kind, value).map_err(entry)?);
    }
    Ok(lent)
}

fn supplied(kind: Credential, value: Value) -> Result<SuppliedValue, String> {
    const HOW: &str = "secrets are not written here; use `env = \"NAME\"` or `file = \"PATH\"`";
    let Value::Table(members) = value else {
        return Err(HOW.to_owned());
    };
    if members.values().any(|value| !value.is_str())
        || members
            .keys()
            .any(|name| !["env", "file", "id", "redirect_uri"].contains(&name.as_str()))
    {
        return Err(HOW.to_owned());
    }
    let source: Source = Value::Table(members)
        .try_into()
        .map_err(|_| HOW.to_owned())?;
    let client = kind == Credential::Client;
    if client != source.id.is_some() || (!client && source.redirect_uri.is_some()) {
        return Err("a client has an `id`, perhaps a `redirect_uri`, and a secret only if it is confidential; nothing else has them".to_owned());
    }
    let value = match (&source.env, &source.file) {
        (Some(name), None) => reference(&format!("@env:{name}")).map_err(|error| error.0)?,
        (None, Some(path)) => bounded(path)?.trim().to_owned(),
        (None, None) if client => String::new(),
        _ => return Err(HOW.to_owned()),
    };
    if value.is_empty() && !client {
        return Err("its value is empty".to_owned());
    }
    if value.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(
            "its value is no credential: it holds characters that no header may".to_owned(),
        );
    }
    Ok(SuppliedValue {
        value,
        client_id: source.id,
        redirect_uri: source.redirect_uri,
    })
}

fn bounded(path: &Path) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("reading {}: {error}", path.display());
    let length = std::fs::metadata(path).map_err(fault)?.len();
    if length > LONGEST {
        return Err(format!("{} is longer than {LONGEST} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(fault)
}

#[cfg(test)]
mod tests {
    use scanner::evidence::Credential;

    use super::read;

    #[test]
    fn files_and_operations_are_read_and_values_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owner.toml");
        let secret = folder.path().join("token");
        std::fs::write(&secret, "canary-token\n").unwrap();
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(&format!(
            "[access_token]\nfile = \"{}\"\n[client]\nid = \"c-1\"\nredirect_uri = \"http://127.0.0.1:8400/cb\"\n\
             [operations]\nwait_for_code = true\n[operations.scoped]\ntool = \"write\"\narguments = {{ id = 1 }}\n",
            secret.display()
        ));
        let lent = read(&path).unwrap();
        let supplied = lent.credentials.supplied();
        assert_eq!(supplied.len(), 2);
        assert_eq!(supplied[0].kind, Credential::AccessToken);
        assert!(!supplied[1].confidential);
        assert_eq!(lent.operations.scoped.as_ref().unwrap().tool, "write");
        assert!(lent.operations.wait_for_code);
        assert!(!format!("{lent:?}").contains("canary"));
        for bad in [
            "access_token = \"canary-token\"",
            "[access_token]\nvalue = \"canary-token\"",
            "[access_token]\nenv = \"A\"\nfile = \"B\"",
            "[access_token]\nenv = [\"canary-token\"]",
            "[acess_token]\nenv = \"A\"",
            "[client]\nenv = \"A\"",
            "[access_token]\nid = \"x\"\nfile = \"y\"",
            "[access_token]\nfile = \"none\"",
            "[operations]\nscopped = 1",
            "access_token = canary-token",
        ] {
            write(bad);
            let said = read(&path).unwrap_err().to_string();
            assert!(!said.contains("canary"), "{said}");
            assert!(!said.contains('\n'), "{said}");
            assert!(said.contains("owner.toml"), "{said}");
        }
    }
}
