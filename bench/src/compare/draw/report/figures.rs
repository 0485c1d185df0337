//! Figures in tables: medians, ratios, crossovers.
//!
//! Not here: where they come from (`summary`, `crossover`).

use maud::{Markup, html};

use crate::draw::crossover::{Crossing, crossing};
use crate::draw::label;
use crate::draw::summary::{Metric, OTHERS, OURS, Spread, Summary, designs};
use crate::record::{Design, Frames};

const COLUMNS: [(&str, Metric); 10] = [
    ("CPU, µs a frame", Metric::CpuFrame),
    ("CPUs busy", Metric::Cores),
    ("PSS, MiB", Metric::Pss),
    ("fps, slowest", Metric::FpsMin),
    ("lost", Metric::Lost),
    ("latency p50, ms", Metric::LatencyP50),
    ("latency p99, ms", Metric::LatencyP99),
    ("skew p50, ms", Metric::SkewP50),
    ("skew p99, ms", Metric::SkewP99),
    ("switches a frame", Metric::Switches),
];

/// Every steady figure, by clients and design; what is missing, with the reason.
pub fn medians(summary: Summary<'_>, frames: Frames) -> Markup {
    html! {
        h3 { "Medians over runs" }
        p.soft { "Small: from the least to the most of all runs, where there were several." }
        div.wide {
            table {
                tr { th {} @for (name, _) in COLUMNS { th { (name) } } }
                @for clients in summary.clients(frames) {
                    tr.group { th colspan=(COLUMNS.len() + 1) { (label::clients(clients)) } }
                    @for design in designs() { (row(summary, frames, design, clients)) }
                }
            }
        }
    }
}

fn row(summary: Summary<'_>, frames: Frames, design: Design, clients: u16) -> Markup {
    let name = html! { th title=(label::design_explained(design)) { (label::design(design)) } };
    let seen = summary.steady(frames, design, clients).next().is_some();
    match summary.reason(frames, design, clients) {
        _ if seen => html! {
            tr {
                (name)
                @for (_, metric) in COLUMNS {
                    td { (cell(metric, summary.spread(metric, frames, design, clients))) }
                }
            }
        },
        Some(reason) => html! { tr { (name) td.reason colspan=(COLUMNS.len()) { (reason) } } },
        None => html! {},
    }
}

fn cell(metric: Metric, spread: Option<Spread>) -> Markup {
    let show = match metric {
        Metric::Lost => label::count,
        _ => label::number,
    };
    html! {
        @match spread {
            None => span.soft { "–" },
            Some(spread) => {
                (show(spread.median))
                @if spread.min < spread.max {
                    small { (show(spread.min)) "–" (show(spread.max)) }
                }
            }
        }
    }
}

/// CPU a frame of ours over the others'.
pub fn ratios(summary: Summary<'_>, frames: Frames) -> Markup {
    let clients = summary.clients(frames);
    let pairs = OURS
        .into_iter()
        .flat_map(|ours| OTHERS.map(|other| (ours, other)));
    let rows: Vec<(Design, Design, Vec<Option<Spread>>)> = pairs
        .map(|(ours, other)| {
            let ratio = |clients: &u16| summary.ratio(frames, ours, other, *clients);
            (ours, other, clients.iter().map(ratio).collect())
        })
        .filter(|(_, _, ratios): &(_, _, Vec<Option<Spread>>)| ratios.iter().any(Option::is_some))
        .collect();
    html! {
        @if !rows.is_empty() {
            h3 { "CPU per frame: ours over theirs" }
            p.soft { "Run by run; below 1 ours is cheaper." }
            div.wide {
                table {
                    tr { th {} @for clients in &clients { th { (label::clients(*clients)) } } }
                    @for (i, (ours, other, ratios)) in rows.iter().enumerate() {
                        @if i == 0 || rows[i - 1].0 != *ours {
                            tr.group { th colspan=(clients.len() + 1) { (label::design(*ours)) " over" } }
                        }
                        tr {
                            th { (label::design(*other)) }
                            @for ratio in ratios { td { (ratio_cell(*ratio)) } }
                        }
                    }
                }
            }
        }
    }
}

