//! Which instance a command means that was given no name, and what it says where that is none or
//! not clear.
//!
//! Not here: what the command then does with it.

use worker::{Instance, exit};

use crate::output::{complain, say};

/// The one instance to show: the only one, or the only one that `lives`. Else all there are.
///
/// # Errors
/// All that were found, none of them or several.
pub fn only(
    mut found: Vec<Instance>,
    lives: impl Fn(&Instance) -> bool,
) -> Result<Instance, Vec<Instance>> {
    let living: Vec<_> = found.iter().filter(|i| lives(i)).cloned().collect();
    match (living.as_slice(), found.len()) {
        ([one], _) => Ok(one.clone()),
        (_, 1) => Ok(found.remove(0)),
        _ => Err(found),
    }
}

/// Says that nothing runs, under a name or at all; the exit code.
pub fn none_runs(instance: Option<&Instance>) -> i32 {
    let what = match instance {
        Some(instance) => format!("instance named {instance}"),
        None => "seqcast".into(),
    };
    complain!("no {what} runs on this machine; start one with: seqcast");
    exit::NONE_RUNS
}

/// Prints the instances to choose from; the exit code.
pub fn list(
    instances: &[Instance],
    lives: impl Fn(&Instance) -> bool,
    json: bool,
    command: &str,
) -> i32 {
    if instances.is_empty() {
        return none_runs(None);
    }
    if json {
        let names: Vec<_> = instances
            .iter()
            .map(|i| serde_json::json!({"name": i.name(), "alive": lives(i)}))
            .collect();
        say!("{}", serde_json::json!({ "instances": names }));
    } else {
        for instance in instances {
            let state = if lives(instance) { "runs" } else { "gone" };
            say!("{:<12} {state}", instance.name());
        }
        say!("choose one: seqcast {command} --name NAME");
    }
    match instances.iter().any(lives) {
        true => exit::OK,
        false => exit::NONE_RUNS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_one_or_the_only_living() {
        let all = |names: &[&str]| -> Vec<_> {
            let each = names.iter().map(|name| Instance::new(name).unwrap());
            each.collect()
        };
        let chosen = |names: &[&str], living: &str| {
            let one = only(all(names), |i| living.contains(i.name()));
            one.map(|i| i.name().to_owned()).map_err(|all| all.len())
        };
        assert_eq!(chosen(&[], ""), Err(0));
        assert_eq!(chosen(&["a"], ""), Ok("a".into()));
        assert_eq!(chosen(&["a", "b"], "b"), Ok("b".into()));
        assert_eq!(chosen(&["a", "b"], ""), Err(2));
        assert_eq!(chosen(&["a", "b"], "ab"), Err(2));
    }
}
