//! Who gets in where passwords are asked for. Pure.
//!
//! Not here: whether a password is right (`auth`), and what a right is good for beyond looking
//! (`controls`).

use super::route::Route;
use crate::auth::{Shown, User};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// It is answered; as whose, where that was asked for.
    Enter(Option<&'a User>),
    /// Name and password are asked for, at once: browsers send none before.
    Ask,
    /// The same, after a while.
    Deny,
}

/// Judges a request for `route` by what it shows, which is looked at only where it matters.
pub(crate) fn gate<'a>(route: &Route, shown: impl FnOnce() -> Shown<'a>) -> Verdict<'a> {
    if is_for_anybody(route) {
        return Verdict::Enter(None);
    }
    match shown() {
        Shown::User(user) => Verdict::Enter(Some(user)),
        Shown::Nothing => Verdict::Ask,
        Shown::Wrong => Verdict::Deny,
    }
}

/// Whoever adds a route says it here. What is not there is nobody's either: nobody is to find out
/// what is.
fn is_for_anybody(route: &Route) -> bool {
    match route {
        Route::Health { .. } => true,
        Route::Stream(_)
        | Route::Snapshot { .. }
        | Route::Clip(_)
        | Route::Status
        | Route::State
        | Route::History
        | Route::Metrics
        | Route::Controls
        | Route::InputJson
        | Route::ProgramJson
        | Route::Command(_)
        | Route::Invalid(_)
        | Route::Page
        | Route::NotFound => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::route::route;
    use super::*;

    #[test]
    fn nobody_without_a_name() {
        for path in ["/", "/stream", "/snapshot", "/status", "/controls", "/x"] {
            let gate = |shown| gate(&route(path, ""), || shown);
            assert_eq!(gate(Shown::Nothing), Verdict::Ask, "{path}");
            assert_eq!(gate(Shown::Wrong), Verdict::Deny, "{path}");
        }
    }
}