fn ratio_cell(ratio: Option<Spread>) -> Markup {
    html! {
        @match ratio {
            None => span.soft { "–" },
            Some(ratio) => {
                (format!("{:.2}", ratio.median))
                @if ratio.min < ratio.max { small { (format!("{:.2}–{:.2}", ratio.min, ratio.max)) } }
            }
        }
    }
}

/// From how many clients on which design is the cheaper.
pub fn crossovers(summary: Summary<'_>, frames: Frames) -> Markup {
    let all: Vec<Design> = designs().collect();
    let pairs = all.iter().enumerate().flat_map(|(i, first)| {
        let ours = OURS.contains(first);
        all[i + 1..]
            .iter()
            .filter(move |_| ours)
            .map(|second| (*first, *second))
    });
    let found: Vec<(Design, Design, String)> = pairs
        .filter_map(|(first, second)| {
            let words = crossing_in_words(summary, frames, first, second)?;
            Some((first, second, words))
        })
        .collect();
    html! {
        @if !found.is_empty() {
            h3 { "Crossovers" }
            p.soft {
                "Which costs less CPU per frame, by medians; in between, costs are taken as straight lines in "
                "logarithmic axes. Lines that lie closer than their spread cross by chance."
            }
            div.wide {
                table.words {
                    @for (first, second, words) in &found {
                        tr { th { (label::design(*first)) " / " (label::design(*second)) } td { (words) } }
                    }
                }
            }
        }
    }
}

/// None where there is nothing to compare.
fn crossing_in_words(
    summary: Summary<'_>,
    frames: Frames,
    first: Design,
    second: Design,
) -> Option<String> {
    let [a, b] = [first, second].map(|design| {
        let series = summary.one(Metric::CpuFrame, frames, design);
        let medians = series
            .points
            .iter()
            .map(|(clients, spread)| (*clients, spread.median));
        medians.collect::<Vec<_>>()
    });
    let name = |is_first| label::design(if is_first { first } else { second });
    match crossing(&a, &b) {
        Crossing::Unknown => None,
        Crossing::Never { first_is_cheaper } => {
            Some(format!("{} is cheaper throughout", name(first_is_cheaper)))
        }
        Crossing::At(crossovers) => {
            let mut words = name(!crossovers[0].first_is_cheaper).to_owned();
            for at in crossovers {
                let to = at.clients.round();
                words += &format!(
                    " is cheaper up to about {to} clients, {} from there",
                    name(at.first_is_cheaper)
                );
            }
            Some(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::fixture;

    #[test]
    fn crossovers_are_told_in_words() {
        let records = [
            fixture::steady(Design::Process, 1, 1, 10.0),
            fixture::steady(Design::Process, 100, 1, 10.0),
            fixture::steady(Design::Thread, 1, 1, 20.0),
            fixture::steady(Design::Thread, 100, 1, 5.0),
            fixture::steady(Design::Epoll, 1, 1, 5.0),
        ];
        let words =
            |second| crossing_in_words(Summary(&records), Frames::Jpeg720, Design::Process, second);
        let crossed = "process is cheaper up to about 10 clients, thread from there";
        assert_eq!(words(Design::Thread).as_deref(), Some(crossed));
        let never = "(a) bare epoll is cheaper throughout";
        assert_eq!(words(Design::Epoll).as_deref(), Some(never));
        assert_eq!(words(Design::Forked), None);
    }

    #[test]
    fn a_row_is_figures_or_a_reason_or_nothing() {
        let records = [
            fixture::steady(Design::Process, 1, 1, 12.5),
            fixture::skipped(Design::Ustreamer, 1, "no such program"),
        ];
        let table = medians(Summary(&records), Frames::Jpeg720).into_string();
        assert!(
            table.contains("12.5") && table.contains("no such program"),
            "{table}"
        );
        assert!(!table.contains("GStreamer"), "{table}");
    }
}
