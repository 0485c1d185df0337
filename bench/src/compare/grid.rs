//! What is run, and in which order.
//!
//! Designs take turns: all of them at one number of clients, one after the other, before the next number, so that what
//! changes on the machine meanwhile hits all alike. Runs repeat all of that. What stalls and kills do is looked at last.
//!
//! Pure. Not here: which of it this machine has and carries (`limits`, `launch`), and what was done already (`store`).

use crate::record::{Case, Design, Frames, Scenario};

/// Clients of [`Scenario::Stall`] and [`Scenario::Kill`].
pub const EVENT_CLIENTS: u16 = 10;
/// The clients of the post.
const CLIENTS: [u16; 4] = [1, 5, 10, 20];
/// And beyond it.
const MORE_CLIENTS: [u16; 3] = [50, 100, 200];

/// What of all that is wanted; what is none is the default.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub full: bool,
    pub clients: Option<Vec<u16>>,
    pub designs: Option<Vec<Design>>,
    pub frames: Option<Vec<Frames>>,
    pub scenarios: Option<Vec<Scenario>>,
    pub runs: u16,
}

/// The cases, in order.
pub fn cases(wanted: &Wanted) -> Vec<Case> {
    let clients = wanted.clients.clone().unwrap_or_else(|| {
        let more = MORE_CLIENTS.iter().filter(|_| wanted.full);
        CLIENTS.iter().chain(more).copied().collect()
    });
    let frames = wanted.frames.clone().unwrap_or_else(|| {
        let more = wanted.full.then_some(Frames::Raw640);
        [Frames::Raw160, Frames::Jpeg720]
            .into_iter()
            .chain(more)
            .collect()
    });
    let designs = |frames: Frames| {
        let all = speakers(frames).iter().copied();
        all.filter(|design| match &wanted.designs {
            Some(designs) => designs.contains(design),
            None => wanted.full || *design != Design::ProcessOf5,
        })
        .collect::<Vec<_>>()
    };
    let all = [Scenario::Steady, Scenario::Stall, Scenario::Kill];
    let scenarios = wanted.scenarios.clone().unwrap_or(all.to_vec());
    let mut cases = Vec::new();
    for run in 1..=wanted.runs {
        for &scenario in &scenarios {
            let clients = match scenario {
                Scenario::Steady => &clients[..],
                Scenario::Stall | Scenario::Kill => &[EVENT_CLIENTS],
            };
            for &frames in &frames {
                // The largest frames say nothing about an event that the others do not.
                if scenario != Scenario::Steady && frames == Frames::Raw640 {
                    continue;
                }
                for &clients in clients {
                    cases.extend(designs(frames).into_iter().map(|design| Case {
                        frames,
                        design,
                        clients,
                        scenario,
                        run,
                    }));
                }
            }
        }
    }
    cases
}

/// Who can send such frames, in the order in which they take turns.
fn speakers(frames: Frames) -> &'static [Design] {
    match frames {
        Frames::Raw160 | Frames::Raw640 => &[
            Design::Process,
            Design::Threads2017,
            Design::Thread,
            Design::Rabbitmq2019,
            Design::Multiplex,
            Design::ProcessOf5,
        ],
        Frames::Jpeg720 => &[
            Design::Process,
            Design::Forked,
            Design::Thread,
            Design::Gstreamer,
            Design::Multiplex,
            Design::Epoll,
            Design::ProcessOf5,
            Design::MjpgStreamer,
            Design::Ustreamer,
            Design::Ffmpeg,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            runs: 1,
            ..Wanted::default()
        }
    }

    #[test]
    fn the_default_is_the_posts_grid() {
        let cases = cases(&wanted());
        let steady: Vec<_> = cases
            .iter()
            .filter(|case| case.scenario == Scenario::Steady)
            .collect();
        assert_eq!(steady.len(), 4 * (5 + 9));
        assert!(steady.iter().all(|case| CLIENTS.contains(&case.clients)));
        assert!(
            cases
                .iter()
                .all(|case| case.frames != Frames::Raw640 && case.design != Design::ProcessOf5)
        );
        let events: Vec<_> = cases
            .iter()
            .filter(|case| case.scenario != Scenario::Steady)
            .collect();
        assert_eq!(events.len(), 2 * (5 + 9));
        assert!(events.iter().all(|case| case.clients == EVENT_CLIENTS));
    }

    #[test]
    fn designs_take_turns_and_runs_come_round() {
        let two = Wanted {
            runs: 2,
            ..wanted()
        };
        let cases = cases(&two);
        let half = cases.len() / 2;
        assert!(cases[..half].iter().all(|case| case.run == 1));
        assert!(cases[half..].iter().all(|case| case.run == 2));
        // Neighbours differ in nothing but the design.
        for (before, after) in cases[..half].iter().zip(&cases[1..half]) {
            let alike = Case {
                design: before.design,
                ..*after
            };
            assert!(before.design != after.design);
            assert!(alike == *before || after.design == Design::Process);
        }
    }

    #[test]
    fn more_is_more_and_less_is_less() {
        let full = Wanted {
            full: true,
            ..wanted()
        };
        let cases_of = |wanted: &Wanted| cases(wanted);
        let full = cases_of(&full);
        let has = |what: fn(&Case) -> bool| full.iter().any(what);
        assert!(has(|case| case.clients == 200));
        assert!(has(|case| case.frames == Frames::Raw640));
        assert!(has(|case| case.design == Design::ProcessOf5));
        let little = Wanted {
            clients: Some(vec![1]),
            designs: Some(vec![Design::Epoll, Design::Threads2017]),
            frames: Some(vec![Frames::Jpeg720]),
            scenarios: Some(vec![Scenario::Steady]),
            ..wanted()
        };
        let little = cases_of(&little);
        assert_eq!(little.len(), 1);
        assert_eq!(little[0].design, Design::Epoll);
    }
}
