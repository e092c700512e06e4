//! The service over real gRPC, either database, the embedded bus, and the sandbox as Meta.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod control;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod drive;
#[cfg(test)]
mod environments;
#[cfg(test)]
mod heard;
#[cfg(test)]
mod importer;
#[cfg(test)]
mod process;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod saga;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod state;
#[cfg(test)]
mod support;
#[cfg(test)]
mod suspension;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod vault;
#[cfg(test)]
mod watch;
