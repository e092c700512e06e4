//! The service over real gRPC, either database, the embedded bus, and the sandbox as Meta.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod saga;
#[cfg(test)]
mod schema;
#[cfg(test)]
#[expect(dead_code, reason = "the topics that use the rest are not wired in yet")]
mod stage;
#[cfg(test)]
mod state;
#[cfg(test)]
#[expect(dead_code, unused_imports, reason = "the topics that use the rest are not wired in yet")]
mod support;
#[cfg(test)]
#[expect(dead_code, reason = "the topics that use the rest are not wired in yet")]
mod tokens;
