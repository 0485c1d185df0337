//! Lines of code: those that are neither blank nor comment, documentation or test.
//!
//! By language: Rust without `//` lines and without what follows `#[cfg(test)]` to the end of the file (the tests are
//! last here) and without files of tests; Python without `#` lines and docstrings; shell without `#` lines. A line with
//! code and a comment is code.
//!
//! Pure, but for [`of_designs`]. Not here: whose lines are whose beyond the table here.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Whose lines are where, by folder or file from the workspace. A file belongs to the first line that names it.
const OWNERS: &[(&str, &[&str])] = &[
    ("process", &["sender/src/one_by_one.rs"]),
    ("thread", &["sender/src/threads.rs"]),
    ("multiplex", &["sender/src/multiplex.rs"]),
    ("process and thread, shared", &["sender/src/blocking.rs"]),
    ("all models of a sender, shared", &["sender/src"]),
    (
        "ring, workers, capture, supervisor",
        &[
            "shm-ring/src",
            "worker/src",
            "capture/src",
            "picture/src",
            "supervisor/src",
        ],
    ),
    ("epoll", &["bench/src/reference/epoll.rs"]),
    ("forked", &["bench/src/reference/forked.rs"]),
    ("epoll and forked, shared", &["bench/src/reference.rs"]),
    (
        "threads2017",
        &["bench/originals/threads.py", "bench/originals/client.py"],
    ),
    ("rabbitmq2019", &["bench/originals/fanout.py"]),
    (
        "camera and account of the originals",
        &["bench/originals/source.py"],
    ),
];

/// `[{design, files, lines}]` of what is found in the workspace.
pub fn of_designs(workspace: &Path) -> Value {
    let mut taken: Vec<PathBuf> = Vec::new();
    let mut counted = Vec::new();
    for (design, paths) in OWNERS {
        let mut files = paths
            .iter()
            .flat_map(|path| files(&workspace.join(path)))
            .collect::<Vec<_>>();
        files.retain(|file| !taken.contains(file));
        files.sort();
        let texts = files
            .iter()
            .filter_map(|file| Some((file, fs::read_to_string(file).ok()?)));
        let lines: usize = texts.map(|(file, text)| lines(file, &text)).sum();
        let names = files
            .iter()
            .map(|file| file.strip_prefix(workspace).unwrap_or(file));
        let names = names
            .map(|name| name.display().to_string())
            .collect::<Vec<_>>();
        if lines > 0 {
            counted.push(json!({"design": design, "files": names, "lines": lines}));
        }
        taken.extend(files);
    }
    Value::Array(counted)
}

/// The file, or all in the folder and below, but those of tests.
fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return if path.is_file() {
            vec![path.to_owned()]
        } else {
            Vec::new()
        };
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let code = paths.filter(|path| {
        let stem = path.file_stem().unwrap_or_default();
        stem != "tests" && (path.is_dir() || path.extension().is_some_and(|kind| kind == "rs"))
    });
    code.flat_map(|path| files(&path)).collect()
}

fn lines(file: &Path, text: &str) -> usize {
    match file.extension().and_then(|kind| kind.to_str()) {
        Some("rs") => {
            let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
            code.filter(|line| is_code(line, "//")).count()
        }
        Some("py") => without_docstrings(text)
            .filter(|line| is_code(line, "#"))
            .count(),
        _ => text.lines().filter(|line| is_code(line, "#")).count(),
    }
}

fn is_code(line: &str, comment: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with(comment)
}

/// A docstring begins a line with three quotes, and ends with three.
fn without_docstrings(text: &str) -> impl Iterator<Item = &str> {
    const QUOTES: &str = "\"\"\"";
    let mut within = false;
    text.lines().filter(move |line| {
        let line = line.trim();
        if within {
            within = !line.ends_with(QUOTES);
            return false;
        }
        let Some(rest) = line.strip_prefix(QUOTES) else {
            return true;
        };
        within = !rest.ends_with(QUOTES);
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_documentation_and_tests_are_no_code() {
        let rust = "//! Doc.\n\nfn f() { // here\n    /// doc\n    g()\n}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(lines(Path::new("a.rs"), rust), 3);
        let python = "#!/usr/bin/python\n\"\"\"Doc.\n\nMore.\n\"\"\"\nimport a\n\ndef f():\n    \"\"\"One.\"\"\"\n    a = '''x'''  # here\n";
        assert_eq!(lines(Path::new("a.py"), python), 3);
        assert_eq!(lines(Path::new("a.sh"), "#!/bin/sh\n# No.\n\nexit 0\n"), 1);
    }

    #[test]
    fn every_design_of_the_workspace_has_lines() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let counted = of_designs(&workspace);
        let counted = counted.as_array().unwrap();
        assert_eq!(counted.len(), OWNERS.len());
        let lines = |name| {
            let of = counted.iter().find(|one| one["design"] == name).unwrap();
            of["lines"].as_u64().unwrap()
        };
        // As bench/originals/README.md has them.
        assert_eq!(lines("threads2017"), 72 + 50);
        assert_eq!(lines("rabbitmq2019"), 64);
    }
}
