//! The scales of a chart: from where to where, and which ticks.
//!
//! Not here: what is drawn between them (`plot`).

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// The scale of one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub label: String,
    log: bool,
    pub from: f64,
    pub to: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// From 0 to the next round number above the largest of `values`.
    pub fn linear(label: &str, values: impl IntoIterator<Item = f64>) -> Axis {
        let largest = values
            .into_iter()
            .filter(|v| v.is_finite())
            .fold(0.0, f64::max);
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let step = round_step(largest / 5.0);
        let steps = (largest / step).ceil().max(1.0);
        Axis {
            label: label.to_owned(),
            log: false,
            from: 0.0,
            to: steps * step,
            ticks: (0..=steps as u32)
                .map(|tick| f64::from(tick) * step)
                .collect(),
        }
    }

    /// Logarithmic, from the tick below all positive `values` to the one above, with no more ticks than wanted.
    pub fn log(label: &str, values: impl IntoIterator<Item = f64>, most_ticks: usize) -> Axis {
        let (least, largest) = positive_range(values).unwrap_or((1.0, 10.0));
        let around = |steps: &[f64]| -> Vec<f64> {
            let tens = least.log10().floor() as i32..=largest.log10().floor() as i32 + 1;
            let tens = tens.map(|exponent| 10f64.powi(exponent));
            let all: Vec<f64> = tens
                .flat_map(|ten| steps.iter().map(move |step| ten * step))
                .collect();
            let first = all.iter().rposition(|tick| *tick <= least).unwrap_or(0);
            let last = all.iter().position(|tick| *tick >= largest);
            all[first..=last.unwrap_or(all.len() - 1)].to_vec()
        };
        let mut ticks = around(&[1.0, 2.0, 5.0]);
        if ticks.len() > most_ticks {
            ticks = around(&[1.0]);
        }
        // A single value that is a tick.
        if let [only] = ticks[..] {
            ticks = vec![only / 2.0, only, only * 2.0];
        }
        Axis {
            label: label.to_owned(),
            log: true,
            from: ticks[0],
            to: ticks[ticks.len() - 1],
            ticks,
        }
    }

    /// Logarithmic, ticks where something was measured.
    pub fn clients(numbers: impl IntoIterator<Item = u16>) -> Axis {
        let mut numbers: Vec<f64> = numbers
            .into_iter()
            .filter(|n| *n > 0)
            .map(f64::from)
            .collect();
        numbers.sort_by(f64::total_cmp);
        let (least, most) = positive_range(numbers.iter().copied()).unwrap_or((1.0, 10.0));
        let mut axis = Axis {
            label: "clients".to_owned(),
            log: true,
            from: least / 1.3,
            to: most * 1.3,
            ticks: Vec::new(),
        };
        for number in numbers {
            // A label needs room.
            if axis.ticks.last().is_none_or(|last| number / last > 1.25) {
                axis.ticks.push(number);
            }
        }
        axis
    }

    /// Where a value lies between 0 and 1; what is outside is put on the edge.
    fn share(&self, value: f64) -> f64 {
        let place = |value: f64| if self.log { value.ln() } else { value };
        let inside = value.clamp(self.from, self.to);
        (place(inside) - place(self.from)) / (place(self.to) - place(self.from))
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.share(*value) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    /// Ticks are round: no more digits than they have.
    fn format(value: &f64) -> String {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// The next of 1, 2, 5, 10 … that is not below.
fn round_step(step: f64) -> f64 {
    let ten = 10f64.powf(step.log10().floor());
    let fits = |factor: &f64| factor * ten >= step * (1.0 - 1e-9);
    [1.0, 2.0, 5.0].into_iter().find(fits).unwrap_or(10.0) * ten
}

fn positive_range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let positive = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
    positive.fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((least, largest)) => Some((v.min(least), v.max(largest))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_end_on_a_round_number() {
        let axis = Axis::linear("fps", [29.9, 30.0, f64::NAN]);
        assert_eq!((axis.from, axis.to), (0.0, 30.0));
        assert_eq!(axis.ticks, [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(Axis::linear("", [0.04]).to, 0.04);
        assert_eq!(Axis::linear("", []).to, 1.0);
    }

    #[test]
    fn log_axes_hold_what_is_positive() {
        let axis = Axis::log("µs", [0.0, -1.0, 26.0, 400.0, f64::INFINITY], 13);
        assert_eq!(axis.ticks, [20.0, 50.0, 100.0, 200.0, 500.0]);
        assert_eq!(
            [0.0, 20.0, 500.0, 9e9].map(|v| axis.map(&v, (100, 0))),
            [100, 100, 0, 0]
        );
        let wide = Axis::log("ms", [0.3, 9_000.0], 5);
        assert_eq!(wide.ticks, [0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!(Axis::log("", [], 13).ticks, [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(Axis::log("", [20.0], 13).ticks, [10.0, 20.0, 40.0]);
    }

    #[test]
    fn ticks_have_no_more_digits_than_they_need() {
        let shown = [0.0, 0.005, 0.5, 50.0, 1_000.0].map(|tick| Axis::format(&tick));
        assert_eq!(shown, ["0", "0.005", "0.5", "50", "1000"]);
    }

    #[test]
    fn clients_are_ticks_where_there_is_room() {
        let axis = Axis::clients([20, 1, 5, 10, 11]);
        assert_eq!(axis.ticks, [1.0, 5.0, 10.0, 20.0]);
        assert_eq!(Axis::clients([7]).ticks, [7.0]);
    }
}
