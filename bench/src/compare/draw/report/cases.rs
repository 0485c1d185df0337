//! Case by case: what was run under which load, and what gave no figures, and why.
//!
//! Not here: the figures.

use maud::{Markup, html};

use crate::draw::label;
use crate::draw::summary::{FRAMES, Named, Summary};
use crate::record::{Frames, Outcome};

/// Load average from which on a case is flagged: somebody else was at work, or the case before.
const BUSY: f64 = 0.5;

/// What failed or cannot be read: for all to see.
pub fn failed(summary: Summary<'_>, unreadable: &[String]) -> Markup {
    let failed = reasons(summary, |outcome| match outcome {
        Outcome::Failed(reason) => Some(reason),
        _ => None,
    });
    html! {
        @if !failed.is_empty() || !unreadable.is_empty() {
            div.wide {
                table.words {
                    @for (named, reason) in &failed {
                        tr {
                            td { span.fail { "FAILED" } }
                            td { (label::case(named.record.case)) }
                            td { (reason) }
                        }
                    }
                    @for reason in unreadable {
                        tr { td { span.fail { "no record" } } td colspan="2" { (reason) } }
                    }
                }
            }
        }
    }
}

/// What was not tried.
pub fn skipped(summary: Summary<'_>) -> Markup {
    let skipped = reasons(summary, |outcome| match outcome {
        Outcome::Skipped(reason) => Some(reason),
        _ => None,
    });
    html! {
        @if !skipped.is_empty() {
            details {
                summary { (skipped.len()) " skipped, and why" }
                div.wide {
                    table.words {
                        @for (named, reason) in &skipped {
                            tr { td { (label::case(named.record.case)) } td { (reason) } }
                        }
                    }
                }
            }
        }
    }
}

fn reasons<'a>(
    summary: Summary<'a>,
    reason: impl Fn(&'a Outcome) -> Option<&'a String>,
) -> Vec<(&'a Named, &'a str)> {
    let all = summary.0.iter();
    all.filter_map(|named| Some((named, reason(&named.record.outcome)?.as_str())))
        .collect()
}

/// What was measured, with links to plot and record.
pub fn measured(summary: Summary<'_>) -> Markup {
    let of = |frames: Frames| -> Vec<&Named> {
        let all = summary.0.iter().filter(move |named| {
            named.record.case.frames == frames
                && matches!(named.record.outcome, Outcome::Measured(_))
        });
        let mut all: Vec<&Named> = all.collect();
        all.sort_by_key(|named| {
            let case = named.record.case;
            (case.scenario, case.design, case.clients, case.run)
        });
        all
    };
    let measured = FRAMES.map(|frames| (frames, of(frames)));
    let all = || measured.iter().flat_map(|(_, all)| all);
    let busy = all()
        .filter(|named| named.record.load_before > BUSY)
        .count();
    html! {
        p.soft {
            "Load: the machine's load average of the last minute as the case began. Above " (BUSY)
            " it is marked (" (busy) " of " (all().count()) " cases): the case before may still count in it, or "
            "somebody else was at work."
        }
        @for (frames, all) in &measured {
            @if !all.is_empty() {
                details {
                    summary { (label::frames(*frames)) ": " (all.len()) " cases with plots, records and commands" }
                    div.wide {
                        table.words {
                            tr { th { "case" } th { "began" } th { "load" } th { "" } th { "commands" } }
                            @for named in all { (row(named)) }
                        }
                    }
                }
            }
        }
    }
}

fn row(named: &Named) -> Markup {
    let record = &named.record;
    let plotted = matches!(&record.outcome, Outcome::Measured(seen) if !seen.samples.is_empty());
    html! {
        tr {
            td { (label::case(record.case)) }
            td { (label::utc(record.began)) }
            td { span.fail[record.load_before > BUSY] { (format!("{:.2}", record.load_before)) } }
            td {
                @if plotted {
                    a href={ "charts/" (named.name) ".svg" } { "SVG" } " "
                    a href={ "charts/" (named.name) ".png" } { "PNG" } " "
                }
                a href={ "cases/" (named.name) ".json" } { "JSON" }
            }
            td {
                details {
                    summary { (record.commands.len()) }
                    pre {
                        @for (command, times) in counted(&record.commands) {
                            (command) @if times > 1 { "   # " (times) " times" } "\n"
                        }
                    }
                }
            }
        }
    }
}

/// Equal commands in a row, once.
fn counted(commands: &[String]) -> Vec<(&str, usize)> {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for command in commands {
        match counted.last_mut() {
            Some((last, times)) if last == command => *times += 1,
            _ => counted.push((command, 1)),
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::fixture;
    use crate::record::Design;

    #[test]
    fn equal_commands_are_told_once() {
        let commands = ["a", "b", "b", "a"].map(str::to_owned);
        assert_eq!(counted(&commands), [("a", 1), ("b", 2), ("a", 1)]);
    }

    #[test]
    fn load_is_flagged() {
        let mut records = [fixture::steady(Design::Process, 1, 1, 9.0)];
        let flagged = |records: &[Named]| {
            measured(Summary(records))
                .into_string()
                .contains("class=\"fail\"")
        };
        assert!(!flagged(&records));
        records[0].record.load_before = 0.51;
        assert!(flagged(&records));
    }
}
