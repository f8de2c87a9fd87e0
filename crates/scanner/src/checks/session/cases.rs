//! Cases of the session checks.

use serde_json::{Value, json};

use super::super::testkit::{
    Case, Expect, World, case, case_in, challenge, changed, good_challenge, status, text,
};
use crate::evidence::{Failure, Purpose, Response};
use crate::plan::Ask;
use crate::spec::Revision;
use Expect::{Fail, Inconclusive, Na, Pass, Warn};

const JUNE: Revision = Revision::V2025_06_18;
const NOVEMBER: Revision = Revision::V2025_11_25;

pub(in crate::checks) const CASES: &[Case] = &[
    // stateless-discover
    case("stateless-discover", Pass, World::open),
    case("stateless-discover", Warn("sparse_result"), || {
        discovered(|result| {
            result.remove("ttlMs");
        })
    }),
    case("stateless-discover", Warn("sparse_result"), || {
        discovered(|result| {
            result.remove("_meta");
        })
    }),
    case("stateless-discover", Fail("incomplete_result"), || {
        discovered(|result| {
            result.remove("capabilities");
        })
    }),
    case("stateless-discover", Fail("method_not_found"), || {
        probe(Purpose::Discover, rpc_error(404, -32601))
    }),
    case("stateless-discover", Na, legacy),
    case("stateless-discover", Na, World::compliant),
    case("stateless-discover", Inconclusive, || {
        probe(Purpose::Discover, rpc_error(400, -32021))
    }),
    case("stateless-discover", Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::Discover, Err(Failure::Reset));
        })
    }),
    // version-unsupported-400
    case("version-unsupported-400", Pass, World::open),
    case_in(NOVEMBER, "version-unsupported-400", Pass, World::open),
    case("version-unsupported-400", Pass, legacy),
    case_in(JUNE, "version-unsupported-400", Pass, legacy),
    case("version-unsupported-400", Warn("other_body"), || {
        probe(Purpose::BogusVersion, status(400))
    }),
    case("version-unsupported-400", Warn("other_status"), || {
        probe(Purpose::BogusVersion, status(406))
    }),
    case("version-unsupported-400", Warn("header_ignored"), || {
        legacy_probe(Purpose::BogusVersion, rpc_result())
    }),
    case_in(
        JUNE,
        "version-unsupported-400",
        Warn("header_ignored"),
        || probe(Purpose::BogusVersion, rpc_result()),
    ),
    case("version-unsupported-400", Warn("other_status"), || {
        legacy_probe(Purpose::BogusVersion, status(404))
    }),
    case("version-unsupported-400", Fail("accepted"), || {
        probe(Purpose::BogusVersion, rpc_result())
    }),
    case("version-unsupported-400", Fail("server_error"), || {
        probe(Purpose::BogusVersion, status(500))
    }),
    case("version-unsupported-400", Na, World::compliant),
    case("version-unsupported-400", Na, || {
        probe(Purpose::BogusVersion, challenge(&good_challenge(None)))
    }),
    case("version-unsupported-400", Inconclusive, || {
        legacy_probe(Purpose::BogusVersion, status(500))
    }),
    case("version-unsupported-400", Inconclusive, || {
        probe(Purpose::BogusVersion, Err(Failure::Reset))
    }),
    // stateless-header-body-match
    case("stateless-header-body-match", Pass, World::open),
    case("stateless-header-body-match", Warn("other_code"), || {
        probe(Purpose::MethodMissing, rpc_error(400, -32600))
    }),
    case("stateless-header-body-match", Warn("no_rpc_error"), || {
        probe(Purpose::VersionMismatch, status(400))
    }),
    case("stateless-header-body-match", Warn("other_status"), || {
        probe(Purpose::MethodMismatch, rpc_error(200, -32020))
    }),
    case("stateless-header-body-match", Fail("processed"), || {
        probe(Purpose::MethodMismatch, rpc_result())
    }),
    case("stateless-header-body-match", Na, legacy),
    case("stateless-header-body-match", Na, World::compliant),
    case("stateless-header-body-match", Inconclusive, || {
        probe(Purpose::MethodMissing, status(503))
    }),
    // stateless-unknown-method-404
    case("stateless-unknown-method-404", Pass, World::open),
    case("stateless-unknown-method-404", Warn("other_status"), || {
        probe(Purpose::UnknownMethod, rpc_error(200, -32601))
    }),
    case("stateless-unknown-method-404", Warn("other_id"), || {
        probe(Purpose::UnknownMethod, rpc_error(404, -32601))
    }),
    case("stateless-unknown-method-404", Warn("other_code"), || {
        probe(Purpose::UnknownMethod, rpc_error(400, -32600))
    }),
    case("stateless-unknown-method-404", Warn("no_rpc_error"), || {
        probe(
            Purpose::UnknownMethod,
            text(404, "text/html", "<html>not here</html>"),
        )
    }),
    case("stateless-unknown-method-404", Fail("processed"), || {
        probe(Purpose::UnknownMethod, rpc_result())
    }),
    case("stateless-unknown-method-404", Na, legacy),
    case("stateless-unknown-method-404", Na, World::compliant),
    case("stateless-unknown-method-404", Inconclusive, || {
        probe(Purpose::UnknownMethod, status(502))
    }),
    // stateless-no-session
    case("stateless-no-session", Pass, World::open),
    case("stateless-no-session", Warn("echoed"), || {
        sessions_on(|ask| ask.purpose == Purpose::StraySession)
    }),
    case("stateless-no-session", Warn("minted"), || {
        sessions_on(|ask| ask.purpose == Purpose::Discover)
    }),
    case("stateless-no-session", Fail("refused"), || {
        probe(Purpose::StraySession, rpc_error(404, -32001))
    }),
    case("stateless-no-session", Na, legacy),
    case("stateless-no-session", Na, World::compliant),
    case("stateless-no-session", Inconclusive, || {
        probe(Purpose::StraySession, Err(Failure::Reset))
    }),
    // stateless-get-405
    case("stateless-get-405", Pass, World::open),
    case("stateless-get-405", Pass, || {
        legacy_probe(
            Purpose::EventStream,
            text(200, "text/event-stream", ": hello\n\n"),
        )
    }),
    case_in(NOVEMBER, "stateless-get-405", Pass, legacy),
    case("stateless-get-405", Warn("stream"), || {
        let mut world = World::open();
        world.speak(true, false).purpose(
            Purpose::EventStream,
            text(200, "text/event-stream", ": hello\n\n"),
        );
        world
    }),
    case("stateless-get-405", Warn("page"), || {
        probe(
            Purpose::EventStream,
            text(200, "text/html", "<html>Welcome</html>"),
        )
    }),
    case("stateless-get-405", Warn("other_status"), || {
        probe(Purpose::EventStream, status(406))
    }),
    case("stateless-get-405", Fail("server_error"), || {
        probe(Purpose::EventStream, status(500))
    }),
    case("stateless-get-405", Na, World::compliant),
    case("stateless-get-405", Inconclusive, || {
        probe(Purpose::EventStream, Err(Failure::Reset))
    }),
    // session-id-quality: retired in the newest revision.
    case_in(NOVEMBER, "session-id-quality", Pass, || sessions(UUID4)),
    case_in(NOVEMBER, "session-id-quality", Pass, || {
        sessions("len=36:alphabet=16:form=uuid7:sha256=0011223344556677:shared=9")
    }),
    case_in(NOVEMBER, "session-id-quality", Warn("short"), || {
        sessions("len=16:alphabet=16:form=hex:sha256=0011223344556677:shared=4")
    }),
    case_in(
        NOVEMBER,
        "session-id-quality",
        Warn("readable_token"),
        || sessions("len=300:alphabet=64:form=jwt:sha256=0011223344556677"),
    ),
    case_in(NOVEMBER, "session-id-quality", Fail("not_visible"), || {
        sessions("len=36:alphabet=94:form=other:visible=no:sha256=0011223344556677")
    }),
    case_in(NOVEMBER, "session-id-quality", Fail("time_derived"), || {
        sessions("len=36:alphabet=16:form=uuid1:sha256=0011223344556677")
    }),
    case_in(NOVEMBER, "session-id-quality", Fail("equal"), || {
        sessions("len=36:alphabet=16:form=uuid4:sha256=0011223344556677:step=0")
    }),
    case_in(NOVEMBER, "session-id-quality", Fail("sequential"), || {
        sessions("len=13:alphabet=10:form=decimal:sha256=0011223344556677:shared=9:step=20")
    }),
    case_in(NOVEMBER, "session-id-quality", Inconclusive, || {
        let mut world = sessions(UUID4);
        world.purpose(Purpose::AnotherSession(2), Err(Failure::Reset));
        world
    }),
    case_in(NOVEMBER, "session-id-quality", Na, legacy),
    case_in(NOVEMBER, "session-id-quality", Na, World::compliant),
    case_in(NOVEMBER, "session-id-quality", Na, || {
        let mut world = World::open();
        world.speak(true, false);
        world
    }),
    case("session-id-quality", Na, || sessions(UUID4)),
    // session-unknown-rejected
    case_in(NOVEMBER, "session-unknown-rejected", Pass, || {
        sessions(UUID4)
    }),
    case_in(NOVEMBER, "session-unknown-rejected", Pass, || {
        let mut world = sessions(UUID4);
        world.purpose(Purpose::UnknownSession, status(400));
        world.purpose(Purpose::EndSession, status(405));
        world
    }),
    case_in(
        NOVEMBER,
        "session-unknown-rejected",
        Warn("other_status"),
        || {
            let mut world = sessions(UUID4);
            world.purpose(Purpose::UnknownSession, rpc_error(200, -32001));
            world
        },
    ),
    case_in(
        NOVEMBER,
        "session-unknown-rejected",
        Warn("ended_400"),
        || {
            let mut world = sessions(UUID4);
            world.purpose(Purpose::EndedSession, status(400));
            world
        },
    ),
    case_in(
        NOVEMBER,
        "session-unknown-rejected",
        Warn("ended_other"),
        || {
            let mut world = sessions(UUID4);
            world.purpose(Purpose::EndedSession, status(410));
            world
        },
    ),
    case_in(
        NOVEMBER,
        "session-unknown-rejected",
        Warn("delete_unknown"),
        || {
            let mut world = sessions(UUID4);
            world.purpose(Purpose::EndSession, status(404));
            ended_served(&mut world);
            world
        },
    ),
    case_in(
        NOVEMBER,
        "session-unknown-rejected",
        Warn("delete_refused"),
        || {
            let mut world = sessions(UUID4);
            world.purpose(Purpose::EndSession, status(403));
            ended_served(&mut world);
            world
        },
    ),
    case_in(
        NOVEMBER,
        "session-unknown-rejected",
        Fail("unknown_served"),
        || {
            let mut world = sessions(UUID4);
            world.on(
                |ask| {
                    matches!(
                        ask.purpose,
                        Purpose::UnknownSession | Purpose::UnknownSessionAgain(_)
                    )
                },
                rpc_result(),
            );
            world
        },
    ),
    case_in(
        NOVEMBER,
        "session-unknown-rejected",
        Fail("ended_served"),
        || {
            let mut world = sessions(UUID4);
            ended_served(&mut world);
            world
        },
    ),
    case_in(NOVEMBER, "session-unknown-rejected", Inconclusive, || {
        // Served on one connection only.
        let mut world = sessions(UUID4);
        world.purpose(Purpose::UnknownSession, rpc_result());
        world
    }),
    case_in(NOVEMBER, "session-unknown-rejected", Na, legacy),
    case_in(NOVEMBER, "session-unknown-rejected", Na, World::compliant),
];

