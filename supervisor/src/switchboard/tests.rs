use worker::channel;
use worker::control::Kind;

use super::*;

const NOW: Moment = Duration::from_secs(1);

/// A switchboard with a capture process and a sender, and their ends.
fn switchboard() -> (Switchboard, Channel, Channel) {
    let mut switchboard = Switchboard::new(2);
    let (ours, capture) = channel::pair().unwrap();
    switchboard.connect(CAPTURE_CELL, ours);
    let (ours, sender) = channel::pair().unwrap();
    switchboard.connect(1, ours);
    (switchboard, capture, sender)
}

fn brightness(value: i64) -> Control {
    Control {
        name: "brightness".into(),
        label: "Brightness".into(),
        id: 0x0098_0900,
        kind: Kind::Integer,
        min: 0,
        max: 255,
        step: 1,
        default: 128,
        value,
        items: vec![],
        read_only: false,
        inactive: false,
        grabbed: false,
    }
}

fn controls(value: i64) -> Report {
    Report::Controls {
        controls: vec![brightness(value)],
        refused: vec![],
    }
}

fn list(id: u64) -> Asked {
    Asked { id, ask: Ask::List }
}

fn set(id: u64, text: &str) -> Asked {
    Asked {
        id,
        ask: Ask::Set(vec![text.parse().unwrap()]),
    }
}

fn message<T: DeserializeOwned>(channel: &Channel) -> T {
    match channel.receive() {
        Received::Message(message) => message,
        Received::Nothing => panic!("nothing was said"),
        Received::Closed => panic!("closed"),
        Received::Broken(why) => panic!("{why}"),
    }
}

fn answer(sender: &Channel, id: u64) -> Answer {
    let answered: Answered = message(sender);
    assert_eq!(answered.id, id);
    answered.answer
}

#[test]
fn what_a_sender_asks_goes_to_capture_and_back() {
    let (mut switchboard, capture, sender) = switchboard();
    capture.send(&controls(1)).unwrap();
    assert_eq!(switchboard.hear(CAPTURE_CELL, NOW), [News::Refused(vec![])]);
    sender.send(&set(7, "brightness=200")).unwrap();
    assert_eq!(switchboard.hear(1, NOW), []);
    let Order::Set { id, settings } = message(&capture) else {
        panic!();
    };
    assert!(matches!(sender.receive::<Answered>(), Received::Nothing));
    capture.send(&controls(200)).unwrap();
    let outcome = Ok(());
    capture.send(&Report::Done { id, outcome }).unwrap();
    let news = switchboard.hear(CAPTURE_CELL, NOW);
    assert_eq!(news[1], News::Set(settings));
    assert_eq!(answer(&sender, 7), Ok(vec![brightness(200)]));
}

#[test]
fn what_no_control_takes_never_reaches_capture() {
    let (mut switchboard, capture, sender) = switchboard();
    sender.send(&set(1, "brightness=1")).unwrap();
    switchboard.hear(1, NOW);
    assert!(matches!(answer(&sender, 1), Err(Refusal::Conflict(_))));
    capture.send(&controls(1)).unwrap();
    switchboard.hear(CAPTURE_CELL, NOW);
    for (id, text) in [(2, "brightness=256"), (3, "contrast=1")] {
        sender.send(&set(id, text)).unwrap();
        switchboard.hear(1, NOW);
        assert!(matches!(answer(&sender, id), Err(Refusal::Invalid(_))));
    }
    let many = vec!["brightness=1".parse().unwrap(); MOST_SETTINGS + 1];
    for (id, settings) in [(4, vec![]), (5, many)] {
        let ask = Ask::Set(settings);
        sender.send(&Asked { id, ask }).unwrap();
        switchboard.hear(1, NOW);
        assert!(matches!(answer(&sender, id), Err(Refusal::Invalid(_))));
    }
    assert!(matches!(capture.receive::<Order>(), Received::Nothing));
}

#[test]
fn a_sender_is_answered_when_capture_dies_or_is_silent() {
    let (mut switchboard, capture, sender) = switchboard();
    capture.send(&controls(1)).unwrap();
    switchboard.hear(CAPTURE_CELL, NOW);
    sender.send(&set(1, "brightness=2")).unwrap();
    switchboard.hear(1, NOW);
    switchboard.expire(NOW + Duration::from_secs(1));
    switchboard.expire(NOW + Duration::from_secs(2));
    assert_eq!(answer(&sender, 1), Err(Refusal::Busy));
    sender.send(&set(2, "brightness=2")).unwrap();
    switchboard.hear(1, NOW);
    switchboard.disconnect(CAPTURE_CELL);
    assert!(matches!(answer(&sender, 2), Err(Refusal::Conflict(_))));
    sender.send(&set(3, "brightness=2")).unwrap();
    switchboard.hear(1, NOW);
    assert!(matches!(answer(&sender, 3), Err(Refusal::Conflict(_))));
}

