//! Arithmetic over a handful of figures. Not here: what they mean.

use serde::Serialize;

/// Several measurements of one thing, as a person wants to see them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    /// The quartiles.
    pub q1: f64,
    pub q3: f64,
    pub min: f64,
    pub max: f64,
    /// How many they were.
    pub count: usize,
}

impl Spread {
    /// None of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let sorted = sorted(values);
        let at = |q| quantile_sorted(&sorted, q);
        Some(Spread {
            median: at(0.5)?,
            q1: at(0.25)?,
            q3: at(0.75)?,
            min: at(0.0)?,
            max: at(1.0)?,
            count: sorted.len(),
        })
    }
}

/// The value below which the part `q` of them lies, between neighbours by straight line.
pub fn quantile(values: impl IntoIterator<Item = f64>, q: f64) -> Option<f64> {
    quantile_sorted(&sorted(values), q)
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

fn quantile_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile([], 0.5), None);
        assert_eq!(quantile([3.0], 0.99), Some(3.0));
        assert_eq!(quantile([4.0, 1.0, 2.0, 9.0], 0.5), Some(3.0));
        assert_eq!(quantile((0..=100).map(f64::from), 0.99), Some(99.0));
    }

    #[test]
    fn a_spread_has_its_ends() {
        let spread = Spread::of([5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((spread.min, spread.q1, spread.median), (1.0, 2.0, 3.0));
        assert_eq!((spread.q3, spread.max, spread.count), (4.0, 5.0, 5));
        assert_eq!(Spread::of([]), None);
    }
}