const UUID4: &str = "len=36:alphabet=16:form=uuid4:sha256=0011223344556677:shared=0";

/// An open server of the handshake era only, without sessions.
fn legacy() -> World {
    let mut world = World::open();
    world.speak(false, true);
    world
}

/// An open server of both eras that answers one probe in its own way.
fn probe(purpose: Purpose, answer: Result<Response, Failure>) -> World {
    let mut world = World::open();
    world.purpose(purpose, answer);
    world
}

fn legacy_probe(purpose: Purpose, answer: Result<Response, Failure>) -> World {
    let mut world = legacy();
    world.purpose(purpose, answer);
    world
}

/// An open server whose discover result is changed.
fn discovered(change: fn(&mut serde_json::Map<String, Value>)) -> World {
    let mut world = World::open();
    world.edit(
        |ask| ask.purpose == Purpose::Discover,
        move |response| {
            let mut body: Value = serde_json::from_str(&response.body.text).expect("JSON");
            change(body["result"].as_object_mut().expect("a result"));
            super::super::testkit::set_body(response, &body.to_string());
        },
    );
    world
}

/// An open legacy server whose handshakes give out session ids, with what blanking leaves of
/// them; ids that it did not give out, and ended ones, get 404.
fn sessions(fields: &'static str) -> World {
    let mut world = legacy();
    world.edit(
        |ask| {
            matches!(
                ask.purpose,
                Purpose::Initialize | Purpose::AnotherSession(_)
            )
        },
        move |response| {
            response.headers.push((
                "mcp-session-id".into(),
                format!("[redacted:session:{fields}]"),
            ));
        },
    );
    world.on(
        |ask| {
            matches!(
                ask.purpose,
                Purpose::UnknownSession
                    | Purpose::UnknownSessionAgain(_)
                    | Purpose::EndedSession
                    | Purpose::EndedSessionAgain(_)
            )
        },
        status(404),
    );
    world.purpose(Purpose::EndSession, status(200));
    world
}

fn ended_served(world: &mut World) {
    world.on(
        |ask| {
            matches!(
                ask.purpose,
                Purpose::EndedSession | Purpose::EndedSessionAgain(_)
            )
        },
        rpc_result(),
    );
}

/// An open server that puts a session id into some answers.
fn sessions_on(when: fn(&Ask) -> bool) -> World {
    let mut world = World::open();
    world.edit(when, |response| {
        response.headers.push((
            "mcp-session-id".into(),
            format!("[redacted:session:{UUID4}]"),
        ));
    });
    world
}

fn rpc_error(status: u16, code: i64) -> Result<Response, Failure> {
    text(
        status,
        "application/json",
        &json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": "no" } })
            .to_string(),
    )
}

fn rpc_result() -> Result<Response, Failure> {
    text(
        200,
        "application/json",
        &json!({ "jsonrpc": "2.0", "id": "x", "result": { "tools": [] } }).to_string(),
    )
}
