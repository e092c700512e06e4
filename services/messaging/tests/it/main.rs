//! Messaging through its own gRPC, over both databases, against the sandbox as Meta.

#[cfg(test)]
mod accepting;
#[cfg(test)]
mod consenting;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod dispatching;
#[cfg(test)]
mod environments;
#[cfg(test)]
mod ingesting;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod read_models;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod unread;
#[cfg(test)]
mod watching;
