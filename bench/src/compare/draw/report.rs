//! The report: one HTML page that needs nothing else, for a light and a dark screen, wide or narrow.
//!
//! All text goes through maud, which escapes it. Not here: charts, and what is judged.

mod cases;
mod figures;

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

use super::chart::{self, Chart};
use super::label;
use super::reach::{self, Judgement, Verdict};
use super::summary::Summary;
use crate::record::{Frames, Outcome};

/// What a report is made of.
pub struct Contents<'a> {
    pub plan: &'a Value,
    pub summary: Summary<'a>,
    /// Files that are no records, and why.
    pub unreadable: &'a [String],
    pub overviews: &'a [(Frames, Vec<Chart>)],
    pub lines_of_code: Option<&'a Chart>,
}

/// The whole page.
pub fn page(contents: &Contents<'_>) -> String {
    let summary = contents.summary;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "seqcast compare" }
                style { (PreEscaped(style())) }
            }
            body {
                header {
                    h1 { "Threads, processes, multiplexing, broker" }
                    p.soft { (counts(contents)) }
                }
                nav {
                    a href="#reach" { "Verdicts" }
                    @for (frames, _) in contents.overviews {
                        a href={ "#" (label::frames_slug(*frames)) } { (label::frames(*frames)) }
                    }
                    a href="#machine" { "Machine" }
                    a href="#cases" { "Cases" }
                    a href="report.json" { "Raw JSON" }
                }
                main {
                    (verdicts(&reach::verdicts(summary)))
                    @for (frames, charts) in contents.overviews {
                        section id=(label::frames_slug(*frames)) {
                            h2 { (label::frames(*frames)) }
                            p.soft { (label::frames_explained(*frames)) }
                            @for chart in charts { (figure(chart)) }
                            (figures::medians(summary, *frames))
                            (figures::ratios(summary, *frames))
                            (figures::crossovers(summary, *frames))
                        }
                    }
                    @if let Some(chart) = contents.lines_of_code {
                        section id="code" { h2 { "How much code" } (figure(chart)) }
                    }
                    section id="machine" {
                        h2 { "Machine and versions" }
                        div.wide { (value(contents.plan)) }
                    }
                    section id="cases" {
                        h2 { "Cases" }
                        (cases::failed(summary, contents.unreadable))
                        (cases::skipped(summary))
                        (cases::measured(summary))
                    }
                }
                footer.soft {
                    "All records in one file: " a href="report.json" { "report.json" }
                    "; one by one in cases/."
                }
            }
        }
    };
    page.into_string()
}

fn style() -> String {
    format!(
        "{}@media (prefers-color-scheme: dark) {{\n{}\n}}\n",
        include_str!("report/style.css"),
        chart::dark_rules()
    )
}

