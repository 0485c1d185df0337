//! The users and their rights: the lines of `--auth-file`, `USER:HASH[:RIGHTS]`, read and written.
//! HASH is that of `openssl passwd -6`, `mkpasswd -m sha-512` and /etc/shadow: SHA-crypt (Ulrich
//! Drepper, "Unix crypt using SHA-256 and SHA-512").
//!
//! Not here: where the file is and who else can read it (`supervisor`), requests (`guard`).

use std::collections::HashMap;
use std::fmt;

use sha_crypt::{PasswordHasher as _, PasswordVerifier as _, ShaCrypt};

/// The most bytes of a user's name: as of a system's.
pub const MAX_NAME: usize = 32;
/// The most bytes of a password: to hash a longer one takes longer, whoever sends it.
pub const MAX_PASSWORD: usize = 256;
/// The most users: each request with a new password looks at all of them.
const MAX_USERS: usize = 1000;
/// Rounds of a hash where it does not say (SHA-crypt).
const ROUNDS: u32 = 5000;
/// What a hash may say of them: the least by SHA-crypt; the most, some 40 ms: where one process has
/// several viewers, they wait for it.
const ALLOWED_ROUNDS: std::ops::RangeInclusive<u32> = 1000..=100_000;
/// The most characters of a salt (SHA-crypt).
const MAX_SALT: usize = 16;
/// So many bad lines are named.
const NAMED: usize = 20;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// Look.
    View,
    /// Look, and set controls.
    Control,
}

/// One user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// 1 to [`MAX_NAME`] bytes, without colons and control characters.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    hash: String,
    rounds: u32,
}

/// All that the file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users(Vec<User>);

/// What is wrong with a file: its bad lines by number, from 1, each with a sentence that gives away
/// nothing of the line; no line: it names nobody.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct BadLines(Vec<(usize, &'static str)>);

impl fmt::Display for BadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("it names nobody: `seqcast password USER` makes a line for it");
        }
        for (at, (number, why)) in self.0.iter().take(NAMED).enumerate() {
            let before = if at == 0 { "" } else { "; " };
            write!(f, "{before}line {number}: {why}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Users {
    /// Reads the file: a user a line; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// Every bad line.
    pub fn parse(text: &[u8]) -> Result<Users, BadLines> {
        let mut users: Vec<User> = Vec::new();
        let mut names = HashMap::new();
        let mut bad = Vec::new();
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            match read_line(line) {
                Ok(None) => {}
                Ok(Some(user)) if names.insert(user.name.clone(), number).is_some() => {
                    bad.push((number, "this user is named in a line above, too"));
                }
                Ok(Some(_)) if users.len() == MAX_USERS => {
                    bad.push((number, "there are 1000 users already"));
                    break;
                }
                Ok(Some(user)) => users.push(user),
                Err(why) => bad.push((number, why)),
            }
        }
        if bad.is_empty() && !users.is_empty() {
            Ok(Users(users))
        } else {
            Err(BadLines(bad))
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many of them may set controls.
    pub fn controlling(&self) -> usize {
        let may = |user: &&User| user.rights == Rights::Control;
        self.0.iter().filter(may).count()
    }

    pub(super) fn all(&self) -> &[User] {
        &self.0
    }

    /// The user whose password takes longest to check: what an unknown one costs.
    pub(super) fn costliest(&self) -> Option<&User> {
        self.0.iter().max_by_key(|user| user.rounds)
    }
}

impl User {
    /// Whether that is the password. Takes some milliseconds, as long for a right one as for a
    /// wrong one.
    pub(super) fn has_password(&self, password: &[u8]) -> bool {
        password.len() <= MAX_PASSWORD
            && ShaCrypt::default()
                .verify_password(password, self.hash.as_str())
                .is_ok()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({:?}, {:?})", self.name, self.rights)
    }
}

/// Whether a user may be called so.
///
/// # Errors
/// A sentence's end that says why not.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("the user has no name")
    } else if name.len() > MAX_NAME {
        Err("the user's name is over 32 bytes")
    } else if name.contains(':') {
        Err("a user's name has no colon") // RFC 7617 section 2
    } else if name.contains(char::is_control) {
        Err("the user's name has control characters")
    } else if name.trim() != name || name.starts_with('#') {
        Err("a user's name begins and ends with no space, nor begins with #")
    } else {
        Ok(())
    }
}

/// Whether that can be a password.
///
/// # Errors
/// A sentence's end that says why not.
pub fn check_password(password: &str) -> Result<(), &'static str> {
    if password.is_empty() {
        Err("the password is empty")
    } else if password.len() > MAX_PASSWORD {
        Err("the password is over 256 bytes")
    } else if password.contains(char::is_control) {
        Err("the password has control characters") // RFC 7617 section 2
    } else {
        Ok(())
    }
}

/// The line of the file for a user; `salt`: random bytes, for this hash alone.
///
/// # Errors
/// Those of [`check_name`] and [`check_password`].
pub fn line(
    name: &str,
    password: &str,
    rights: Rights,
    salt: [u8; 12],
) -> Result<String, &'static str> {
    check_name(name)?;
    check_password(password)?;
    let hash = ShaCrypt::SHA512
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| "the password cannot be hashed")?;
    let rights = match rights {
        Rights::View => "",
        Rights::Control => ":control",
    };
    Ok(format!("{name}:{}{rights}", hash.as_str()))
}

fn read_line(line: &[u8]) -> Result<Option<User>, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((name, rest)) = line.split_once(':') else {
        return Err("it is not USER:HASH or USER:HASH:RIGHTS");
    };
    check_name(name)?;
    let (hash, rights) = match rest.split_once(':') {
        None => (rest, Rights::View),
        Some((hash, "view")) => (hash, Rights::View),
        Some((hash, "control")) => (hash, Rights::Control),
        Some(_) => return Err("behind the hash may be :view or :control, and nothing else"),
    };
    Ok(Some(User {
        name: name.to_owned(),
        rights,
        rounds: rounds(hash)?,
        hash: hash.to_owned(),
    }))
}

/// The rounds of a hash that is in order: `$5$` or `$6$`, perhaps `rounds=N$`, `SALT$DIGEST`.
fn rounds(hash: &str) -> Result<u32, &'static str> {
    if !hash.starts_with('$') {
        return Err("the password is not hashed: `seqcast password USER` makes the line");
    }
    let (digest_len, rest) = if let Some(rest) = hash.strip_prefix("$6$") {
        (86, rest)
    } else if let Some(rest) = hash.strip_prefix("$5$") {
        (43, rest)
    } else {
        return Err("the hash is of a kind that is not known here: it begins with $6$ or $5$");
    };
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        None => (ROUNDS, rest),
        Some(rest) => {
            let (number, rest) = rest.split_once('$').unwrap_or((rest, ""));
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.parse().ok().filter(|_| is_number);
            match number.filter(|rounds| ALLOWED_ROUNDS.contains(rounds)) {
                Some(rounds) => (rounds, rest),
                None => return Err("the hash's rounds are not 1000 to 100000"),
            }
        }
    };
    let is_of_hash = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    let Some((salt, digest)) = rest.split_once('$') else {
        return Err("the hash is cut short");
    };
    let salt_ok = (1..=MAX_SALT).contains(&salt.len()) && salt.bytes().all(is_of_hash);
    if !salt_ok || digest.len() != digest_len || !digest.bytes().all(is_of_hash) {
        return Err("the hash is damaged");
    }
    Ok(rounds)
}

#[cfg(test)]
#[path = "users/tests.rs"]
mod tests;
