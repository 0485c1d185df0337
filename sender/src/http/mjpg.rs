//! What programs made for mjpg-streamer ask for beside pictures: `/input.json`, `/program.json` and
//! `/?action=command` (its `plugins/output_http/httpd.c`). All numbers are texts there. Pure.
//!
//! Not here: whether a command may be given (`controls`), and the way there (`desk`).

use std::collections::BTreeMap;

use serde::Serialize;
use worker::control::{Control, Kind, Setting};
use worker::message::{Answer, Refusal};
use worker::status::Status;

use super::controls::refused;
use super::reply::{Code, Reply};
use super::route::parameter;

/// Its media type of JSON.
const JSON: &str = "application/x-javascript";
/// Its number of a camera's own controls (mjpg_streamer.h, `IN_CMD_V4L2`).
const GROUP: &str = "1";

#[derive(Serialize)]
struct Input {
    controls: Vec<OfControl>,
    formats: Vec<OfFormat>,
}

#[derive(Serialize)]
struct OfControl {
    name: String,
    id: String,
    r#type: String,
    min: String,
    max: String,
    step: String,
    default: String,
    value: String,
    dest: &'static str,
    flags: String,
    group: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    menu: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
struct OfFormat {
    id: &'static str,
    name: String,
    compressed: &'static str,
    emulated: &'static str,
    current: &'static str,
    resolutions: BTreeMap<&'static str, String>,
    #[serde(rename = "currentResolution")]
    current_resolution: &'static str,
}

#[derive(Serialize)]
struct Program<'a> {
    inputs: [Plugin<'a>; 1],
    outputs: [Plugin<'a>; 1],
}

#[derive(Serialize)]
struct Plugin<'a> {
    id: &'static str,
    name: &'a str,
    plugin: &'static str,
    args: &'a str,
}

/// The source's controls, and the one format that it is in; or why they are not known.
pub fn input_json(answer: Option<Answer>, status: &Status) -> Reply {
    let source = &status.source;
    let controls = match answer {
        Some(Ok(controls)) => controls,
        Some(Err(refusal)) => return refused(refusal),
        None => return refused(Refusal::Busy),
    };
    let is_jpeg = matches!(source.format.as_str(), "MJPG" | "JPEG");
    let format = OfFormat {
        id: "0",
        name: source.format.clone(),
        compressed: if is_jpeg { "true" } else { "false" },
        emulated: "false",
        current: "true",
        resolutions: [("0", format!("{}x{}", source.width, source.height))].into(),
        current_resolution: "0",
    };
    json(&Input {
        controls: controls.iter().map(of_control).collect(),
        formats: match source.width {
            0 => Vec::new(), // not known yet
            _ => vec![format],
        },
    })
}

fn of_control(control: &Control) -> OfControl {
    let items = control.items.iter();
    let menu = items.map(|item| (item.value.to_string(), item.label.clone()));
    // enum v4l2_ctrl_type and V4L2_CTRL_FLAG_* (linux/videodev2.h).
    let kind = match control.kind {
        Kind::Integer => 1,
        Kind::Boolean => 2,
        Kind::Menu => 3,
        Kind::Button => 4,
        Kind::Bitmask => 8,
    };
    let flags = [
        (control.grabbed, 0x2),
        (control.read_only, 0x4),
        (control.inactive, 0x10),
    ];
    let flags: u32 = flags.iter().filter(|flag| flag.0).map(|flag| flag.1).sum();
    OfControl {
        name: control.label.clone(),
        id: control.id.to_string(),
        r#type: kind.to_string(),
        min: control.min.to_string(),
        max: control.max.to_string(),
        step: control.step.to_string(),
        default: control.default.to_string(),
        value: control.value.to_string(),
        dest: "0",
        flags: flags.to_string(),
        group: GROUP,
        menu: (control.kind == Kind::Menu).then(|| menu.collect()),
    }
}

/// The one input and the one output.
pub fn program_json(status: &Status) -> Reply {
    let plugin = |name, plugin, args| Plugin {
        id: "0",
        name,
        plugin,
        args,
    };
    json(&Program {
        inputs: [plugin(
            &status.source.kind,
            "seqcast",
            &status.source.detail,
        )],
        outputs: [plugin("HTTP output plugin", "seqcast", &status.http)],
    })
}

fn json(it: &impl Serialize) -> Reply {
    match serde_json::to_vec(it) {
        Ok(json) => Reply::ok(JSON, json),
        Err(_) => Reply::error(Code::InternalError, "This cannot be shown."),
    }
}

/// A command that can be carried out: one control is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The control's number at its driver.
    pub id: u32,
    /// What to set it to.
    pub value: i64,
}

impl Command {
    /// Reads `dest=0&plugin=0&id=ID&group=1&value=V`. What is not said is taken as it is there, but for the
    /// group: 1, since the others are of no use here.
    ///
    /// # Errors
    /// A reply that says what is not served, or missing.
    pub fn new(query: &str) -> Result<Command, Reply> {
        let get = |name| parameter(query, name);
        let is = |name, wanted: &str| get(name).is_none_or(|found| found == wanted);
        let bad = |why: &str| Reply::error(Code::BadRequest, why);
        let id = get("id").ok_or_else(|| {
            bad("No id= is found, which says what control to set; /input.json lists them.")
        })?;
        let unserved = if !is("dest", "0") {
            Some("Only dest=0, the input, takes commands here.")
        } else if !is("plugin", "0") {
            Some("There is only plugin=0 here.")
        } else if !is("group", GROUP) {
            Some(
                "Only group=1, the source's own controls, is served here; sizes and qualities are set at seqcast's start.",
            )
        } else {
            None
        };
        if let Some(why) = unserved {
            return Err(failed(Code::NotImplemented, &id, why));
        }
        let id = id
            .parse()
            .map_err(|_| bad("The id is no control's number."))?;
        let value = get("value").unwrap_or_default();
        let value = value
            .parse()
            .map_err(|_| bad("value= is missing, or no whole number."))?;
        Ok(Command { id, value })
    }

