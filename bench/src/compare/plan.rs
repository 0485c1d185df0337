//! On what is measured and with what: the machine, the versions, the lines of code, the command.
//!
//! Not here: what is run (`grid`), and where this is kept (`store`).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::launch::Parts;
use crate::loc;
use crate::ps::meminfo_kib;
use crate::store::FINGERPRINT;

/// The plan of a comparison whose windows are so many seconds. Under `fingerprint` is what must be the same for
/// records to be comparable; `versions` are those of the programs that are there, as they say them.
///
/// # Errors
/// Where the machine or seqcast does not say what it is.
pub fn plan(parts: &Parts, seconds: u64) -> Result<Value> {
    let read = |path: &str| fs::read_to_string(path).context(path.to_owned());
    let version = said(Command::new(&parts.seqcast).arg("--version"));
    let binary = fs::read(&parts.seqcast).context("seqcast")?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Ok(json!({
        FINGERPRINT: {
            "cpu": cpu_model(&read("/proc/cpuinfo")?),
            "cpus": std::thread::available_parallelism()?.get(),
            "memory_gib": meminfo_kib("MemTotal")? >> 20,
            "kernel": read("/proc/sys/kernel/osrelease")?.trim_end(),
            "seqcast": version.context("seqcast does not say its version")?,
            "seqcast_binary": format!("{:016x}", fnv1a(&binary)),
            "seconds": seconds,
        },
        "versions": versions(parts),
        "lines_of_code": loc::of_designs(&workspace),
        "command": std::env::args().collect::<Vec<_>>().join(" "),
        "began": SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    }))
}

fn versions(parts: &Parts) -> Value {
    let python = || Command::new(&parts.python);
    let erlang = "io:put_chars(erlang:system_info(otp_release)), halt().";
    let all = [
        ("python", said(python().arg("--version"))),
        (
            "pika",
            said(python().args(["-c", "import pika; print(pika.__version__)"])),
        ),
        ("rabbitmq", rabbitmq()),
        (
            "erlang",
            said(Command::new("erl").args(["-noshell", "-eval", erlang])),
        ),
        (
            "gstreamer",
            said(Command::new("gst-launch-1.0").arg("--version")),
        ),
        ("ffmpeg", said(Command::new("ffmpeg").arg("-version"))),
        (
            "ustreamer",
            said(Command::new("ustreamer").arg("--version")),
        ),
        (
            "mjpg_streamer",
            said(Command::new("mjpg_streamer").arg("--version")),
        ),
    ];
    let there = all
        .into_iter()
        .filter_map(|(name, said)| Some((name.to_owned(), said?.into())));
    Value::Object(there.collect::<Map<_, _>>())
}

/// The first line that a program prints; none if there is no such program, or it fails.
fn said(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// As its folder has it: to ask takes an Erlang machine and seconds.
fn rabbitmq() -> Option<String> {
    let entries = fs::read_dir("/usr/lib/rabbitmq/lib").ok()?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.find_map(|name| Some(name.strip_prefix("rabbitmq_server-")?.to_owned()))
}

fn cpu_model(cpuinfo: &str) -> &str {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let model = lines.find(|(name, _)| name.trim() == "model name");
    model.map_or("unknown", |(_, value)| value.trim())
}

/// FNV-1a, 64 bits (RFC 9923): tells two builds of one version apart.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_their_first_line() {
        assert_eq!(
            said(Command::new("echo").arg("one\ntwo")),
            Some("one".into())
        );
        assert_eq!(said(&mut Command::new("false")), None);
        assert_eq!(said(&mut Command::new("/nowhere/x")), None);
    }

    #[test]
    fn the_processor_has_a_name_where_it_says_one() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: A: B\n"), "A: B");
        assert_eq!(cpu_model("CPU part\t: 0xd0c\n"), "unknown");
    }

    #[test]
    fn builds_are_told_apart() {
        // The RFC's own vectors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
