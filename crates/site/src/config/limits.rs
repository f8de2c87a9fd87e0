//! Hard limits: what no configuration of a public instance may exceed (product section
//! 11.2), and what no installation may. Starting with a looser value is an error that names
//! key, value and limit.

use scanner::hard::Hard;

use super::{ConfigError, Mode, ScanDepth, Settings};

/// A limit on one number: key, value, least, most in public mode, most in private mode.
pub(super) type Row = (&'static str, i64, i64, i64, i64);

pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    let public = settings.instance.mode == Mode::Public;
    for (key, value, least, most_public, most_private) in rows(settings) {
        let most = if public { most_public } else { most_private };
        if value < least || value > most {
            return Err(ConfigError::Value {
                key: key.into(),
                said: format!(
                    "{value} is outside {least} to {most}, the hard limit of a {} instance",
                    if public { "public" } else { "private" }
                ),
            });
        }
    }
    if public {
        public_only(settings)?;
    }
    if settings.policy.retry_delays.len() > most_retries(Hard::PRIVATE) {
        return Err(ConfigError::Value {
            key: "policy.retry_delays".into(),
            said: "at most three retries".into(),
        });
    }
    texts(settings)?;
    for entry in &settings.scan.egress {
        if let Err(said) = crate::settings::Egress::parse(entry) {
            return Err(ConfigError::Value {
                key: "scan.egress".into(),
                said,
            });
        }
    }
    settings
        .http
        .bind
        .parse::<std::net::SocketAddr>()
        .map_err(|_| ConfigError::Value {
            key: "http.bind".into(),
            said: format!(
                "`{}` is no address with port; write for example \"127.0.0.1:8080\"",
                settings.http.bind
            ),
        })?;
    Ok(())
}

/// Texts that somebody else would stumble over later.
fn texts(settings: &Settings) -> Result<(), ConfigError> {
    let wrong = |key: &str, said: String| {
        Err(ConfigError::Value {
            key: key.into(),
            said,
        })
    };
    let url = &settings.store.url;
    if !["sqlite:", "postgres:", "postgresql:"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return wrong(
            "store.url",
            format!(
                "`{}` begins neither with sqlite: nor with postgres:; write sqlite://PATH or postgres://USER@HOST/NAME",
                super::layers::without_password(url)
            ),
        );
    }
    let log = &settings.telemetry.log;
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(log) {
        return wrong(
            "telemetry.log",
            format!("`{log}`: {error}; write for example \"info\" or \"warn,scanner=debug\""),
        );
    }
    if !settings.exports.folder.is_empty() && settings.exports.formats.is_empty() {
        return wrong(
            "exports.formats",
            "is empty; name one of ndjson, ndjson.zst, csv, parquet and sqlite, or empty exports.folder"
                .into(),
        );
    }
    let proxy = &settings.scan.proxy;
    let fits = ["http://", "https://", "socks5://", "socks5h://"]
        .iter()
        .any(|scheme| proxy.starts_with(scheme));
    if !proxy.is_empty() && !fits {
        return wrong(
            "scan.proxy",
            "is no proxy; write for example \"http://proxy.internal:3128\" or \"socks5h://…\""
                .into(),
        );
    }
    for beacon in &settings.guard.beacons {
        let host = url::Url::parse(beacon)
            .is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.host_str().is_some());
        if !host {
            return wrong(
                "guard.beacons",
                format!("`{beacon}` is no URL; write for example \"https://status.example.org/\""),
            );
        }
    }
    let own = &settings.scan.own_host_url;
    if !own.is_empty()
        && let Err(error) = crate::own_host::OwnHost::new(own)
    {
        return wrong("scan.own_host_url", error.to_string());
    }
    if settings.scan.depth == ScanDepth::Consented && settings.scan.owned_hosts.is_empty() {
        return wrong(
            "scan.owned_hosts",
            "is empty, and depth consented asks nobody else's hosts; name yours, or lower scan.depth"
                .into(),
        );
    }
    Ok(())
}

