//! Arithmetic over a handful of figures. Not here: what they mean.

/// The middle one, or the mean of the middle two; none of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((values[low] + values[high]) / 2.0)
}

/// The median of each pair's ratio: what changes from pair to pair, as the load of the machine,
/// cancels out, as it does not in a ratio of medians.
pub fn median_ratio(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    median(pairs.into_iter().map(|(ours, theirs)| ours / theirs))
}

/// The smallest; infinity of nothing.
pub fn min(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

/// The largest; 0 of nothing (for figures that are never negative).
pub fn max(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn the_ratio_is_taken_pair_by_pair() {
        // The machine was slower by half in the last pair.
        let pairs = [(10.0, 10.0), (11.0, 10.0), (18.0, 15.0)];
        assert_eq!(median_ratio(pairs), Some(1.1));
        assert_eq!(median_ratio([]), None);
    }

    #[test]
    fn extremes_of_some_and_none() {
        assert_eq!((min([2.0, 1.0]), max([1.0, 2.0])), (1.0, 2.0));
        assert_eq!((min([]), max([])), (f64::INFINITY, 0.0));
    }
}
