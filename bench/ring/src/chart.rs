//! A chart over the number of readers: wake latency and publishing CPU, ours and iceoryx2's, as an
//! SVG of two panels with logarithmic axes.
//!
//! Not here: the figures.

use std::fmt::Write as _;

use crate::report::{Figure, Row};
use crate::stats::Spread;

/// Pixels, as all lengths here.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
const PANEL: (f64, f64) = (330.0, 270.0);
const TOP: f64 = 60.0;

/// How a side is drawn.
struct Side {
    name: &'static str,
    colour: &'static str,
    /// Where its name stands, below its line's end.
    name_below: f64,
    spread: fn(&Figure) -> Spread,
}

const SIDES: [Side; 2] = [
    Side {
        name: "shm-ring",
        colour: "#0b6bcb",
        name_below: 46.0,
        spread: |it| it.ours,
    },
    Side {
        name: "iceoryx2 0.10",
        colour: "#c4501b",
        name_below: -16.0,
        spread: |it| it.theirs,
    },
];

/// Where values lie within a panel.
struct Scale {
    /// Least and greatest, of readers and of microseconds.
    readers: (f64, f64),
    us: (f64, f64),
    left: f64,
}

impl Scale {
    fn x(&self, readers: f64) -> f64 {
        self.left + PANEL.0 * part(readers, self.readers)
    }

    fn y(&self, us: f64) -> f64 {
        TOP + PANEL.1 * (1.0 - part(us, self.us))
    }
}

/// How far along a logarithmic axis a value lies.
fn part(value: f64, (low, high): (f64, f64)) -> f64 {
    (value / low).ln() / (high / low).ln()
}

/// The chart, or none where fewer than two numbers of readers were measured.
pub fn svg(figures: &[Figure]) -> Option<String> {
    let wake = panel(figures, "wake p50", Row::Wake, 60.0)?;
    let publish = panel(figures, "publish CPU, thread", Row::Publish, 490.0)?;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let titles = [
        (60.0, "Wake latency p50, µs"),
        (490.0, "CPU of the publishing thread a frame, µs"),
    ];
    for (x, title) in titles {
        line(
            &mut svg,
            &format!("<text x=\"{x}\" y=\"40\" font-size=\"15\">{title}</text>"),
        );
    }
    svg += &wake;
    svg += &publish;
    line(
        &mut svg,
        "<text x=\"60\" y=\"372\" fill=\"#777\">reader processes, 100 KB a frame, 50 frames a second; \
         medians, bars from least to greatest round</text>",
    );
    svg += "</svg>\n";
    Some(svg)
}

fn panel(figures: &[Figure], what: &str, row: Row, left: f64) -> Option<String> {
    let of_panel = figures
        .iter()
        .filter(|it| it.row == row && it.what.starts_with(what));
    let points: Vec<(f64, &Figure)> = of_panel
        .filter_map(|it| Some((it.readers? as f64, it)))
        .collect();
    let (first, last) = (points.first()?.0, points.last()?.0);
    if first >= last {
        return None;
    }
    let all = || points.iter().flat_map(|(_, it)| [it.ours, it.theirs]);
    let scale = Scale {
        readers: (first, last),
        us: (
            decade(all().map(|it| it.min).fold(f64::INFINITY, f64::min)),
            decade(all().map(|it| it.max).fold(0.0, f64::max)) * 10.0,
        ),
        left,
    };
    let mut svg = axes(&scale, points.iter().map(|point| point.0));
    for side in &SIDES {
        let series = points
            .iter()
            .map(|&(readers, it)| (readers, (side.spread)(it)));
        curve(&mut svg, &scale, side, &series.collect::<Vec<_>>());
    }
    Some(svg)
}

/// The power of ten at or below a value; 1 for what has none.
fn decade(value: f64) -> f64 {
    let power = value.log10().floor();
    if power.is_finite() {
        10_f64.powf(power)
    } else {
        1.0
    }
}

fn axes(scale: &Scale, readers: impl Iterator<Item = f64>) -> String {
    let mut svg = String::new();
    let (left, right) = (scale.left, scale.left + PANEL.0);
    let mut us = scale.us.0;
    while us <= scale.us.1 * 1.001 {
        let y = scale.y(us);
        line(
            &mut svg,
            &format!(
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{us}</text>",
                left - 6.0,
                y + 4.0
            ),
        );
        us *= 10.0;
    }
    for readers in readers {
        let (x, y) = (scale.x(readers), TOP + PANEL.1 + 18.0);
        line(
            &mut svg,
            &format!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{readers}</text>"),
        );
    }
    svg
}

/// A line through the medians, a bar from least to greatest at each, and the name by its end.
fn curve(svg: &mut String, scale: &Scale, side: &Side, series: &[(f64, Spread)]) {
    let colour = side.colour;
    let place = |readers, us| format!("{:.1} {:.1}", scale.x(readers), scale.y(us));
    let medians = series
        .iter()
        .map(|&(readers, it)| place(readers, it.median));
    let medians = medians.collect::<Vec<_>>().join("L");
    line(
        svg,
        &format!("<path d=\"M{medians}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"),
    );
    for &(readers, it) in series {
        let (x, y) = (scale.x(readers), scale.y(it.median));
        let (low, high) = (place(readers, it.min), place(readers, it.max));
        line(
            svg,
            &format!(
                "<path d=\"M{low}L{high}\" stroke=\"{colour}\"/>\
                 <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            ),
        );
    }
    if let Some(&(readers, it)) = series.last() {
        let (x, y) = (scale.x(readers), scale.y(it.median) + side.name_below);
        let name = side.name;
        line(
            svg,
            &format!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>"
            ),
        );
    }
}

fn line(svg: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::figure;

    #[test]
    fn a_chart_has_both_panels_and_both_sides() {
        let named = |row, what: &str, readers| Figure {
            what: what.into(),
            ..figure(row, readers, 10.0, 40.0)
        };
        let wake = |readers| named(Row::Wake, "wake p50", readers);
        let publish = |readers| named(Row::Publish, "publish CPU, thread", readers);
        let figures = [wake(1), publish(1), wake(20), publish(20)];
        let svg = svg(&figures).unwrap();
        assert_eq!(svg.matches("shm-ring</text>").count(), 2);
        assert_eq!(svg.matches("iceoryx2 0.10</text>").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 8);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(super::svg(&figures[..2]), None);
    }

    #[test]
    fn decades_bound_a_value() {
        assert_eq!(
            (decade(9.0), decade(10.0), decade(250.0)),
            (1.0, 10.0, 100.0)
        );
        assert_eq!(decade(0.0), 1.0);
    }
}
