//! Properties of the pure readers: no text makes them panic, what they give is bounded by what
//! they got, and what was written is read back.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use scanner::facts::challenge::{self, Challenge};
use scanner::facts::json::{self, JsonFault};
use scanner::facts::relation::{self, Relation};
use scanner::facts::sse;
use scanner::normalise::{self, Admission};
use scanner::redact;
use scanner::sources::{self, Format};
use serde_json::{Value, json};

/// Byte-order mark.
const BOM: char = '\u{feff}';

const EVERYTHING: Admission = Admission {
    allow_private: true,
    allow_ephemeral: true,
};

/// Any text, and texts made of the pieces that readers trip over.
fn hostile() -> impl Strategy<Value = String> {
    const PIECES: [&str; 50] = [
        "\"",
        "'",
        "\\",
        "\\\"",
        "=",
        ",",
        ", ",
        " ",
        ":",
        ";",
        "#",
        "%",
        "%41",
        "%zz",
        "/",
        "//",
        "/*",
        "*/",
        "{",
        "}",
        "[",
        "]",
        "[redacted:",
        "]",
        "Bearer ",
        "Basic realm=",
        "code",
        "\"token\":",
        "\"kty\":\"oct\"",
        "\"k\":\"",
        "\"oth\":[",
        "\"servers\":[",
        "{\"server\":",
        "mcpServers",
        "url",
        "https://",
        "http://h.example.com",
        "@",
        "?",
        "&access_token=",
        "eyJhbGciOiJub25lIn0",
        ".",
        "-----BEGIN PRIVATE KEY-----",
        "AKIA",
        "data: ",
        "\n",
        "\r",
        "\u{feff}",
        "é",
        "\u{202e}",
    ];
    prop_oneof![
        any::<String>(),
        vec(
            prop_oneof![
                (0..PIECES.len()).prop_map(|at| PIECES[at].to_owned()),
                "[a-z0-9]{1,4}",
            ],
            0..40
        )
        .prop_map(|pieces| pieces.concat()),
    ]
}

