//! A made-up server under a virtual clock: what its looks lead to, by table and by chance.

mod properties;

use std::collections::BTreeMap;

use super::{
    Answer, Known, Observed, Override, Overrides, Publication, Reason, Rules, Standing, Why,
    adjust, bad_news, settle,
};
use crate::check::Severity;
use crate::report::{Badge, Class, FindingVerdict, GradeLetter};
use crate::time::Millis;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const START: Millis = Millis(1_795_144_327_000);

/// What a scan sees: checks that fail, or cannot be told, with a letter that follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sight {
    class: Class,
    fails: Vec<&'static str>,
    unsure: Vec<&'static str>,
}

const CHECKS: [(&str, Severity, GradeLetter); 4] = [
    ("pkce-advertised", Severity::High, GradeLetter::C),
    ("asm-issuer-identical", Severity::Critical, GradeLetter::F),
    ("hygiene-secrets", Severity::Critical, GradeLetter::F),
    ("challenge-scope-param", Severity::Low, GradeLetter::A),
];

fn good() -> Sight {
    Sight {
        class: Class::Oauth,
        fails: vec![],
        unsure: vec![],
    }
}

fn bad(fails: &[&'static str]) -> Sight {
    Sight {
        fails: fails.to_vec(),
        ..good()
    }
}

fn unsure(checks: &[&'static str]) -> Sight {
    Sight {
        unsure: checks.to_vec(),
        ..good()
    }
}

fn of_class(class: Class) -> Sight {
    Sight { class, ..good() }
}

/// Grades a sight, in place of the catalogue.
fn look(sight: &Sight, overrides: Overrides, at: Millis) -> Observed {
    let mut answers = BTreeMap::new();
    let mut letter = GradeLetter::A;
    let mut cap = None;
    for (check, severity, ceiling) in CHECKS {
        let seen = if sight.fails.contains(&check) {
            (FindingVerdict::Fail, "absent")
        } else if sight.unsure.contains(&check) {
            (FindingVerdict::Inconclusive, "network")
        } else {
            (FindingVerdict::Pass, "ok")
        };
        let (verdict, reason) = match overrides.of(check) {
            Some(one) => match one.why {
                Why::Unconfirmed => (FindingVerdict::Inconclusive, "unconfirmed"),
                Why::Flapping => (FindingVerdict::Inconclusive, "flapping"),
                Why::Carried => {
                    let stands = one.stands.as_ref().expect("it stands");
                    (stands.verdict, "absent")
                }
            },
            None => seen,
        };
        if verdict == FindingVerdict::Fail && ceiling > letter {
            letter = ceiling;
            cap = Some(ceiling.as_str().to_owned());
        }
        answers.insert(
            check.to_owned(),
            Answer {
                verdict,
                reason: reason.into(),
                severity,
                blocked_by: None,
            },
        );
    }
    let badge = match sight.class {
        Class::Unreachable => Some(Badge::U),
        Class::Blocked => Some(Badge::X),
        Class::Open => Some(Badge::O),
        _ => None,
    };
    let hidden = overrides.letter.is_some();
    Observed {
        first_at: at,
        last_at: at,
        scans: 1,
        standing: Standing::Published,
        confirmed_at: None,
        plan: 1,
        class: sight.class,
        letter: (badge.is_none() && !hidden).then_some(letter),
        badge: badge.or_else(|| hidden.then_some(Badge::N)),
        cap: cap.filter(|_| badge.is_none() && !hidden),
        answers: if badge.is_some() {
            BTreeMap::new()
        } else {
            answers
        },
        overrides,
    }
}

/// A server whose scans are filed one after the other.
struct Server {
    rules: Rules,
    looks: Vec<Observed>,
    low: bool,
    last: Option<Publication>,
}

impl Server {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            looks: Vec::new(),
            low: false,
            last: None,
        }
    }

    /// Files what is seen at a moment after the start.
    fn sees(&mut self, after: i64, sight: &Sight) -> &Publication {
        let now = START.plus(after);
        let known = Known {
            server: "srv_01",
            looks: &self.looks,
            published_low: self.low,
        };
        let overrides = adjust(&known, &look(sight, Overrides::default(), now), &self.rules);
        let newest = look(sight, overrides, now);
        let publication = settle(&known, &newest, now, &self.rules);
        let mut newest = look(sight, publication.overrides.clone(), now);
        newest.standing = publication.standing;
        newest.confirmed_at = publication.confirmed_at;
        for (position, standing) in &publication.earlier {
            self.looks[*position].standing = *standing;
        }
        if newest.standing == Standing::Published {
            self.low |= newest.letter >= Some(GradeLetter::D);
        }
        self.looks.push(newest);
        self.last.insert(publication)
    }

    /// Letter or badge that strangers see.
    fn shown(&self) -> Option<&'static str> {
        let shown = self
            .looks
            .iter()
            .rev()
            .find(|look| look.standing == Standing::Published)?;
        shown
            .letter
            .map(GradeLetter::as_str)
            .or(shown.badge.map(Badge::as_str))
    }
}

