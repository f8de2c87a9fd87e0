//! The default file and the settings agree, and every mistake is named.

use super::layers::keys;
use super::{DEFAULTS, Mode, Settings, Span};

fn load(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("authdex.toml");
    std::fs::write(&path, text).expect("written");
    Settings::from_layers(Some(&path), &[]).map_err(|error| {
        error
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    })
}

#[test]
fn the_defaults_load_and_every_key_is_known() {
    let settings = Settings::from_layers(None, &[]).expect("the defaults load");
    assert_eq!(settings.instance.mode, Mode::Private);
    assert_eq!(settings.interval(), Span(86_400_000));
    let defaults: toml::Table = DEFAULTS.parse().expect("TOML");
    assert!(keys(&defaults).len() > 60);
}

#[test]
fn every_key_has_a_comment() {
    for line in DEFAULTS.lines() {
        if line.contains(" = ") && !line.starts_with('#') && !line.starts_with("location") {
            assert!(line.contains('#'), "no comment: {line}");
        }
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let said = load("[scan]\n\ndepht = \"passive\"\n").expect_err("refused");
    assert_eq!(
        said,
        "configuration FILE line 3: unknown key `scan.depht`; did you mean `scan.depth`?"
    );
    let said = load("[policies]\nx = 1\n").expect_err("refused");
    assert!(
        said.starts_with("configuration FILE line 1: unknown key `policies`"),
        "{said}"
    );
}

#[test]
fn wrong_values_are_named() {
    for (text, expected) in [
        (
            "[scan]\nconcurrency = \"many\"\n",
            "configuration scan.concurrency: is a string and must be a whole number (FILE line 2)",
        ),
        (
            "[policy]\ncooldown = \"soon\"\n",
            "configuration policy.cooldown: `soon` is no duration",
        ),
        (
            "[http]\nbind = \"here\"\n",
            "configuration http.bind: `here` is no address with port",
        ),
        (
            "[policy]\nscan_seconds = 100000\n",
            "configuration policy.scan_seconds: 100000 is outside 1 to 900",
        ),
        (
            "[schedule]\nregistry_sync = \"now\"\n",
            "configuration schedule.registry_sync:",
        ),
        ("[scan\n", "configuration FILE line 1:"),
        (
            "[instance]\nmode = \"open\"\n",
            "configuration instance.mode: unknown variant `open`, expected `private` or `public` (FILE line 2)",
        ),
        (
            "[policy]\nretry_delays = [\"5s\", \"soon\"]\n",
            "configuration policy.retry_delays: `soon` is no duration",
        ),
        (
            "[[source]]\nname = \"x\"\nkind = \"wiki\"\n",
            "configuration source.kind: unknown variant `wiki`",
        ),
        (
            "[scan]\nproxy = \"proxy.internal\"\n",
            "configuration scan.proxy: is no proxy",
        ),
        (
            "[[source]]\nname = \"x\"\napi_key = \"abc\"\n",
            "configuration source.api_key: secrets are not written",
        ),
    ] {
        let said = load(text).expect_err("refused");
        assert!(said.starts_with(expected), "{said}");
        assert!(!said.contains('\n'), "one line: {said}");
    }
}

#[test]
fn a_public_instance_keeps_its_limits() {
    let base = "[instance]\nmode = \"public\"\ncontact = \"a@example.org\"\npublic_url = \"https://index.example.org\"\n";
    load(base).expect("fine");
    for (more, key) in [
        (
            "[policy]\nrequests_per_scan_endpoint = 46\n",
            "policy.requests_per_scan_endpoint",
        ),
        (
            "[policy]\nhost_interval_ms = 500\n",
            "policy.host_interval_ms",
        ),
        ("[policy]\ninterval = \"1d\"\n", "policy.interval"),
        ("[policy]\ncooldown = \"1m\"\n", "policy.cooldown"),
        (
            "[publication]\nconfirm_after = \"1m\"\n",
            "publication.confirm_after",
        ),
        ("[scan]\nallow_private = true\n", "scan.allow_private"),
    ] {
        let said = load(&format!("{base}{more}")).expect_err("refused");
        assert!(
            said.contains(key) && said.contains("public instance"),
            "{said}"
        );
    }
    let said = load("[instance]\nmode = \"public\"\n").expect_err("refused");
    assert!(said.contains("instance.contact"), "{said}");
}

/// Key, value and limit are named, for every number and in both modes.
#[test]
fn no_number_of_the_policy_exceeds_its_hard_limit() {
    let public = "[instance]\nmode = \"public\"\ncontact = \"a@example.org\"\npublic_url = \"https://index.example.org\"\n";
    let defaults = Settings::from_layers(None, &[]).expect("the defaults load");
    let mut tried = 0;
    for (key, _, least, most_public, most_private) in super::limits::rows(&defaults) {
        let Some(name) = key.strip_prefix("policy.") else {
            continue;
        };
        for (base, most, mode) in [
            (public, most_public, "public"),
            ("", most_private, "private"),
        ] {
            for value in [least - 1, most.saturating_add(1)] {
                // What no number can exceed has no limit on that side.
                if value < 0 || value > i64::from(u32::MAX) {
                    continue;
                }
                let written = match name {
                    // Zero is no limit at all, which a public instance may not have either.
                    "on_request_per_day" if value == 0 => continue,
                    "on_request_per_day" => format!("\"{value}\""),
                    _ => value.to_string(),
                };
                let said = load(&format!("{base}[policy]\n{name} = {written}\n"))
                    .expect_err(&format!("{name} = {value} in {mode} mode"));
                assert!(said.contains(key), "{said}");
                assert!(said.contains(&value.to_string()), "{said}");
                assert!(said.contains("hard limit of a"), "{said}");
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "{tried}");
    for (more, key) in [
        ("as_cache = \"30m\"", "policy.as_cache"),
        ("stale_after = \"61d\"", "policy.stale_after"),
        ("robots = false", "policy.robots"),
        ("on_request_per_day = \"0\"", "policy.on_request_per_day"),
        (
            "retry_delays = [\"5s\", \"5s\", \"5s\"]",
            "policy.retry_delays",
        ),
    ] {
        let said = load(&format!("{public}[policy]\n{more}\n")).expect_err("refused");
        assert!(said.contains(key), "{said}");
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.toml");
    std::fs::write(&path, "[http]\nbind = \"127.0.0.1:1\"\n").expect("written");
    let environment = [
        ("BIND".to_owned(), "127.0.0.1:2".to_owned()),
        ("AUTHDEX__SCAN__CONCURRENCY".to_owned(), "7".to_owned()),
    ];
    let settings = Settings::from_layers(Some(&path), &environment).expect("loads");
    assert_eq!(settings.http.bind, "127.0.0.1:2");
    assert_eq!(settings.scan.concurrency, 7);
    let wrong = [("AUTHDEX__SCAN__CONCURENCY".to_owned(), "7".to_owned())];
    let said = Settings::from_layers(None, &wrong)
        .expect_err("refused")
        .to_string();
    assert!(said.contains("did you mean `scan.concurrency`?"), "{said}");
}

#[test]
fn passwords_are_blanked_wherever_they_stand() {
    for (url, shown) in [
        ("postgres://u:geheim@h:5432/d", "postgres://u:***@h:5432/d"),
        ("postgres://u:ge/he@im@h/d", "postgres://u:***@h/d"),
        (
            "postgres://h/d?user=u&password=geheim",
            "postgres://h/d?***",
        ),
        ("postgres//u:geheim@h/d", "://postgres//u:***@h/d"),
        (
            "sqlite://data/authdex.db?mode=ro",
            "sqlite://data/authdex.db?mode=ro",
        ),
    ] {
        assert_eq!(super::layers::without_password(url), shown);
    }
}

#[test]
fn spans_read_their_units() {
    assert_eq!(Span::parse("250ms"), Ok(Span(250)));
    assert_eq!(Span::parse("7d"), Ok(Span(7 * 86_400_000)));
    assert!(Span::parse("7 days").is_err());
    assert!(Span::parse("d").is_err());
}
