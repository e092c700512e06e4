//! End to end: the real binary as processes, the sandbox as Meta, over HTTP alone.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod production;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod support;
