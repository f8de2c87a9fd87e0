//! What holds for any history.

use proptest::prelude::*;

use super::*;

fn sights() -> impl Strategy<Value = Sight> {
    let fails = proptest::sample::subsequence(CHECKS.map(|(check, ..)| check).to_vec(), 0..=3);
    let class = prop_oneof![
        8 => Just(Class::Oauth),
        1 => Just(Class::Open),
        1 => Just(Class::Unreachable),
        1 => Just(Class::Blocked),
    ];
    (class, fails, any::<bool>()).prop_map(|(class, checks, told)| Sight {
        class,
        fails: if told { checks.clone() } else { vec![] },
        unsure: if told { vec![] } else { checks },
    })
}

fn histories() -> impl Strategy<Value = Vec<(i64, Sight)>> {
    let pause = prop_oneof![Just(HOUR / 2), Just(2 * HOUR), Just(DAY), Just(7 * DAY)];
    proptest::collection::vec((pause, sights()), 1..30)
}

proptest! {
    /// Nobody is shown a grave failure, a class or silence that one look alone saw.
    #[test]
    fn what_is_shown_was_seen_twice(history in histories()) {
        let mut server = Server::new(Rules::public());
        let mut seen: Vec<(i64, Sight)> = Vec::new();
        let mut at = 0;
        for (pause, sight) in history {
            at += pause;
            let before = server.looks.iter().rev().find(|l| l.standing == Standing::Published).cloned();
            server.sees(at, &sight);
            seen.push((at, sight.clone()));
            let newest = server.looks.last().expect("a look");
            if newest.standing != Standing::Published {
                continue;
            }
            let twice = |wanted: &dyn Fn(&Sight) -> bool| {
                seen.iter().any(|(then, one)| *then + HOUR <= at && wanted(one))
            };
            for (check, answer) in &newest.answers {
                let fails = answer.verdict == FindingVerdict::Fail && answer.severity >= Severity::High;
                if fails {
                    prop_assert!(twice(&|one| one.fails.contains(&check.as_str())), "{check}");
                }
            }
            if matches!(newest.class, Class::Unreachable | Class::Blocked) {
                prop_assert!(twice(&|one| one.class == newest.class));
            }
            if let Some(before) = before
                && newest.class != before.class
                && !matches!(before.class, Class::Unreachable | Class::Blocked)
            {
                prop_assert!(twice(&|one| one.class == newest.class));
            }
        }
    }

    /// Whatever happened before, a server that keeps still is shown as it is: within the longest
    /// hold and a few scans.
    #[test]
    fn a_steady_server_is_shown_as_it_is(history in histories(), last in sights()) {
        let mut server = Server::new(Rules::public());
        let mut at = 0;
        for (pause, sight) in history {
            at += pause;
            server.sees(at, &sight);
        }
        for _ in 0..(95 / 5 + 8) {
            at += 5 * DAY;
            server.sees(at, &last);
        }
        let newest = server.looks.last().expect("a look");
        prop_assert_eq!(newest.standing, Standing::Published);
        prop_assert_eq!(newest.class, last.class);
        for check in &last.fails {
            if newest.badge.is_none() {
                prop_assert_eq!(newest.answers[*check].verdict, FindingVerdict::Fail);
            }
        }
        prop_assert!(newest.overrides.letter.is_none());
    }

    /// Equal histories lead to equal ends, and nothing is decided twice.
    #[test]
    fn settling_is_a_function(history in histories()) {
        let run = |rules: Rules| {
            let mut server = Server::new(rules);
            let mut at = 0;
            for (pause, sight) in &history {
                at += pause;
                server.sees(at, sight);
            }
            server.looks
        };
        prop_assert_eq!(run(Rules::public()), run(Rules::public()));
        let open = run(Rules::open()).iter().all(|look| {
            look.standing == Standing::Published && look.overrides.is_empty()
        });
        prop_assert!(open);
    }

    /// Better news never waits: a result without bad news is shown when it is filed.
    #[test]
    fn improvements_are_shown_at_once(history in histories()) {
        let mut server = Server::new(Rules::public());
        let mut at = 0;
        for (pause, sight) in &history {
            at += pause;
            server.sees(at, sight);
        }
        let shown_class = server.looks.iter().rev()
            .find(|look| look.standing == Standing::Published).map(|look| look.class);
        // A class is no improvement, and after quarrels the answers may count as flapping.
        if shown_class == Some(Class::Oauth) || shown_class.is_none() {
            server.sees(at + DAY, &good());
            let newest = server.looks.last().expect("a look");
            prop_assert_eq!(newest.standing, Standing::Published);
        }
    }
}