#[test]
fn nonsense_from_a_sender_is_ignored_and_its_questions_are_not() {
    let (mut switchboard, _capture, sender) = switchboard();
    for round in 0..3 {
        sender.send(&"give me root").unwrap();
        sender.send(&vec![u64::MAX; 99]).unwrap();
        sender.send(&list(round)).unwrap();
        for _ in 0..3 {
            switchboard.hear(1, NOW);
        }
        assert_eq!(answer(&sender, round), Ok(vec![]));
    }
    drop(sender);
    switchboard.hear(1, NOW);
    assert_eq!(switchboard.fds().count(), 1, "polled no more");
}

#[test]
fn a_sender_that_does_not_read_its_answers_holds_nobody_up_and_loses_none() {
    let (mut switchboard, capture, sender) = switchboard();
    let controls = vec![brightness(1); 250];
    let refused = vec![];
    capture
        .send(&Report::Controls { controls, refused })
        .unwrap();
    switchboard.hear(CAPTURE_CELL, NOW);
    switchboard.refreshed = Some(NOW);
    let mut asked = 0;
    while sender.send(&list(asked)).is_ok() {
        asked += 1;
        switchboard.hear(1, NOW);
    }
    let owed = |switchboard: &Switchboard| switchboard.ends[1].as_ref().unwrap().owed.len();
    assert_eq!(owed(&switchboard), 1);
    let flags: Vec<_> = switchboard.fds().map(|(_, fd)| fd.events()).collect();
    assert_eq!(flags, [PollFlags::POLLIN, PollFlags::POLLOUT]);
    for id in 0..asked {
        assert_eq!(answer(&sender, id).unwrap().len(), 250);
        switchboard.hear(1, NOW);
    }
    assert_eq!(owed(&switchboard), 0);
}

#[test]
fn a_name_that_none_can_have_is_not_said_back() {
    let (mut switchboard, capture, sender) = switchboard();
    capture.send(&controls(1)).unwrap();
    switchboard.hear(CAPTURE_CELL, NOW);
    for name in ["\u{1}".repeat(10_000), "x".repeat(MAX_NAME + 1)] {
        let settings = vec![Setting { name, value: 1 }];
        let ask = Ask::Set(settings);
        sender.send(&Asked { id: 1, ask }).unwrap();
        switchboard.hear(1, NOW);
        let Err(Refusal::Invalid(why)) = answer(&sender, 1) else {
            panic!();
        };
        assert!(why.len() < 100, "{why}");
    }
}

#[test]
fn what_is_set_late_is_remembered_all_the_same() {
    let (mut switchboard, capture, sender) = switchboard();
    capture.send(&controls(1)).unwrap();
    switchboard.hear(CAPTURE_CELL, NOW);
    sender.send(&set(1, "brightness=2")).unwrap();
    switchboard.hear(1, NOW);
    switchboard.expire(NOW + Duration::from_secs(2));
    assert_eq!(answer(&sender, 1), Err(Refusal::Busy));
    let Order::Set { id, settings } = message(&capture) else {
        panic!();
    };
    let outcome = Ok(());
    capture.send(&Report::Done { id, outcome }).unwrap();
    assert_eq!(switchboard.hear(CAPTURE_CELL, NOW), [News::Set(settings)]);
    assert!(matches!(sender.receive::<Answered>(), Received::Nothing));
}

#[test]
fn a_list_is_fresh_and_the_source_is_asked_once_a_second() {
    let (mut switchboard, capture, sender) = switchboard();
    sender.send(&list(1)).unwrap();
    switchboard.hear(1, NOW);
    assert_eq!(answer(&sender, 1), Ok(vec![]));
    capture.send(&controls(1)).unwrap();
    switchboard.hear(CAPTURE_CELL, NOW);
    for id in [2, 3] {
        sender.send(&list(id)).unwrap();
        switchboard.hear(1, NOW);
    }
    assert_eq!(answer(&sender, 3), Ok(vec![brightness(1)]));
    let Order::Set { id, settings } = message(&capture) else {
        panic!();
    };
    assert_eq!(settings, []);
    assert!(matches!(capture.receive::<Order>(), Received::Nothing));
    capture.send(&controls(9)).unwrap();
    let outcome = Ok(());
    capture.send(&Report::Done { id, outcome }).unwrap();
    let news = switchboard.hear(CAPTURE_CELL, NOW);
    assert_eq!(news, [News::Refused(vec![])]);
    assert_eq!(answer(&sender, 2), Ok(vec![brightness(9)]));
    sender.send(&list(4)).unwrap();
    switchboard.hear(1, NOW + REFRESH);
    switchboard.expire(NOW + 3 * REFRESH);
    assert_eq!(
        answer(&sender, 4),
        Ok(vec![brightness(9)]),
        "of a silent one"
    );
}

#[test]
fn rest_and_wake_are_said_once_each() {
    let (mut switchboard, capture, _sender) = switchboard();
    for rest in [false, true, true, false, false, true] {
        switchboard.rest(rest);
    }
    for order in [Order::Rest, Order::Wake, Order::Rest] {
        assert_eq!(message::<Order>(&capture), order);
    }
    assert!(matches!(capture.receive::<Order>(), Received::Nothing));
    assert!(switchboard.resting());
}
