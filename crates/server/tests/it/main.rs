//! The judge of calls, the keepers of keys and tokens, calls between services: over real sockets where it counts.

#[cfg(test)]
mod access;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod start;
#[cfg(test)]
mod support;
#[cfg(test)]
mod watch;
