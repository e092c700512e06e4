//! Telemetry against a receiver of OTLP that runs in the test's own process.

#[cfg(test)]
mod export;
