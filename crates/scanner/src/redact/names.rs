//! Names that say that their value is secret: of headers, JSON members and query parameters.

use std::borrow::Cow;

use super::marker::{self, Written};

/// `accessToken`, `Access-Token` and `access_token` are one name.
#[must_use]
pub(super) fn folded(name: &str) -> String {
    let mut folded = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            folded.push('_');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        folded.push(match c {
            '-' | '.' | ' ' | '_' => '_',
            c => c.to_ascii_lowercase(),
        });
    }
    folded.trim_matches('_').to_owned()
}

/// Last words that make a credential of any name: `exa_api_token`, `webhookSecret`.
const LAST_WORDS: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "jwt",
    "credential",
    "credentials",
];

/// Words before `key` that make it a secret one. `project_key` or `public_key` are none.
const KEY_WORDS: [&str; 19] = [
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "account",
    "subscription",
    "service",
    "app",
    "license",
    "user",
    "function",
    "x",
    "client",
    "team",
    "admin",
    "master",
    "account",
    "encryption",
];

/// Whether a query parameter of this name carries a credential when it has a value, for
/// example `key`, `api_key`, `token`, `exaApiKey` or `client_secret`.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let name = folded(name);
    let (before, last) = name.rsplit_once('_').unwrap_or(("", &name));
    if LAST_WORDS.contains(&last) || name == "pwd" || name == "bearer" {
        return true;
    }
    if last == "key" {
        let word = before.rsplit('_').next().unwrap_or_default();
        return before.is_empty() || KEY_WORDS.contains(&word);
    }
    // `ApiKEY`, `apikey2`, `APIKEY`.
    name.contains("apikey") || name.contains("api_key")
}

/// Whether this parameter with this value is a credential: by its name, or because the name
/// often carries one (`auth`, `code`, `sig`) and the value is long. A `{variable}` and an
/// empty value are none.
#[must_use]
pub fn carries_credential(name: &str, value: &str) -> bool {
    if value.is_empty() || is_placeholder(value) {
        return false;
    }
    let often = matches!(
        folded(name).as_str(),
        "auth" | "authorization" | "code" | "sig" | "signature" | "pass" | "session" | "session_id"
    );
    is_credential(name) || (often && value.len() >= 16)
}

fn is_placeholder(value: &str) -> bool {
    let value = value.strip_prefix('$').unwrap_or(value);
    (value.starts_with('{') && value.ends_with('}'))
        || (value.starts_with('<') && value.ends_with('>'))
        || (value.starts_with("%7B") && value.ends_with("%7D"))
}

/// Whether the value of this header is a credential. `name` in lower case. Headers that
/// describe credentials instead of carrying them are none.
#[must_use]
pub(super) fn is_secret_header(name: &str) -> bool {
    if name.starts_with("access-control-")
        || name.contains("ratelimit")
        || name.contains("rate-limit")
    {
        return false;
    }
    is_credential(name)
        || name.split('-').any(|word| {
            matches!(
                word,
                "token" | "secret" | "password" | "apikey" | "csrf" | "xsrf" | "session" | "jwt"
            )
        })
}

/// How a JSON member's name bears on its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Every string or number is secret.
    Always,
    /// Secret unless it reads like a word: error codes and states share these names.
    UnlessWord,
    /// Secret inside of a JSON Web Key.
    InKey,
    /// Not secret.
    Never,
}

/// The secrecy of a member by its name.
pub(super) fn secrecy(name: &str) -> Secrecy {
    match name {
        "d" | "p" | "q" | "dp" | "dq" | "qi" | "oth" | "k" => return Secrecy::InKey,
        // Counts and cursors that end in `token`.
        "progressToken" | "max_tokens" | "maxTokens" => return Secrecy::Never,
        _ => {}
    }
    match folded(name).as_str() {
        "access_token"
        | "refresh_token"
        | "id_token"
        | "token"
        | "auth_token"
        | "session_token"
        | "api_token"
        | "bearer_token"
        | "csrf_token"
        | "xsrf_token"
        | "logout_token"
        | "subject_token"
        | "actor_token"
        | "device_code"
        | "user_code"
        | "code_verifier"
        | "client_secret"
        | "registration_access_token"
        | "initial_access_token"
        | "client_assertion"
        | "assertion"
        | "saml_response"
        | "api_key"
        | "apikey"
        | "x_api_key"
        | "access_key"
        | "secret_key"
        | "secret_access_key"
        | "private_key"
        | "secret"
        | "api_secret"
        | "app_secret"
        | "webhook_secret"
        | "password"
        | "passwd"
        | "passphrase"
        | "jwt" => Secrecy::Always,
        "code" | "authorization_code" | "auth_code" | "state" | "nonce" | "session_id"
        | "mcp_session_id" | "authorization" | "bearer" | "cookie" | "set_cookie" => {
            Secrecy::UnlessWord
        }
        _ => Secrecy::Never,
    }
}

