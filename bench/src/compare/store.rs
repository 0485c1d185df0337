//! What is kept: a folder with the plan, and a file for each case that is done with. A later run goes on where an
//! earlier one ended.
//!
//! Not here: what is in a record (`record`), and in the plan (`plan`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::record::{Case, Outcome, Record};

/// The part of the plan that must be the same for records to be comparable: an object.
pub const FINGERPRINT: &str = "fingerprint";

/// The folder.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the folder for that plan, or makes it. `fresh` removes what an earlier run left.
    ///
    /// # Errors
    /// Where it holds records of another machine, program or length, or cannot be written.
    pub fn open(dir: &Path, plan: &Value, fresh: bool) -> Result<Store> {
        let store = Store {
            dir: dir.to_owned(),
        };
        if fresh {
            absent_is_fine(fs::remove_dir_all(store.cases()))
                .with_context(|| store.cases().display().to_string())?;
            absent_is_fine(fs::remove_file(store.plan()))
                .with_context(|| store.plan().display().to_string())?;
        }
        match fs::read(store.plan()) {
            Ok(bytes) => {
                let before = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
                let differs = differences(&before[FINGERPRINT], &plan[FINGERPRINT]);
                if !differs.is_empty() {
                    bail!(
                        "{} has records of another comparison ({}): begin anew with --fresh, or elsewhere with --out",
                        dir.display(),
                        differs.join("; "),
                    );
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).context(store.plan().display().to_string()),
        }
        let cases = store.cases();
        fs::create_dir_all(&cases).with_context(|| cases.display().to_string())?;
        write(&store.plan(), plan)?;
        Ok(store)
    }

    /// The record of a case, where there is one.
    pub fn record(&self, case: &Case) -> Option<Record> {
        let bytes = fs::read(self.path(case)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether a case need not be run again: it was measured. What was skipped or failed is looked at again.
    pub fn is_measured(&self, case: &Case) -> bool {
        let record = self.record(case);
        record.is_some_and(|record| matches!(record.outcome, Outcome::Measured(_)))
    }

    /// Keeps a record, in place of one before.
    ///
    /// # Errors
    /// Where it cannot be written; the one before is there then.
    pub fn keep(&self, record: &Record) -> Result<()> {
        write(&self.path(&record.case), &serde_json::to_value(record)?)
    }

    fn plan(&self) -> PathBuf {
        self.dir.join("plan.json")
    }

    fn cases(&self) -> PathBuf {
        self.dir.join("cases")
    }

    fn path(&self, case: &Case) -> PathBuf {
        self.cases().join(name(case) + ".json")
    }
}

/// `raw160-process-20-steady-1`
pub fn name(case: &Case) -> String {
    let word = |value: serde_json::Result<Value>| {
        let word = value
            .ok()
            .and_then(|value| Some(value.as_str()?.to_owned()));
        word.unwrap_or_default()
    };
    [
        word(serde_json::to_value(case.frames)),
        word(serde_json::to_value(case.design)),
        case.clients.to_string(),
        word(serde_json::to_value(case.scenario)),
        case.run.to_string(),
    ]
    .join("-")
}

/// What differs between two fingerprints.
fn differences(before: &Value, now: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let [before, now] = [before, now].map(|value| value.as_object().unwrap_or(&empty));
    let names = before
        .keys()
        .chain(now.keys().filter(|&name| !before.contains_key(name)));
    names
        .filter(|&name| before.get(name) != now.get(name))
        .map(|name| {
            let [was, is] =
                [before, now].map(|of| of.get(name).map_or("nothing".into(), Value::to_string));
            format!("{name} was {was}, is {is}")
        })
        .collect()
}

/// Whole or not at all: written beside it and put in its place.
fn write(path: &Path, value: &Value) -> Result<()> {
    let fresh = path.with_extension("json.fresh");
    let text = serde_json::to_string_pretty(value)? + "\n";
    let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path));
    written.with_context(|| path.display().to_string())
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::{Design, Frames, Scenario};

    fn record(outcome: Outcome) -> Record {
        Record {
            case: Case {
                frames: Frames::Raw160,
                design: Design::ProcessOf5,
                clients: 20,
                scenario: Scenario::Steady,
                run: 1,
            },
            began: 1,
            commands: Vec::new(),
            load_before: 0.0,
            outcome,
        }
    }

    #[test]
    fn a_record_is_named_by_its_case_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let plan = json!({FINGERPRINT: {"seconds": 20}});
        let store = Store::open(dir.path(), &plan, false).unwrap();
        let skipped = record(Outcome::Skipped("no such program".into()));
        assert_eq!(name(&skipped.case), "raw160-process-of5-20-steady-1");
        assert_eq!(store.record(&skipped.case), None);
        store.keep(&skipped).unwrap();
        assert_eq!(store.record(&skipped.case), Some(skipped.clone()));
        assert!(!store.is_measured(&skipped.case));
        let files = fs::read_dir(dir.path().join("cases")).unwrap();
        assert_eq!(files.count(), 1);
    }

    #[test]
    fn records_of_something_else_are_not_taken_for_ours() {
        let dir = tempfile::tempdir().unwrap();
        let plan = json!({FINGERPRINT: {"seconds": 20, "cpu": "a"}, "command": "x"});
        let store = Store::open(dir.path(), &plan, false).unwrap();
        store.keep(&record(Outcome::Failed("it".into()))).unwrap();
        // What is no part of the fingerprint may differ.
        let again = json!({FINGERPRINT: {"seconds": 20, "cpu": "a"}, "command": "y"});
        Store::open(dir.path(), &again, false).unwrap();
        let other = json!({FINGERPRINT: {"seconds": 10, "cpu": "a"}});
        let error = Store::open(dir.path(), &other, false).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("(seconds was 20, is 10): begin anew"),
            "{error}"
        );
        let store = Store::open(dir.path(), &other, true).unwrap();
        assert_eq!(
            store.record(&record(Outcome::Failed(String::new())).case),
            None
        );
    }
}