/// From when to when, and how much there is.
fn counts(contents: &Contents<'_>) -> Markup {
    let records = || contents.summary.0.iter().map(|named| &named.record);
    let count =
        |wanted: fn(&Outcome) -> bool| records().filter(|record| wanted(&record.outcome)).count();
    let measured = count(|outcome| matches!(outcome, Outcome::Measured(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let began = || records().map(|record| record.began);
    html! {
        (measured) " cases measured, " (skipped) " skipped, " (failed) " failed"
        @if let (Some(first), Some(last)) = (began().min(), began().max()) {
            ", begun " (label::utc(first)) " to " (label::utc(last))
        }
        "."
    }
}

/// A chart in the page, by its own name.
fn figure(chart: &Chart) -> Markup {
    html! {
        figure id=(chart.name) {
            div.wide role="img" aria-label=(chart.title) { (PreEscaped(&chart.svg)) }
            figcaption {
                (chart.caption) " "
                a href={ "charts/" (chart.name) ".svg" } { "SVG" } " "
                a href={ "charts/" (chart.name) ".png" } { "PNG" }
            }
        }
    }
}

fn verdicts(all: &[Verdict]) -> Markup {
    let of = |judgement| {
        all.iter()
            .filter(move |verdict| verdict.judgement == judgement)
    };
    let (failed, passed, open) = (
        of(Judgement::Fail).count(),
        of(Judgement::Pass).count(),
        of(Judgement::NotMeasured).count(),
    );
    html! {
        section id="reach" {
            h2 { "Is the goal reached?" }
            p {
                span.pass { (passed) " pass" } " "
                span.fail[failed > 0] { (failed) " FAIL" } " "
                span.open { (open) " not measured" }
            }
            p.soft {
                "Medians over runs, in brackets from least to most; ratios are taken run by run. Where the brackets hold "
                "the bound too, the next run may judge otherwise."
            }
            @if failed + passed > 0 {
                div.wide { (verdict_table(of(Judgement::Fail).chain(of(Judgement::Pass)))) }
            }
            @if open > 0 {
                details {
                    summary { (open) " not measured, and why" }
                    div.wide { (verdict_table(of(Judgement::NotMeasured))) }
                }
            }
        }
    }
}

fn verdict_table<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> Markup {
    html! {
        table.words {
            tr { th { "" } th { "of" } th { "asked" } th { "seen" } }
            @for verdict in verdicts {
                tr {
                    td {
                        @match verdict.judgement {
                            Judgement::Pass => span.pass { "pass" },
                            Judgement::Fail => span.fail { "FAIL" },
                            Judgement::NotMeasured => span.open { "not measured" },
                        }
                    }
                    td { (verdict.of) }
                    td { (verdict.bound) }
                    td { (verdict.seen) }
                }
            }
        }
    }
}

/// Any JSON as a table.
fn value(json: &Value) -> Markup {
    let flat = |value: &Value| !value.is_array() && !value.is_object();
    match json {
        Value::Null => html! { span.soft { "unknown" } },
        Value::String(text) => html! { (text) },
        Value::Bool(_) | Value::Number(_) => html! { (json.to_string()) },
        Value::Array(items) if items.iter().all(flat) => html! {
            @for (i, item) in items.iter().enumerate() {
                @if i > 0 { ", " }
                (value(item))
            }
        },
        Value::Array(items) => match items
            .iter()
            .map(Value::as_object)
            .collect::<Option<Vec<_>>>()
        {
            Some(rows) => records(&rows),
            None => html! { @for item in items { div.item { (value(item)) } } },
        },
        Value::Object(fields) => html! {
            table.words {
                @for (key, item) in fields {
                    tr { th { (key.replace('_', " ")) } td { (value(item)) } }
                }
            }
        },
    }
}

/// Objects as rows, their keys on top.
fn records(rows: &[&Map<String, Value>]) -> Markup {
    let keys: BTreeSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    html! {
        table.words {
            tr { @for key in &keys { th { (key.replace('_', " ")) } } }
            @for row in rows {
                tr { @for key in &keys { td { @if let Some(item) = row.get(*key) { (value(item)) } } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::fixture;
    use crate::record::Design;
    use serde_json::json;

    const EVIL: &str = "<script>alert('&')</script>";

    fn of(records: &[super::super::summary::Named], plan: &Value) -> String {
        page(&Contents {
            plan,
            summary: Summary(records),
            unreadable: &[EVIL.to_owned()],
            overviews: &[],
            lines_of_code: None,
        })
    }

    #[test]
    fn all_text_is_escaped() {
        let mut records = [
            fixture::steady(Design::Process, 20, 1, 50.0),
            fixture::skipped(Design::Ustreamer, 20, EVIL),
            fixture::failed(Design::Epoll, 20, EVIL),
        ];
        records[0].record.commands.push(EVIL.to_owned());
        EVIL.clone_into(&mut records[0].name);
        let page = of(&records, &json!({ EVIL: [EVIL, { "a": EVIL }] }));
        assert!(!page.contains("<script"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() >= 7);
    }

    #[test]
    fn nothing_measured_makes_a_page_too() {
        let page = of(&[], &Value::Null);
        assert!(
            page.contains("0 cases measured, 0 skipped, 0 failed."),
            "{page}"
        );
        assert!(page.contains("not measured"));
    }

    #[test]
    fn the_page_fetches_nothing() {
        let page = of(
            &[fixture::steady(Design::Process, 20, 1, 50.0)],
            &Value::Null,
        );
        assert!(
            !page.contains("src=") && !page.contains("//") && !page.contains("@import"),
            "{page}"
        );
    }
}
