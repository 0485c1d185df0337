//! The check of a request's header against the users.
//!
//! A right header is remembered, as a digest under a key that lives in memory alone, so that a page
//! that asks once a second is not hashed each time: each process hashes a user's once. How long a
//! check takes says nothing of who the users are: an unknown one costs as much as the costliest that is there,
//! names are compared by digests, and all of them. What is left of a difference is covered by the wait that follows.
//!
//! Not here: what becomes of who is wrong (`connection`).

use std::fmt;
use std::hint::black_box;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::basic::Authorization;
use super::users::{User, Users};

/// Between two lines of the log about wrong passwords.
const COMPLAIN: Duration = Duration::from_secs(10);

type Digest = [u8; 32];

/// The users, and the key that all processes of an instance have.
#[derive(Clone)]
pub struct Auth {
    users: Users,
    key: [u8; 32],
    /// Of the users' names, in their order.
    names: Vec<Digest>,
}

impl Auth {
    /// With a key of its own; to be made before processes are forked.
    ///
    /// # Errors
    /// Those of `getrandom(2)`.
    pub fn new(users: Users) -> io::Result<Auth> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::from)?;
        let of_name = |user: &User| digest(&key, b'u', user.name.as_bytes());
        let names = users.all().iter().map(of_name).collect();
        Ok(Auth { users, key, names })
    }

    /// Whose name and password these are. Takes some milliseconds.
    pub fn recognise(&self, authorization: &Authorization) -> Option<&User> {
        self.users.all().get(self.index(authorization)?)
    }

    fn index(&self, authorization: &Authorization) -> Option<usize> {
        let credentials = authorization.credentials()?;
        let name = digest(&self.key, b'u', &credentials.name);
        let mut found = None;
        for (index, known) in self.names.iter().enumerate() {
            if *known == name {
                found = Some(index);
            }
        }
        let user = match found {
            Some(index) => self.users.all().get(index),
            None => self.users.costliest(),
        };
        // Hashed before it is asked whether there is such a user at all.
        let matches = black_box(user?.has_password(&credentials.password));
        found.filter(|_| matches)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth({:?})", self.users)
    }
}

fn digest(key: &[u8; 32], what: u8, bytes: &[u8]) -> Digest {
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(&[what]);
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// What a request shows of who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown<'a> {
    /// No name and password, or in no form that is known here.
    Nothing,
    /// A name and a password that do not belong together.
    Wrong,
    /// That it is this user.
    User(&'a User),
}

/// The check, and what one process remembers of it.
pub(crate) struct Guard<'a> {
    auth: &'a Auth,
    /// Of each user the header that was right last.
    known: Mutex<Vec<Option<Digest>>>,
    complaints: Mutex<Complaints>,
}

impl<'a> Guard<'a> {
    pub fn new(auth: &'a Auth) -> Self {
        Guard {
            auth,
            known: Mutex::new(vec![None; auth.users.count()]),
            complaints: Mutex::default(),
        }
    }

