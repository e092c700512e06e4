//! The words of the domain: typed ids, time, randomness, money, phone numbers, secrets, page cursors.
//!
//! Everything here is a value. Nothing waits, nothing reads a file or a socket, and nothing keeps
//! state beyond a clock and a generator of ids, so there is nothing for a dying process to lose.
//! How a value is stored (`store`), sent (`proto`) or checked against a caller (`auth`) is left to
//! the crates above.

pub mod clock;
pub mod id;
pub mod ids;
pub mod money;
pub mod page;
pub mod phone;
pub mod secret;
pub mod time;
