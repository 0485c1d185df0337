//! `/controls`: what a request wants set, whether it may, and what is answered. Pure.
//!
//! Not here: which values a control takes (`supervisor`), and the way there (`desk`).

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};
use worker::control::{MOST_SETTINGS, Setting};
use worker::message::{Answer, Refusal};

use super::cors::AllowOrigin;
use super::origin::Origin;
use super::reply::{Code, Reply};
use super::request::Post;
use super::route::decode;
use crate::auth::Rights;

/// What the server was told about setting controls, and who asks.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// `--read-only`.
    pub read_only: bool,
    /// HTTP is on loopback addresses only.
    pub loopback_only: bool,
    /// `--allow-origin`.
    pub allow_origin: Option<&'a AllowOrigin>,
    /// Those of who asks; none: no password is asked for.
    pub rights: Option<Rights>,
    /// Where the request comes from.
    pub origin: &'a Origin,
}

const FOREIGN: &str = "Controls can be set only by this server's own page, or by a program.";

impl Rules<'_> {
    /// Why who asks may not set any; none: may.
    pub fn refusal(self) -> Option<&'static str> {
        if self.read_only {
            return Some("Controls cannot be set here: seqcast was started with --read-only.");
        }
        match self.rights {
            Some(Rights::Control) => {}
            Some(Rights::View) => {
                return Some(
                    "You may look and not set controls: your line in --auth-file does not end with :control.",
                );
            }
            None if !self.loopback_only => {
                return Some(
                    "Controls can be set only where HTTP is on loopback addresses alone: there is no password.",
                );
            }
            None if self.origin.is_forwarded => {
                return Some("Controls cannot be set through a proxy: there is no password.");
            }
            None => {}
        }
        // A browser sends a password along, whose page ever asks.
        let named = self.origin.named.as_deref().zip(self.allow_origin);
        let is_named = named.is_some_and(|(origin, allowed)| allowed.names(origin));
        if self.origin.is_foreign && !is_named {
            return Some(FOREIGN);
        }
        None
    }

    /// The same of a GET, which a picture in another's page can send.
    pub fn refusal_of_get(self) -> Option<&'static str> {
        let unproven = self.origin.is_unproven.then_some(FOREIGN);
        self.refusal().or(unproven)
    }
}

/// What the request wants set.
///
/// # Errors
/// The reply that says why it may not, or cannot be read.
pub fn settings(post: &Post, rules: Rules<'_>) -> Result<Vec<Setting>, Reply> {
    if let Some(why) = rules.refusal() {
        return Err(Reply::error(Code::Forbidden, why));
    }
    let bad = |why: String| Reply::error(Code::BadRequest, &why);
    let settings = match post.content_type.as_str() {
        "application/x-www-form-urlencoded" => from_form(&post.body).map_err(bad)?,
        "application/json" => from_json(&post.body).map_err(bad)?,
        _ => {
            let why = "Send application/x-www-form-urlencoded, as brightness=128, or application/json, as {\"brightness\": 128}.";
            return Err(Reply::error(Code::UnsupportedMedia, why));
        }
    };
    if settings.is_empty() || settings.len() > MOST_SETTINGS {
        return Err(bad(format!("Name 1 to {MOST_SETTINGS} controls.")));
    }
    let mut names = settings.iter().map(|setting| &setting.name);
    let mut seen = HashSet::new();
    if let Some(twice) = names.find(|name| !seen.insert(name.as_str())) {
        return Err(bad(format!("{twice} is named twice.")));
    }
    Ok(settings)
}

fn from_form(body: &[u8]) -> Result<Vec<Setting>, String> {
    let body = std::str::from_utf8(body).map_err(|e| e.to_string())?;
    let pairs = body.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Setting::new(&decode(name), &decode(value))
        })
        .collect()
}

/// An object in its order; a switch may be true or false.
fn from_json(body: &[u8]) -> Result<Vec<Setting>, String> {
    let Pairs(pairs) =
        serde_json::from_slice(body).map_err(|e| format!("This is no JSON object: {e}"))?;
    pairs
        .iter()
        .map(|(name, value)| match value {
            Value::Bool(on) => Setting::new(name, if *on { "1" } else { "0" }),
            value => Setting::new(name, &value.to_string()),
        })
        .collect()
}

/// The pairs of an object as they stand there: which control is set first may matter.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(InOrder)
    }
}

/// What is answered; none: no answer came.
pub fn reply(answer: Option<Answer>, rules: Rules<'_>) -> Reply {
    match answer {
        Some(Ok(controls)) => {
            let refusal = rules.refusal();
            let json = json!({
                "writable": refusal.is_none(),
                "reason": refusal,
                "controls": controls,
            });
            Reply::ok("application/json", json.to_string().into_bytes())
        }
        Some(Err(refusal)) => refused(refusal),
        None => refused(Refusal::Busy),
    }
}