    /// Who it is. Takes some milliseconds unless it was here before.
    pub fn recognise(&self, authorization: Option<&Authorization>) -> Shown<'a> {
        let Some(authorization) = authorization else {
            return Shown::Nothing;
        };
        let shown = digest(&self.auth.key, b'h', authorization.as_bytes());
        // Digests under an unknown key: how far they agree tells nobody anything.
        let known = lock(&self.known)
            .iter()
            .position(|&known| known == Some(shown));
        let index = known.or_else(|| {
            let index = self.auth.index(authorization)?;
            lock(&self.known)[index] = Some(shown);
            Some(index)
        });
        match index.and_then(|index| self.auth.users.all().get(index)) {
            Some(user) => Shown::User(user),
            None if authorization.credentials().is_none() => Shown::Nothing,
            None => Shown::Wrong,
        }
    }

    /// Somebody was wrong: that is logged, but not each time. Never with the name: people type
    /// their password there.
    pub fn complain(&self, peer: &dyn fmt::Display, now: Instant) {
        match lock(&self.complaints).add(now) {
            None => {}
            Some(1) => tracing::warn!("{peer}: wrong name or password"),
            Some(count) => {
                tracing::warn!(
                    "{peer}: wrong name or password; the {count}th since this was last said"
                );
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When the next line may be, and what came in between.
#[derive(Debug, Default)]
struct Complaints {
    next: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    /// One more. How many there were since the last line, if it is time for the next.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + COMPLAIN);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::super::users::{Rights, line};
    use super::*;

    fn header(text: &str) -> Option<Authorization> {
        let encoded = BASE64_STANDARD.encode(text);
        Some(Authorization::new(format!("Basic {encoded}").as_bytes()))
    }

    fn auth() -> Auth {
        let line = |name, password, rights| line(name, password, rights, [7; 12]).unwrap();
        let lines = [
            line("ann", "apple", Rights::View),
            line("bob", "berry: 🍓", Rights::Control),
        ];
        Auth::new(Users::parse(lines.join("\n").as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn who_is_who() {
        let auth = auth();
        let guard = Guard::new(&auth);
        let name = |shown| match shown {
            Shown::User(user) => user.name.clone(),
            other => format!("{other:?}"),
        };
        // Twice: what is remembered of one says nothing of another.
        for _ in 0..2 {
            for (text, want) in [
                ("ann:apple", "ann"),
                ("bob:berry: 🍓", "bob"),
                ("ann:berry: 🍓", "Wrong"),
                ("ann:", "Wrong"),
                ("ann:Apple", "Wrong"),
                ("Ann:apple", "Wrong"),
                ("eve:apple", "Wrong"),
                (":", "Wrong"),
                ("ann", "Nothing"),
            ] {
                assert_eq!(name(guard.recognise(header(text).as_ref())), want, "{text}");
            }
        }
        assert_eq!(guard.recognise(None), Shown::Nothing);
        let long = format!("ann:{}", "x".repeat(5000));
        assert_eq!(guard.recognise(header(&long).as_ref()), Shown::Wrong);
    }

    #[test]
    fn what_was_right_is_remembered_and_what_was_wrong_is_not() {
        let auth = auth();
        let guard = Guard::new(&auth);
        guard.recognise(header("ann:apple").as_ref());
        guard.recognise(header("bob:wrong").as_ref());
        let known: Vec<_> = lock(&guard.known).iter().map(Option::is_some).collect();
        assert_eq!(known, [true, false]);
        // Another process's key makes another digest of it.
        let other = Auth::new(auth.users.clone()).unwrap();
        assert_ne!(
            digest(&auth.key, b'h', b"x"),
            digest(&other.key, b'h', b"x")
        );
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?}", auth());
        assert_eq!(
            shown,
            "Auth(Users([User(\"ann\", View), User(\"bob\", Control)]))"
        );
    }

    #[test]
    fn not_each_is_logged() {
        let mut complaints = Complaints::default();
        let now = Instant::now();
        assert_eq!(complaints.add(now), Some(1));
        assert_eq!(complaints.add(now), None);
        assert_eq!(complaints.add(now + COMPLAIN / 2), None);
        assert_eq!(complaints.add(now + COMPLAIN), Some(3));
        assert_eq!(complaints.add(now + COMPLAIN * 2), Some(1));
    }

    /// What a check costs: `cargo test --release -p sender --lib what_a_check_costs -- --ignored --nocapture`.
    #[test]
    #[ignore = "it measures: run it by itself, in release"]
    fn what_a_check_costs() {
        let auth = auth();
        let guard = Guard::new(&auth);
        let long = format!("ann:{}", "x".repeat(256));
        for (what, header) in [
            ("a wrong password", header("ann:wrong")),
            ("an unknown user", header("eve:wrong")),
            ("a wrong password of 256 bytes", header(&long)),
            ("a right one, remembered", header("ann:apple")),
        ] {
            guard.recognise(header.as_ref());
            let mut times: Vec<_> = (0..101)
                .map(|_| {
                    let began = Instant::now();
                    black_box(guard.recognise(header.as_ref()));
                    began.elapsed()
                })
                .collect();
            times.sort();
            println!("{what}: {:?}, at most {:?}", times[50], times[100]);
        }
    }
}
