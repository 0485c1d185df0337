//! What workers and the supervisor say to each other over their [`Channel`](crate::Channel).
//!
//! Not here: how it is carried, and what is done about it.

use serde::{Deserialize, Serialize};

use crate::control::{Control, Setting};

/// What the supervisor tells the capture process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Nobody watches: close the source.
    Rest,
    /// Somebody does: open it.
    Wake,
    /// Set these controls, in this order, and report all controls as they are then, and that it is
    /// done. Of none: only report.
    Set {
        /// The supervisor's number for it.
        id: u64,
        /// Checked by the supervisor against the controls that it was told of, and by the capture process
        /// against those that there are then, all before the first is set.
        settings: Vec<Setting>,
    },
}

/// What the capture process tells the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The source is open, and these are its controls now.
    Controls {
        /// None where it has none.
        controls: Vec<Control>,
        /// Sentences on what was to be set when it was opened and could not be.
        refused: Vec<String>,
    },
    /// The source is closed.
    Closed,
    /// What came of an [`Order::Set`], behind the controls as they are after it.
    Done {
        /// The order's.
        id: u64,
        /// A sentence where it failed, and what was set all the same.
        outcome: Result<(), String>,
    },
}

/// What a sender asks the supervisor. Whoever asks is exposed to the network: all of it is hostile
/// until it was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The sender's number for it.
    pub id: u64,
    /// What is wanted.
    pub ask: Ask,
}

/// What a sender may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// The controls as they are.
    List,
    /// To set these, in this order; none where one of them does not exist or does not take its value. Where
    /// the device itself fails at one, those before it stay set, and the sentence names them.
    Set(Vec<Setting>),
}

/// What the supervisor answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The question's.
    pub id: u64,
    /// The controls as they are then.
    pub answer: Answer,
}

/// The controls, or why not.
pub type Answer = Result<Vec<Control>, Refusal>;

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such control, or it does not take that value: a sentence.
    Invalid(String),
    /// There is nothing to set it on, or that failed: a sentence.
    Conflict(String),
    /// Too much is being asked, or the answer does not come.
    Busy,
}
