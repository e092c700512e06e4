//! The gateway behind its listener's guard, in front of services that answer what a test says.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mapping;
#[cfg(test)]
mod naming;
#[cfg(test)]
mod onboarding;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod support;
