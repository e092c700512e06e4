//! Assets over real gRPC, on both databases, against the sandbox and an onboarding service of the test's own. Needs
//! PostgreSQL on this machine, or where `DATABASE_URL` says; databases are the tests' own.

#[cfg(test)]
mod elements;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod read_models;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod support;
#[cfg(test)]
mod templates;