/// Steps of a table: when, what is seen, and what is shown then.
fn walk(rules: Rules, steps: &[(i64, Sight, Option<&str>)]) -> Server {
    let mut server = Server::new(rules);
    for (number, (after, sight, shown)) in steps.iter().enumerate() {
        server.sees(*after, sight);
        assert_eq!(server.shown(), *shown, "step {number}: {:?}", server.last);
    }
    server
}

const PKCE: &[&str] = &["pkce-advertised"];
const ISSUER: &[&str] = &["asm-issuer-identical"];
const SECRET: &[&str] = &["hygiene-secrets"];

#[test]
fn bad_news_needs_a_second_look() {
    let mut server = walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (7 * DAY, bad(PKCE), Some("A")),
            (7 * DAY + HOUR / 2, bad(PKCE), Some("A")),
            (7 * DAY + 2 * HOUR, bad(PKCE), Some("C")),
        ],
    );
    assert!(
        server
            .looks
            .iter()
            .all(|look| look.standing == Standing::Published),
        "the first look was right"
    );
    assert_eq!(
        server.looks[3].confirmed_at,
        Some(START.plus(7 * DAY + 2 * HOUR))
    );
    server.sees(14 * DAY, &good());
    assert_eq!(server.shown(), Some("A"), "improvements at once");
}

#[test]
fn a_second_look_is_asked_for_between_an_hour_and_a_fifth_more() {
    let rules = Rules::public();
    let mut pauses = std::collections::BTreeSet::new();
    for n in 0..200 {
        let pause = rules.confirm_after(&format!("srv_{n}"));
        assert!((HOUR..=HOUR + HOUR / 5).contains(&pause), "{pause}");
        pauses.insert(pause);
    }
    assert!(pauses.len() > 150, "servers differ");
    let mut server = walk(rules, &[(0, good(), Some("A"))]);
    let again = server.sees(DAY, &bad(PKCE)).again.expect("a second look");
    assert_eq!(again, START.plus(DAY + rules.confirm_after("srv_01")));
}

#[test]
fn when_two_looks_disagree_the_third_decides() {
    let disagree = [
        (0, good(), Some("A")),
        (7 * DAY, bad(PKCE), Some("A")),
        (7 * DAY + 2 * HOUR, good(), Some("A")),
    ];
    let mut for_it = walk(Rules::public(), &disagree);
    assert_eq!(
        for_it.last.as_ref().and_then(|last| last.again),
        Some(START.plus(8 * DAY))
    );
    let mut against = walk(Rules::public(), &disagree);
    for_it.sees(8 * DAY, &bad(PKCE));
    assert_eq!(for_it.shown(), Some("C"));
    assert_eq!(for_it.looks[1].standing, Standing::Published);
    let mut early = walk(Rules::public(), &disagree);
    early.sees(7 * DAY + 5 * HOUR, &bad(PKCE));
    assert_eq!(early.shown(), Some("A"), "the third look is a day later");
    against.sees(8 * DAY, &good());
    assert_eq!(against.shown(), Some("A"));
    assert_eq!(against.looks[1].standing, Standing::NotReproduced);
}

#[test]
fn two_of_three_win() {
    let server = walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (7 * DAY, bad(PKCE), Some("A")),
            (7 * DAY + 2 * HOUR, good(), Some("A")),
            (8 * DAY, of_class(Class::Oauth), Some("A")),
        ],
    );
    assert_eq!(server.looks[1].standing, Standing::NotReproduced);
    let mut other = walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (7 * DAY, bad(PKCE), Some("A")),
            (
                7 * DAY + 2 * HOUR,
                bad(&["pkce-advertised", "asm-issuer-identical"]),
                Some("A"),
            ),
        ],
    );
    other.sees(8 * DAY, &bad(PKCE));
    assert_eq!(other.shown(), Some("C"), "what all three saw");
}

#[test]
fn a_first_scan_shows_no_letter_that_rests_on_one_look() {
    let mut server = walk(
        Rules::public(),
        &[(0, bad(PKCE), Some("N")), (2 * HOUR, bad(PKCE), Some("C"))],
    );
    let masked = &server.looks[0];
    assert_eq!(masked.answers["pkce-advertised"].reason, "unconfirmed");
    assert_eq!(masked.overrides.letter, Some(GradeLetter::C));
    server.sees(DAY, &bad(PKCE));
    assert_eq!(server.shown(), Some("C"));
    walk(
        Rules::public(),
        &[(0, bad(PKCE), Some("N")), (2 * HOUR, good(), Some("A"))],
    );
    walk(
        Rules::public(),
        &[(0, bad(&["challenge-scope-param"]), Some("A"))],
    );
}

