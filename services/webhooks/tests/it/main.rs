//! Webhooks as Meta and the other services see it: over HTTP, gRPC and the bus, on both databases.

#[cfg(test)]
mod desk;
#[cfg(test)]
mod placing;
#[cfg(test)]
mod read_model;
#[cfg(test)]
mod receive;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod support;
#[cfg(test)]
mod waba_moves;
