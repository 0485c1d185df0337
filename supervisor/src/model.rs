//! `--model`: how viewers are divided among sender processes. Pure.
//!
//! Not here: how a process serves its viewers (`sender`).

use clap::ValueEnum;
use sender::Model as Within;

use crate::Usage;

/// Connections beside those that may stream, for pages, snapshots, status and refusals.
const SPARE: usize = 4;

/// The models, by their names on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// A process for each viewer, or for every few: a crash takes that many
    Process,
    /// One process with a thread for each viewer: a crash takes all
    Thread,
    /// One process with one thread for all viewers: a crash takes all
    Multiplex,
}

/// The sender processes of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fleet {
    /// How many.
    pub processes: usize,
    /// Connections that each takes at once.
    pub slots: usize,
    /// How each serves them.
    pub within: Within,
}

impl Model {
    /// The name, as it is asked for and shown.
    pub fn name(self) -> &'static str {
        match self {
            Model::Process => "process",
            Model::Thread => "thread",
            Model::Multiplex => "multiplex",
        }
    }

    /// The processes for so many `viewers` and some spare connections, with `each` viewers to a
    /// process where that was asked for. Spare connections have processes of their own where
    /// viewers have: a house full of viewers still answers.
    ///
    /// # Errors
    /// [`Usage`] where `each` was asked of a model that has one process for all.
    pub fn fleet(self, viewers: usize, each: Option<usize>) -> Result<Fleet, Usage> {
        let for_all = |within| Fleet {
            processes: 1,
            slots: viewers + SPARE,
            within,
        };
        match (self, each) {
            (Model::Process, each) => {
                let slots = each.unwrap_or(1).max(1);
                Ok(Fleet {
                    processes: viewers.div_ceil(slots) + SPARE.div_ceil(slots),
                    slots,
                    within: match slots {
                        1 => Within::OneByOne,
                        _ => Within::Multiplex,
                    },
                })
            }
            (Model::Thread, None) => Ok(for_all(Within::Threads)),
            (Model::Multiplex, None) => Ok(for_all(Within::Multiplex)),
            (_, Some(_)) => Err(Usage(format!(
                "--viewers-per-sender goes with --model process: {} has one sender for all viewers",
                self.name()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(model: Model, viewers: usize, each: Option<usize>) -> (usize, usize, Within) {
        let fleet = model.fleet(viewers, each).unwrap();
        (fleet.processes, fleet.slots, fleet.within)
    }

    #[test]
    fn a_process_for_each_viewer_and_some_spare() {
        let process = Model::Process;
        assert_eq!(fleet(process, 10, None), (14, 1, Within::OneByOne));
        assert_eq!(fleet(process, 10, Some(1)), (14, 1, Within::OneByOne));
        assert_eq!(fleet(process, 1, None), (5, 1, Within::OneByOne));
    }

    #[test]
    fn several_viewers_to_a_process() {
        let process = Model::Process;
        assert_eq!(fleet(process, 10, Some(3)), (4 + 2, 3, Within::Multiplex));
        assert_eq!(fleet(process, 9, Some(3)), (3 + 2, 3, Within::Multiplex));
        assert_eq!(fleet(process, 10, Some(4)), (3 + 1, 4, Within::Multiplex));
        assert_eq!(fleet(process, 2, Some(50)), (1 + 1, 50, Within::Multiplex));
    }

    #[test]
    fn the_others_have_one_process_for_all() {
        assert_eq!(fleet(Model::Thread, 10, None), (1, 14, Within::Threads));
        assert_eq!(fleet(Model::Multiplex, 1, None), (1, 5, Within::Multiplex));
        for model in [Model::Thread, Model::Multiplex] {
            let said = model.fleet(10, Some(3)).unwrap_err().to_string();
            assert!(said.contains("--model process"), "{said}");
        }
    }
}
