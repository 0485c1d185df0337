//! From how many clients on one design is cheaper than another.
//!
//! Pure. Not here: which designs are set against each other.

/// How two costs compare over the numbers of clients at which both were measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Crossing {
    /// Nowhere were both measured.
    Unknown,
    /// The first is cheaper everywhere (`true`), or dearer everywhere.
    Never { first_is_cheaper: bool },
    /// Where they cross, by rising number of clients; what is equal is no crossing until it differs again.
    At(Vec<Crossover>),
}

/// A point where the cheaper design becomes the dearer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossover {
    /// Number of clients, interpolated: both costs as straight lines in log-log.
    pub clients: f64,
    /// Whether the first is the cheaper from here on.
    pub first_is_cheaper: bool,
}

/// Compares two costs, given as (number of clients, cost) by rising number; what is not positive is left out.
pub fn crossing(first: &[(u16, f64)], second: &[(u16, f64)]) -> Crossing {
    let usable = |clients: u16, a: f64, b: f64| {
        let sound = clients > 0 && a.is_finite() && b.is_finite() && a > 0.0 && b > 0.0;
        sound.then(|| (f64::from(clients).ln(), (a / b).ln()))
    };
    // (log clients, log ratio) wherever both were measured.
    let both: Vec<(f64, f64)> = first
        .iter()
        .filter_map(|&(clients, a)| {
            let &(_, b) = second.iter().find(|(other, _)| *other == clients)?;
            usable(clients, a, b)
        })
        .collect();
    // Where they are equal nobody is cheaper.
    let unequal: Vec<(f64, f64)> = both.iter().copied().filter(|(_, r)| *r != 0.0).collect();
    let Some(&(_, start)) = unequal.first() else {
        return Crossing::Unknown;
    };
    let crossovers: Vec<Crossover> = unequal
        .windows(2)
        .filter(|pair| (pair[0].1 < 0.0) != (pair[1].1 < 0.0))
        .map(|pair| {
            let [(x0, r0), (x1, r1)] = [pair[0], pair[1]];
            Crossover {
                clients: (x0 + (x1 - x0) * r0 / (r0 - r1)).exp(),
                first_is_cheaper: r1 < 0.0,
            }
        })
        .collect();
    match crossovers.as_slice() {
        [] => Crossing::Never {
            first_is_cheaper: start < 0.0,
        },
        _ => Crossing::At(crossovers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheaper_one_may_stay_it() {
        let (cheap, dear) = ([(1, 10.0), (20, 5.0)], [(1, 20.0), (5, 1.0), (20, 6.0)]);
        let never = |first_is_cheaper| Crossing::Never { first_is_cheaper };
        assert_eq!(crossing(&cheap, &dear), never(true));
        assert_eq!(crossing(&dear, &cheap), never(false));
    }

    #[test]
    fn lines_cross_where_they_are_equal() {
        // 100/n against 10: equal at 10, and straight in log-log.
        let falling = [(1, 100.0), (5, 20.0), (20, 5.0)];
        let flat = [(1, 10.0), (5, 10.0), (20, 10.0)];
        let Crossing::At(found) = crossing(&falling, &flat) else {
            panic!("no crossing");
        };
        assert_eq!(found.len(), 1);
        assert!((found[0].clients - 10.0).abs() < 1e-9, "{found:?}");
        assert!(found[0].first_is_cheaper);
    }

    #[test]
    fn they_may_cross_twice() {
        let first = [(1, 1.0), (10, 3.0), (100, 1.0)];
        let second = [(1, 2.0), (10, 2.0), (100, 2.0)];
        let Crossing::At(found) = crossing(&first, &second) else {
            panic!("no crossing");
        };
        let cheaper: Vec<bool> = found.iter().map(|at| at.first_is_cheaper).collect();
        assert_eq!(cheaper, [false, true]);
        assert!(found[0].clients < 10.0 && found[1].clients > 10.0);
    }

    #[test]
    fn equality_is_no_crossing() {
        let touching = [(1, 1.0), (10, 2.0), (100, 1.0)];
        let flat = [(1, 2.0), (10, 2.0), (100, 2.0)];
        assert_eq!(
            crossing(&touching, &flat),
            Crossing::Never {
                first_is_cheaper: true
            }
        );
        assert_eq!(crossing(&flat, &flat), Crossing::Unknown);
    }

    #[test]
    fn nothing_in_common_says_nothing() {
        assert_eq!(crossing(&[(1, 1.0)], &[(2, 1.0)]), Crossing::Unknown);
        assert_eq!(crossing(&[], &[]), Crossing::Unknown);
        assert_eq!(crossing(&[(1, 0.0)], &[(1, f64::NAN)]), Crossing::Unknown);
    }
}
