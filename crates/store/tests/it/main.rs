//! The store against both databases: the same tests, one case each.

#[cfg(test)]
mod blobs;
#[cfg(test)]
mod cancelled;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod deadletters;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod housekeeping;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod lanes;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod readmodels;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod scoping;
#[cfg(test)]
mod support;
#[cfg(test)]
mod system;
