//! The header `Authorization` in the scheme Basic (RFC 7617), taken apart.
//!
//! Not here: whether what it says is true (`guard`).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The header's value as it came. It holds a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(Vec<u8>);

/// What it says.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// The user's name: what is before the first colon.
    pub name: Vec<u8>,
    /// What is behind it.
    pub password: Vec<u8>,
}

impl Authorization {
    /// The value of the header line.
    pub fn new(value: &[u8]) -> Self {
        Authorization(value.to_owned())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Name and password; none where it is of another scheme or makes no sense.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        let scheme_end = self.0.iter().position(|&byte| byte == b' ')?;
        let (scheme, rest) = self.0.split_at(scheme_end);
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(rest.trim_ascii()).ok()?;
        let colon = decoded.iter().position(|&byte| byte == b':')?;
        Some(Credentials {
            name: decoded[..colon].to_owned(),
            password: decoded[colon + 1..].to_owned(),
        })
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let credentials = Authorization::new(value).credentials()?;
        Some((credentials.name, credentials.password))
    }

    #[test]
    fn the_example_of_the_rfc() {
        let want = Some((b"Aladdin".to_vec(), b"open sesame".to_vec()));
        for scheme in ["Basic", "basic", "BASIC ", "Basic  "] {
            let value = format!("{scheme} QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
            assert_eq!(credentials(value.as_bytes()), want, "{scheme}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for value in [
            &b""[..],
            b"Basic",
            b"Basic ",
            b"QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            b"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            b"Basic QWxhZGRpbg==",
            b"Basic Aladdin:open sesame",
            b"Basic \xff\xfe",
        ] {
            assert_eq!(credentials(value), None, "{value:?}");
        }
    }

    #[test]
    fn it_is_never_shown() {
        let header = Authorization::new(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Authorization(…)");
    }

    proptest! {
        #[test]
        fn any_password_survives(name in "[^:]{0,20}", password in prop::collection::vec(any::<u8>(), 0..40)) {
            let both = [name.as_bytes(), b":", &password].concat();
            let value = format!("Basic {}", BASE64_STANDARD.encode(both));
            prop_assert_eq!(credentials(value.as_bytes()), Some((name.into_bytes(), password)));
        }

        #[test]
        fn any_bytes_are_harmless(value in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = credentials(&value);
            let _ = credentials(&[b"Basic ", &value[..]].concat());
        }
    }
}