/// Why it is not done.
pub fn refused(refusal: Refusal) -> Reply {
    let sentence = |why: &str| {
        let mut why = why.trim_end_matches('.').to_owned();
        why.push('.');
        why
    };
    match refusal {
        Refusal::Invalid(why) => Reply::error(Code::Unprocessable, &sentence(&why)),
        Refusal::Conflict(why) => Reply::error(Code::Conflict, &sentence(&why)),
        Refusal::Busy => Reply::error(Code::Unavailable, "The source is busy. Try again."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &Origin = &Origin {
        is_foreign: false,
        is_unproven: false,
        named: None,
        is_forwarded: false,
    };
    const OPEN: Rules<'_> = Rules {
        read_only: false,
        loopback_only: true,
        allow_origin: None,
        rights: None,
        origin: HERE,
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";

    fn post(content_type: &str, body: &str) -> Post {
        Post {
            content_type: content_type.into(),
            body: body.into(),
        }
    }

    fn code(post: &Post, rules: Rules<'_>) -> Code {
        settings(post, rules).unwrap_err().code
    }

    #[test]
    fn forms_and_objects_in_their_order() {
        let wanted: Vec<Setting> = ["z_auto=0", "gain=-5"].map(|s| s.parse().unwrap()).into();
        for (content_type, body) in [
            (FORM, "z_auto=0&gain=-5"),
            (FORM, "z%5Fauto=0&gain=%2D5&"),
            (JSON, "{\"z_auto\": 0, \"gain\": -5}"),
            (JSON, "{\"z_auto\": false, \"gain\": -5}"),
        ] {
            let got = settings(&post(content_type, body), OPEN).unwrap();
            assert_eq!(got, wanted, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read() {
        let many: Vec<String> = (0..=MOST_SETTINGS).map(|n| format!("a{n}=1")).collect();
        for (content_type, body, want) in [
            (FORM, "", Code::BadRequest),
            (FORM, "gain", Code::BadRequest),
            (FORM, "gain=x", Code::BadRequest),
            (FORM, "gain=1&gain=2", Code::BadRequest),
            (FORM, "Gain=1", Code::BadRequest),
            (FORM, "\u{0}=1", Code::BadRequest),
            (FORM, &many.join("&"), Code::BadRequest),
            (JSON, "", Code::BadRequest),
            (JSON, "[1]", Code::BadRequest),
            (JSON, "{\"gain\": 1, \"gain\": 2}", Code::BadRequest),
            (JSON, "{\"gain\": 1.5}", Code::BadRequest),
            (JSON, "{\"gain\": \"1\"}", Code::BadRequest),
            (JSON, "{\"gain\": null}", Code::BadRequest),
            (JSON, "{\"gain\": {\"gain\": 1}}", Code::BadRequest),
            ("text/plain", "gain=1", Code::UnsupportedMedia),
            ("", "gain=1", Code::UnsupportedMedia),
        ] {
            assert_eq!(code(&post(content_type, body), OPEN), want, "{body}");
        }
    }

    #[test]
    fn who_may_not() {
        let fine = post(FORM, "gain=1");
        let foreign = &Origin {
            is_foreign: true,
            named: Some("http://a".into()),
            ..Origin::default()
        };
        let forwarded = &Origin {
            is_forwarded: true,
            ..Origin::default()
        };
        let named = "http://a".parse().ok();
        let another = "http://b".parse().ok();
        let with = |origin, rights, allow_origin: &'static str| Rules {
            origin,
            rights,
            allow_origin: match allow_origin {
                "" => None,
                "*" => Some(&AllowOrigin::All),
                "a" => named.as_ref(),
                _ => another.as_ref(),
            },
            ..OPEN
        };
        let (view, control) = (Some(Rights::View), Some(Rights::Control));
        for (rules, may) in [
            (with(HERE, None, ""), true),
            (with(forwarded, None, ""), false),
            (with(foreign, None, ""), false),
            (with(foreign, None, "*"), false),
            (with(foreign, None, "b"), false),
            (with(foreign, None, "a"), true),
            (with(HERE, view, ""), false),
            (with(HERE, control, ""), true),
            (with(forwarded, control, ""), true),
            (with(foreign, control, ""), false),
            (with(foreign, control, "*"), false),
            (with(foreign, control, "a"), true),
            (with(foreign, view, "a"), false),
        ] {
            assert_eq!(settings(&fine, rules).is_ok(), may, "{rules:?}");
        }
        let far = Rules {
            loopback_only: false,
            rights: control,
            ..OPEN
        };
        assert!(settings(&fine, far).is_ok());
        for rules in [
            Rules {
                read_only: true,
                ..OPEN
            },
            Rules {
                loopback_only: false,
                ..OPEN
            },
        ] {
            assert_eq!(code(&fine, rules), Code::Forbidden);
            let body = reply(Some(Ok(vec![])), rules).body;
            let json: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json["writable"], false);
        }
    }

    #[test]
    fn a_get_must_prove_more() {
        let unproven = Origin {
            is_unproven: true,
            ..HERE.clone()
        };
        let rules = Rules {
            origin: &unproven,
            ..OPEN
        };
        assert_eq!((rules.refusal(), OPEN.refusal_of_get()), (None, None));
        assert!(rules.refusal_of_get().is_some());
    }

    #[test]
    fn answers_have_their_codes() {
        let invalid = "gain takes 0 to 9, not 10";
        for (answer, want) in [
            (Some(Ok(vec![])), Code::Ok),
            (
                Some(Err(Refusal::Invalid(invalid.into()))),
                Code::Unprocessable,
            ),
            (Some(Err(Refusal::Conflict("No.".into()))), Code::Conflict),
            (Some(Err(Refusal::Busy)), Code::Unavailable),
            (None, Code::Unavailable),
        ] {
            assert_eq!(reply(answer, OPEN).code, want);
        }
        let said = reply(Some(Err(Refusal::Invalid(invalid.into()))), OPEN).body;
        assert_eq!(said, b"gain takes 0 to 9, not 10.\n");
    }
}
