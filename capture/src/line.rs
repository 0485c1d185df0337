//! The capture process's line to the supervisor: what it is told, whether it is to rest, what its
//! source's controls are set to, and what it says of them.
//!
//! Not here: closing and opening the source ([`crate::run`]), which values a control takes
//! (`worker::control`), and any control itself.

use std::collections::{HashSet, VecDeque};
use std::thread;
use std::time::Duration;

use worker::Channel;
use worker::channel::{MAX_MESSAGE, Received, Unsent};
use worker::control::{self, Control, Setting};
use worker::message::{Order, Report};

use crate::source::Controls;

/// Bytes of JSON that all controls of a source may take: one message, and room for what is around.
const MOST: usize = MAX_MESSAGE - 8 * 1024;

/// Bytes of all sentences on what was refused: what the board has room for.
const MOST_REFUSED: usize = 512;

/// This end of it.
pub(crate) struct Line<'a> {
    channel: &'a Channel,
    resting: bool,
    /// What the source's controls are set to when it is opened.
    settings: Vec<Setting>,
    /// What could not be set when it was opened last: sentences.
    refused: Vec<String>,
    /// Those that were said.
    said: HashSet<String>,
    /// What the supervisor had no room for yet. Few: no order is taken while there are any.
    unsent: VecDeque<Report>,
    /// The other end is gone, and soon this process, too (`PR_SET_PDEATHSIG`).
    dead: bool,
}