pub(super) fn rows(settings: &Settings) -> Vec<Row> {
    let policy = &settings.policy;
    let n = i64::from;
    let (open, own) = (Hard::PUBLIC, Hard::PRIVATE);
    macro_rules! most {
        ($key:ident, $limit:ident, $least:literal) => {
            (
                concat!("policy.", stringify!($key)),
                n(policy.$key),
                $least,
                n(open.$limit),
                n(own.$limit),
            )
        };
    }
    vec![
        most!(requests_per_scan_endpoint, endpoint_requests, 1),
        most!(requests_per_scan_as, as_requests, 1),
        most!(requests_per_scan_consented, consented_requests, 1),
        most!(scan_seconds, scan_seconds, 1),
        most!(connect_seconds, connect_seconds, 1),
        most!(first_byte_seconds, first_byte_seconds, 1),
        most!(request_seconds, request_seconds, 1),
        most!(header_bytes, header_bytes, 1024),
        most!(headers, headers, 10),
        most!(body_bytes, body_bytes, 1024),
        most!(html_bytes, html_bytes, 1024),
        most!(sse_bytes, sse_bytes, 1024),
        most!(sse_seconds, sse_seconds, 1),
        most!(idle_stream_seconds, idle_stream_seconds, 1),
        most!(redirect_hops, redirect_hops, 0),
        most!(operator_hosts, operator_hosts, 1),
        most!(global_per_second, global_per_second, 1),
        most!(on_request_per_day_proved, on_request_per_day_proved, 1),
        (
            "policy.operator_per_day",
            n(policy.operator_per_day),
            1,
            2000,
            i64::MAX,
        ),
        ("policy.ip_per_second", n(policy.ip_per_second), 1, 2, 50),
        ("policy.as_per_second", n(policy.as_per_second), 1, 1, 20),
        ("policy.as_per_day", n(policy.as_per_day), 1, 500, i64::MAX),
        (
            "policy.on_request_per_day",
            n(settings.on_request_per_day().unwrap_or(u32::MAX)),
            1,
            n(open.on_request_per_day),
            n(own.on_request_per_day),
        ),
        (
            "policy.host_interval_ms",
            n(policy.host_interval_ms),
            n(if settings.instance.mode == Mode::Public {
                open.least_interval_ms
            } else {
                own.least_interval_ms
            }),
            i64::MAX,
            i64::MAX,
        ),
        (
            "policy.private_interval_ms",
            n(policy.private_interval_ms),
            0,
            i64::MAX,
            i64::MAX,
        ),
        (
            "scan.concurrency",
            n(settings.scan.concurrency),
            1,
            2000,
            2000,
        ),
        (
            "guard.look_every (ms)",
            settings.guard.look_every.0,
            100,
            300_000,
            300_000,
        ),
        (
            "exports.keep_days",
            n(settings.exports.keep_days),
            1,
            366,
            366,
        ),
        (
            "exports.keep_months",
            n(settings.exports.keep_months),
            1,
            1200,
            1200,
        ),
        (
            "publication.hold_first_low_days",
            i64::from(settings.publication.hold_first_low_days),
            0,
            365,
            365,
        ),
        (
            "publication.hold_abusable_days",
            i64::from(settings.publication.hold_abusable_days),
            0,
            90,
            90,
        ),
        (
            "schedule.lease (ms)",
            settings.schedule.lease.0,
            1_000,
            900_000,
            900_000,
        ),
    ]
}

fn most_retries(hard: Hard) -> usize {
    Hard::bytes(usize::MAX, hard.retries)
}

fn public_only(settings: &Settings) -> Result<(), ConfigError> {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    let wrong = |key: &str, said: &str| {
        Err(ConfigError::Value {
            key: key.into(),
            said: said.into(),
        })
    };
    if settings.interval().0 < 7 * DAY {
        return wrong(
            "policy.interval",
            "below 7d, the hard limit of a public instance",
        );
    }
    if settings.policy.cooldown.0 < 10 * MINUTE {
        return wrong(
            "policy.cooldown",
            "below 10m, the hard limit of a public instance",
        );
    }
    if settings.publication.confirm_after.0 < 10 * MINUTE {
        return wrong(
            "publication.confirm_after",
            "below 10m, the hard limit of a public instance",
        );
    }
    if settings.policy.as_cache.0 < 60 * MINUTE {
        return wrong(
            "policy.as_cache",
            "below 1h, the hard limit of a public instance",
        );
    }
    if settings.policy.retry_delays.len() > most_retries(Hard::PUBLIC) {
        return wrong(
            "policy.retry_delays",
            "more than two retries, the hard limit of a public instance",
        );
    }
    if settings.policy.stale_after.0 > 60 * DAY {
        return wrong(
            "policy.stale_after",
            "above 60d, the hard limit of a public instance",
        );
    }
    if !settings.policy.robots {
        return wrong(
            "policy.robots",
            "is false, and a public instance obeys robots.txt and opt-outs",
        );
    }
    if settings.scan.allow_private {
        return wrong(
            "scan.allow_private",
            "a public instance never asks special-use addresses",
        );
    }
    if settings.scan.depth == ScanDepth::Consented {
        return wrong(
            "scan.depth",
            "a public instance goes this deep only for owners who proved it, one run at a time; write \"standard\"",
        );
    }
    if settings.instance.contact.is_empty() {
        return wrong(
            "instance.contact",
            "a public instance says whom to write to; set a mail address",
        );
    }
    if settings.instance.public_url.is_empty() {
        return wrong(
            "instance.public_url",
            "a public instance names itself in every request; set its address",
        );
    }
    Ok(())
}
