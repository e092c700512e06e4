//! The sandbox over real HTTP on loopback, as Meta's callers and its tests use it.

#[cfg(test)]
mod support;

#[cfg(test)]
mod checks;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod control;
#[cfg(test)]
mod extras;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod media;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod signup;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod window;
