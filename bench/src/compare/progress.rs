//! What a person sees meanwhile: one line in place on a terminal, with the time left; a line a case elsewhere.
//!
//! Not here: the report.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Characters of the bar.
const BAR: usize = 24;

/// Goes on until it is dropped.
pub struct Progress {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

/// What the line says.
#[derive(Debug, Clone)]
struct State {
    over: bool,
    done: usize,
    all: usize,
    name: String,
    /// Expected of the cases after this one.
    behind: Duration,
    /// Expected of this one.
    case: Duration,
    began: Instant,
}

impl Progress {
    /// Of so many cases, of which so many are done, that are expected to take so long.
    pub fn new(done: usize, all: usize, left: Duration) -> Progress {
        let state = Arc::new(Mutex::new(State {
            over: false,
            done,
            all,
            name: String::new(),
            behind: left,
            case: Duration::ZERO,
            began: Instant::now(),
        }));
        let shown = state.clone();
        let thread = std::io::stderr().is_terminal().then(|| {
            std::thread::spawn(move || {
                while let Some(line) = Progress::line(&shown) {
                    // A closed terminal is no reason to stop measuring.
                    let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
                    std::thread::park_timeout(Duration::from_secs(1));
                }
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            })
        });
        Progress { state, thread }
    }

    /// A case begins that is expected to take so long.
    pub fn begin(&self, name: &str, expected: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        name.clone_into(&mut state.name);
        state.behind = state.behind.saturating_sub(expected);
        state.case = expected;
        state.began = Instant::now();
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// It is done with; `what` came out.
    pub fn end(&self, what: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += 1;
        let State {
            done, all, name, ..
        } = &*state;
        let place = if self.thread.is_some() {
            "\r\x1b[K"
        } else {
            ""
        };
        let _ = writeln!(std::io::stderr(), "{place}{done}/{all} {name}: {what}");
    }

    fn line(state: &Mutex<State>) -> Option<String> {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        (!state.over).then(|| state.line(Instant::now()))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .over = true;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl State {
    fn line(&self, now: Instant) -> String {
        let left = self.behind + self.case.saturating_sub(now - self.began);
        let full = BAR * self.done / self.all.max(1);
        let bar = "#".repeat(full) + &".".repeat(BAR - full);
        let State {
            done, all, name, ..
        } = self;
        format!("[{bar}] {done}/{all} {name}, {} left", spell(left))
    }
}

/// In minutes, at the end in seconds.
pub fn spell(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_it_is_and_how_long_it_takes() {
        let began = Instant::now();
        let state = State {
            over: false,
            done: 5,
            all: 10,
            name: "raw160-process-20-steady-1".to_owned(),
            behind: Duration::from_secs(200),
            case: Duration::from_secs(30),
            began,
        };
        assert_eq!(
            state.line(began + Duration::from_secs(10)),
            "[############............] 5/10 raw160-process-20-steady-1, 4 min left"
        );
        // It takes longer than expected.
        assert!(
            state
                .line(began + Duration::from_secs(90))
                .ends_with("4 min left")
        );
        assert_eq!(spell(Duration::from_secs(99)), "99 s");
    }
}
