//! Canaries that must not survive, and texts that must.

use super::{body, marker, markers, request_header, response_header, url};

/// A value that must never be seen again.
const CANARY: &str = "cAnArY-7f3e9b1d5a";

fn kinds(text: &str) -> Vec<String> {
    markers(text).map(|marker| marker.kind.to_owned()).collect()
}

/// Redacts, checks that a second time changes nothing, and that JSON stays JSON.
fn blanked(text: &str) -> String {
    let once = body(text).into_owned();
    assert_eq!(body(&once), once, "twice");
    if serde_json::from_str::<serde_json::Value>(text).is_ok() {
        assert!(
            serde_json::from_str::<serde_json::Value>(&once).is_ok(),
            "no longer JSON: {once}"
        );
    }
    once
}

#[test]
fn members_are_blanked_by_name_at_any_depth_and_nothing_else_moves() {
    let text = format!(
        "{{\n  \"issuer\" : \"https://as.example\",\n  \"client_secret\":\"{CANARY}\",\"a\":[{{\"accessToken\" :\n\"{CANARY}\"}}],\"code\":-32600,\"n\":1.50\n}}"
    );
    assert_eq!(
        blanked(&text),
        "{\n  \"issuer\" : \"https://as.example\",\n  \"client_secret\":\"[redacted:member:len=17]\",\"a\":[{\"accessToken\" :\n\"[redacted:member:len=17]\"}],\"code\":-32600,\"n\":1.50\n}"
    );
}

