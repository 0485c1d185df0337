//! Messages from a sender that was taken over: no panic, capture is told nothing that it does not
//! take, and who asks something is answered once.
#![no_main]

// The supervisor is a program: no library has these.
#[path = "../../supervisor/src/errands.rs"]
mod errands;
#[allow(dead_code)]
#[path = "../../supervisor/src/policy.rs"]
mod policy;
#[allow(dead_code)]
#[path = "../../supervisor/src/switchboard.rs"]
mod switchboard;

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use nix::sys::socket::{MsgFlags, send};
use worker::channel::{self, Received};
use worker::control::{self, Control, Kind, MOST_SETTINGS, Setting};
use worker::message::{Answered, Ask, Asked, Order, Report};
use worker::{CAPTURE_CELL, Channel};

use crate::switchboard::Switchboard;

const NAMES: [&str; 4] = ["brightness", "reset", "hue", "no such\n"];

fn controls() -> Vec<Control> {
    let control = |name: &str, kind| Control {
        name: name.into(),
        label: name.into(),
        id: 1,
        kind,
        min: 0,
        max: 255,
        step: 1,
        default: 128,
        value: 128,
        items: vec![],
        read_only: false,
        inactive: false,
        grabbed: false,
    };
    let kinds = [Kind::Integer, Kind::Button];
    NAMES
        .iter()
        .zip(kinds)
        .map(|(name, kind)| control(name, kind))
        .collect()
}

/// Any bytes, or what a sender could say: of a name and a value each.
fn message(id: u64, bytes: Vec<u8>, settings: Option<Vec<(u8, i64)>>) -> Vec<u8> {
    let Some(settings) = settings else {
        return bytes;
    };
    let setting = |&(name, value): &(u8, i64)| Setting {
        name: NAMES[usize::from(name) % NAMES.len()].into(),
        value,
    };
    let settings: Vec<_> = settings.iter().map(setting).collect();
    let ask = match settings.is_empty() {
        true => Ask::List,
        false => Ask::Set(settings),
    };
    serde_json::to_vec(&Asked { id, ask }).expect("it is JSON")
}

fn answers(sender: &Channel) -> usize {
    std::iter::from_fn(|| match sender.receive::<Answered>() {
        Received::Message(answered) => Some(answered),
        Received::Nothing => None,
        other => panic!("{other:?}"),
    })
    .count()
}

fuzz_target!(|input: (bool, Vec<(Vec<u8>, Option<Vec<(u8, i64)>>)>)| {
    let (is_silent, messages) = input;
    let controls = controls();
    let mut switchboard = Switchboard::new(2);
    let (ours, capture) = channel::pair().expect("sockets");
    switchboard.connect(CAPTURE_CELL, ours);
    let (ours, sender) = channel::pair().expect("sockets");
    switchboard.connect(1, ours);
    let report = Report::Controls {
        controls: controls.clone(),
        refused: vec![],
    };
    capture.send(&report).expect("room");
    let mut now = Duration::ZERO;
    switchboard.hear(CAPTURE_CELL, now);

    let (mut asked, mut answered) = (0, 0);
    for (id, (bytes, settings)) in messages.into_iter().enumerate() {
        let message = message(id as u64, bytes, settings);
        if message.is_empty() {
            continue; // a packet without bytes looks like the end
        }
        asked += usize::from(serde_json::from_slice::<Asked>(&message).is_ok());
        let sent = send(sender.as_fd().as_raw_fd(), &message, MsgFlags::MSG_NOSIGNAL);
        sent.expect("room");
        now += Duration::from_millis(300);
        switchboard.hear(1, now);
        while let Received::Message(order) = capture.receive() {
            let Order::Set { id, settings } = order else {
                panic!("{order:?}");
            };
            assert!(settings.len() <= MOST_SETTINGS);
            assert!(
                settings
                    .iter()
                    .all(|setting| control::check(&controls, setting).is_ok())
            );
            if !is_silent {
                let outcome = Ok(());
                capture.send(&Report::Done { id, outcome }).expect("room");
                switchboard.hear(CAPTURE_CELL, now);
            }
        }
        switchboard.expire(now);
        answered += answers(&sender);
    }
    switchboard.expire(now + Duration::from_secs(2));
    assert_eq!(answered + answers(&sender), asked);
});
