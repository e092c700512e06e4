//! Identity as its callers meet it: a real server over gRPC, on both databases.

#[cfg(test)]
mod support;

#[cfg(test)]
mod desk;
#[cfg(test)]
mod events;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod people;
#[cfg(test)]
mod places;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod tokens;