#[test]
fn no_way_of_writing_a_member_lets_a_canary_through() {
    for text in [
        format!(r#"{{"access_token":"{CANARY}"}}"#),
        format!(r#"{{"\u0061ccess_token":"{CANARY}"}}"#),
        format!(r#"{{"id_token":"{CANARY}\"{CANARY}\\"}}"#),
        format!(r#"{{"token":["{CANARY}","{CANARY}"]}}"#),
        format!(r#"{{"refresh_token":"{CANARY}"#),
        format!(r#"{{"registration_access_token" : "{CANARY}"}}"#),
        format!(r#"{{"code":"{CANARY}","state":"{CANARY}","nonce":"{CANARY}"}}"#),
        format!(r#"{{"text":"{{\"client_secret\":\"{CANARY}\",\"x\":\"a\\\"b\"}}"}}"#),
        format!(r#"{{"text":"[\"{{\\\"api_key\\\":\\\"{CANARY}\\\"}}\"]"}}"#),
        format!("event: message\ndata: {{\"token\":\"{CANARY}\"}}\n\n"),
        format!("<p title=\"odd quote\"\"><script>x={{\"access_token\":\"{CANARY}\"}}</script>"),
        format!("access_token={CANARY}&token_type=bearer"),
        format!("<a href=\"/cb?x=1&amp;code={CANARY}\">"),
        format!("{{\"u\":\"https://h.example/?a=b\\u0026token={CANARY}\"}}"),
        format!("data: /messages/?session_id={CANARY}\n\n"),
        format!("https://user:{CANARY}@h.example/"),
        format!(r#"{{"mcp-session-id":"{CANARY}"}}"#),
    ] {
        let out = blanked(&text);
        assert!(!out.contains("cAnArY"), "{out}");
        assert!(!out.contains("7f3e9b1d5a"), "{out}");
        assert!(marker(&out).is_some(), "{out}");
    }
}

#[test]
fn private_members_of_keys_go_and_public_ones_stay() {
    let text = r#"{"keys":[{"kty":"RSA","kid":"1","n":"0vx7agoebGcQ","e":"AQAB","d":"X4cTteJY_gn4FYP","p":"83i","oth":[{"r":"aa","d":"bb","t":"cc"}],"qi":"GyM"},{"kty":"oct","k":"c2VjcmV0"}]}"#;
    assert_eq!(
        blanked(text),
        r#"{"keys":[{"kty":"RSA","kid":"1","n":"0vx7agoebGcQ","e":"AQAB","d":"[redacted:member:len=15]","p":"[redacted:member:len=3]","oth":["[redacted:member:len=30]"],"qi":"[redacted:member:len=3]"},{"kty":"oct","k":"[redacted:member:len=8]"}]}"#
    );
    let schema = r#"{"properties":{"k":{"type":"integer"},"p":{"type":"string"},"d":"days","token":{"type":"string"},"code":{"type":"string"}},"required":["token","code"]}"#;
    assert_eq!(blanked(schema), schema);
}

#[test]
fn words_under_ambiguous_names_stay() {
    let text = r#"{"error":{"code":"UNAUTHORIZED"},"code":"invalid_token","state":"running","authorization":"Bearer","token":"","secret":null,"progressToken":"p-1","nextCursor":"abc=="}"#;
    assert_eq!(blanked(text), text);
}

#[test]
fn shapes_are_blanked_and_named() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2lnbmF0dXJl";
    let pem = format!(
        "-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----",
        "MIIEowIBAAKCAQEA1a2b3c4d5e6f7g8h".repeat(4)
    );
    for (secret, kind) in [
        ("AKIAJ7QXW3ZKLMNP2RST", "aws-key"),
        ("AIzaSyD4iE2xVSpkLLOXoyqT2NIGcrSx4vZpwQe", "google-key"),
        ("LTAI5tFzPq8vKw3nXyRb", "alibaba-key"),
        (jwt, "jwt"),
        (pem.as_str(), "private-key"),
        ("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", "github-token"),
        (
            "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZaBcDeFg",
            "github-token",
        ),
        ("glpat-Zx8vB2nM5qW7eR4tY6uQ", "gitlab-token"),
        ("xoxb-123456789012-abcdefABCDEF", "slack-token"),
        ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "stripe-key"),
        ("sk_test_4eC39HqLyjWDarjtT1zdp7dc", "stripe-test-key"),
        (
            "sk-ant-api03-aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI",
            "anthropic-key",
        ),
        ("sk-proj-aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI", "openai-key"),
        ("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", "npm-token"),
        ("hf_aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gIkM", "huggingface-token"),
        ("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", "shopify-token"),
    ] {
        for text in [
            format!("{{\"description\":\"use {secret}, please\"}}"),
            format!("line\\n{secret}"),
            format!("x={secret}"),
        ] {
            let out = blanked(&text);
            assert!(!out.contains(&secret[4..]), "{out}");
            assert_eq!(kinds(&out), [kind], "{out}");
            assert!(marker(&out).is_some_and(|marker| marker.by_detector()));
        }
    }
}

#[test]
fn markers_keep_what_the_secrets_check_needs() {
    let text = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";
    assert_eq!(
        blanked(text),
        "[redacted:jwt:exp=1700000000:alg=HS256:len=50]"
    );
    let text = "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 ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18 AKIAIOSFODNN7EXAMPLE";
    assert_eq!(
        blanked(text),
        "[redacted:github-token:head=ghp_:len=40:sum=ok] [redacted:github-token:head=ghp_:len=40:sum=bad] [redacted:aws-key:head=AKIA:len=20:sample=yes]"
    );
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2guZXhhbXBsZSJ9.c2ln";
    for text in [
        "pk_live_4eC39HqLyjWDarjtT1zdp7dc".to_owned(),
        "0f8fad5bd9cb469fa16570867728950e0f8fad5bd9cb469fa16570867728950e".to_owned(),
        "XAKIAJ7QXW3ZKLMNP2RST and AKIAJ7QXW3ZKLMNP2RST9".to_owned(),
        "eyJhbGciOiJSUzI1NiJ9 is a header; eyJ.eyJ.eyJ is none".to_owned(),
        "-----BEGIN PRIVATE KEY----- begins a key; -----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9".to_owned(),
        format!(r#"{{"signed_metadata" : "{signed}","resource":"https://h.example"}}"#),
        "@scope/pkg@1.2.3 icon@2x.png a@b @ h".to_owned(),
        "npm_config_registry, hf_home, sk-proj-one".to_owned(),
    ] {
        assert_eq!(blanked(&text), text);
    }
}

#[test]
fn addresses_are_blanked_in_bodies() {
    for (text, expected) in [
        (
            "mailto:jane.doe+x@mail.example.org.",
            "mailto:[redacted:email].",
        ),
        ("a\\njane@h.example", "a\\n[redacted:email]"),
        (
            "jane\\u0040h.example, jim%40h.example",
            "[redacted:email], [redacted:email]",
        ),
        ("<b>müller@h.example</b>", "<b>mü[redacted:email]</b>"),
    ] {
        assert_eq!(blanked(text), expected);
    }
}

#[test]
fn response_headers() {
    let blank = |name: &str, value: &str| {
        let once = response_header(name, value, &[]).into_owned();
        assert_eq!(response_header(name, &once, &[]), once, "twice");
        once
    };
    for (name, value, expected) in [
        (
            "set-cookie",
            "sid=cAnArY=x; Path=/; HttpOnly; SameSite=Lax",
            "sid=[redacted:cookie:len=8]; Path=/; HttpOnly; SameSite=Lax",
        ),
        ("set-cookie", "cAnArY", "[redacted:cookie:len=6]"),
        ("x-auth-token", "cAnArY", "[redacted:credential:len=6]"),
        (
            "location",
            "https://h.example/cb?code=cAnArY-1&error=access_denied",
            "https://h.example/cb?code=[redacted:credential:len=8]&error=access_denied",
        ),
        ("x-ratelimit-remaining-tokens", "cAnArY", "cAnArY"),
        ("x-token-count", "17", "17"),
        (
            "www-authenticate",
            r#"Bearer realm="OAuth", resource_metadata="https://h.example/.well-known/oauth-protected-resource/mcp", scope="a b""#,
            r#"Bearer realm="OAuth", resource_metadata="https://h.example/.well-known/oauth-protected-resource/mcp", scope="a b""#,
        ),
        (
            "content-type",
            "text/html; charset=utf-8",
            "text/html; charset=utf-8",
        ),
        (
            "access-control-allow-headers",
            "authorization, mcp-session-id, x-api-key",
            "authorization, mcp-session-id, x-api-key",
        ),
    ] {
        assert_eq!(blank(name, value), expected, "{name}");
    }
    let session = blank("mcp-session-id", "cAnArY-7f3e9b1d5a");
    assert!(!session.contains("cAnArY"));
    assert_eq!(marker(&session).map(|marker| marker.kind), Some("session"));
}

#[test]
fn request_headers_keep_scheme_and_our_own_prefix() {
    for (name, value, expected) in [
        (
            "authorization",
            "Bearer authdex-invalid-abcdefghij",
            "Bearer authdex-invalid-[redacted:credential:len=10]",
        ),
        (
            "authorization",
            "Bearer cAnArY",
            "Bearer [redacted:credential:len=6]",
        ),
        (
            "authorization",
            "Basic Y0FuQXJZ",
            "Basic [redacted:credential:len=8]",
        ),
        ("authorization", "Bearer", "Bearer"),
        ("authorization", "Bearer ", "Bearer "),
        (
            "authorization",
            "cAnArY-7f3e9b1d5a",
            "[redacted:credential:len=17]",
        ),
        ("x-api-key", "cAnArY", "[redacted:credential:len=6]"),
        ("cookie", "a=cAnArY", "[redacted:credential:len=8]"),
        (
            "accept",
            "application/json, text/event-stream",
            "application/json, text/event-stream",
        ),
        ("mcp-protocol-version", "2025-11-25", "2025-11-25"),
    ] {
        let once = request_header(name, value).into_owned();
        assert_eq!(once, expected);
        assert_eq!(request_header(name, &once), once, "twice");
    }
}

#[test]
fn urls_stay_urls() {
    let text = "https://u:p@h.example/a?access_token=authdex-invalid-abc&tools=x#id_token=cAnArY";
    let once = url(text).into_owned();
    assert_eq!(
        once,
        "https://[redacted:userinfo:len=3]@h.example/a?access_token=authdex-invalid-[redacted:credential:len=3]&tools=x#id_token=[redacted:credential:len=6]"
    );
    let read = url::Url::parse(&once).expect("still a URL");
    assert_eq!(read.host_str(), Some("h.example"));
}

#[test]
fn what_random_texts_found() {
    for text in [
        // An array that does not end, and ends in the middle of a character's bytes.
        "\"kty\" \"oth\":[#é",
        // A parameter inside of user information.
        "https://&access_token=%@",
    ] {
        blanked(text);
    }
    // The text of one member looks like the beginning of another.
    assert_eq!(
        blanked(r#"{"text":"\"token\":[","access_token":"cAnArY"}"#),
        r#"{"text":"\"token\":[","access_token":"[redacted:member:len=6]"}"#
    );
}

#[test]
fn bytes_that_are_no_text_are_blanked_too() {
    let mut raw = vec![0xff, 0xc3, b' '];
    raw.extend_from_slice(br#"{"access_token":"cAnArY"}"#);
    let out = super::bytes(&raw).expect("something was blanked");
    assert_eq!(&out[..3], &raw[..3]);
    assert_eq!(&out[3..], br#"{"access_token":"[redacted:member:len=6]"}"#);
    assert_eq!(super::bytes(&out), None);
    assert_eq!(super::added("cAnArY"), "[redacted:credential:len=6]");
}

#[test]
fn hostile_texts_are_read_to_the_end() {
    for unit in [
        "eyJ",
        "eyJhbGciOiJSUzI1NiJ9.",
        "\"token\":[",
        "\"oth\":[",
        "\"kty\"\"oth\":[\"oth\":",
        "-----BEGIN PRIVATE KEY-----",
        "\\\"code\\\":\\\"",
        "\"code\":\"",
        "a@",
        "://",
        "?code=",
        "\\",
        "\"",
        "[redacted:",
        "@",
        "sk-ant-",
        "é\"d\":\"",
    ] {
        let text = unit.repeat(256 * 1024 / unit.len());
        let once = body(&text).into_owned();
        assert!(once.len() <= text.len() * 12, "{unit}");
        assert!(body(&once) == once, "{unit}");
    }
}
