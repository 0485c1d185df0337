//! seqcast, in each of its models and with what it has by default, but for what is sent.
//!
//! Not here: the other designs.

use anyhow::{Context as _, Result};
use bench::seqcast::Seqcast;

use super::{Parts, Served, Victim, size};
use crate::record::{Case, Design, Frames};

/// How each design is asked for.
const MODELS: [(Design, &[&str]); 4] = [
    (Design::Process, &["--model", "process"]),
    (
        Design::ProcessOf5,
        &["--model", "process", "--viewers-per-sender", "5"],
    ),
    (Design::Thread, &["--model", "thread"]),
    (Design::Multiplex, &["--model", "multiplex"]),
];

pub fn start(case: &Case, parts: &Parts) -> Result<Served> {
    let name = format!("compare-{}", std::process::id());
    let model = MODELS.iter().find(|(design, _)| *design == case.design);
    let (_, model) = model.context("a model of ours")?;
    let movie = parts.material.movie().into_os_string().into_string();
    let movie = movie.ok().context("a temporary folder with a plain name")?;
    let raw = "--format bgr24 --raw 127.0.0.1:0 --source test --size";
    let source: Vec<&str> = match case.frames {
        Frames::Jpeg720 => vec!["--source", &movie],
        Frames::Raw160 | Frames::Raw640 => raw.split(' ').chain([size(case.frames)]).collect(),
    };
    let options: Vec<_> = model
        .iter()
        .chain(&source)
        .map(|&word| word.to_owned())
        .collect();
    let seqcast = Seqcast::start(&parts.seqcast, &name, case.clients.into(), &options)?;
    let stream = match case.frames {
        Frames::Jpeg720 => format!("http://{}/stream", seqcast.status.http),
        Frames::Raw160 | Frames::Raw640 => {
            let raw = seqcast.status.raw;
            format!("raw:{}", raw.context("its status names no raw address")?)
        }
    };
    Ok(Served {
        victim: Victim::Sender(name),
        ..Served::one(seqcast.process, stream)
    })
}