    /// What to set, by the name that the control has among these.
    ///
    /// # Errors
    /// A reply, where there is none of that number.
    pub fn setting(&self, controls: &[Control]) -> Result<Setting, Reply> {
        let of_id = controls.iter().find(|control| control.id == self.id);
        of_id
            .map(|control| Setting {
                name: control.name.clone(),
                value: self.value,
            })
            .ok_or_else(|| {
                let why = "There is no control of that id; /input.json lists them.";
                failed(Code::Unprocessable, &self.id.to_string(), why)
            })
    }

    /// `ID: 0`; where it failed `ID: -1` and, what it does not say there, why.
    pub fn reply(&self, answer: Option<Answer>) -> Reply {
        let id = self.id;
        match answer {
            Some(Ok(_)) => Reply::ok("text/plain", format!("{id}: 0").into_bytes()),
            other => {
                let reply = refused(other.and_then(Result::err).unwrap_or(Refusal::Busy));
                let why = String::from_utf8_lossy(&reply.body);
                failed(reply.code, &id.to_string(), why.trim_end())
            }
        }
    }
}

fn failed(code: Code, id: &str, why: &str) -> Reply {
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    Reply::error(code, &format!("{id}: -1\n{why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use worker::control::Item;

    use super::super::sample;
    use super::*;

    fn controls() -> Vec<Control> {
        let brightness = Control {
            name: "brightness".into(),
            label: "Brightness".into(),
            id: 9_963_776,
            kind: Kind::Integer,
            min: -64,
            max: 64,
            step: 1,
            default: 0,
            value: -3,
            items: vec![],
            read_only: false,
            inactive: true,
            grabbed: false,
        };
        let item = |value, label: &str| Item {
            value,
            label: label.into(),
        };
        let frequency = Control {
            name: "power_line_frequency".into(),
            label: "Power Line Frequency".into(),
            id: 9_963_800,
            kind: Kind::Menu,
            min: 0,
            max: 2,
            items: vec![item(0, "Disabled"), item(2, "60 \"Hz\"")],
            inactive: false,
            ..brightness.clone()
        };
        vec![brightness, frequency]
    }

    fn said(reply: &Reply) -> Value {
        assert_eq!((reply.code, reply.content_type), (Code::Ok, JSON));
        serde_json::from_slice(&reply.body).unwrap()
    }

    #[test]
    fn input_json_as_mjpg_streamer_writes_it() {
        let status = sample::status();
        let want = json!({
            "controls": [
                {"name": "Brightness", "id": "9963776", "type": "1", "min": "-64", "max": "64", "step": "1",
                    "default": "0", "value": "-3", "dest": "0", "flags": "16", "group": "1"},
                {"name": "Power Line Frequency", "id": "9963800", "type": "3", "min": "0", "max": "2", "step": "1",
                    "default": "0", "value": "-3", "dest": "0", "flags": "0", "group": "1",
                    "menu": {"0": "Disabled", "2": "60 \"Hz\""}},
            ],
            "formats": [{"id": "0", "name": "MJPG", "compressed": "true", "emulated": "false", "current": "true",
                "resolutions": {"0": "640x480"}, "currentResolution": "0"}],
        });
        assert_eq!(said(&input_json(Some(Ok(controls())), &status)), want);
        assert_eq!(input_json(None, &status).code, Code::Unavailable);
    }

    #[test]
    fn commands() {
        let command = |value| Command {
            id: 9_963_776,
            value,
        };
        for (query, want) in [
            (
                "action=command&dest=0&plugin=0&id=9963776&group=1&value=-7",
                Ok(command(-7)),
            ),
            ("action=command&id=9963776&value=5", Ok(command(5))),
            ("action=command&value=5", Err(Code::BadRequest)),
            ("id=9963776", Err(Code::BadRequest)),
            ("id=x&value=1", Err(Code::BadRequest)),
            ("id=-1&value=1", Err(Code::BadRequest)),
            ("id=1&value=1.5", Err(Code::BadRequest)),
            ("id=1&group=3&value=50", Err(Code::NotImplemented)),
            ("id=1&group=0&value=50", Err(Code::NotImplemented)),
            ("id=1&dest=1&value=50", Err(Code::NotImplemented)),
            ("id=1&plugin=1&value=50", Err(Code::NotImplemented)),
        ] {
            let found = Command::new(query).map_err(|reply| reply.code);
            assert_eq!(found, want, "{query}");
        }
    }

    #[test]
    fn a_command_names_its_control_and_says_what_came_of_it() {
        let command = Command {
            id: 9_963_776,
            value: 5,
        };
        let setting = command.setting(&controls()).unwrap();
        assert_eq!(setting, "brightness=5".parse().unwrap());
        let body = |reply: Reply| String::from_utf8(reply.body).unwrap();
        assert!(body(command.setting(&[]).unwrap_err()).starts_with("9963776: -1\n"));
        assert_eq!(body(command.reply(Some(Ok(vec![])))), "9963776: 0");
        let refused = command.reply(Some(Err(Refusal::Invalid("it takes 1 to 3".into()))));
        assert_eq!(refused.code, Code::Unprocessable);
        assert_eq!(body(refused), "9963776: -1\nit takes 1 to 3.\n");
        assert_eq!(command.reply(None).code, Code::Unavailable);
    }
}