/// JSON values of a few levels.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let name = prop_oneof![
            "[a-z]{1,3}",
            Just("client_secret".to_owned()),
            Just("code".to_owned()),
            Just("token".to_owned()),
            any::<String>(),
        ];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((name, inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Challenges that the grammar can write.
fn challenge() -> impl Strategy<Value = Challenge> {
    let token = || "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,8}";
    let params = vec(
        (token().prop_map(|name| name.to_lowercase()), "[ -~é]{0,12}"),
        0..4,
    );
    (token(), option::of("[a-zA-Z0-9._~+/-]{1,8}={0,2}"), params).prop_map(
        |(scheme, token68, params)| Challenge {
            scheme,
            params: if token68.is_some() {
                Vec::new()
            } else {
                params
            },
            token68,
            line: 0,
        },
    )
}

/// The challenge as a careful server writes it.
fn written(challenge: &Challenge) -> String {
    let mut text = challenge.scheme.clone();
    if let Some(token68) = &challenge.token68 {
        text.push(' ');
        text.push_str(token68);
    }
    for (at, (name, value)) in challenge.params.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let before = if at == 0 { " " } else { ", " };
        text.push_str(&format!("{before}{name}=\"{value}\""));
    }
    text
}

proptest! {
    #[test]
    fn challenges_never_panic_and_point_into_their_lines(lines in vec(hostile(), 0..4)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let read = challenge::parse(&lines);
        for (line, offset, _) in read.errors.iter().chain(&read.violations) {
            prop_assert!(lines[*line].is_char_boundary(*offset));
        }
        let kept: usize = read
            .list
            .iter()
            .flat_map(|challenge| &challenge.params)
            .map(|(name, value)| name.len() + value.len())
            .sum();
        prop_assert!(kept <= lines.iter().map(|line| line.len()).sum());
        prop_assert!(read.tolerances.len() <= 3);
        prop_assert!(read.errors.len() <= read.violations.len());
    }

    #[test]
    fn written_challenges_are_read_back(list in vec(challenge(), 1..4), lines in any::<bool>()) {
        let texts: Vec<String> = list.iter().map(written).collect();
        let joined = [texts.join(", ")];
        let given: Vec<&str> = if lines { &texts[..] } else { &joined[..] }
            .iter()
            .map(String::as_str)
            .collect();
        let read = challenge::parse(&given);
        prop_assert_eq!(&read.violations, &vec![]);
        for (line, (read, written)) in read.list.iter().zip(&list).enumerate() {
            prop_assert_eq!(read.line, if lines { line } else { 0 });
            prop_assert_eq!(&read.scheme, &written.scheme);
            prop_assert_eq!(&read.token68, &written.token68);
            prop_assert_eq!(&read.params, &written.params);
        }
        prop_assert_eq!(read.list.len(), list.len());
    }

    #[test]
    fn events_never_panic_and_are_bounded(text in hostile()) {
        let events = sse::events(&text);
        let kept: usize = events.iter().map(|event| event.name.len() + event.data.len()).sum();
        prop_assert!(kept <= text.len() + 7 * events.len());
    }

    #[test]
    fn written_events_are_read_back(
        events in vec(("[a-z]{0,6}", vec("[^\r\n\u{feff}]{0,8}", 1..3)), 0..5),
        end in prop_oneof![Just("\n"), Just("\r"), Just("\r\n")],
        rest in "[a-z:]{0,5}",
    ) {
        let mut text = String::new();
        for (name, data) in &events {
            text.push_str(&format!("event: {name}{end}: comment{end}"));
            for line in data {
                text.push_str(&format!("data: {line}{end}"));
            }
            text.push_str(end);
        }
        text.push_str(&rest);
        let read = sse::events(&text);
        prop_assert_eq!(read.len(), events.len());
        for (read, (name, data)) in read.iter().zip(&events) {
            let name = if name.is_empty() { "message" } else { name };
            prop_assert_eq!(&read.name, name);
            prop_assert_eq!(&read.data, &data.join("\n"));
        }
    }

    #[test]
    fn json_agrees_with_the_plain_reader(text in hostile()) {
        let plain: Result<Value, _> = serde_json::from_str(text.trim_start_matches('\u{feff}'));
        match json::parse(&text) {
            Ok(read) => prop_assert!(plain.is_ok() || read.bom),
            Err(JsonFault::Syntax) => {
                let marks = text.matches(BOM).count();
                prop_assert!(plain.is_err() || marks > 1);
            }
            Err(JsonFault::TooDeep) => prop_assert!(text.len() > json::MAX_DEPTH),
        }
    }

    #[test]
    fn json_reads_back_what_was_written(value in value()) {
        let read = json::parse(&value.to_string()).unwrap();
        prop_assert_eq!(read.value, value);
        prop_assert!(read.duplicates.is_empty());
    }

    #[test]
    fn every_duplicate_is_found(value in value(), name in "[a-z~/]{1,4}", depth in 0_usize..8) {
        let inner = format!("{{\"{name}\":1,\"{name}\":{value}}}");
        let text = format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
        let read = json::parse(&text).unwrap();
        let pointer = json::pointer(&"/0".repeat(depth), &name);
        prop_assert!(read.duplicates.contains(&(pointer, value == json!(1))));
    }

    #[test]
    fn relations_mirror_each_other(a in hostile(), b in hostile()) {
        let (there, back) = (relation::relation(&a, &b), relation::relation(&b, &a));
        let expected = match there {
            Relation::Prefix => Relation::Longer,
            Relation::Longer => Relation::Prefix,
            same => same,
        };
        prop_assert_eq!(back, expected);
        prop_assert_eq!(there == Relation::Identical, a == b);
    }

    #[test]
    fn nothing_before_a_public_address_makes_a_private_one_public(address in any::<u32>()) {
        let v4 = std::net::Ipv4Addr::from_bits(address);
        let special = relation::special_use(v4.into());
        let [a, b, c, d] = v4.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        for carrier in [
            v4.to_ipv6_mapped(),
            std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            std::net::Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            std::net::Ipv6Addr::new(0x2001, 0, 1, 2, 3, 4, !high, !low),
        ] {
            let found = relation::special_use(carrier.into());
            prop_assert!(found.is_some());
            if special.is_some() {
                prop_assert_eq!(found, special);
            }
        }
    }

    #[test]
    fn normalising_twice_changes_nothing(text in prop_oneof![
        hostile(),
        "https?://[a-zA-Z0-9.-]{1,20}(:[0-9]{1,5})?(/[a-zA-Z0-9%._~@é-]{0,6}){0,4}/?([?][a-z=&%0-9]{0,9})?",
    ]) {
        if let Ok(target) = normalise::endpoint(&text, EVERYTHING) {
            prop_assert!(target.url.len() <= normalise::MAX_URL);
            let again = normalise::endpoint(&target.url, EVERYTHING).map(|target| target.url);
            prop_assert_eq!(again, Ok(target.url));
        }
    }

    #[test]
    fn blanking_twice_changes_nothing(text in hostile(), name in "[a-z-]{1,14}") {
        let once = redact::body(&text).into_owned();
        let twice = redact::body(&once).into_owned();
        prop_assert_eq!(twice, once.as_str());
        prop_assert!(once.len() <= text.len() * 40 + 40);
        let once = redact::url(&text).into_owned();
        let twice = redact::url(&once).into_owned();
        prop_assert_eq!(twice, once.as_str());
        let names = [name.as_str(), "set-cookie", "authorization", "mcp-session-id", "location"];
        for name in names {
            let once = redact::response_header(name, &text, &["earlier"]).into_owned();
            let twice = redact::response_header(name, &once, &["earlier"]).into_owned();
            prop_assert_eq!(twice, once.as_str());
            let once = redact::request_header(name, &text).into_owned();
            let twice = redact::request_header(name, &once).into_owned();
            prop_assert_eq!(twice, once.as_str());
        }
    }

    #[test]
    fn blanked_json_is_json_of_the_same_shape(value in value()) {
        let once = redact::body(&value.to_string()).into_owned();
        let read: Value = serde_json::from_str(&once).unwrap();
        prop_assert!(same_shape(&value, &read), "{} became {}", value, read);
    }

    #[test]
    fn a_canary_under_a_secret_name_never_survives(
        before in hostile(),
        pretty in any::<bool>(),
        nested in any::<bool>(),
        tail in "[a-zA-Z0-9+/=._-]{0,20}",
    ) {
        let canary = format!("cAnArY-{tail}");
        let mut value = json!({"text": before, "list": [{"access_token": &canary, "n": 1}]});
        if nested {
            value = json!({"content": value.to_string()});
        }
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let once = redact::body(&text.unwrap()).into_owned();
        prop_assert!(!once.contains("cAnArY"), "{}", once);
    }

    #[test]
    fn every_line_of_a_list_has_one_outcome(lines in vec("[^\r\n#]{0,30}", 0..20)) {
        let text = lines.join("\n");
        let read = sources::read(&text, Format::List, EVERYTHING).unwrap();
        let rows = text
            .trim_start_matches('\u{feff}')
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count() as u64;
        prop_assert_eq!(read.tally().values().sum::<u64>(), rows);
    }

    #[test]
    fn sources_never_panic(text in hostile(), around in 0_usize..7) {
        let text = match around {
            0 => text,
            1 => format!("{{\"servers\":[{{\"server\":{{\"name\":\"a\",\"remotes\":[{{\"url\":\"{text}\"}}]}}}}]}}"),
            2 => format!("name,url\na,{text}\n"),
            3 => format!("registry:\n  a: {{remote: {{url: {text}}}}}\n  b:\n    remote: {text}\n"),
            4 => format!("| Name | URL |\n|---|---|\n| {text} | `https://a.example.com/{text}` |\n"),
            5 => format!("mcpServers:\n  - name: {text}\n    url: {text}\n"),
            _ => format!("[mcp_servers.a]\nurl = \"{text}\"\n[mcp_servers.{text}]\n"),
        };
        prop_assert!(!sources::form(&text, sources::detect(&text)).is_empty());
        for format in Format::ALL {
            if let Ok(read) = sources::read(&text, format, EVERYTHING) {
                for refused in &read.refused {
                    prop_assert!(refused.raw.chars().count() <= 300);
                    prop_assert!(!refused.raw.contains('\n'));
                }
            }
        }
    }

    #[test]
    fn good_entries_survive_any_bad_one(bad in value(), at in 0_usize..4) {
        let entry = |n: usize| json!({"server": {"name": format!("s{n}"), "remotes": [{"url": format!("https://s{n}.example.com/")}]}});
        let mut entries: Vec<Value> = (0..3).map(entry).collect();
        entries.insert(at.min(3), bad);
        let text = json!({"servers": entries}).to_string();
        let read = sources::read(&text, Format::Registry, EVERYTHING).unwrap();
        for n in 0..3 {
            let url = format!("https://s{n}.example.com/");
            prop_assert!(read.found.iter().any(|found| found.target.url == url));
        }
    }

    #[test]
    fn tables_are_read_back(names in vec("[^\r\n\u{fffd}]{0,12}", 1..8)) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let rows: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(n, name)| format!("{},https://s{n}.example.com/,x", quoted(name)))
            .collect();
        let text = format!("name,url,tags\r\n{}", rows.join("\r\n"));
        let read = sources::read(&text, Format::Csv, EVERYTHING).unwrap();
        prop_assert_eq!(read.found.len(), names.len());
        prop_assert!(read.refused.is_empty());
    }
}

/// Equal but for strings and numbers that became markers.
fn same_shape(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.values().zip(b.values()).all(|(a, b)| same_shape(a, b))
        }
        (Value::String(_) | Value::Number(_), Value::String(_)) => true,
        (a, b) => a == b,
    }
}