/// Error codes and states: `UNAUTHORIZED`, `ERR_401`, `invalid_token`, `Bearer`.
pub(super) fn is_word(value: &str) -> bool {
    let words = |accepts: fn(&u8) -> bool, later: fn(&u8) -> bool| {
        value.len() <= 40
            && value.split('_').enumerate().all(|(at, word)| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|byte| accepts(&byte) || (at > 0 && later(&byte)))
            })
    };
    words(u8::is_ascii_uppercase, u8::is_ascii_digit)
        || words(u8::is_ascii_lowercase, |_| false)
        || ((1..=10).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// Blanks the values of credential-like parameters wherever `?name=value`, `&name=value` or
/// `#name=value` stands in a text (at its very beginning, too: form bodies), and the user
/// information of URLs.
pub(super) fn redact_queries(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for (start, blanked, kept, kind) in secrets_of_queries(text) {
        out.push_str(&text[copied..start]);
        out.push_str(kept);
        let secret = &text[start + kept.len()..start + blanked];
        out.push_str(&Written::new(kind).len(secret).to_string());
        copied = start + blanked;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Start, length, prefix that stays, and kind of each secret value, in order.
fn secrets_of_queries(text: &str) -> Vec<(usize, usize, &str, &'static str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if let Some(after) = rest.strip_prefix("://") {
            let end = after
                .find(|c: char| c.is_whitespace() || "/?#\"'<>\\`,".contains(c))
                .unwrap_or(after.len());
            at += 3;
            if let Some(user) = after[..end].rfind('@')
                && user > 0
                && !marker::is_one(&after[..user])
            {
                found.push((at, user, "", marker::USERINFO));
                at += user;
            }
            continue;
        }
        let Some(c) = rest.chars().next() else { break };
        let skip = if matches!(c, '?' | '&' | '#' | ';') {
            c.len_utf8()
        } else if rest.starts_with("\\u0026") {
            // An ampersand as some JSON writers put it.
            6
        } else if at == 0 {
            0
        } else {
            at += c.len_utf8();
            continue;
        };
        match parameter(&rest[skip..]) {
            Some((name, value)) => {
                let start = at + skip + name.len() + 1;
                let kept = if value.starts_with(super::OWN_PREFIX) {
                    super::OWN_PREFIX
                } else {
                    ""
                };
                let secret = &value[kept.len()..];
                if is_secret_parameter(name, value) && !marker::is_one(secret) && !secret.is_empty()
                {
                    found.push((start, value.len(), kept, marker::CREDENTIAL));
                }
                at = start + value.len();
            }
            None => at += c.len_utf8(),
        }
    }
    found
}

/// `name=value` at the beginning of a text.
fn parameter(text: &str) -> Option<(&str, &str)> {
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let end = text.bytes().take(64).position(|byte| !named(byte))?;
    if end == 0 || text.as_bytes()[end] != b'=' {
        return None;
    }
    let value = &text[end + 1..];
    let stop = value
        .find(|c: char| c.is_whitespace() || c.is_control() || "&#;\"'<>\\`,)".contains(c))
        .unwrap_or(value.len());
    Some((&text[..end], &value[..stop]))
}

fn is_secret_parameter(name: &str, value: &str) -> bool {
    if value.is_empty() || is_placeholder(value) {
        return false;
    }
    if is_own_state(name, value) {
        return false;
    }
    is_credential(name)
        || match secrecy(name) {
            Secrecy::Always => true,
            Secrecy::UnlessWord => !is_word(value),
            Secrecy::InKey | Secrecy::Never => carries_credential(name, value),
        }
}

/// The `state` of one of our own authorization requests: it is worth nothing to anybody.
fn is_own_state(name: &str, value: &str) -> bool {
    name == "state"
        && value.strip_prefix(super::OWN_STATE).is_some_and(|rest| {
            (1..=64).contains(&rest.len())
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::{carries_credential, is_credential, is_secret_header, is_word, redact_queries};

    #[test]
    fn names_of_credentials() {
        for name in [
            "key",
            "api_key",
            "apiKey",
            "API-KEY",
            "exaApiKey",
            "token",
            "access_token",
            "authToken",
            "secret",
            "clientSecret",
            "x-api-key",
            "password",
            "pwd",
            "APIKEY",
            "subscription-key",
            "smithery_api_key",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in [
            "profile",
            "project",
            "project_key",
            "public_key",
            "tools",
            "keyword",
            "monkey",
            "tokens",
            "state",
            "ref",
            "allow_secrets",
            "author",
            "passenger",
        ] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn values_count_where_the_name_is_not_enough() {
        assert!(carries_credential("code", "aGVsbG8gd29ybGQgaGVsbG8"));
        assert!(!carries_credential("auth", "oauth"));
        assert!(!carries_credential("token", ""));
        assert!(!carries_credential("api_key", "{api_key}"));
        assert!(carries_credential("api_key", "x"));
    }

    #[test]
    fn headers() {
        assert!(is_secret_header("x-auth-token"));
        assert!(is_secret_header("x-api-key"));
        assert!(is_secret_header("x-csrf-token"));
        assert!(is_secret_header("x-session-affinity"));
        assert!(!is_secret_header("www-authenticate"));
        assert!(!is_secret_header("access-control-allow-headers"));
        assert!(!is_secret_header("x-ratelimit-remaining-tokens"));
        assert!(!is_secret_header("strict-transport-security"));
    }

    #[test]
    fn words_are_no_secrets() {
        for word in [
            "UNAUTHORIZED",
            "ERR_401",
            "invalid_token",
            "running",
            "Bearer",
        ] {
            assert!(is_word(word), "{word}");
        }
        for secret in [
            "4f9d",
            "SplxlOBeZQQYbYS6WxSbIA",
            "canary-code",
            "abc1",
            "A1B2",
            "",
        ] {
            assert!(!is_word(secret), "{secret}");
        }
    }

    #[test]
    fn blanks_parameters_and_user_information() {
        for (text, expected) in [
            (
                "https://h.example/cb?code=SplxlOBe-1&state=af0ifj.sld&scope=a%20b",
                "https://h.example/cb?code=[redacted:credential:len=10]&state=[redacted:credential:len=10]&scope=a%20b",
            ),
            (
                "/messages?sessionId=0f8e-11&x=1",
                "/messages?sessionId=[redacted:credential:len=7]&x=1",
            ),
            (
                "https://u:p@h.example/#access_token=abc",
                "https://[redacted:userinfo:len=3]@h.example/#access_token=[redacted:credential:len=3]",
            ),
            (
                "access_token=gho_x&token_type=bearer",
                "access_token=[redacted:credential:len=5]&token_type=bearer",
            ),
            (
                "https://h.example/?token=authdex-invalid-abcdef",
                "https://h.example/?token=authdex-invalid-[redacted:credential:len=6]",
            ),
            (
                "https://h.example/cb?error=x&state=authdex-state-abc234",
                "https://h.example/cb?error=x&state=authdex-state-abc234",
            ),
            (
                "https://h.example/cb?state=authdex-state-ABC&code=authdex-state-abc",
                "https://h.example/cb?state=[redacted:credential:len=17]&code=[redacted:credential:len=17]",
            ),
            (
                "https://h.example/?api_key={api_key}",
                "https://h.example/?api_key={api_key}",
            ),
            (
                "https://h.example/?error=invalid_request&state=",
                "https://h.example/?error=invalid_request&state=",
            ),
            ("a = b? c & d", "a = b? c & d"),
        ] {
            assert_eq!(redact_queries(text), expected);
            assert_eq!(redact_queries(expected), expected, "twice");
        }
    }
}