#[test]
fn the_first_low_letter_waits_for_thirty_days() {
    let mut server = walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (7 * DAY, bad(ISSUER), Some("A")),
            (7 * DAY + 2 * HOUR, bad(ISSUER), Some("A")),
            (14 * DAY, bad(ISSUER), Some("A")),
        ],
    );
    let last = server.last.as_ref().expect("a look");
    let until = START.plus(37 * DAY + 2 * HOUR);
    assert_eq!(
        (last.reason, last.until),
        (Some(Reason::Notified), Some(until))
    );
    server.sees(37 * DAY + 2 * HOUR, &bad(ISSUER));
    assert_eq!(server.shown(), Some("F"));
    // Only the first waits.
    server.sees(40 * DAY, &good());
    server.sees(47 * DAY, &bad(ISSUER));
    server.sees(47 * DAY + 2 * HOUR, &bad(ISSUER));
    assert_eq!(server.shown(), Some("F"));
}

#[test]
fn what_was_repaired_in_time_is_never_shown() {
    let server = walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (7 * DAY, bad(ISSUER), Some("A")),
            (7 * DAY + 2 * HOUR, bad(ISSUER), Some("A")),
            (14 * DAY, good(), Some("A")),
        ],
    );
    assert_eq!(server.looks[2].standing, Standing::Withdrawn);
}

#[test]
fn further_bad_news_does_not_start_the_clock_anew() {
    let both = bad(&["asm-issuer-identical", "pkce-advertised"]);
    let server = walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (7 * DAY, bad(ISSUER), Some("A")),
            (7 * DAY + 2 * HOUR, bad(ISSUER), Some("A")),
            (30 * DAY, both.clone(), Some("A")),
            (30 * DAY + 2 * HOUR, both.clone(), Some("A")),
            (37 * DAY + 2 * HOUR, both, Some("F")),
        ],
    );
    assert_eq!(
        server.looks[5].confirmed_at,
        Some(START.plus(7 * DAY + 2 * HOUR))
    );
}

#[test]
fn what_can_be_abused_waits_for_its_repair_or_ninety_days() {
    let mut server = walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (DAY, bad(SECRET), Some("A")),
            (DAY + 2 * HOUR, bad(SECRET), Some("A")),
            (80 * DAY, bad(SECRET), Some("A")),
            (91 * DAY + 2 * HOUR, bad(SECRET), Some("F")),
        ],
    );
    let last = server.last.clone().expect("a look");
    assert_eq!(last.withheld, ["hygiene-secrets"]);
    let next = server.sees(98 * DAY, &bad(SECRET));
    assert_eq!(next.withheld, ["hygiene-secrets"], "still blank");
    assert_eq!(server.shown(), Some("F"));

    let first = walk(
        Rules::public(),
        &[
            (0, bad(SECRET), None),
            (2 * HOUR, bad(SECRET), None),
            (90 * DAY + 2 * HOUR, bad(SECRET), Some("F")),
        ],
    );
    assert_eq!(first.looks[0].standing, Standing::Published);
}

#[test]
fn unreachable_is_a_matter_of_days_and_blocked_of_scans() {
    let down = of_class(Class::Unreachable);
    let blocked = of_class(Class::Blocked);
    walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (DAY, down.clone(), Some("A")),
            (2 * DAY, down.clone(), Some("A")),
            (5 * DAY, down.clone(), Some("A")),
            (8 * DAY, down.clone(), Some("U")),
            (9 * DAY, good(), Some("A")),
            (10 * DAY, down.clone(), Some("A")),
            (17 * DAY - HOUR, good(), Some("A")),
            (17 * DAY, down, Some("A")),
        ],
    );
    walk(
        Rules::public(),
        &[
            (0, blocked.clone(), None),
            (7 * DAY, blocked.clone(), None),
            (14 * DAY, blocked, Some("X")),
        ],
    );
}

#[test]
fn another_class_is_confirmed() {
    walk(
        Rules::public(),
        &[
            (0, good(), Some("A")),
            (7 * DAY, of_class(Class::Open), Some("A")),
            (7 * DAY + 2 * HOUR, of_class(Class::Open), Some("O")),
        ],
    );
}

