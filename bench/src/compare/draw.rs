//! Pictures and a report from the records of a comparison.
//!
//! Reads `DIR/plan.json` and `DIR/cases/*.json`, writes `DIR/report.html`, `DIR/report.json` and `DIR/charts/`. Not here:
//! how anything is measured (the runner's).

mod chart;
mod crossover;
#[cfg(test)]
mod fixture;
mod label;
mod reach;
mod report;
mod summary;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use crate::record::Record;
use chart::Chart;
use summary::{Named, Summary};

/// What lies in the directory of a comparison.
struct Found {
    plan: Value,
    /// By name.
    records: Vec<Named>,
    /// Files that are no records, and why.
    unreadable: Vec<String>,
}

/// Draws all charts and writes the report over what is in `dir`; the files written, the report first.
///
/// # Errors
/// `dir` has no cases, or cannot be read or written.
pub fn all(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = read(dir)?;
    let summary = Summary(&found.records);
    let mut written = vec![dir.join("report.html")];
    let overviews = chart::overviews(summary)?;
    let lines_of_code = chart::lines_of_code(&found.plan)?;
    let charts = dir.join("charts");
    fs::create_dir_all(&charts).with_context(|| format!("cannot make {}", charts.display()))?;
    let together = overviews.iter().flat_map(|(_, charts)| charts);
    for chart in together.chain(&lines_of_code) {
        written.extend(save(&charts, chart)?);
    }
    for named in &found.records {
        if let Some(chart) = chart::of_case(named)? {
            written.extend(save(&charts, &chart)?);
        }
    }
    let raw = dir.join("report.json");
    write(&raw, serde_json::to_vec(&Raw::new(&found))?)?;
    written.push(raw);
    let page = report::page(&report::Contents {
        plan: &found.plan,
        summary,
        unreadable: &found.unreadable,
        overviews: &overviews,
        lines_of_code: lines_of_code.as_ref(),
    });
    write(&written[0], page)?;
    Ok(written)
}

/// `report.json`: everything in one file.
#[derive(Serialize)]
struct Raw<'a> {
    plan: &'a Value,
    records: Vec<&'a Record>,
    verdicts: Vec<reach::Verdict>,
}

impl<'a> Raw<'a> {
    fn new(found: &'a Found) -> Raw<'a> {
        Raw {
            plan: &found.plan,
            records: found.records.iter().map(|named| &named.record).collect(),
            verdicts: reach::verdicts(Summary(&found.records)),
        }
    }
}

fn read(dir: &Path) -> anyhow::Result<Found> {
    let plan = match fs::read(dir.join("plan.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("plan.json is no JSON")?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Value::Null,
        Err(error) => return Err(error).context("cannot read plan.json"),
    };
    let cases = dir.join("cases");
    let entries =
        fs::read_dir(&cases).with_context(|| format!("no cases to draw in {}", cases.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension() == Some(OsStr::new("json")));
    paths.sort();
    let mut found = Found {
        plan,
        records: Vec::new(),
        unreadable: Vec::new(),
    };
    for path in paths {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        match serde_json::from_slice(&bytes) {
            Ok(record) => found.records.push(Named { name, record }),
            Err(error) => found.unreadable.push(format!("{name}.json: {error}")),
        }
    }
    Ok(found)
}

/// As SVG and as PNG.
fn save(dir: &Path, chart: &Chart) -> anyhow::Result<[PathBuf; 2]> {
    let path = |extension: &str| dir.join(format!("{}.{extension}", chart.name));
    let (svg, png) = (path("svg"), path("png"));
    write(&svg, &chart.svg)?;
    let pixels = chart::png(&chart.svg).with_context(|| chart.name.clone())?;
    write(&png, pixels)?;
    Ok([svg, png])
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Design, Frames, Outcome};

    fn draw(records: &[Named], plan: Option<&str>) -> (tempfile::TempDir, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("cases")).unwrap();
        for named in records {
            let path = dir.path().join(format!("cases/{}.json", named.name));
            fs::write(path, serde_json::to_vec(&named.record).unwrap()).unwrap();
        }
        if let Some(plan) = plan {
            fs::write(dir.path().join("plan.json"), plan).unwrap();
        }
        let written = all(dir.path()).unwrap();
        assert!(written.iter().all(|path| path.is_file()));
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let names = written.iter().map(name).collect();
        (dir, names)
    }

    #[test]
    fn a_set_with_gaps_is_drawn() {
        let mut raw = fixture::steady(Design::Rabbitmq2019, 1, 1, 90.0);
        raw.record.case.frames = Frames::Raw160;
        raw.name = "raw160-rabbitmq2019-1-steady-1".to_owned();
        let mut silent = fixture::steady(Design::Thread, 20, 1, f64::MAX);
        if let Outcome::Measured(seen) = &mut silent.record.outcome {
            (seen.fps, seen.samples) = (Vec::new(), Vec::new());
            (seen.cpu_cores, seen.pss_kib) = (0.0, 0.0);
        }
        let records = [
            fixture::steady(Design::Process, 1, 1, 60.0),
            fixture::steady(Design::Process, 20, 1, 50.0),
            fixture::steady(Design::Process, 20, 2, 51.0),
            fixture::steady(Design::Epoll, 20, 2, 0.0),
            fixture::skipped(Design::Ustreamer, 20, "no such program"),
            fixture::failed(Design::Gstreamer, 20, "it died"),
            fixture::stall(Design::Process, Some(1.2)),
            fixture::stall(Design::Gstreamer, None),
            fixture::kill(Design::Process, 1, Some(3.0)),
            fixture::kill(Design::Process, 2, None),
            fixture::kill(Design::Epoll, 1, None),
            raw,
            silent,
        ];
        let plan = r#"{"lines_of_code": [{"design": "process", "lines": 100}, {"design": "rest", "lines": 9},
            {"design": 7, "lines": 1}, {"lines": 2}, "none"]}"#;
        let (dir, names) = draw(&records, Some(plan));
        for wanted in [
            "report.html",
            "report.json",
            "cpu-per-frame-jpeg720.svg",
            "skew-jpeg720.png",
            "stall-jpeg720.png",
            "stale-jpeg720.png",
            "kill-jpeg720.svg",
            "lines-of-code.png",
            "cpu-per-frame-raw160.png",
            "raw160-rabbitmq2019-1-steady-1.png",
        ] {
            assert!(
                names.iter().any(|name| name == wanted),
                "no {wanted} in {names:?}"
            );
        }
        // One client has no skew, and nobody stalled.
        assert!(
            !names
                .iter()
                .any(|name| name == "skew-raw160.svg" || name == "stall-raw160.svg")
        );
        let raw: Value =
            serde_json::from_slice(&fs::read(dir.path().join("report.json")).unwrap()).unwrap();
        assert_eq!(raw["records"].as_array().map(Vec::len), Some(records.len()));
    }

    #[test]
    fn failures_alone_make_a_report_without_charts() {
        let (_dir, names) = draw(&[fixture::failed(Design::Thread, 1, "it died")], None);
        assert_eq!(names, ["report.html", "report.json"]);
    }

    #[test]
    fn what_is_no_record_is_told_and_no_end() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            all(dir.path())
                .unwrap_err()
                .to_string()
                .contains("no cases to draw")
        );
        fs::create_dir(dir.path().join("cases")).unwrap();
        fs::write(dir.path().join("cases/broken.json"), "{").unwrap();
        all(dir.path()).unwrap();
        let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
        assert!(page.contains("broken.json: EOF"), "{page}");
    }
}
