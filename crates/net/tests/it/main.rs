//! Listeners against peers that are slow, greedy or broken; clients against servers that lie.

#[cfg(test)]
mod clock;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod http;
#[cfg(test)]
mod outbound;
#[cfg(test)]
mod support;
#[cfg(test)]
mod traces;