#[test]
fn backends_that_disagree_do_not_make_a_letter_flap() {
    let mut server = Server::new(Rules::public());
    let mut shown = Vec::new();
    for n in 0..12 {
        let sight = if n % 2 == 0 { good() } else { bad(PKCE) };
        server.sees(n * 7 * DAY, &sight);
        shown.push(server.shown());
    }
    let moves = shown.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(moves <= 1, "{shown:?}");
    let last = server.looks.last().expect("a look");
    assert_eq!(last.answers["pkce-advertised"].reason, "flapping");
    assert_eq!(last.overrides.checks[0].why, Why::Flapping);
    // Steady again, it counts again.
    for n in 12..18 {
        server.sees(n * 7 * DAY, &good());
    }
    let last = server.looks.last().expect("a look");
    assert_eq!(
        last.answers["pkce-advertised"].verdict,
        FindingVerdict::Pass
    );
}

#[test]
fn an_answer_that_could_not_be_had_is_carried_twice() {
    let mut server = walk(
        Rules::public(),
        &[
            (0, bad(PKCE), Some("N")),
            (2 * HOUR, bad(PKCE), Some("C")),
            (7 * DAY, unsure(PKCE), Some("C")),
            (14 * DAY, unsure(PKCE), Some("C")),
        ],
    );
    let one = &server.looks[3].overrides.checks[0];
    assert_eq!(
        (one.why, one.seen.reason.as_str()),
        (Why::Carried, "network")
    );
    server.sees(21 * DAY, &unsure(PKCE));
    assert_eq!(server.shown(), Some("A"), "gone from the third on");
}

#[test]
fn frozen_nothing_new_is_published() {
    let frozen = Rules {
        frozen: true,
        ..Rules::public()
    };
    let mut server = walk(
        Rules::public(),
        &[(0, bad(PKCE), Some("N")), (2 * HOUR, bad(PKCE), Some("C"))],
    );
    server.rules = frozen;
    server.sees(7 * DAY, &good());
    assert_eq!(server.shown(), Some("C"), "not even improvements");
    let last = server.last.as_ref().expect("a look");
    assert_eq!((last.reason, last.again), (Some(Reason::Frozen), None));
    server.sees(8 * DAY, &bad(PKCE));
    assert_eq!(
        server.looks[3].standing,
        Standing::Published,
        "the same as before"
    );
    server.rules = Rules::public();
    server.sees(9 * DAY, &good());
    assert_eq!(server.shown(), Some("A"));
    walk(frozen, &[(0, good(), None)]);
}

#[test]
fn a_plan_that_asks_otherwise_confirms_nothing() {
    let looks = {
        let mut held = look(&bad(PKCE), Overrides::default(), START.plus(DAY));
        held.standing = Standing::Held;
        held.plan = 0;
        vec![look(&good(), Overrides::default(), START), held]
    };
    let known = Known {
        server: "srv_01",
        looks: &looks,
        published_low: false,
    };
    let now = START.plus(DAY + 2 * HOUR);
    let newest = look(&bad(PKCE), Overrides::default(), now);
    let publication = settle(&known, &newest, now, &Rules::public());
    assert_eq!(publication.standing, Standing::Held);
}

#[test]
fn private_instances_hold_nothing() {
    let mut server = Server::new(Rules::open());
    for (n, sight) in [
        bad(SECRET),
        of_class(Class::Unreachable),
        bad(ISSUER),
        good(),
    ]
    .iter()
    .enumerate()
    {
        let n = i64::try_from(n).expect("few");
        assert_eq!(server.sees(n * HOUR, sight), &Publication::plain());
    }
}

#[test]
fn every_kind_of_bad_news_is_seen() {
    use super::News;
    let at = |sight: &Sight| look(sight, Overrides::default(), START);
    let news = bad_news(&at(&good()), &at(&bad(ISSUER)));
    assert_eq!(
        news,
        [
            News::Fail("asm-issuer-identical".into(), "absent".into()),
            News::Cap("F".into()),
            News::Letter(GradeLetter::F),
        ]
    );
    assert!(bad_news(&at(&bad(ISSUER)), &at(&good())).is_empty());
    assert!(bad_news(&at(&good()), &at(&bad(&["challenge-scope-param"]))).is_empty());
    let gone = bad_news(&at(&good()), &at(&of_class(Class::Unreachable)));
    assert_eq!(
        gone,
        [News::Badge(Badge::U), News::Class(Class::Unreachable)]
    );
    assert!(bad_news(&at(&of_class(Class::Unreachable)), &at(&good())).is_empty());
}

#[test]
fn overrides_are_written_and_read() {
    let overrides = Overrides {
        checks: vec![Override {
            check: "pkce-advertised".into(),
            why: Why::Carried,
            seen: Answer {
                verdict: FindingVerdict::Inconclusive,
                reason: "network".into(),
                severity: Severity::High,
                blocked_by: None,
            },
            stands: None,
        }],
        letter: Some(GradeLetter::C),
    };
    let text = serde_json::to_string(&overrides).expect("JSON");
    let read: Overrides = serde_json::from_str(&text).expect("the same");
    assert_eq!(read, overrides);
}