impl<'a> Line<'a> {
    /// Of a process that begins at rest, or not.
    pub fn new(channel: &'a Channel, resting: bool, settings: Vec<Setting>) -> Line<'a> {
        Line {
            channel,
            resting,
            settings,
            refused: Vec::new(),
            said: HashSet::new(),
            unsent: VecDeque::new(),
            dead: false,
        }
    }

    /// The next order, if one is there and all was reported of those before it.
    pub fn next(&mut self) -> Option<Order> {
        self.flush();
        while !self.dead && self.unsent.is_empty() {
            match self.channel.receive() {
                Received::Message(order) => return Some(order),
                Received::Nothing => break,
                Received::Closed => self.dead = true,
                Received::Broken(why) => tracing::error!("an order that cannot be read: {why}"),
            }
        }
        None
    }

    /// Waits for one, at most so long; a signal ends the wait, too.
    pub fn wait(&self, limit: Duration) {
        if self.dead || !self.unsent.is_empty() {
            thread::sleep(limit);
        } else {
            self.channel.wait(limit);
        }
    }

    /// Whether the source is to be closed.
    pub fn resting(&self) -> bool {
        self.resting
    }

    /// Does what is ordered, as far as it can be done here. `controls` are those of the open source;
    /// `beat` shows life after each that was set.
    pub fn follow(&mut self, order: Order, controls: Option<&mut dyn Controls>, beat: &dyn Fn()) {
        match order {
            Order::Rest => self.resting = true,
            Order::Wake => self.resting = false,
            Order::Set { id, settings } => {
                let outcome = match controls {
                    Some(controls) => self.set(controls, &settings, beat),
                    None => Err("There is no camera at the moment.".to_owned()),
                };
                self.report(Report::Done { id, outcome });
            }
        }
    }

    /// The source was opened: sets what is to be set, and says what there is. What it does not take
    /// is said, and no reason not to show its picture. `beat` as in [`follow`](Self::follow).
    pub fn opened(&mut self, controls: Option<&mut dyn Controls>, beat: &dyn Fn()) {
        let mut refused = Vec::new();
        let controls = match controls {
            Some(controls) => {
                for setting in &self.settings {
                    // Listed anew: one may change what another takes.
                    let set = control::check(&controls.list(), setting)
                        .and_then(|()| controls.set(&setting.name, setting.value));
                    beat();
                    refused.extend(set.err());
                }
                controls.list()
            }
            None => {
                let checks = self
                    .settings
                    .iter()
                    .map(|setting| control::check(&[], setting));
                refused.extend(checks.filter_map(Result::err));
                Vec::new()
            }
        };
        for why in &refused {
            if self.said.insert(why.clone()) {
                tracing::warn!("control not set: {why}");
            }
        }
        self.refused = fitted(refused);
        self.say(controls);
    }

    /// It was closed.
    pub fn closed(&mut self) {
        self.report(Report::Closed);
    }

    /// Sets all or, where one is not to be had as they are now, none. Only the device itself can stop
    /// it halfway; what was set before that stays so, here, too.
    fn set(
        &mut self,
        controls: &mut dyn Controls,
        settings: &[Setting],
        beat: &dyn Fn(),
    ) -> Result<(), String> {
        let before = controls.list();
        let check = |setting| control::check(&before, setting);
        if let Err(why) = settings.iter().try_for_each(check) {
            self.say(before);
            return Err(why);
        }
        let mut done = 0;
        let outcome = settings.iter().try_for_each(|Setting { name, value }| {
            let set = controls.set(name, *value);
            beat();
            done += usize::from(set.is_ok());
            set
        });
        let done = &settings[..done];
        control::remember(&mut self.settings, &control::lasting(&before, done));
        self.say(controls.list());
        outcome.map_err(|why: String| {
            if done.is_empty() {
                return why;
            }
            let names: Vec<_> = done.iter().map(|setting| setting.name.as_str()).collect();
            format!("{why}; set before that: {}", names.join(", "))
        })
    }

    fn say(&mut self, mut controls: Vec<Control>) {
        let (mut room, all) = (MOST, controls.len());
        let fits = |control: &Control| {
            let len = serde_json::to_vec(control).map_or(MOST, |json| json.len() + 1);
            room = room.saturating_sub(len);
            room > 0
        };
        let shown = controls.iter().map(fits).take_while(|fits| *fits).count();
        if shown < all {
            tracing::debug!("the source has {all} controls, too many to show");
        }
        controls.truncate(shown);
        let refused = self.refused.clone();
        self.report(Report::Controls { controls, refused });
    }

    /// Reports it now, or as soon as there is room: of each kind the last.
    fn report(&mut self, report: Report) {
        let is_done = |report: &Report| matches!(report, Report::Done { .. });
        let mut unsent = self.unsent.iter_mut();
        match unsent.find(|unsent| is_done(unsent) == is_done(&report)) {
            Some(unsent) => *unsent = report,
            None => self.unsent.push_back(report),
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(report) = self.unsent.front() {
            match self.channel.send(report) {
                Err(Unsent::Full) => return,
                Err(e) => tracing::debug!("the supervisor cannot be told: {e}"),
                Ok(()) => {}
            }
            self.unsent.pop_front();
        }
    }
}

/// As many of them as there is room for, the last one cut.
fn fitted(sentences: Vec<String>) -> Vec<String> {
    let mut room = MOST_REFUSED;
    let mut fitted = Vec::new();
    for mut sentence in sentences {
        let between = 2;
        if sentence.len() + between <= room {
            room -= sentence.len() + between;
            fitted.push(sentence);
            continue;
        }
        let most = room.saturating_sub('…'.len_utf8()).min(sentence.len());
        let end = (0..=most).rev().find(|&at| sentence.is_char_boundary(at));
        sentence.truncate(end.unwrap_or(0));
        fitted.push(sentence + "…");
        break;
    }
    fitted
}

#[cfg(test)]
mod tests {
    use worker::channel;
    use worker::control::Kind;

    use super::*;

    /// A source whose `auto` makes `gain` one that cannot be set.
    #[derive(Default)]
    struct Fake {
        auto: i64,
        gain: i64,
        pressed: u32,
        /// Fails where `gain` is to be set to that.
        breaks_at: Option<i64>,
        listed: u32,
    }

    fn beat() {}

    impl Controls for Fake {
        fn list(&mut self) -> Vec<Control> {
            self.listed += 1;
            let control = |name: &str, kind, max, value| Control {
                name: name.into(),
                label: name.into(),
                id: 1,
                kind,
                min: 0,
                max,
                step: 1,
                default: 0,
                value,
                items: Vec::new(),
                read_only: false,
                inactive: name == "gain" && self.auto == 1,
                grabbed: false,
            };
            vec![
                control("auto", Kind::Boolean, 1, self.auto),
                control("gain", Kind::Integer, 100, self.gain),
                control("reset", Kind::Button, 0, 0),
            ]
        }

        fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
            match name {
                "auto" => self.auto = value,
                "gain" if self.auto == 1 => return Err("gain: not while auto is on".into()),
                "gain" if self.breaks_at == Some(value) => return Err("gain: broken".into()),
                "gain" => self.gain = value,
                _ => self.pressed += 1,
            }
            Ok(())
        }
    }

    fn settings(texts: &[&str]) -> Vec<Setting> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn reports(channel: &Channel) -> Vec<Report> {
        let next = || match channel.receive() {
            Received::Message(report) => Some(report),
            _ => None,
        };
        std::iter::from_fn(next).collect()
    }

    fn order(id: u64, texts: &[&str]) -> Order {
        Order::Set {
            id,
            settings: settings(texts),
        }
    }

    #[test]
    fn sets_what_it_can_at_each_opening_and_says_what_it_cannot() {
        let (supervisor, channel) = channel::pair().unwrap();
        let asked = settings(&["gain=7", "hue=1", "gain=101", "auto=1"]);
        let mut line = Line::new(&channel, false, asked);
        for _ in 0..2 {
            let mut fake = Fake::default();
            line.opened(Some(&mut fake), &beat);
            assert_eq!((fake.auto, fake.gain), (1, 7));
            let said = reports(&supervisor);
            let [Report::Controls { controls, refused }] = &said[..] else {
                panic!("{said:?}");
            };
            assert!(controls[1].inactive, "what one changes of another shows");
            assert_eq!(refused.len(), 2);
            assert!(refused[0].contains("hue"), "{refused:?}");
            assert!(refused[1].contains("0 to 100"), "{refused:?}");
        }
        line.opened(None, &beat);
        let said = reports(&supervisor);
        let [Report::Controls { controls, refused }] = &said[..] else {
            panic!("{said:?}");
        };
        assert_eq!((controls.len(), refused.len()), (0, 4));
    }

    #[test]
    fn an_order_is_reported_and_lasts_over_the_next_opening() {
        let (supervisor, channel) = channel::pair().unwrap();
        let mut line = Line::new(&channel, false, settings(&["gain=7"]));
        let mut fake = Fake::default();
        line.follow(order(1, &["gain=9", "reset=1"]), Some(&mut fake), &beat);
        let said = reports(&supervisor);
        assert!(matches!(&said[0], Report::Controls { controls, .. } if controls[1].value == 9));
        let done = |id| Report::Done {
            id,
            outcome: Ok(()),
        };
        assert_eq!(said[1..], [done(1)]);
        let mut next = Fake::default();
        line.opened(Some(&mut next), &beat);
        assert_eq!(
            (next.gain, next.pressed),
            (9, 0),
            "no button is pressed again"
        );
    }

    #[test]
    fn what_fails_is_reported_and_so_is_a_closed_source() {
        let (supervisor, channel) = channel::pair().unwrap();
        let mut line = Line::new(&channel, false, Vec::new());
        let mut fake = Fake {
            auto: 1,
            ..Fake::default()
        };
        line.follow(order(1, &["gain=9"]), Some(&mut fake), &beat);
        line.follow(order(2, &["gain=9"]), None, &beat);
        let failed = |report: &Report| {
            matches!(
                report,
                Report::Done {
                    outcome: Err(_),
                    ..
                }
            )
        };
        let said = reports(&supervisor);
        assert_eq!(said.iter().filter(|report| failed(report)).count(), 2);
    }

    #[test]
    fn all_are_set_or_where_one_is_not_to_be_had_none() {
        let (supervisor, channel) = channel::pair().unwrap();
        let mut line = Line::new(&channel, false, Vec::new());
        let mut fake = Fake::default();
        for bad in ["gain=101", "hue=1"] {
            line.follow(order(1, &["auto=1", bad]), Some(&mut fake), &beat);
        }
        assert_eq!((fake.auto, fake.listed), (0, 2));
        assert_eq!(line.settings, []);
        let outcomes = |said: Vec<Report>| -> Vec<String> {
            let outcome = |report| match report {
                Report::Done { outcome, .. } => outcome.err(),
                _ => None,
            };
            said.into_iter().filter_map(outcome).collect()
        };
        let said = outcomes(reports(&supervisor));
        assert!(said[0].contains("0 to 100"), "{said:?}");
        assert!(said[1].contains("no control hue"), "{said:?}");
        // But for the device itself.
        fake.breaks_at = Some(9);
        let beats = std::cell::Cell::new(0);
        let count = || beats.set(beats.get() + 1);
        let asked = order(3, &["gain=8", "reset=1", "gain=9", "auto=1"]);
        line.follow(asked, Some(&mut fake), &count);
        assert_eq!((fake.auto, fake.gain, beats.get()), (0, 8, 3));
        assert_eq!(line.settings, settings(&["gain=8"]));
        let said = outcomes(reports(&supervisor));
        assert_eq!(said, ["gain: broken; set before that: gain, reset"]);
        assert_eq!(fake.listed, 2 + 2, "before and after");
    }

    #[test]
    fn what_there_is_no_room_for_is_said_later_and_no_order_taken_before() {
        let (supervisor, channel) = channel::pair().unwrap();
        let mut line = Line::new(&channel, false, Vec::new());
        let long = "x".repeat(MAX_MESSAGE - 2);
        while channel.send(&long).is_ok() {}
        while channel.send(&"x").is_ok() {}
        let mut fake = Fake::default();
        line.opened(Some(&mut fake), &beat);
        line.follow(order(1, &["gain=9"]), Some(&mut fake), &beat);
        supervisor.send(&Order::Rest).unwrap();
        assert_eq!(line.next(), None);
        while !matches!(supervisor.receive::<String>(), Received::Nothing) {}
        assert_eq!(line.next(), Some(Order::Rest));
        let said = reports(&supervisor);
        assert!(matches!(&said[0], Report::Controls { controls, .. } if controls[1].value == 9));
        assert!(
            matches!(said[1..], [Report::Done { id: 1, .. }]),
            "{said:?}"
        );
    }

    #[test]
    fn what_was_refused_is_cut_to_what_there_is_room_for() {
        let short = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(fitted(short.clone()), short);
        let long = vec!["a".to_owned(), "é".repeat(MOST_REFUSED), "b".to_owned()];
        let cut = fitted(long);
        assert_eq!(cut.len(), 2);
        assert!(cut[1].ends_with("é…"), "{cut:?}");
        assert!((MOST_REFUSED - 3..=MOST_REFUSED).contains(&cut.join("; ").len()));
        let full = fitted(vec!["x".repeat(MOST_REFUSED - 2), "y".to_owned()]);
        assert!(full.join("; ").len() <= MOST_REFUSED + 3, "{full:?}");
    }

    #[test]
    fn rests_and_wakes_as_told() {
        let (supervisor, channel) = channel::pair().unwrap();
        let mut line = Line::new(&channel, true, Vec::new());
        supervisor.send(&Order::Wake).unwrap();
        supervisor.send(&"nonsense").unwrap();
        supervisor.send(&Order::Rest).unwrap();
        let mut seen = vec![line.resting()];
        while let Some(order) = line.next() {
            line.follow(order, None, &beat);
            seen.push(line.resting());
        }
        assert_eq!(seen, [true, false, true]);
    }
}
