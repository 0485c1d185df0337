//! Who may look and who may control, where a password is asked for: the file that names the users,
//! the header that a request brings (Basic, RFC 7617), and the check of one against the other.
//!
//! Not here: what is asked for without a password (`http::gate`), what a right is good for
//! (`http::controls`), and where the file is (`supervisor`).

mod basic;
mod guard;
mod users;

pub use basic::Authorization;
pub use guard::Auth;
pub(crate) use guard::{Guard, Shown};
pub use users::{
    BadLines, MAX_NAME, MAX_PASSWORD, Rights, User, Users, check_name, check_password, line,
};
