//! Analytics as messaging, onboarding, a tenant and the desk see it: over the bus and gRPC, on both databases.

#[cfg(test)]
mod counting;
#[cfg(test)]
mod days;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod support;
